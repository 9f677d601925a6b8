package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/imports"
)

func newImport() *cobra.Command {
	return group("import", "Bring threads from elsewhere", newImportGitHub(), newImportDiscourse(), newImportCredit())
}

// importAbout is what every import does.
const importAbout = "Authors are kept by their names there, without accounts, addresses or notices; times stay, votes are added as a number, and links between threads lead here. " +
	"Their old addresses work below /imported. Running it again adds only what is new, so that an import that was stopped goes on.\n\n" +
	"Labels, categories and tags that are named like a kind, a part of the system or a device mean that; --map FILE says what others mean, in YAML:\n\n" +
	"kinds: {defect: bug}, parts: {cam: Camera}, devices: {\"Mi 10\": umi}, skip: [spam], kind: talk, part: System, lang: en"

// importFlags are those of every import.
type importFlags struct {
	stateFlags
	mapping        string
	dryRun, asJSON bool
}

func (f *importFlags) register(c *cobra.Command) {
	f.stateFlags.register(c)
	c.Flags().StringVar(&f.mapping, "map", "", "`file` that says what labels mean")
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	c.Flags().BoolVar(&f.asJSON, "json", false, "print facts as JSON")
}

// run takes a source in and prints what became of it. what names its threads.
func (f *importFlags) run(cmd *cobra.Command, files *imports.Files, s imports.Source, what string) error {
	ctx := cmd.Context()
	total, err := files.Size()
	if err != nil {
		return err
	}
	i, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer i.Close()
	o := imports.Options{DryRun: f.dryRun}
	if o.Devices, err = codenames(ctx, i.db); err != nil {
		return err
	}
	if o.Mapping, err = f.readMapping(s.Defaults(), o.Devices); err != nil {
		return err
	}
	count, done := progress(cmd, "importing", total)
	files.Read = count
	report, err := imports.Run(ctx, i.db, s, o)
	done()
	if err == nil && report.Threads.New+report.Threads.Known == 0 {
		err = fmt.Errorf("cannot import %s: none was found in %s; %s", what, strings.Join(files.Paths, ", "), found(report))
	}
	if err != nil {
		if n := report.Threads.New + report.Posts.New; n > 0 && !f.dryRun {
			fmt.Fprintf(cmd.ErrOrStderr(), "%d threads and %d posts were kept; run it again to go on\n", report.Threads.New, report.Posts.New)
		}
		return err
	}
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), report)
	}
	return printImport(cmd.OutOrStdout(), report)
}

func (f *importFlags) readMapping(defaults imports.Mapping, devices []string) (imports.Mapping, error) {
	if f.mapping == "" {
		return defaults, nil
	}
	text, err := os.ReadFile(f.mapping)
	if err != nil {
		return imports.Mapping{}, fmt.Errorf("cannot read mapping: %w", err)
	}
	return imports.ReadMapping(f.mapping, text, defaults, devices)
}

func codenames(ctx context.Context, d *db.DB) (all []string, err error) {
	err = d.Read(ctx, func(tx *db.Tx) error {
		list, err := device.List(tx)
		all = nil
		for _, one := range list {
			if !slices.Contains(all, one.Codename) {
				all = append(all, one.Codename)
			}
		}
		return err
	})
	return all, err
}

// found says what a source held instead of threads.
func found(r imports.Report) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(r.Skipped)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.Skipped[what], what))
	}
	if r.Dirt > 0 {
		parts = append(parts, fmt.Sprintf("%d that could not be read (%s)", r.Dirt, r.Named[0]))
	}
	if parts == nil {
		return "found nothing at all"
	}
	return "found " + strings.Join(parts, ", ")
}

// printImport prints a report for a terminal.
func printImport(w io.Writer, r imports.Report) error {
	var b strings.Builder
	verb := ""
	if r.DryRun {
		verb = " (dry run: nothing was written)"
	}
	fmt.Fprintf(&b, "%s: %s%s\n", r.Service, strings.Join(r.Places, ", "), verb)
	var kinds []string
	for _, k := range feedback.Kinds() {
		if r.Kinds[k] > 0 {
			kinds = append(kinds, fmt.Sprintf("%s %d", k, r.Kinds[k]))
		}
	}
	fmt.Fprintf(&b, "threads      %d new, %d already here; %s; %d closed\n", r.Threads.New, r.Threads.Known, strings.Join(kinds, ", "), r.Closed)
	fmt.Fprintf(&b, "posts        %d new, %d already here\n", r.Posts.New, r.Posts.Known)
	if !r.DryRun {
		fmt.Fprintf(&b, "authors      %d new\n", r.Authors)
	}
	fmt.Fprintf(&b, "votes        %d, as a number\n", r.Votes)
	fmt.Fprintf(&b, "links        %d lead here\n", r.Links)
	if r.Cut > 0 {
		fmt.Fprintf(&b, "cut          %d titles or texts that were too long\n", r.Cut)
	}
	for _, what := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "left behind  %d %s\n", r.Skipped[what], cutTo(what, columns-20))
	}
	labels := slices.SortedFunc(maps.Keys(r.Unmapped), func(a, b string) int {
		if d := r.Unmapped[b] - r.Unmapped[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	const most = 20
	for i, label := range labels {
		if i == most {
			fmt.Fprintf(&b, "no meaning   %d more labels\n", len(labels)-most)
			break
		}
		fmt.Fprintf(&b, "no meaning   %s (%d)\n", cutTo(label, columns-24), r.Unmapped[label])
	}
	if r.Dirt > 0 {
		fmt.Fprintf(&b, "not read     %d\n", r.Dirt)
		for _, one := range r.Named {
			fmt.Fprintf(&b, "  %s\n", cutTo(one, 2*columns))
		}
		if n := r.Dirt - len(r.Named); n > 0 {
			fmt.Fprintf(&b, "  and %d more\n", n)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// usageOf makes a mistake in the command line of an error.
func usageOf(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return &usageError{cmd.CommandPath(), errors.New(err.Error())}
}
