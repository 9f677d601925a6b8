package checks

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// Options say what is measured.
type Options struct {
	Exe         string        // the friday program; it serves when called with ServerVerb
	History     string        // gzipped history
	Rollouts    int           // in flight
	Connections int           // at once
	Duration    time.Duration // of each side
	Seed        uint64        // of the check-ins
	Busy        bool          // rollouts change and outcomes come in meanwhile
	Dir         string        // keeps the store for the next time; empty: it is made anew and removed
	Note        func(string)  // hears what is being done
}

// ServerVerb are the arguments with which Exe serves from a folder, which follows.
func ServerVerb() []string { return []string{"bench", "checkin-server"} }

// Run fills a store, starts its server as a process, and asks it.
func Run(ctx context.Context, o Options) (f Figures, err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "friday-bench-"); err != nil {
			return f, fmt.Errorf("cannot measure check-ins: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if err := o.fill(ctx, dir); err != nil {
		return f, err
	}
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, "friday.db"))
	if err != nil {
		return f, err
	}
	defer d.Close()
	requests, err := Requests(ctx, d, 20_000, o.Seed)
	if err != nil {
		return f, err
	}
	o.Note("starting the server")
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, o.Exe, append(ServerVerb(), dir)...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return f, fmt.Errorf("cannot start the server: %w", err)
	}
	defer func() { stop(); _ = cmd.Wait() }() // it was told to end
	var a Addresses
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&a); err != nil {
		return f, fmt.Errorf("cannot start the server: %w; it says: %s", err, log.String())
	}
	o.Note("asking")
	if o.Busy {
		b, err := newBusy(ctx, d, dir, a.Friday)
		if err != nil {
			return f, err
		}
		f, err = Measure(ctx, a, requests, o.Connections, o.Duration, spent(cmd.Process.Pid), b.check)
		meanwhile, err2 := b.stop(ctx)
		if err = errors.Join(err, err2); err != nil {
			return f, err
		}
		f.Meanwhile = &meanwhile
	} else if f, err = Measure(ctx, a, requests, o.Connections, o.Duration, spent(cmd.Process.Pid), nil); err != nil {
		return f, err
	}
	f.RSS = memory(cmd.Process.Pid)
	return f, nil
}

// fill makes the store in dir, unless it is there.
func (o *Options) fill(ctx context.Context, dir string) (err error) {
	filled := filepath.Join(dir, "filled")
	if was, err := os.ReadFile(filled); err == nil {
		o.Note("using the store in " + dir + ": " + string(was))
		return nil
	}
	file, err := os.Open(o.History)
	if err != nil {
		return fmt.Errorf("cannot read history: %w", err)
	}
	defer file.Close()
	var plain io.Reader = file
	if strings.HasSuffix(o.History, ".gz") {
		if plain, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("cannot read history %s: %w", o.History, err)
		}
	}
	h, err := ReadHistory(plain)
	if err != nil {
		return err
	}
	said, err := json.Marshal(h)
	if err != nil {
		return err
	}
	o.Note("history: " + string(said))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(dir, "friday.db")); err != nil { // half filled
		return err
	}
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, "friday.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Migrate(ctx); err != nil {
		return err
	}
	o.Note("filling the store")
	f, err := Fill(ctx, d, h, o.Rollouts)
	if err != nil {
		return err
	}
	if said, err = json.Marshal(f); err != nil {
		return err
	}
	o.Note("the store has " + string(said))
	return os.WriteFile(filled, said, 0o600)
}

// memory is the most that a process had, in 10⁶ bytes; 0 where the system does
// not tell.
func memory(pid int) float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

// spent tells how much of the processors a process has used until now; nil where
// the system does not tell.
func spent(pid int) func() time.Duration {
	stat := "/proc/" + strconv.Itoa(pid) + "/stat"
	if _, err := os.Stat(stat); err != nil {
		return nil
	}
	return func() time.Duration {
		text, err := os.ReadFile(stat)
		if err != nil {
			return 0
		}
		// After the name, which may have spaces and parentheses: utime and stime are the
		// 12th and 13th, in hundredths of a second.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) < 13 {
			return 0
		}
		user, err := strconv.ParseInt(fields[11], 10, 64)
		system, err2 := strconv.ParseInt(fields[12], 10, 64)
		if err != nil || err2 != nil {
			return 0
		}
		return time.Duration(user+system) * 10 * time.Millisecond
	}
}
