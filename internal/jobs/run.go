package jobs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/fridayos/friday/internal/db"
)

// Workers are the kinds of jobs a process can do. The zero value is ready for Add.
type Workers struct {
	bundle  *river.Workers
	kinds   int
	periods []period
	err     error
}

// Add says how jobs with arguments T are done; DefaultTimeout applies.
func Add[T river.JobArgs](w *Workers, fn func(ctx context.Context, args T) error) {
	AddTimeout(w, 0, fn)
}

// AddTimeout is Add with a limit of time of its own, after which ctx ends.
func AddTimeout[T river.JobArgs](w *Workers, timeout time.Duration, fn func(ctx context.Context, args T) error) {
	if w.bundle == nil {
		w.bundle = river.NewWorkers()
	}
	w.kinds++
	w.err = errors.Join(w.err, river.AddWorkerSafely(w.bundle, &worker[T]{fn: fn, timeout: timeout}))
}

// periodicTag marks the jobs of Every.
const periodicTag = "periodic"

type worker[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	fn      func(context.Context, T) error
	timeout time.Duration
}

func (w *worker[T]) Work(ctx context.Context, job *river.Job[T]) error { return w.fn(ctx, job.Args) }
func (w *worker[T]) Timeout(*river.Job[T]) time.Duration               { return w.timeout }

// DefaultTimeout ends a job that hangs.
const DefaultTimeout = 2 * time.Hour

// RunOptions say how a worker process works.
type RunOptions struct {
	Log        *slog.Logger  // nil: says nothing
	MaxWorkers int           // jobs at a time; 2 unless given
	Queue      string        // whose jobs are done: those that Options give it; "": those of none
	Drain      time.Duration // how long running jobs may go on after ctx has ended; 30 s unless given
	Lease      time.Duration // how long after its last sign of life a worker's jobs are given to others; 30 s unless given
}

func (o RunOptions) withDefaults() RunOptions {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxWorkers <= 0 {
		o.MaxWorkers = 2
	}
	if o.Queue == "" {
		o.Queue = river.QueueDefault
	}
	if o.Drain <= 0 {
		o.Drain = 30 * time.Second
	}
	if o.Lease <= 0 {
		o.Lease = 30 * time.Second
	}
	return o
}

// How long a job that is over is kept: done or cancelled, and given up.
const (
	DoneKept   = 24 * time.Hour
	FailedKept = 7 * 24 * time.Hour
)

// Run does jobs until ctx ends, then lets the running ones finish: what has not
// after o.Drain is interrupted and waits for the next worker.
func Run(ctx context.Context, d *db.DB, w *Workers, o RunOptions) error {
	if w.err != nil {
		return fmt.Errorf("cannot run jobs: %w", w.err)
	}
	if w.kinds == 0 {
		return errors.New("cannot run jobs: no kind of job was added")
	}
	o = o.withDefaults()
	if d.Pool() != nil {
		return run(ctx, d, riverpgxv5.New(d.Pool()), w, o)
	}
	// One connection, as River's driver wants it: beside the process's writer, so that neither waits in the other's line.
	pool, err := d.OpenSQLite(1)
	if err != nil {
		return err
	}
	defer pool.Close()
	return run(ctx, d, riversqlite.New(pool), w, o)
}

// warnings lets through what an operator must know of River itself. Its own
// counts, every few seconds, are no news, nor is what stopping interrupts.
type warnings struct {
	slog.Handler
	stopping context.Context
}

func (h warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.stopping.Err() == nil && h.Handler.Enabled(ctx, l)
}

func (h warnings) WithAttrs(a []slog.Attr) slog.Handler {
	return warnings{h.Handler.WithAttrs(a), h.stopping}
}

func (h warnings) WithGroup(g string) slog.Handler {
	return warnings{h.Handler.WithGroup(g), h.stopping}
}

func run[T any](ctx context.Context, d *db.DB, driver riverdriver.Driver[T], w *Workers, o RunOptions) error {
	p := &process{d: d, id: processID(), o: o, stopping: ctx}
	client, err := river.NewClient(driver, &river.Config{
		ID:          p.id,
		Logger:      slog.New(warnings{o.Log.Handler(), ctx}),
		Workers:     w.bundle,
		Queues:      map[string]river.QueueConfig{o.Queue: {MaxWorkers: o.MaxWorkers}},
		Middleware:  []rivertype.Middleware{river.WorkerMiddlewareFunc(p.work)},
		MaxAttempts: DefaultMaxAttempts,
		JobTimeout:  DefaultTimeout,

		// A job's words may name people: a letter's, its receiver.
		CompletedJobRetentionPeriod: DoneKept,
		CancelledJobRetentionPeriod: DoneKept,
		DiscardedJobRetentionPeriod: FailedKept,

		// Leases find who died (lease.go); River's own rescue discards kinds that its leader does not do.
		RescueStuckJobsAfter: 10 * 365 * 24 * time.Hour,
		SoftStopTimeout:      o.Drain,
		FetchOnlyKnownKinds:  true, // others stay for a worker that is newer
	})
	if err != nil {
		return fmt.Errorf("cannot run jobs: %w", err)
	}
	if err := errors.Join(p.beat(ctx), p.tidy(ctx)); err != nil {
		return fmt.Errorf("cannot run jobs: %w", err)
	}
	// Signs of life go on while running jobs finish.
	alive, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { defer close(ended); p.live(alive, rescuer(driver)) }()
	defer func() { end(); <-ended; p.leave() }()
	var keeping sync.WaitGroup
	due, stop := context.WithCancel(ctx)
	for _, one := range w.periods {
		keeping.Go(func() { p.keep(due, one) })
	}
	defer func() { stop(); keeping.Wait() }()

	if err := client.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("cannot run jobs: %w", err)
	}
	<-client.Stopped()
	return nil
}

// processID is unique among all workers, and tells a human which it is.
func processID() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%.60s_%d_%s", host, os.Getpid(), rand.Text()[:8])
}

// process is one Run.
type process struct {
	d        *db.DB
	id       string
	o        RunOptions
	stopping context.Context
}

// work runs around every job.
func (p *process) work(ctx context.Context, row *rivertype.JobRow, inner func(context.Context) error) error {
	log := p.o.Log.With("job", row.ID, "kind", row.Kind, "attempt", row.Attempt)
	began := time.Now()
	r := &reporter{d: p.d, log: log, job: row.ID}
	err := r.run(ctx, inner)
	switch {
	case err == nil && slices.Contains(row.Tags, periodicTag):
		log.Debug("job done", "took", time.Since(began)) // every few seconds: no news
	case err == nil:
		log.Info("job done", "took", time.Since(began))
	case ctx.Err() != nil && p.stopping.Err() != nil && !errors.Is(context.Cause(ctx), rivertype.ErrJobCancelledRemotely):
		log.Info("job interrupted; the next worker begins it again")
		return river.JobSnooze(0) // neither a failure nor an attempt
	default:
		log.Warn("job failed", "took", time.Since(began), "error", err)
	}
	return err
}
