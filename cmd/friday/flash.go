package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/rom/flashing"
	"github.com/fridayos/friday/internal/rom/flashing/cable"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
)

// flashOrder is what 'flash' is asked for.
type flashOrder struct {
	cable.Options
	serial      string
	yes, dryRun bool
	asJSON      bool
}

// flashed is what 'flash --json' prints.
type flashed struct {
	cable.Plan
	Flashed bool `json:"flashed"` // false: --dry-run
}

func newFlash() *cobra.Command {
	var f stateFlags
	var o flashOrder
	c := &cobra.Command{
		Use:   "flash DEVICE BUILD",
		Short: "Flash a build onto a phone on the cable",
		Long: `Flashes a build onto a phone that hangs on this computer in its boot loader, through fastboot, or in its download mode, through heimdall (Samsung). BUILD is a version, or the ID of a build.

First the phone is asked what it is. Then the plan is shown: what is written, what is wiped, what stays; and nothing is done before you agree. A phone of another model, a locked boot loader, a newer anti-rollback number, a low battery, an update under way and a build whose images are damaged are refused.

The vendor's firmware (modem, boot loader) stays as it is unless --firmware asks for the stock's. The images are laid out in the folder for temporary files ($TMPDIR) first. Ctrl-C lets the step under way end and says where the phone is left.`,
		Example: "  friday flash umi 26.11.27\n  friday flash umi 26.11.27 --dry-run\n  friday flash umi 26.11.27 --serial tcp:127.0.0.1:5554 --yes",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			return s.flash(cmd, args[0], args[1], o)
		},
	}
	f.register(c)
	c.Flags().StringVar(&o.serial, "serial", "", "`serial` of the phone, as 'fastboot devices' lists it, or tcp:HOST:PORT (default the only one there is)")
	c.Flags().StringVar(&o.Slot, "slot", "", "`slot` to write and start, a or b (default the one that the phone starts)")
	c.Flags().StringVar(&o.Product, "product", "", "`name` that this phone's boot loader answers with (getvar product), where it is neither the device's nor a variant's")
	c.Flags().BoolVar(&o.KeepData, "keep-data", false, "leave the owner's data: over an older build of the same OS")
	c.Flags().BoolVar(&o.Firmware, "firmware", false, "write the vendor's firmware of the stock too")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "ask the phone, show the plan, and do nothing")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print facts as JSON")
	return c
}

func (o flashOrder) check() error {
	if o.Slot != "" && o.Slot != "a" && o.Slot != "b" {
		return fmt.Errorf("--slot is %q, expected a or b", o.Slot)
	}
	if o.yes && o.dryRun {
		return errors.New("--yes and --dry-run say opposite things: choose one")
	}
	return nil
}

// flash asks, shows, asks again and does.
func (s *installation) flash(cmd *cobra.Command, device, name string, o flashOrder) error {
	ctx := cmd.Context()
	with, build, err := s.toFlash(ctx, device, name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "friday-flash-*")
	if err != nil {
		return fmt.Errorf("cannot flash: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of the folder for temporary files
	phone, err := ask(ctx, build, o.serial, dir)
	if err != nil {
		return err
	}
	plan, err := cable.Decide(build, phone, o.Options)
	if err != nil {
		return err
	}
	if o.dryRun {
		if o.asJSON {
			return printJSON(cmd.OutOrStdout(), flashed{plan, false})
		}
		return plan.Text(cmd.OutOrStdout())
	}
	if err := plan.Text(cmd.ErrOrStderr()); err != nil {
		return err
	}
	if err := o.agree(cmd); err != nil {
		return err
	}
	with.Slot, with.TempDir = plan.Slot, dir
	if err := carryOut(cmd, plan, with, dir); err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(cmd.OutOrStdout(), flashed{plan, true})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Flashed %s %s.\n", plan.Device, plan.Version)
	for _, after := range plan.After {
		fmt.Fprintf(cmd.OutOrStdout(), "Then: %s.\n", after)
	}
	return nil
}

// toFlash finds a build and all that flashing it depends on.
func (s *installation) toFlash(ctx context.Context, device, name string) (with flashing.Input, out cable.Build, err error) {
	if versions.MatchString(name) && len(name) < 2*len(blob.Digest{}) {
		name = device + "/" + name
	}
	b, err := s.findBuild(ctx, name)
	if err != nil {
		return with, out, err
	}
	if b.Device != device {
		return with, out, fmt.Errorf("cannot flash %s: build %s is of %s", device, name, b.Device)
	}
	repo, err := s.repository()
	if err != nil {
		return with, out, err
	}
	snapshot, err := repo.Load(b.Commit)
	if err != nil {
		return with, out, err
	}
	d := snapshot.Devices[device]
	if d == nil {
		return with, out, fmt.Errorf("cannot find device %s in the OS repository at commit %s", device, b.Commit)
	}
	var stock catalog.Stock
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		stock, err = catalog.StockByDigest(tx, b.Stock)
		return err
	}); err != nil {
		return with, out, err
	}
	packaging, err := intake.PackagingOf(s.blobs, stock)
	if err != nil {
		return with, out, err
	}
	made, err := report.Read(s.blobs, b)
	if err != nil {
		return with, out, err
	}
	with = flashing.Input{Build: b, Profile: d.Boot, Packaging: packaging, Release: stock.Release, Blobs: s.blobs}
	return with, cable.Of(b, made, d, packaging), nil
}

