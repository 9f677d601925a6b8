package jobs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/jobs"
)

type buildArgs struct {
	Device  string `json:"device" river:"unique"`
	Version string `json:"version"`
}

func (buildArgs) Kind() string { return "test_build" }

type tickArgs struct{}

func (tickArgs) Kind() string { return "test_tick" }

func insert(t testing.TB, d *db.DB, args river.JobArgs, o jobs.Options) (id int64) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		id, err = jobs.Insert(t.Context(), tx, args, o)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

func list(t testing.TB, d *db.DB, f jobs.Filter) (found []jobs.Job) {
	t.Helper()
	if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
		found, err = jobs.List(tx, f)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func change(t testing.TB, d *db.DB, fn func(*db.Tx, int64) (jobs.Job, error), id int64) (job jobs.Job) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		job, err = fn(tx, id)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return job
}

func wait(t testing.TB, d *db.DB, id int64) jobs.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	job, err := jobs.Wait(ctx, d, id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// start runs a worker until the returned function, or the test's end, stops it.
func start(t testing.TB, d *db.DB, w *jobs.Workers, o jobs.RunOptions) (stop func()) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(&testWriter{t: t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- jobs.Run(ctx, d, w, o) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

type testWriter struct{ t testing.TB }

func (w *testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

func TestPutIsPartOfTheTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		boom := errors.New("boom")
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := jobs.Put(t.Context(), tx, buildArgs{"umi", "1"}, jobs.Options{}); err != nil {
				t.Error(err)
			}
			return boom
		}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		if found := list(t, d, jobs.Filter{}); len(found) != 0 {
			t.Fatalf("found %v after a rollback", found)
		}
		id := insert(t, d, buildArgs{"umi", "1"}, jobs.Options{})
		found := list(t, d, jobs.Filter{})
		if len(found) != 1 || found[0].ID != id || found[0].State != jobs.Available || found[0].Kind != "test_build" {
			t.Fatalf("found %v", found)
		}
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			_, err := jobs.Get(tx, id+1)
			return err
		}); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("found %v, want ErrNotFound", err)
		}
	})
}

func TestRun(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w jobs.Workers
		var done sync.Map
		jobs.Add(&w, func(ctx context.Context, a buildArgs) error {
			done.Store(a, true)
			return d.Write(ctx, func(tx *db.Tx) error { // a job's own transactions, and what follows from it
				return jobs.Put(ctx, tx, tickArgs{}, jobs.Options{})
			})
		})
		var ticks atomic.Int64
		jobs.Add(&w, func(context.Context, tickArgs) error { ticks.Add(1); return nil })
		first := insert(t, d, buildArgs{"umi", "0"}, jobs.Options{})
		start(t, d, &w, jobs.RunOptions{MaxWorkers: 4})
		wait(t, d, first) // was there before the worker
		began := time.Now()
		var ids []int64
		for _, device := range strings.Fields("a b c d e f g h") {
			ids = append(ids, insert(t, d, buildArgs{device, "1"}, jobs.Options{}))
		}
		for _, id := range ids {
			if job := wait(t, d, id); job.State != jobs.Completed || job.Attempt != 1 {
				t.Errorf("found %+v", job)
			}
		}
		t.Logf("8 jobs in %v", time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := jobs.WaitIdle(ctx, d); err != nil {
			t.Fatal(err)
		}
		if n := ticks.Load(); n != 9 {
			t.Errorf("%d jobs followed, want 9", n)
		}
		if _, ok := done.Load(buildArgs{"h", "1"}); !ok {
			t.Error("the arguments did not come through")
		}
	})
}

