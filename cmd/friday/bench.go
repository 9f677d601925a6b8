package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/bench"
)

func newBench() *cobra.Command {
	return group("bench", "Measure Friday", newBenchBuild(), newBenchCheckIn(), newBenchServer(), newBenchDuplicates(), newBenchForum(), newBenchImage(), newBenchRollout())
}

func newBenchDuplicates() *cobra.Command {
	var bugs, links string
	var threads int
	var seed uint64
	var asJSON bool
	c := &cobra.Command{
		Use:   "duplicates (--bugs CSV --links CSV | --threads N)",
		Short: "How well and how fast duplicates are found",
		Long: `With --bugs and --links it goes through a set of real reports: each one that repeats an earlier one asks an index of all that came before it, with its title and text. The bugs have the columns Issue id, Summary, Description and Created; the links have Issue id and Duplicate id. Recall is the share of questions with a right answer among the first 1 or 10; MRR is the mean of 1/rank.

With --threads it fills an index with so many made threads and asks while titles are typed, after every character from the third on.`,
		Example: "  friday bench duplicates --bugs bugs.csv --links links.csv --json\n  friday bench duplicates --threads 100000",
		Args:    cobra.NoArgs,
	}
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case threads < 0:
			return &usageError{cmd.CommandPath(), fmt.Errorf("--threads is %d, expected a number above 0", threads)}
		case threads > 0 && (bugs != "" || links != ""):
			return &usageError{cmd.CommandPath(), fmt.Errorf("--threads makes its own reports: leave out --bugs and --links")}
		case threads > 0:
			return benchPrefixes(cmd, threads, seed, asJSON)
		case bugs == "" || links == "":
			return &usageError{cmd.CommandPath(), fmt.Errorf("expected --bugs and --links, or --threads")}
		}
		return benchDuplicates(cmd, bugs, links, asJSON)
	}
	f := c.Flags()
	f.StringVar(&bugs, "bugs", "", "the reports, as `CSV`")
	f.StringVar(&links, "links", "", "which reports say the same, as `CSV`")
	f.IntVar(&threads, "threads", 0, "make so many threads and type titles")
	f.Uint64Var(&seed, "seed", 1, "what made threads begin from")
	f.BoolVar(&asJSON, "json", false, "print figures as JSON")
	return c
}

func benchDuplicates(cmd *cobra.Command, bugs, links string, asJSON bool) error {
	set, err := readSet(bugs, links)
	if err != nil {
		return err
	}
	for _, note := range set.Notes {
		fmt.Fprintln(cmd.ErrOrStderr(), note)
	}
	d, err := bench.FindDuplicates(set)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, d)
	}
	low, high := d.Interval10()
	fmt.Fprintf(out, "reports    %d, of which %d repeat an earlier one\n", len(set.Reports), d.Queries)
	fmt.Fprintf(out, "recall@1   %.3f\n", d.RecallAt1)
	fmt.Fprintf(out, "recall@10  %.3f (%d of %d; 95%% certain: %.3f to %.3f)\n", d.Recall10, d.Hits10(), d.Queries, low, high)
	fmt.Fprintf(out, "MRR        %.3f\n", d.MRR)
	_, err = fmt.Fprintf(out, "a question %.2f ms (median)\n", d.P50)
	return err
}

func readSet(bugs, links string) (bench.Set, error) {
	b, err := os.Open(bugs)
	if err != nil {
		return bench.Set{}, fmt.Errorf("cannot read the bugs: %w", err)
	}
	defer b.Close()
	l, err := os.Open(links)
	if err != nil {
		return bench.Set{}, fmt.Errorf("cannot read the links: %w", err)
	}
	defer l.Close()
	return bench.ReadSet(b, l)
}

func benchPrefixes(cmd *cobra.Command, threads int, seed uint64, asJSON bool) error {
	p, err := bench.TypeTitles(cmd.Context(), threads, seed)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, p)
	}
	fmt.Fprintf(out, "threads    %d (seed %d), taken in within %.1f s\n", p.Threads, seed, p.Fill)
	fmt.Fprintf(out, "prefixes   %d\n", p.Prefixes)
	fmt.Fprintf(out, "a question %.2f ms (median), 95%% within %.2f ms\n", p.P50, p.P95)
	_, err = fmt.Fprintf(out, "memory     %.0f MB for the index\n", p.Index)
	return err
}
