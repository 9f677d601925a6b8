package demo

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// steps shows what is being done and what it led to. On a terminal the running
// step's line is drawn over, in a pipe every line is written once.
type steps struct {
	out      io.Writer
	terminal bool
	n        int
}

func newSteps(out io.Writer, terminal bool) *steps { return &steps{out: out, terminal: terminal} }

// run does one step. What do returns is shown beneath its name.
func (s *steps) run(ctx context.Context, name string, do func(ctx context.Context) (string, error)) error {
	s.n++
	begin := time.Now()
	stop := func() {}
	if s.terminal {
		stop = s.tick(name, begin)
	}
	said, err := do(ctx)
	stop()
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.line("✗", name, time.Since(begin), "\n")
		return fmt.Errorf("cannot go on after step %d (%s): %w", s.n, name, err)
	}
	s.line("✓", name, time.Since(begin), "\n")
	if said != "" {
		fmt.Fprintf(s.out, "        %s\n", said)
	}
	return nil
}

// tick draws the running step's line until the returned function is called.
func (s *steps) tick(name string, begin time.Time) func() {
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for {
			s.line("·", name, time.Since(begin), "")
			select {
			case <-quit:
				return
			case <-t.C:
			}
		}
	})
	return func() { close(quit); wg.Wait() }
}

func (s *steps) line(mark, name string, d time.Duration, end string) {
	start := ""
	if s.terminal {
		start = "\r"
	}
	fmt.Fprintf(s.out, "%s%s %2d  %-56s %6.1f s%s", start, mark, s.n, name, d.Seconds(), end)
}
