// Package jobs puts work into the database, inside the transaction that causes
// it, and runs it in a worker process: River's queue on either database.
//
// It knows no kind of job: the rooms above define arguments and functions. A
// job runs at least once (a worker may be killed after its work and before its
// mark), so what it does must bear repeating. See ARCHITECTURE.md for who puts
// in what.
//
// The tables river_* are River's (riverqueue.com); job_progress, job_workers
// and job_periods are ours.
package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/fridayos/friday/internal/db"
)

// DefaultMaxAttempts: with River's pauses (attempt⁴ seconds) the eighth ends two and a half hours after the first.
const DefaultMaxAttempts = 8

// Options say how a job is put in. The zero value: now, every time, DefaultMaxAttempts.
type Options struct {
	// Unique: while a job of this kind with the same arguments waits or runs,
	// none is added. If some fields of the arguments are tagged
	// `river:"unique"`, only those are compared.
	Unique      bool
	ScheduledAt time.Time
	MaxAttempts int
	Priority    int // 1 (first) to 4
	// Queue keeps the job for the processes that Run on it; "": those that run on none.
	// Letters, digits, _ and -.
	Queue string
}

// whileItLives: one of its kind and arguments that waits or runs is enough.
var whileItLives = river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}}

// Permanent marks an error after which a job is not tried again.
func Permanent(err error) error { return river.JobCancel(err) }

// Put adds a job; it exists if tx commits.
func Put(ctx context.Context, tx *db.Tx, args river.JobArgs, o Options) error {
	_, err := Insert(ctx, tx, args, o)
	return err
}

// Insert is Put for who wants the job's id: that of the one already there if Unique found it.
func Insert(ctx context.Context, tx *db.Tx, args river.JobArgs, o Options) (id int64, err error) {
	q, err := in(tx)
	if err != nil {
		return 0, err
	}
	opts := &river.InsertOpts{ScheduledAt: o.ScheduledAt, MaxAttempts: o.MaxAttempts, Priority: o.Priority, Queue: o.Queue}
	if o.Unique {
		opts.UniqueOpts = whileItLives
	}
	result, err := q.insert(ctx, args, opts)
	if err != nil {
		return 0, tx.Fail(fmt.Errorf("cannot put in job %s: %w", args.Kind(), err))
	}
	return result.Job.ID, nil
}

// State is where a job stands.
type State string

// The states, River's.
const (
	Available State = "available" // waits for a worker
	Scheduled State = "scheduled" // waits for its time
	Retryable State = "retryable" // failed, will be tried again
	Running   State = "running"
	Completed State = "completed"
	Cancelled State = "cancelled" // by a human, or failed for good
	Discarded State = "discarded" // failed too often
)

// Finished tells whether nothing will happen to the job any more.
func (s State) Finished() bool { return s == Completed || s == Cancelled || s == Discarded }

// Job is a job as pages and commands show it.
type Job struct {
	ID          int64           `json:"id"`
	Kind        string          `json:"kind"`
	Args        json.RawMessage `json:"args"`
	State       State           `json:"state"`
	Attempt     int             `json:"attempt"`
	MaxAttempts int             `json:"max_attempts"`
	LastError   string          `json:"last_error,omitempty"`
	CreatedAt   time.Time       `json:"created_at"`
	ScheduledAt time.Time       `json:"scheduled_at"`
	AttemptedAt time.Time       `json:"attempted_at,omitzero"`
	FinishedAt  time.Time       `json:"finished_at,omitzero"`
	Progress    Progress        `json:"progress,omitzero"`
}

// Filter chooses jobs; empty fields choose all. The newest come first.
type Filter struct {
	Kinds  []string
	States []State
	Limit  int // 100 unless given, at most 1000
}

