package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/rom"
	"github.com/fridayos/friday/internal/rom/change"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/train"
)

// builtImage is one image as 'build --json' prints it.
type builtImage struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	FS     string `json:"fs"` // "erofs", "ext4" or "raw"
}

// built is what 'build --json' prints.
type built struct {
	Device      string                `json:"device"`
	Version     string                `json:"version"`
	Fingerprint string                `json:"fingerprint"`
	Images      map[string]builtImage `json:"images"`
	Outputs     []string              `json:"outputs"`
	Owners      string                `json:"owners"`
	Over        string                `json:"over,omitempty"`    // the build whose layout maps it keeps to
	Changes     *change.Changes       `json:"changes,omitempty"` // since the build that --diff names
	CPUSeconds  *float64              `json:"cpu_s,omitempty"`   // nil where others were built meanwhile
	WallSeconds float64               `json:"wall_s"`
}

// versions are those that may stand in a file's name and after a slash.
var versions = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// order is what 'build' is asked for.
type order struct {
	version, rev, out, diff, over, keys string
}

func newBuild() *cobra.Command {
	var f stateFlags
	var o order
	var asJSON, all bool
	var at int
	c := &cobra.Command{
		Use:   "build DEVICE...",
		Short: "Make a build: stock + layers -> signed images",
		Long: `Makes the images of a device from its stock firmware and the layers of the OS repository at a commit, and signs them. What is committed counts, not the work tree. The same commit, stock, version, keys and layout maps give the same bytes: files keep the places that they have in the build that --over names, so that the update from it is small.

With -o the images go into that folder, and beside them what a phone is flashed from: what outputs in device.yaml lists, else what the boot profile's flash path takes (a zip for fastboot with super, an Odin .tar.md5, or a signed package for recovery).

Several devices, or --all that the repository has, are built side by side; one that fails leaves the others. Their images go into a folder each below that of -o.`,
		Example: "  friday build umi -o out\n  friday build --all -o out\n  friday build umi --version 26.11.27 --rev v2 --json\n  friday build umi --version 26.11.27 --diff 26.11.20",
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return &usageError{cmd.CommandPath(), errors.New("--all is every device: name none beside it")}
			case !all && len(args) == 0:
				return &usageError{cmd.CommandPath(), errors.New("which device? Name it by its codename, or build --all")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return &usageError{cmd.CommandPath(), err}
			}
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			done, err := outputFolder(o.out)
			if err != nil {
				return err
			}
			defer done()
			if o.version == "" {
				train := train.DefaultSchedule(time.Local)
				o.version = train.Name(train.Next(time.Now()))
			}
			if all || len(args) > 1 {
				return s.buildSeveral(cmd, args, o, at, asJSON)
			}
			bars := newBars(cmd)
			bar := bars.add(args[0])
			res, err := s.buildOne(cmd.Context(), args[0], o, bar.step)
			bar.end(err)
			bars.wait()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), res)
			}
			return printBuild(cmd.OutOrStdout(), res, o.diff)
		},
	}
	f.register(c)
	c.Flags().BoolVar(&all, "all", false, "every device of the OS repository")
	c.Flags().StringVar(&o.version, "version", "", "`version` of the build (default that of the release that leaves next)")
	c.Flags().StringVar(&o.rev, "rev", "HEAD", "`commit` of the OS repository")
	c.Flags().StringVarP(&o.out, "output", "o", "", "`folder` for the images (default none: they stay in the blobs)")
	c.Flags().StringVar(&o.over, "over", "", "`version` of the build whose layout this one keeps to, or none (default the newest of another version)")
	c.Flags().StringVar(&o.diff, "diff", "", "`version` of an older build: say, file by file, what changed since")
	c.Flags().StringVar(&o.keys, "keys", "", "`folder` of the release keys (default what os.yaml says)")
	c.Flags().IntVar(&at, "jobs", 0, "how many `devices` at a time (default as many as cores and memory bear)")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

func (o order) check() error {
	if o.diff != "" && !versions.MatchString(o.diff) {
		return fmt.Errorf("--diff is %q, expected the version of a build, such as 26.11.20", o.diff)
	}
	if o.version != "" && !versions.MatchString(o.version) {
		return fmt.Errorf("--version is %q, expected at most 64 letters, digits and . _ -", o.version)
	}
	return nil
}

