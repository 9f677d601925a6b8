package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows a bar of bytes on standard error if that is a terminal, and
// nothing otherwise. Call count with the bytes that were done, and done at the
// end.
func progress(cmd *cobra.Command, what string, total int64) (count func(n int64), done func()) {
	f, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, func() {}
	}
	p := mpb.NewWithContext(cmd.Context(), mpb.WithOutput(f), mpb.WithWidth(40))
	bar := p.AddBar(total,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(what+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8})))
	return func(n int64) { bar.IncrInt64(n) }, func() {
		bar.SetTotal(-1, true)
		p.Wait()
	}
}