func TestFailures(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w jobs.Workers
		var tries atomic.Int64
		jobs.AddTimeout(&w, 200*time.Millisecond, func(ctx context.Context, a buildArgs) error {
			switch a.Device {
			case "twice":
				if tries.Add(1) == 1 {
					return errors.New("the first time fails")
				}
				return nil
			case "never":
				return jobs.Permanent(errors.New("no such layer"))
			case "panics":
				panic("out of range")
			case "hangs":
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		start(t, d, &w, jobs.RunOptions{MaxWorkers: 4})
		twice := insert(t, d, buildArgs{Device: "twice"}, jobs.Options{})
		never := insert(t, d, buildArgs{Device: "never"}, jobs.Options{})
		panics := insert(t, d, buildArgs{Device: "panics"}, jobs.Options{MaxAttempts: 1})
		hangs := insert(t, d, buildArgs{Device: "hangs"}, jobs.Options{MaxAttempts: 1})
		if job := wait(t, d, never); job.State != jobs.Cancelled || !strings.Contains(job.LastError, "no such layer") {
			t.Errorf("found %+v", job)
		}
		if job := wait(t, d, panics); job.State != jobs.Discarded || !strings.Contains(job.LastError, "out of range") {
			t.Errorf("found %+v", job)
		}
		if job := wait(t, d, hangs); job.State != jobs.Discarded || !strings.Contains(job.LastError, "deadline") {
			t.Errorf("found %+v", job)
		}
		if job := wait(t, d, twice); job.State != jobs.Completed || job.Attempt != 2 {
			t.Errorf("found %+v", job)
		}
		change(t, d, jobs.Retry, never)
		if job := wait(t, d, never); job.Attempt != 2 {
			t.Errorf("found %+v", job)
		}
	})
}

func TestUnique(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		one := insert(t, d, buildArgs{"umi", "1"}, jobs.Options{Unique: true})
		if two := insert(t, d, buildArgs{"umi", "2"}, jobs.Options{Unique: true}); two != one {
			t.Errorf("a second job for the device was added: %d and %d", one, two)
		}
		insert(t, d, buildArgs{"hlte", "1"}, jobs.Options{Unique: true})
		var group sync.WaitGroup
		for range 5 { // from several at once
			group.Go(func() {
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					return jobs.Put(t.Context(), tx, tickArgs{}, jobs.Options{Unique: true})
				}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if n := len(list(t, d, jobs.Filter{Kinds: []string{"test_tick"}})); n != 1 {
			t.Errorf("%d ticks, want 1", n)
		}
		if n := len(list(t, d, jobs.Filter{Kinds: []string{"test_build"}, States: []jobs.State{jobs.Available}})); n != 2 {
			t.Errorf("%d builds, want 2", n)
		}
		var w jobs.Workers
		jobs.Add(&w, func(context.Context, buildArgs) error { return nil })
		start(t, d, &w, jobs.RunOptions{})
		wait(t, d, one)
		if again := insert(t, d, buildArgs{"umi", "3"}, jobs.Options{Unique: true}); again == one {
			t.Error("a finished job keeps others out")
		}
	})
}

func TestScheduledAndCancel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w jobs.Workers
		running := make(chan struct{})
		jobs.Add(&w, func(ctx context.Context, a buildArgs) error {
			close(running)
			<-ctx.Done()
			return ctx.Err()
		})
		later := insert(t, d, buildArgs{Device: "later"}, jobs.Options{ScheduledAt: time.Now().Add(time.Hour)})
		start(t, d, &w, jobs.RunOptions{})
		now := insert(t, d, buildArgs{Device: "now"}, jobs.Options{})
		<-running
		if job := change(t, d, jobs.Cancel, later); job.State != jobs.Cancelled {
			t.Errorf("found %+v", job)
		}
		change(t, d, jobs.Cancel, now)
		if job := wait(t, d, now); job.State != jobs.Cancelled {
			t.Errorf("found %+v", job)
		}
	})
}

func TestProgress(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w jobs.Workers
		goOn := make(chan error)
		jobs.Add(&w, func(ctx context.Context, a buildArgs) error {
			for i := range int64(1000) {
				jobs.SetProgress(ctx, "hash system", i+1, 2000)
			}
			return <-goOn
		})
		start(t, d, &w, jobs.RunOptions{})
		id := insert(t, d, buildArgs{Device: "umi"}, jobs.Options{MaxAttempts: 1})
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			job := list(t, d, jobs.Filter{})[0]
			if p := job.Progress; p.Step == "hash system" && p.Done == 1000 && p.Total == 2000 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("found %+v", job)
			}
		}
		goOn <- errors.New("boom")
		if job := wait(t, d, id); job.Progress.Step != "hash system" {
			t.Errorf("a failed job does not say where: %+v", job)
		}
		id = insert(t, d, buildArgs{Device: "umi"}, jobs.Options{MaxAttempts: 1})
		goOn <- nil
		if job := wait(t, d, id); job.Progress != (jobs.Progress{}) {
			t.Errorf("a completed job still makes progress: %+v", job)
		}
	})
}