// buildOne makes the build of one device, and tells progress what it is doing.
func (s *installation) buildOne(ctx context.Context, device string, o order, progress func(step string, done, total int64)) (built, error) {
	begin, used := time.Now(), cpuSeconds()
	var older catalog.Build
	var err error
	if o.diff != "" {
		if older, err = s.findBuild(ctx, device+"/"+o.diff); err != nil {
			return built{}, err
		}
	}
	in, err := s.buildInput(ctx, device, o)
	if err != nil {
		return built{}, err
	}
	in.Progress = progress
	if in.Before, err = s.layoutOf(ctx, device, o); err != nil {
		return built{}, err
	}
	build, report, err := rom.Build(ctx, in)
	if err != nil {
		return built{}, err
	}
	if err := s.db.Write(ctx, func(tx *db.Tx) error { return putBuild(tx, build) }); err != nil {
		return built{}, err
	}
	res, err := s.putOut(ctx, in, build, report, o, progress)
	if err != nil {
		return built{}, err
	}
	if in.Before != nil {
		res.Over = in.Before.Version
	}
	if o.diff != "" {
		progress("compare", 0, 1)
		if res.Changes, err = s.changes(ctx, older, build); err != nil {
			return built{}, err
		}
	}
	cpu := cpuSeconds() - used
	res.WallSeconds, res.CPUSeconds = time.Since(begin).Seconds(), &cpu
	return res, nil
}

// putBuild keeps a build. One of the same images that is there already stays, with its own
// report: it says over which build's layout they were made first.
func putBuild(tx *db.Tx, b catalog.Build) error {
	if have, err := catalog.BuildByID(tx, b.ID); err == nil {
		b.Report = have.Report
	} else if !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	b.CreatedAt = tx.Now()
	err := catalog.PutBuild(tx, b)
	if errors.Is(err, catalog.ErrOther) {
		return fmt.Errorf("cannot keep build %s %s: the same images were built before from something else (another commit or stock), and what is said of a build does not change; give this one another --version", b.Device, b.Version)
	}
	return err
}

// putOut writes a build's images, and what its phone is flashed from, where -o says: all
// of it, or nothing.
func (s *installation) putOut(ctx context.Context, in rom.Input, b catalog.Build, r *report.Report, o order, progress func(step string, done, total int64)) (built, error) {
	if o.out == "" {
		return s.writeBuild("", b, r)
	}
	st, err := newStage(o.out)
	if err != nil {
		return built{}, err
	}
	defer st.drop()
	res, err := s.writeBuild(st.dir, b, r)
	if err != nil {
		return res, st.said(err)
	}
	if res.Outputs, err = s.outputs(ctx, st.dir, in, b, o, progress); err != nil {
		return res, st.said(err)
	}
	for name, im := range res.Images {
		im.File = st.placed(im.File)
		res.Images[name] = im
	}
	for i := range res.Outputs {
		res.Outputs[i] = st.placed(res.Outputs[i])
	}
	res.Owners = st.placed(res.Owners)
	return res, st.place()
}

// layoutOf finds the build whose layout maps one keeps to; nil is none.
func (s *installation) layoutOf(ctx context.Context, device string, o order) (*catalog.Build, error) {
	switch o.over {
	case "none":
		return nil, nil
	case "":
		var before *catalog.Build
		err := s.db.Read(ctx, func(tx *db.Tx) error {
			builds, err := catalog.Builds(tx, device)
			before = catalog.LaidBefore(builds, o.version)
			return err
		})
		return before, err
	}
	b, err := s.findBuild(ctx, device+"/"+o.over)
	return &b, err
}

