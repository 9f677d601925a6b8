package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/bench"
)

func newBenchForum() *cobra.Command {
	o := bench.ForumOptions{}
	var asJSON bool
	c := &cobra.Command{
		Use:   "forum --threads N",
		Short: "How fast the forum's pages are",
		Long: `Fills a new installation with made threads (40 posts on the busiest), starts its server as a process of its own and asks it over loopback for the list and for the busiest thread: first one client alone, then 16 at once, which share the machine with the server. It begins when the server knows all threads for suggesting duplicates. Memory is the most that the server's process had, the index of duplicates included.

Whoever is not signed in is shown pages that are kept until something is written. "Fresh" pages are rendered anew for each request; so are the other lists and searches.

The installation lies in the folder for temporary files and is removed afterwards; with --dir it stays there and is used again.`,
		Example: "  friday bench forum --threads 4000 --json\n  friday bench forum --threads 100000 --dir /var/tmp/bench",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.Threads < 1:
				return &usageError{cmd.CommandPath(), fmt.Errorf("--threads is %d, expected a number above 0", o.Threads)}
			case o.Duration < time.Millisecond:
				return &usageError{cmd.CommandPath(), fmt.Errorf("--duration is %s, expected at least 1ms", o.Duration)}
			}
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("cannot measure the forum: %w", err)
			}
			o.Exe, o.Note = exe, func(s string) { fmt.Fprintln(cmd.ErrOrStderr(), s) }
			f, err := bench.MeasureForum(cmd.Context(), o)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, f)
			}
			fmt.Fprintf(out, "ready   %.1f s after the start\n", f.Ready)
			fmt.Fprintf(out, "list    %.0f pages a second, %.2f ms alone (median), %d bytes\n", f.ListPerS, f.ListP50, f.ListBytes)
			fmt.Fprintf(out, "thread  %.0f pages a second, %.2f ms alone (median), %d bytes\n", f.ThreadPerS, f.ThreadP50, f.ThreadBytes)
			fmt.Fprintf(out, "fresh   list %.0f pages a second, %.2f ms alone; thread %.0f and %.2f ms\n", f.ListFreshPerS, f.ListFreshP50, f.ThreadFreshPerS, f.ThreadFreshP50)
			for _, l := range f.Lists {
				fmt.Fprintf(out, "        %.2f ms alone, %.2f at most: %s\n", l.P50, l.Most, l.Path)
			}
			_, err = fmt.Fprintf(out, "memory  %.0f MB\n", f.RSS)
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&o.Threads, "threads", 4000, "write so many threads")
	f.DurationVar(&o.Duration, "duration", 5*time.Second, "ask for each page so long")
	f.Uint64Var(&o.Seed, "seed", 1, "what made threads begin from")
	f.StringVar(&o.Dir, "dir", "", "keep what is written in this `folder`, and use it if it is there")
	f.BoolVar(&asJSON, "json", false, "print figures as JSON")
	return c
}
