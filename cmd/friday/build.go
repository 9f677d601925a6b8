package main

import (
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
	"github.com/fridayos/friday/internal/rom"
	"github.com/fridayos/friday/internal/rom/change"
	"github.com/fridayos/friday/internal/train"
)

// builtImage is one image as 'build --json' prints it.
type builtImage struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
	FS     string `json:"fs,omitempty"`
}

// built is what 'build --json' prints.
type built struct {
	Device      string                `json:"device"`
	Version     string                `json:"version"`
	Fingerprint string                `json:"fingerprint"`
	Images      map[string]builtImage `json:"images"`
	Outputs     []string              `json:"outputs"`
	Owners      string                `json:"owners"`
	Changes     *change.Changes       `json:"changes,omitempty"` // since the build that --diff names
	CPUSeconds  float64               `json:"cpu_s"`
	WallSeconds float64               `json:"wall_s"`
}

// versions are those that may stand in a file's name and after a slash.
var versions = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func newBuild() *cobra.Command {
	var f stateFlags
	var version, rev, out, keyDir, diff string
	var asJSON bool
	c := &cobra.Command{
		Use:     "build DEVICE",
		Short:   "Make a build: stock + layers -> signed images",
		Long:    "Makes the images of one device from its stock firmware and the layers of the OS repository at a commit, and signs them. What is committed counts, not the work tree. The same commit, stock, version and keys give the same bytes.",
		Example: "  friday build umi -o out\n  friday build umi --version 26.11.27 --rev v2 --json\n  friday build umi --version 26.11.27 --diff 26.11.20",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if diff != "" && !versions.MatchString(diff) {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--diff is %q, expected the version of a build, such as 26.11.20", diff)}
			}
			if version != "" && !versions.MatchString(version) {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--version is %q, expected at most 64 letters, digits and . _ -", version)}
			}
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			done, err := outputFolder(out)
			if err != nil {
				return err
			}
			defer done()
			var older catalog.Build
			if diff != "" {
				if older, err = s.findBuild(cmd.Context(), args[0]+"/"+diff); err != nil {
					return err
				}
			}
			begin := time.Now()
			in, err := s.buildInput(cmd, args[0], rev, keyDir)
			if err != nil {
				return err
			}
			if in.Version = version; version == "" {
				train := train.DefaultSchedule(time.Local)
				in.Version = train.Name(train.Next(time.Now()))
			}
			build, report, err := rom.Build(cmd.Context(), in)
			if err != nil {
				return err
			}
			if err := s.db.Write(cmd.Context(), func(tx *db.Tx) error {
				build.CreatedAt = tx.Now()
				return catalog.PutBuild(tx, build)
			}); err != nil {
				return err
			}
			res, err := s.writeBuild(out, build, report)
			if err != nil {
				return err
			}
			res.WallSeconds, res.CPUSeconds = time.Since(begin).Seconds(), cpuSeconds()
			if diff != "" {
				if res.Changes, err = s.changes(cmd.Context(), older, build); err != nil {
					return err
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), res)
			}
			if err := printBuild(cmd.OutOrStdout(), res); err != nil || diff == "" {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "\nSince %s:\n", older.Version)
			return res.Changes.Text(cmd.OutOrStdout(), 0)
		},
	}
	f.register(c)
	c.Flags().StringVar(&version, "version", "", "`version` of the build (default that of the release that leaves next)")
	c.Flags().StringVar(&rev, "rev", "HEAD", "`commit` of the OS repository")
	c.Flags().StringVarP(&out, "output", "o", "", "`folder` for the images (default none: they stay in the blobs)")
	c.Flags().StringVar(&diff, "diff", "", "`version` of an older build: say, file by file, what changed since")
	c.Flags().StringVar(&keyDir, "keys", "", "`folder` of the release keys (default DIR/keys)")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// buildInput gathers all that a build depends on.
func (s *installation) buildInput(cmd *cobra.Command, device, rev, keyDir string) (rom.Input, error) {
	in := rom.Input{Device: device, Blobs: s.blobs}
	repo, err := s.repository()
	if err != nil {
		return in, err
	}
	if in.Snapshot, err = repo.Load(rev); err != nil {
		return in, err
	}
	if in.Snapshot.Devices[device] == nil {
		return in, fmt.Errorf("cannot build %s: the OS repository has no such device at %s, only %s; describe it in devices/%[1]s/device.yaml and commit",
			device, rev, strings.Join(slices.Sorted(maps.Keys(in.Snapshot.Devices)), ", "))
	}
	if err := s.db.Read(cmd.Context(), func(tx *db.Tx) (err error) {
		in.Stock, err = train.StockFor(tx, in.Snapshot, device)
		return err
	}); errors.Is(err, catalog.ErrNotFound) {
		return in, fmt.Errorf("cannot build %s: %w; take it in with 'friday stock add FILE --device %[1]s'", device, err)
	} else if err != nil {
		return in, err
	}
	ring, err := s.keyRing(keyDir)
	if err != nil {
		return in, err
	}
	if in.AVB, err = ring.AVB(); err != nil {
		return in, err
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
func (s *installation) writeBuild(dir string, b catalog.Build, report *rom.Report) (built, error) {
	res := built{Device: b.Device, Version: b.Version, Fingerprint: b.Fingerprint, Images: map[string]builtImage{}, Outputs: []string{}}
	for _, im := range b.Images {
		e := builtImage{SHA256: im.Digest.String(), Size: im.Size, FS: im.FS}
		if dir != "" {
			e.File = filepath.Join(dir, im.Name+".img")
			if err := exportBlob(s.blobs, im.Digest, e.File); err != nil {
				return res, err
			}
			res.Outputs = append(res.Outputs, e.File)
		}
		res.Images[im.Name] = e
	}
	if dir == "" {
		return res, nil
	}
	res.Owners = filepath.Join(dir, "owners.txt")
	err := writeFile(res.Owners, func(f *os.File) error { return report.Text(f) })
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

func printBuild(w io.Writer, b built) error {
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
	return tw.Flush()
}