// ask asks the phone what it is.
func ask(ctx context.Context, b cable.Build, serial, dir string) (cable.Phone, error) {
	if b.Odin() {
		if serial != "" {
			return cable.Phone{}, errors.New("cannot choose a phone by --serial: heimdall takes the only Samsung in download mode that it finds")
		}
		if err := cable.Find("heimdall"); err != nil {
			return cable.Phone{}, err
		}
		return cable.AskHeimdall(ctx, dir)
	}
	if err := cable.Find("fastboot"); err != nil {
		return cable.Phone{}, err
	}
	return cable.AskFastboot(ctx, serial, cable.Vars())
}

// agree asks the person, unless --yes has answered.
func (o flashOrder) agree(cmd *cobra.Command) error {
	if o.yes {
		return nil
	}
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return &usageError{cmd.CommandPath(), errors.New("nobody is there to ask: look at the plan with --dry-run, and agree with --yes")}
	}
	fmt.Fprint(cmd.ErrOrStderr(), "Type yes to go on: ")
	answer := make(chan string, 1)
	go func() { // Ctrl-C is heard meanwhile
		line, _ := bufio.NewReader(io.LimitReader(in, 1<<10)).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case <-cmd.Context().Done():
		fmt.Fprintln(cmd.ErrOrStderr()) // after ^C
		return cmd.Context().Err()
	case said := <-answer:
		if !strings.EqualFold(said, "yes") {
			return errors.New("nothing was done")
		}
		return nil
	}
}

// carryOut lays the files out, each compared with its digest, and does the steps.
func carryOut(cmd *cobra.Command, plan cable.Plan, with flashing.Input, dir string) error {
	bars := newBars(cmd)
	bar := bars.add(plan.Device)
	tell := func(format string, a ...any) {
		if bars.p == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", a...)
		}
	}
	tell("comparing %d files with their digests", len(plan.Files))
	err := flashing.WriteLoose(cmd.Context(), dir, plan.Files, with, func(done, total int) { bar.step("compare", int64(done), int64(total)) })
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w; name a folder with more room as TMPDIR", err)
	}
	if err == nil {
		err = plan.Fits(dir)
	}
	if err == nil {
		var total, done int64
		for _, step := range plan.Steps {
			total += step.Bytes + 1
		}
		begun := -1
		err = cable.Run(cmd.Context(), plan, dir, func(at int, step cable.Step, part float64) {
			if at > begun {
				tell("%d/%d %s %s", at+1, len(plan.Steps), plan.Program, strings.Join(step.Args, " "))
				if begun = at; at > 0 {
					done += plan.Steps[at-1].Bytes + 1
				}
			}
			bar.step(strings.Join(step.Args[:min(2, len(step.Args))], " "), done+int64(part*float64(step.Bytes)), total)
		})
	}
	bar.endAs("flashed", err)
	bars.wait()
	return err
}
