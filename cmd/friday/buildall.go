package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/fingerprint"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
)

// buildArgs is the job of building one device, as 'build' of several puts it in.
type buildArgs struct {
	Device  string `json:"device"`
	Commit  string `json:"commit"`
	Version string `json:"version"`
}

// Kind names the job.
func (buildArgs) Kind() string { return "build.device" }

// failedBuild is a device that was not built.
type failedBuild struct {
	Device string `json:"device"`
	Error  string `json:"error"`
}

// severalBuilt is what 'build --json' of several devices prints. One process built
// them side by side, so that their cpu_s are left out; that of all is here.
type severalBuilt struct {
	Builds      []*built      `json:"builds"`
	Failed      []failedBuild `json:"failed"`
	CPUSeconds  float64       `json:"cpu_s"`
	WallSeconds float64       `json:"wall_s"`
}

// buildSeveral builds devices side by side, each a job in the queue, which shows
// them to whoever looks; the jobs are this process's own, as are its keys. names
// are all devices if empty.
func (s *installation) buildSeveral(cmd *cobra.Command, names []string, o order, at int, asJSON bool) error {
	ctx, begin, used := cmd.Context(), time.Now(), cpuSeconds()
	repo, err := s.repository()
	if err != nil {
		return err
	}
	snapshot, err := repo.Load(o.rev)
	if err != nil {
		return err
	}
	o.rev = snapshot.Commit.Hash // that of now, for all of them
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(snapshot.Devices))
	}
	if names = slices.Compact(slices.Sorted(slices.Values(names))); len(names) == 0 {
		return errors.New("cannot build: the OS repository describes no device")
	}
	if at <= 0 {
		at = abreast(runtime.GOMAXPROCS(0), memoryLeft())
	}
	b := &buildRun{s: s, o: o, bars: newBars(cmd), running: map[string]*bar{}, built: map[string]*built{}, failed: map[string]error{}}
	for _, n := range names {
		b.running[n] = b.bars.add(n)
	}
	err = b.run(ctx, names, at)
	b.bars.wait()
	if err != nil {
		return err
	}
	return b.tell(cmd.OutOrStdout(), names, severalBuilt{Builds: []*built{}, Failed: []failedBuild{}, CPUSeconds: cpuSeconds() - used, WallSeconds: time.Since(begin).Seconds()}, asJSON)
}

// buildRun is the building of several devices under way.
type buildRun struct {
	s       *installation
	o       order
	bars    *bars
	running map[string]*bar

	mu     sync.Mutex
	built  map[string]*built
	failed map[string]error
}

// run puts a job in for each device and does them, at most so many at a time.
func (b *buildRun) run(ctx context.Context, names []string, at int) error {
	queue := "build_" + strings.ToLower(rand.Text()[:12])
	var ids []int64
	if err := b.s.db.Write(ctx, func(tx *db.Tx) error {
		if err := forgetBuilds(tx); err != nil {
			return err
		}
		ids = ids[:0]
		for _, n := range names {
			id, err := jobs.Insert(ctx, tx, buildArgs{n, b.o.rev, b.o.version}, jobs.Options{Queue: queue, MaxAttempts: 1})
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}); err != nil {
		return err
	}
	var w jobs.Workers
	jobs.Add(&w, b.build)
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		ended <- jobs.Run(working, b.s.db, &w, jobs.RunOptions{Queue: queue, MaxWorkers: at, Drain: time.Millisecond})
	}()
	waited := make(chan error, 1)
	go func() { waited <- waitAll(working, b.s.db, ids) }()
	var err error
	select {
	case err = <-waited:
		stop()
		err = errors.Join(err, <-ended)
	case err = <-ended: // it could not begin, or was told to stop
		stop()
		<-waited
	}
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), b.cancel(context.WithoutCancel(ctx), ids))
	}
	return err
}

func waitAll(ctx context.Context, d *db.DB, ids []int64) error {
	for _, id := range ids {
		if _, err := jobs.Wait(ctx, d, id); err != nil {
			return err
		}
	}
	return nil
}

