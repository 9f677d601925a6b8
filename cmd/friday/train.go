package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// trainFlags are what every verb that moves the train takes.
type trainFlags struct {
	stateFlags
	devices []string
	reason  string
}

func newTrain() *cobra.Command {
	return group("train", "The weekly release",
		newTrainStatus(), newTrainCut(), newTrainShip(),
		newTrainMove("hold", "Keep devices of a release back", "26.11.27 --device umi --reason \"camera reboots\"", (*train.Train).Hold),
		newTrainHalt(),
		newTrainMove("pull", "Withdraw a release for good", "26.11.27 --reason \"boot loop on hlte\"", (*train.Train).Pull),
		newTrainSkip(),
	)
}

// actor is who acts when a command line does: the name of the user who ran it.
func actor() string {
	if u, err := user.Current(); err == nil {
		return "command line: " + u.Username
	}
	return "command line"
}

// with opens the train for fn.
func (f *stateFlags) with(cmd *cobra.Command, needRepo bool, fn func(s *installation, t *train.Train) error) (err error) {
	s, err := f.open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if !needRepo {
		return fn(s, s.train(nil, nil))
	}
	repo, err := s.repository()
	if err != nil {
		return err
	}
	return fn(s, s.train(repo, nil))
}

func newTrainCut() *cobra.Command {
	var f trainFlags
	var o train.CutOptions
	var rev, date string
	c := &cobra.Command{
		Use:     "cut",
		Short:   "Cut the week's release from a commit",
		Long:    "Freezes the release that leaves next from a commit of the OS repository. Every commit since the last release that says \"Fixes: #41\" brings thread 41 along. The worker then builds and packages it.",
		Example: "  friday train cut\n  friday train cut --rev v2 --respin 26.11.27",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if date != "" {
				d, err := time.ParseInLocation(time.DateOnly, date, time.Local)
				if err != nil {
					return &usageError{cmd.CommandPath(), fmt.Errorf("--date is %q, expected a day such as 2026-11-27", date)}
				}
				o.Date = d
			}
			o.Devices, o.Actor = f.devices, actor()
			return f.with(cmd, true, func(_ *installation, t *train.Train) error {
				r, err := t.Cut(cmd.Context(), rev, o)
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Cut %s from commit %.12s.\n", r.Name, r.Commit)
				for _, id := range r.Fixes {
					fmt.Fprintf(cmd.OutOrStdout(), "It carries the fix of thread %d.\n", id)
				}
				return nil
			})
		},
	}
	f.register(c)
	c.Flags().StringVar(&rev, "rev", "HEAD", "`commit` of the OS repository")
	c.Flags().StringSliceVar(&f.devices, "device", nil, "only these `codenames` (default all)")
	c.Flags().StringVar(&o.Respin, "respin", "", "`release` that this one replaces in the same week")
	c.Flags().StringVar(&o.Notes, "notes", "", "what people read about the release")
	c.Flags().StringVar(&date, "date", "", "`day` that names the release (default the next departure)")
	return c
}

func newTrainShip() *cobra.Command {
	var f trainFlags
	var o train.ShipOptions
	var stages, hours string
	c := &cobra.Command{
		Use:   "ship RELEASE",
		Short: "Start the rollouts of a release, or let stopped ones go on",
		Long: `Starts the rollouts of a release, for every device that is ready and that its gate lets out. Rollouts that were held or halted, or halted in a region, go on when their devices are named with --device and --reason says why they may; with --region, in those regions alone. What was seen until then no longer counts against them.

--stages lists numbers of handsets, then percentages of the fleet, each as SIZE[/EARLY][:TIME[:OUTCOMES]]: EARLY is the percentage of those who want it early, TIME how long the stage lasts at least (90m, 6h or 2d; a day unless given), OUTCOMES how many handsets must have ended the update. Without the flag they are those of a weekly release: ` + fleet.FormatStages(fleet.DefaultStages()) + `.`,
		Example: "  friday train ship 26.11.27\n  friday train ship 26.11.27 --device umi --reason \"camera fix confirmed\"\n  friday train ship 26.11.27 --stages 20:6h:5,1%/30%,10%:2d:30,100% --hours 9-18\n  friday train ship 26.11.27 --device umi --region IN --reason \"modem fixed\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if !slices.Contains(wire.Channels(), o.Channel) {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--channel is %q, expected one of %s", o.Channel, strings.Join(wire.Channels(), ", "))}
			}
			if stages != "" {
				if o.Stages, err = fleet.ParseStages(stages); err != nil {
					return &usageError{cmd.CommandPath(), err}
				}
			}
			if o.Conditions.Hours, err = parseHours(hours); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			if err := o.Conditions.Check(); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			o.Devices, o.Actor, o.Reason = f.devices, actor(), f.reason
			return f.with(cmd, false, func(_ *installation, t *train.Train) error {
				err := t.Ship(cmd.Context(), args[0], o)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%s is shipping.\n", args[0])
				}
				return err
			})
		},
	}
	f.register(c)
	c.Flags().StringSliceVar(&f.devices, "device", nil, "only these `codenames` (default all that are ready)")
	c.Flags().StringVar(&o.Channel, "channel", wire.Weekly, "`name`: "+strings.Join(wire.Channels(), ", "))
	c.Flags().StringVar(&f.reason, "reason", "", "why, for the audit trail")
	c.Flags().StringVar(&stages, "stages", "", "`list` such as 20:6h:5,1%/30%,10%:2d:30,100%")
	c.Flags().StringVar(&hours, "hours", "", "offer it only in these `hours` of the handset's day, such as 9-18 or 22-6")
	c.Flags().StringSliceVar(&o.Conditions.Regions, "region", nil, "only these `regions`, such as IN (default what device.yaml says, or all that are halted)")
	c.Flags().StringSliceVar(&o.Conditions.Carriers, "carrier", nil, "only these `carriers` (default what device.yaml says)")
	c.Flags().StringSliceVar(&o.Conditions.HoldFrom, "hold-from", nil, "not to handsets that run these `builds`")
	c.Flags().BoolVar(&o.Conditions.Stepping, "stepping", false, "older builds may not skip it")
	c.Flags().BoolVar(&o.RaiseRollbackIndex, "raise-rollback-index", false, "let it raise the rollback index: older builds will not start any more where it has run")
	return c
}