// List lists jobs, finished ones for a day (failed ones a week) after their end.
func List(tx *db.Tx, f Filter) ([]Job, error) {
	q, err := in(tx)
	if err != nil {
		return nil, err
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	params := river.NewJobListParams().OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(min(f.Limit, 1000))
	if len(f.Kinds) > 0 {
		params = params.Kinds(f.Kinds...)
	}
	if len(f.States) > 0 {
		var states []rivertype.JobState
		for _, s := range f.States {
			states = append(states, rivertype.JobState(s))
		}
		params = params.States(states...)
	}
	rows, err := q.list(tx.Context(), params)
	if err != nil {
		return nil, tx.Fail(fmt.Errorf("cannot list jobs: %w", err))
	}
	jobs := make([]Job, 0, len(rows))
	for _, row := range rows {
		job, err := toJob(tx, row)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

// ErrNotFound is returned, wrapped, for a job that is not there (any more).
var ErrNotFound = errors.New("no such job")

// Get reads one job.
func Get(tx *db.Tx, id int64) (Job, error) {
	return one(tx, id, "read", func(q queue) (*rivertype.JobRow, error) { return q.get(tx.Context(), id) })
}

// Cancel ends a job for good; a running one is told through its context.
func Cancel(tx *db.Tx, id int64) (Job, error) {
	return one(tx, id, "cancel", func(q queue) (*rivertype.JobRow, error) { return q.cancel(tx.Context(), id) })
}

// Retry lets a failed, cancelled or waiting job run now.
func Retry(tx *db.Tx, id int64) (Job, error) {
	return one(tx, id, "retry", func(q queue) (*rivertype.JobRow, error) { return q.retry(tx.Context(), id) })
}

func one(tx *db.Tx, id int64, verb string, do func(queue) (*rivertype.JobRow, error)) (Job, error) {
	q, err := in(tx)
	if err != nil {
		return Job{}, err
	}
	row, err := do(q)
	if errors.Is(err, rivertype.ErrNotFound) {
		return Job{}, fmt.Errorf("cannot %s job %d: %w", verb, id, ErrNotFound)
	}
	if err != nil {
		return Job{}, tx.Fail(fmt.Errorf("cannot %s job %d: %w", verb, id, err))
	}
	return toJob(tx, row)
}

func toJob(tx *db.Tx, row *rivertype.JobRow) (Job, error) {
	job := Job{
		ID: row.ID, Kind: row.Kind, Args: row.EncodedArgs, State: State(row.State),
		Attempt: row.Attempt, MaxAttempts: row.MaxAttempts,
		CreatedAt: row.CreatedAt, ScheduledAt: row.ScheduledAt,
	}
	if row.AttemptedAt != nil {
		job.AttemptedAt = *row.AttemptedAt
	}
	if row.FinalizedAt != nil {
		job.FinishedAt = *row.FinalizedAt
	}
	if n := len(row.Errors); n > 0 && job.State != Completed {
		job.LastError = row.Errors[n-1].Error
	}
	var err error
	if job.State == Running || job.AttemptedAt.After(job.FinishedAt) || job.LastError != "" {
		job.Progress, err = progressOf(tx, job.ID)
	}
	return job, err
}

// Wait waits until a job is finished and returns it: for tests and commands.
func Wait(ctx context.Context, d *db.DB, id int64) (Job, error) {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		var job Job
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			job, err = Get(tx, id)
			return err
		})
		if err != nil || job.State.Finished() {
			return job, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return job, fmt.Errorf("cannot wait for job %d (%s, %s): %w", id, job.Kind, job.State, ctx.Err())
		}
	}
}

// WaitIdle waits until no job of these kinds (none: any) waits, is to be tried again or runs.
func WaitIdle(ctx context.Context, d *db.DB, kinds ...string) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		var jobs []Job
		err := d.Read(ctx, func(tx *db.Tx) (err error) {
			jobs, err = List(tx, Filter{Kinds: kinds, States: []State{Available, Running, Retryable}, Limit: 1})
			return err
		})
		if err != nil || len(jobs) == 0 {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("cannot wait for jobs (%s is %s, last error %q): %w", jobs[0].Kind, jobs[0].State, jobs[0].LastError, ctx.Err())
		}
	}
}

// queue is what we use of a River client inside a transaction.
type queue interface {
	insert(context.Context, river.JobArgs, *river.InsertOpts) (*rivertype.JobInsertResult, error)
	list(context.Context, *river.JobListParams) ([]*rivertype.JobRow, error)
	get(context.Context, int64) (*rivertype.JobRow, error)
	cancel(context.Context, int64) (*rivertype.JobRow, error)
	retry(context.Context, int64) (*rivertype.JobRow, error)
}

// in makes a client without a pool of its own, bound to the transaction. It
// starts nothing, so that it is cheap and needs no end.
func in(tx *db.Tx) (queue, error) {
	config := &river.Config{Logger: slog.New(slog.DiscardHandler), MaxAttempts: DefaultMaxAttempts}
	if tx.Pgx() != nil {
		return bind[pgx.Tx](riverpgxv5.New(nil), tx.Pgx(), config)
	}
	return bind[*sql.Tx](riversqlite.New(nil), tx.SQL(), config)
}

func bind[T any](driver riverdriver.Driver[T], tx T, config *river.Config) (queue, error) {
	client, err := river.NewClient(driver, config)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the jobs: %w", err)
	}
	return bound[T]{client, tx}, nil
}

type bound[T any] struct {
	client *river.Client[T]
	tx     T
}

func (b bound[T]) insert(ctx context.Context, args river.JobArgs, o *river.InsertOpts) (*rivertype.JobInsertResult, error) {
	return b.client.InsertTx(ctx, b.tx, args, o)
}

func (b bound[T]) list(ctx context.Context, p *river.JobListParams) ([]*rivertype.JobRow, error) {
	result, err := b.client.JobListTx(ctx, b.tx, p)
	if err != nil {
		return nil, err
	}
	return result.Jobs, nil
}

func (b bound[T]) get(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	return b.client.JobGetTx(ctx, b.tx, id)
}

func (b bound[T]) cancel(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	return b.client.JobCancelTx(ctx, b.tx, id)
}

func (b bound[T]) retry(ctx context.Context, id int64) (*rivertype.JobRow, error) {
	return b.client.JobRetryTx(ctx, b.tx, id)
}