// buildInput gathers all that a build depends on.
func (s *installation) buildInput(ctx context.Context, device string, o order) (rom.Input, error) {
	in := rom.Input{Device: device, Version: o.version, Blobs: s.blobs}
	repo, err := s.repository()
	if err != nil {
		return in, err
	}
	if in.Snapshot, err = repo.Load(o.rev); err != nil {
		return in, err
	}
	if in.Snapshot.Devices[device] == nil {
		return in, fmt.Errorf("cannot build %s: the OS repository has no such device at %s, only %s; describe it in devices/%[1]s/device.yaml and commit",
			device, o.rev, strings.Join(slices.Sorted(maps.Keys(in.Snapshot.Devices)), ", "))
	}
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		in.Stock, err = train.StockFor(tx, in.Snapshot, device)
		return err
	}); errors.Is(err, catalog.ErrNotFound) {
		return in, fmt.Errorf("cannot build %s: %w; take it in with 'friday stock add FILE --device %[1]s'", device, err)
	} else if err != nil {
		return in, err
	}
	ring, err := s.keyRing(o.keys)
	if err != nil {
		return in, err
	}
	if in.AVB, err = ring.AVB(); err != nil {
		return in, err
	}
	if in.Verity, in.VerityCert, err = ring.Verity(); err != nil && !errors.Is(err, keys.ErrNoVerity) {
		return in, err // without one, all is built that needs none
	}
	in.AppKey, in.UpdateCert, err = ring.OTA()
	return in, err
}

// changes compares two builds file by file.
func (s *installation) changes(ctx context.Context, older, newer catalog.Build) (*change.Changes, error) {
	was, err := rom.BuildView(ctx, s.blobs, older)
	if err != nil {
		return nil, err
	}
	is, err := rom.BuildView(ctx, s.blobs, newer)
	if err != nil {
		return nil, err
	}
	c := change.Between(was, is)
	return &c, nil
}

// writeBuild writes the images and the report of owners into dir.
func (s *installation) writeBuild(dir string, b catalog.Build, said *report.Report) (built, error) {
	res := built{Device: b.Device, Version: b.Version, Fingerprint: b.Fingerprint, Images: map[string]builtImage{}, Outputs: []string{}}
	for _, im := range b.Images {
		e := builtImage{SHA256: im.Digest.String(), Size: im.Size, FS: cmp.Or(im.FS, "raw")}
		if dir != "" {
			e.File = filepath.Join(dir, im.Name+".img")
			if err := exportBlob(s.blobs, im.Digest, e.File); err != nil {
				return res, err
			}
		}
		res.Images[im.Name] = e
	}
	if dir == "" {
		return res, nil
	}
	res.Owners = filepath.Join(dir, "owners.txt")
	err := writeFile(res.Owners, func(f *os.File) error { return said.Text(f) })
	return res, err
}

// outputFolder makes the folder that -o names, before any work is done for it.
// What it returns removes a folder that was made for nothing.
func outputFolder(dir string) (done func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	_, err = os.Stat(dir)
	made := errors.Is(err, fs.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot write into %s: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".friday-*")
	if err != nil {
		return nil, fmt.Errorf("cannot write into %s: %w", dir, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, fmt.Errorf("cannot write into %s: %w", dir, err)
	}
	return func() {
		if made {
			_ = os.Remove(dir) // fails, as it should, if something is in it
		}
	}, nil
}

// exportBlob copies a blob to a file.
func exportBlob(blobs *blob.Store, d blob.Digest, path string) error {
	b, err := blobs.Open(d)
	if err != nil {
		return err
	}
	defer b.Close()
	return writeFile(path, func(f *os.File) error {
		_, err := io.Copy(f, newSection(b))
		return err
	})
}

func newSection(b *blob.Blob) *io.SectionReader { return io.NewSectionReader(b, 0, b.Size()) }

// cpuSeconds is what this process has used.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

func printBuild(w io.Writer, b built, diff string) error {
	fmt.Fprintf(w, "Built %s for %s in %.1f s.\n", b.Version, b.Device, b.WallSeconds)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(b.Images)) {
		im := b.Images[name]
		fmt.Fprintf(tw, "%s\t%s\t%.16s…", name, size(im.Size), im.SHA256)
		if im.File != "" {
			fmt.Fprintf(tw, "\t%s", im.File)
		}
		fmt.Fprintln(tw)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, file := range b.Outputs {
		fmt.Fprintf(w, "To flash: %s\n", file)
	}
	if b.Changes == nil {
		return nil
	}
	fmt.Fprintf(w, "\nSince %s:\n", diff)
	return b.Changes.Text(w, 0)
}