// parseHours reads "9-18"; empty: nil.
func parseHours(text string) (*fleet.Hours, error) {
	if text == "" {
		return nil, nil
	}
	from, to, ok := strings.Cut(text, "-")
	f, err := strconv.Atoi(from)
	t, err2 := strconv.Atoi(to)
	if !ok || err != nil || err2 != nil {
		return nil, fmt.Errorf("--hours is %q, expected two hours such as 9-18", text)
	}
	return &fleet.Hours{From: f, To: t}, nil
}

// move is one of the train's ways to stop: hold, halt, pull.
type move func(t *train.Train, ctx context.Context, release string, devices []string, actor, reason string) error

func newTrainMove(verb, short, example string, do move) *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use:     verb + " RELEASE --reason WHY",
		Short:   short,
		Example: "  friday train " + verb + " " + example,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(f.reason) == "" {
				return &usageError{cmd.CommandPath(), errors.New("say why with --reason: people will read it")}
			}
			return f.with(cmd, false, func(_ *installation, t *train.Train) error {
				err := do(t, cmd.Context(), args[0], f.devices, actor(), f.reason)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "Done: %s %s.\n", verb, args[0])
				}
				return err
			})
		},
	}
	f.register(c)
	c.Flags().StringSliceVar(&f.devices, "device", nil, "only these `codenames` (default all)")
	c.Flags().StringVar(&f.reason, "reason", "", "why, for people and for the audit trail")
	return c
}

func newTrainHalt() *cobra.Command {
	var regions []string
	c := newTrainMove("halt", "Stop offering a release that ships", "26.11.27 --reason \"3 of 40 rolled back\"", func(t *train.Train, ctx context.Context, release string, devices []string, actor, reason string) error {
		if len(regions) == 0 {
			return t.Halt(ctx, release, devices, actor, reason)
		}
		return t.HaltRegions(ctx, release, devices, regions, actor, reason)
	})
	c.Flags().StringSliceVar(&regions, "region", nil, "only in these `regions`, such as IN; the others go on (default all)")
	return c
}

func newTrainSkip() *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use:     "skip RELEASE --reason WHY",
		Short:   "Say that there is no release this week",
		Example: "  friday train skip 26.12.25 --reason \"holidays\"",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(f.reason) == "" {
				return &usageError{cmd.CommandPath(), errors.New("say why with --reason: people will read it")}
			}
			return f.with(cmd, false, func(_ *installation, t *train.Train) error {
				err := t.Skip(cmd.Context(), args[0], actor(), f.reason)
				if err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%s is skipped.\n", args[0])
				}
				return err
			})
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.reason, "reason", "", "why, for people and for the audit trail")
	return c
}

func newTrainStatus() *cobra.Command {
	var f stateFlags
	var asJSON bool
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show where the train is",
		Example: "  friday train status\n  friday train status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.with(cmd, false, func(s *installation, t *train.Train) error {
				var st train.Status
				if err := s.db.Read(cmd.Context(), func(tx *db.Tx) (err error) {
					st, err = t.Status(tx, 12)
					return err
				}); err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), st)
				}
				return printTrain(cmd.OutOrStdout(), st)
			})
		},
	}
	f.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

func printTrain(w io.Writer, st train.Status) error {
	fmt.Fprintf(w, "%s leaves %s.\n", st.Week, st.Departure.Format("Monday 2 January 15:04"))
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, r := range st.Releases {
		fmt.Fprintln(tw)
		row(tw, r.Name, string(r.State), r.Reason)
		for _, d := range r.Devices {
			row(tw, "  "+d.Device, string(d.State), d.Reason)
			for _, o := range d.Rollouts {
				row(tw, "    "+o.Channel, fmt.Sprintf("%s %s", o.State, o.Reach()), o.Reason)
				for _, s := range o.Regions {
					row(tw, "    "+o.Channel, "halted in "+s.Region, s.Reason)
				}
			}
		}
	}
	return tw.Flush()
}

// row writes cells; empty ones at the end would leave spaces.
func row(w io.Writer, cells ...string) {
	fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
}