func TestDrain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w jobs.Workers
		running := make(chan string, 2)
		var ended atomic.Bool
		jobs.Add(&w, func(ctx context.Context, a buildArgs) error {
			running <- a.Device
			if a.Device == "quick" {
				time.Sleep(300 * time.Millisecond)
				ended.Store(true)
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		quick := insert(t, d, buildArgs{Device: "quick"}, jobs.Options{})
		slow := insert(t, d, buildArgs{Device: "slow"}, jobs.Options{})
		stop := start(t, d, &w, jobs.RunOptions{Drain: 2 * time.Second})
		<-running
		<-running
		after := insert(t, d, buildArgs{Device: "after"}, jobs.Options{ScheduledAt: time.Now().Add(time.Hour)})
		began := time.Now()
		stop()
		if took := time.Since(began); took < 1900*time.Millisecond || took > 30*time.Second {
			t.Errorf("stopping took %v", took)
		}
		for _, job := range list(t, d, jobs.Filter{}) {
			want := map[int64]jobs.State{quick: jobs.Completed, slow: jobs.Available, after: jobs.Scheduled}[job.ID]
			if job.State != want {
				t.Errorf("found %+v, want %s", job, want)
			}
		}
		if !ended.Load() {
			t.Error("the quick job was not let finish")
		}
	})
}

func TestEvery(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var w jobs.Workers
		ticks := make(chan struct{}, 10)
		jobs.Add(&w, func(context.Context, tickArgs) error { ticks <- struct{}{}; return nil })
		jobs.Every(&w, time.Second, tickArgs{})
		start(t, d, &w, jobs.RunOptions{})
		for range 3 {
			select {
			case <-ticks:
			case <-time.After(20 * time.Second):
				t.Fatal("no tick")
			}
		}
	})
}

type tockArgs struct{}

func (tockArgs) Kind() string { return "test_tock" }

// Processes that do different kinds of jobs each see to their own, whichever of
// them leads River; and two that do one kind put it in as often as one.
func TestEveryOfEach(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ticks, tocks := make(chan struct{}, 100), make(chan struct{}, 100)
		for range 2 {
			var w jobs.Workers
			jobs.Add(&w, func(context.Context, tickArgs) error { ticks <- struct{}{}; return nil })
			jobs.Every(&w, time.Hour, tickArgs{})
			start(t, d, &w, jobs.RunOptions{})
		}
		var w jobs.Workers
		jobs.Add(&w, func(context.Context, tockArgs) error { tocks <- struct{}{}; return nil })
		jobs.Every(&w, time.Second, tockArgs{})
		start(t, d, &w, jobs.RunOptions{})
		for range 3 {
			select {
			case <-tocks:
			case <-time.After(20 * time.Second):
				t.Fatal("the process that does not lead does nothing")
			}
		}
		<-ticks
		if len(ticks) != 0 {
			t.Errorf("an hourly job ran %d times more within seconds", len(ticks))
		}
	})
}

func TestRunRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := jobs.Run(t.Context(), d, &jobs.Workers{}, jobs.RunOptions{}); err == nil {
			t.Error("ran without any kind")
		}
		var w jobs.Workers
		jobs.Add(&w, func(context.Context, tickArgs) error { return nil })
		jobs.Add(&w, func(context.Context, tickArgs) error { return nil })
		if err := jobs.Run(t.Context(), d, &w, jobs.RunOptions{}); err == nil || !strings.Contains(err.Error(), "test_tick") {
			t.Errorf("two functions of one kind: %v", err)
		}
	})
}

// TestQueue: a job that is put into a queue is done by who runs on it, and by nobody
// else.
func TestQueue(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var mine, others atomic.Int64
		does := func(n *atomic.Int64) *jobs.Workers {
			w := &jobs.Workers{}
			jobs.Add(w, func(context.Context, buildArgs) error { n.Add(1); return nil })
			return w
		}
		start(t, d, does(&others), jobs.RunOptions{})
		id := insert(t, d, buildArgs{Device: "umi"}, jobs.Options{Queue: "mine"})
		if job := wait(t, d, insert(t, d, buildArgs{Device: "hlte"}, jobs.Options{})); job.State != jobs.Completed {
			t.Errorf("a job in no queue is %s", job.State)
		}
		start(t, d, does(&mine), jobs.RunOptions{Queue: "mine"})
		if job := wait(t, d, id); job.State != jobs.Completed || mine.Load() != 1 || others.Load() != 1 {
			t.Errorf("it is %s; done %d times by its own, and others' %d times", job.State, mine.Load(), others.Load())
		}
	})
}
