package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/bench/checks"
)

func newBenchCheckIn() *cobra.Command {
	var o checks.Options
	var asJSON bool
	c := &cobra.Command{
		Use:   "checkin",
		Short: "How fast update checks are answered",
		Long: `Fills a store with a history of releases, starts an update server as a process of its own, and beside it a bare handler that reads the request, looks into a map and writes the answer. Over loopback, in short turns, clients ask both; they share the machine with the server. A tenth of the handsets is behind, the others run what is newest.

The history is a table with the columns date, seen, codename, phone, branch, method, version, android, size, md5 and file, separated by tabs, gzipped if its name says so. What is dirty in it is counted. With --busy, rollouts are halted and let go on ten times a second meanwhile, and 5,000 outcomes a second come in.`,
		Example: "  friday bench checkin --json\n  friday bench checkin --busy --duration 20s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Connections < 1 || o.Connections > 10_000 || o.Duration < time.Millisecond || o.Rollouts < 1 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("expected --connections from 1 to 10000, and --duration and --rollouts above 0")}
			}
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("cannot measure check-ins: %w", err)
			}
			o.Exe, o.Note = exe, func(s string) { fmt.Fprintln(cmd.ErrOrStderr(), s) }
			f, err := checks.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, f)
			}
			fmt.Fprintf(out, "friday  %.0f check-ins a second, 99%% within %.2f ms\n", f.Friday, f.P99)
			fmt.Fprintf(out, "bare    %.0f a second, 99%% within %.2f ms\n", f.Bare, f.BareP99)
			fmt.Fprintf(out, "ratio   %.2f\n", f.Ratio)
			if f.BareCPU > 0 {
				fmt.Fprintf(out, "CPU     %.1f µs an answer, bare %.1f µs\n", f.FridayCPU, f.BareCPU)
			}
			if m := f.Meanwhile; m != nil {
				fmt.Fprintf(out, "busy    rollouts changed %.1f times a second, %.0f outcomes a second came in; %d counted, %d lost\n", m.Changes, m.Outcomes, m.Counted, m.Lost)
				fmt.Fprintf(out, "        %d offers contradicted the state of a lease ago\n", m.Contradictions)
			}
			_, err = fmt.Fprintf(out, "memory  %.0f MB; %.1f%% of the answers were offers\n", f.RSS, 100*f.Offers)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&o.History, "history", "../shared/data/miui-releases.tsv.gz", "`file` of releases")
	f.IntVar(&o.Rollouts, "rollouts", 3000, "in flight")
	f.IntVar(&o.Connections, "connections", 32, "at once")
	f.DurationVar(&o.Duration, "duration", 10*time.Second, "ask each so long")
	f.Uint64Var(&o.Seed, "seed", 1, "what the check-ins begin from")
	f.BoolVar(&o.Busy, "busy", false, "change rollouts and tell outcomes meanwhile")
	f.StringVar(&o.Dir, "dir", "", "`folder` that keeps the store for the next time")
	f.BoolVar(&asJSON, "json", false, "print figures as JSON")
	return c
}

// newBenchServer is what bench checkin starts.
func newBenchServer() *cobra.Command {
	return &cobra.Command{
		Use:     "checkin-server DIR",
		Short:   "Serve the store of bench checkin",
		Example: "  friday bench checkin-server /var/tmp/bench",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return checks.Serve(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
}
