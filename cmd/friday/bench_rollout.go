package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/bench"
)

func newBenchRollout() *cobra.Command {
	o := bench.RolloutOptions{Worse: []float64{1, 1.5, 2, 3, 4, 5}}
	var asJSON bool
	c := &cobra.Command{
		Use:   "rollout",
		Short: "How many handsets a bad build reaches",
		Long: `Sends builds through simulated fleets, in the stages of a weekly release and with the rule that stops a rollout. Of each true rate of bad ends, from as good as the build before to five times as bad, so many runs are made. Halted are those that stopped by themselves; held are those that called a human, and waited.

A handset asks within six hours, has applied the build two hours later, and restarts half a day after that on average. Half of the bad ends are failures while applying, half are rollbacks at the restart.`,
		Example: "  friday bench rollout\n  friday bench rollout --handsets 100000 --runs 1000 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			figures, err := bench.Rollouts(cmd.Context(), o)
			if err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, figures)
			}
			fmt.Fprintf(out, "%d handsets, %.1f%% enrolled, %.2f%% end badly as it should be; %d runs of each, seed %d\n", o.Handsets, 100*o.Enrolled, 100*o.Baseline, o.Runs, o.Seed)
			tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
			fmt.Fprintln(tw, "true rate\ttimes\thalted\theld\tcomplete\treached\t95% below\tbroken\thours\t")
			for _, f := range figures {
				fmt.Fprintf(tw, "%.1f%%\t%.1f\t%.1f%%\t%.1f%%\t%.1f%%\t%d\t%d\t%d\t%.1f\t\n", 100*f.Rate, f.Worse, 100*f.Halted, 100*f.Held, 100*f.Complete, f.Reached, f.Reached9, f.Broken, f.Hours)
			}
			return tw.Flush()
		},
	}
	f := c.Flags()
	f.IntVar(&o.Handsets, "handsets", 20_000, "in the fleet")
	f.Float64Var(&o.Enrolled, "enrolled", 0.02, "`share` of them that speak for a member")
	f.Float64Var(&o.Baseline, "baseline", 0.01, "`share` that ends an update badly as it should be")
	f.Float64SliceVar(&o.Worse, "worse", o.Worse, "how many `times` that")
	f.Lookup("worse").DefValue = "[1,1.5,2,3,4,5]" // not with six decimals each
	f.IntVar(&o.Runs, "runs", 100, "of each")
	f.Uint64Var(&o.Seed, "seed", 1, "what chance begins from")
	f.BoolVar(&asJSON, "json", false, "print figures as JSON")
	return c
}
