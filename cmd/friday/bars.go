package main

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// bars show what is being done for each of several things on standard error, if
// that is a terminal, and nothing otherwise.
type bars struct {
	p    *mpb.Progress
	loud func() // gives the terminal back as it was
}

// bar is the line of one thing.
type bar struct {
	b     *mpb.Bar
	doing atomic.Pointer[string]
	began atomic.Int64 // Unix nanoseconds of its first step
	ended atomic.Int64
	fails atomic.Bool
}

func newBars(cmd *cobra.Command) *bars {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bars{}
	}
	return &bars{p: mpb.NewWithContext(cmd.Context(), mpb.WithOutput(f), mpb.WithWidth(28)), loud: quiet(int(f.Fd()))}
}

// add puts a line in; with its name, what is being done, a bar and the time, it has
// less than 80 columns.
func (b *bars) add(name string) *bar {
	one := &bar{}
	if b.p == nil {
		return one
	}
	one.say("waits")
	one.b = b.p.AddBar(0,
		mpb.PrependDecorators(decor.Name(shortened(name, 16), decor.WC{W: 17, C: decor.DindentRight}),
			decor.Any(func(decor.Statistics) string { return shortened(*one.doing.Load(), 18) }, decor.WC{W: 19, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Any(one.percent, decor.WC{W: 5}), decor.Any(func(decor.Statistics) string { return one.took() }, decor.WC{W: 8})))
	return one
}

func (b *bar) say(what string) { b.doing.Store(&what) }

// percent is how far the step is that is being done.
func (b *bar) percent(s decor.Statistics) string {
	switch {
	case b.began.Load() == 0 || s.Aborted || b.fails.Load():
		return ""
	case s.Completed:
		return "100%"
	}
	return fmt.Sprintf("%d%%", s.Current*100/max(s.Total, 1))
}

// took is for how long it has been done; "" before it is.
func (b *bar) took() string {
	began, ended := b.began.Load(), b.ended.Load()
	if began == 0 {
		return ""
	}
	if ended == 0 {
		ended = time.Now().UnixNano()
	}
	return time.Duration(ended - began).Round(time.Second).String()
}

// step shows how far one step is. It may be called as often as one likes.
func (b *bar) step(what string, done, total int64) {
	if b.b == nil {
		return
	}
	b.began.CompareAndSwap(0, time.Now().UnixNano())
	b.say(what)
	b.b.SetTotal(max(total, 1), false) // the last step ends it, not the first that is full
	b.b.SetCurrent(done)
}

// end leaves the line as it is in the end.
func (b *bar) end(err error) { b.endAs("built", err) }

// endAs is end of something else than a build.
func (b *bar) endAs(done string, err error) {
	if b.b == nil {
		return
	}
	b.ended.Store(time.Now().UnixNano())
	if err != nil {
		b.say("failed")
		b.fails.Store(true)
		b.b.Abort(false)
		return
	}
	b.say(done)
	b.b.SetTotal(-1, true)
}

// wait ends the drawing.
func (b *bars) wait() {
	if b.p != nil {
		b.p.Wait()
		b.loud()
	}
}