// cancel takes jobs out of the queue that will not be done.
func (b *buildRun) cancel(ctx context.Context, ids []int64) error {
	ctx, end := context.WithTimeout(ctx, 10*time.Second)
	defer end()
	return b.s.db.Write(ctx, func(tx *db.Tx) error {
		for _, id := range ids {
			if _, err := jobs.Cancel(tx, id); err != nil && !errors.Is(err, jobs.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// forgetBuilds cancels what a process that was killed left in the queue, of which
// nobody else does anything.
func forgetBuilds(tx *db.Tx) error {
	left, err := jobs.List(tx, jobs.Filter{Kinds: []string{buildArgs{}.Kind()}, States: []jobs.State{jobs.Available, jobs.Retryable, jobs.Scheduled}, Limit: 1000})
	if err != nil {
		return err
	}
	for _, j := range left {
		if time.Since(j.CreatedAt) < jobs.DefaultTimeout {
			continue
		}
		if _, err := jobs.Cancel(tx, j.ID); err != nil {
			return err
		}
	}
	return nil
}

// build does one job. What went wrong is told at the end, in full.
func (b *buildRun) build(ctx context.Context, a buildArgs) error {
	o := b.o
	if o.out != "" {
		o.out = filepath.Join(o.out, a.Device)
		done, err := outputFolder(o.out)
		if err != nil {
			return b.end(ctx, a.Device, nil, err)
		}
		defer done()
	}
	bar := b.running[a.Device]
	res, err := b.s.buildOne(ctx, a.Device, o, func(step string, done, total int64) {
		bar.step(step, done, total)
		jobs.SetProgress(ctx, step, done, total)
	})
	return b.end(ctx, a.Device, &res, err)
}

func (b *buildRun) end(ctx context.Context, device string, res *built, err error) error {
	b.running[device].end(err)
	if err != nil && ctx.Err() != nil {
		return err // told to stop: neither built nor failed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.failed[device] = err
		return jobs.Permanent(err)
	}
	res.CPUSeconds = nil // others were built meanwhile
	b.built[device] = res
	return nil
}

// tell prints what came of each device.
func (b *buildRun) tell(w io.Writer, names []string, all severalBuilt, asJSON bool) error {
	for _, n := range names {
		if res := b.built[n]; res != nil {
			all.Builds = append(all.Builds, res)
		} else {
			all.Failed = append(all.Failed, failedBuild{n, fmt.Sprint(b.failed[n])})
		}
	}
	var failed error
	if n := len(all.Failed); n > 0 {
		failed = fmt.Errorf("cannot build %d of %d devices", n, len(names))
	}
	if asJSON {
		return errors.Join(printJSON(w, all), failed)
	}
	if err := all.table(w, names, b.o); err != nil {
		return err
	}
	return failed
}

// table is for people, within 80 columns.
func (all severalBuilt) table(w io.Writer, names []string, o order) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(tw, "DEVICE\tIMAGES\tSIZE\tTIME\tSTOCK\n")
	for _, n := range names {
		i := slices.IndexFunc(all.Builds, func(b *built) bool { return b.Device == n })
		if i < 0 {
			fmt.Fprintf(tw, "%s\t-\t-\t-\tfailed\n", n)
			continue
		}
		b, total := all.Builds[i], int64(0)
		for _, im := range b.Images {
			total += im.Size
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\t%.1f s\t%s\n", n, len(b.Images), size(total), b.WallSeconds, stockOf(b.Fingerprint))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, f := range all.Failed {
		fmt.Fprintf(w, "\n%s:\n%s", f.Device, indented(f.Error, "  ", 80))
	}
	fmt.Fprintf(w, "\nBuilt %s for %d of %d devices in %.1f s (%.1f s of processor time).\n", o.version, len(all.Builds), len(names), all.WallSeconds, all.CPUSeconds)
	for _, b := range all.Builds {
		if b.Changes != nil {
			fmt.Fprintf(w, "\n%s since %s:\n", b.Device, o.diff)
			if err := b.Changes.Text(w, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// indented is text in lines of at most so many columns, words permitting, all but the
// first of each line of its own further in.
func indented(text, by string, width int) string {
	var out strings.Builder
	for l := range strings.SplitSeq(text, "\n") {
		line := by
		for i, word := range strings.Fields(l) {
			if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
				out.WriteString(line + "\n")
				line = by + "  "
			} else if i > 0 {
				line += " "
			}
			line += word
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}

// stockOf is what a fingerprint says of the stock underneath.
func stockOf(text string) string {
	f, err := fingerprint.Parse(text)
	if err != nil {
		return shortened(text, 38)
	}
	return shortened(fmt.Sprintf("Android %s, %s", f.Release, f.Incremental), 38)
}

// shortened cuts a text in the middle.
func shortened(s string, most int) string {
	if len(s) <= most {
		return s
	}
	half := (most - 1) / 2
	return s[:most-1-half] + "…" + s[len(s)-half:]
}

// perBuild is what one build is given of memory, in bytes: three times what that of a
// system of 400 MB was seen to take.
const perBuild = 256 << 20

// abreast is how many builds cores and free memory (in bytes; 0: unknown) bear.
func abreast(cores int, memory int64) int {
	n := cores
	if memory > 0 {
		n = min(n, int(memory/perBuild))
	}
	return max(n, 1)
}

// memoryLeft is what the kernel says that programs may still take, in bytes; 0 where
// it does not.
func memoryLeft() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) >= 2 && fields[0] == "MemAvailable:" {
			if kib, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
