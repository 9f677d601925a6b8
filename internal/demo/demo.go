// Package demo tells Friday's story on one machine: a member reports a bug, the
// fix is committed, built, packaged, shipped in stages, installed by that
// member's handset, and confirmed.
//
// It pretends nothing. It runs the same program as an operator would, as
// processes of their own (serve without release keys, worker with them, a
// handset), and does what people do through the pages they use. Each step
// checks what it led to and ends the story with an error if it did not happen.
//
// It is also the acceptance test's driver: cmd/friday's tests run it and let
// foreign programs judge what it leaves.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/fridayos/friday/internal/train"
)

// Options of a demo.
type Options struct {
	Exe      string    // the friday program
	Dir      string    // where everything is put; made if missing
	Addr     string    // HOST:PORT of the site; a port of 0 picks a free one
	Headless bool      // end by itself after writing report.json
	Files    string    // folder with 1/ and 2/: real files for last week's and this week's system
	Database string    // sqlite:PATH or postgres://…; empty: SQLite in Dir
	Out      io.Writer // what a person reads
	Terminal bool      // Out is a terminal: steps are drawn over while they run
}

const (
	device   = "umi"
	password = "orange friday train" // of every member in the demo
)

// story is a demo under way.
type story struct {
	Options
	steps    *steps
	base     string // "http://127.0.0.1:8017"
	schedule train.Schedule
	serve    *process
	worker   *process
	mara     *person // administers and maintains
	ana      *person // reports
	ben      *person // has it too
	releases [2]string
	thread   int64
	before   handsetState
	after    handsetState
}

// Run tells the story in o.Dir, or opens it again if it was told there.
func Run(ctx context.Context, o Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("cannot run demo: %w", err)
	}
	o.Dir = dir
	if o.Addr, err = freePort(o.Addr); err != nil { // before anything is made
		return err
	}
	told, err := prepare(o)
	if err != nil {
		return err
	}
	s := &story{Options: o, base: "http://" + o.Addr, steps: newSteps(o.Out, o.Terminal), schedule: train.DefaultSchedule(time.Local)}
	defer s.stop()
	if told {
		fmt.Fprintf(o.Out, "The story was told in %s already; it is opened again. Remove the folder to hear it anew.\n", o.Dir)
		if err := s.startServe(ctx); err != nil {
			return err
		}
		return s.stay(ctx)
	}
	begin := time.Now()
	for _, step := range []struct {
		name string
		do   func(ctx context.Context) (string, error)
	}{
		{"Stock firmware of a phone is made and taken in", s.makeStock},
		{"Site and worker start, as processes of their own", s.startProcesses},
		{"Members arrive", s.gather},
		{"The first release is cut, built, signed and proven", s.firstRelease},
		{"A handset is flashed, and its owner claims it", s.flash},
		{"A bug is reported, confirmed by another and recorded", s.report},
		{"The fix is committed", s.fix},
		{"The second release is cut, built, signed and proven", s.secondRelease},
		{"It ships in stages", s.ship},
		{"The handset updates itself and starts the other slot", s.update},
		{"The reporter is asked, and says that it works", s.confirm},
		{"It goes to everyone, LineageOS's own updater too", s.everyone},
		{"The report is written", s.writeReport},
	} {
		if err := s.steps.run(ctx, step.name, step.do); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Out, "\nThe whole loop took %.0f s. What it left is in %s.\n", time.Since(begin).Seconds(), o.Dir)
	if o.Headless {
		return s.stop()
	}
	return s.stay(ctx)
}

// prepare makes the folder. told: the story was told in it to its end.
func prepare(o Options) (told bool, err error) {
	if _, err := os.Stat(filepath.Join(o.Dir, "report.json")); err == nil && !o.Headless {
		return true, nil
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("cannot run demo: %w", err)
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("cannot run demo in %s: it is not empty; remove it or choose another folder with --dir", o.Dir)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return false, fmt.Errorf("cannot run demo: %w", err)
	}
	return false, nil
}

// freePort checks that addr can be listened on, and picks a port for port 0.
func freePort(addr string) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("cannot run demo at %s: %w; choose another address with --addr", addr, err)
	}
	addr = l.Addr().String()
	return addr, l.Close()
}

func (s *story) path(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// state is the installation's folder; its release keys lie elsewhere.
func (s *story) state() string { return s.path("os", ".friday") }
func (s *story) keys() string  { return s.path("keys") }

// stay keeps the site open until a person stops it.
func (s *story) stay(ctx context.Context) error {
	fmt.Fprintf(s.Out, `
The site is open:  %s
  sign in as       mara (maintainer), ana (who reported) or ben, password %q
  the thread       %s/t/1
  the train        %s/train
  a release        %s/r
Press Ctrl-C to close it.
`, s.base, password, s.base, s.base, s.base)
	select {
	case <-ctx.Done():
		return s.stop()
	case <-s.serve.done:
		return s.serve.ended("the site")
	}
}

// stop ends the processes, the worker first. A worker in the middle of a job is
// not waited for: what it does bears being killed, and done again.
func (s *story) stop() error {
	return errors.Join(s.worker.stop(2*time.Second), s.serve.stop(30*time.Second))
}
