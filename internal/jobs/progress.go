package jobs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// Progress is how far a running job says it is, or where a failed one stopped.
type Progress struct {
	Step  string    `json:"step"`
	Done  int64     `json:"done"`
	Total int64     `json:"total"` // 0: unknown
	At    time.Time `json:"at"`
}

// How often progress is written: a page that is looked at needs no more.
const progressEvery = 500 * time.Millisecond

// SetProgress tells how far the job that ctx belongs to is. It only notes it,
// without touching the database, and may be called as often as one likes;
// outside a job it does nothing.
func SetProgress(ctx context.Context, step string, done, total int64) {
	if r, ok := ctx.Value(reporterKey{}).(*reporter); ok {
		r.mu.Lock()
		r.now, r.fresh = Progress{Step: step, Done: done, Total: total, At: time.Now()}, true
		r.mu.Unlock()
	}
}

type reporterKey struct{}

// reporter writes a job's progress from a goroutine of its own: the job may be
// inside a transaction, which on SQLite holds the only writer.
type reporter struct {
	d   *db.DB
	log *slog.Logger
	job int64

	mu    sync.Mutex
	now   Progress
	fresh bool
}

// run runs work and writes its progress meanwhile; what a failed job last said stays.
func (r *reporter) run(ctx context.Context, work func(context.Context) error) error {
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				r.flush(ctx)
			case <-stop:
				return
			}
		}
	}()
	failed := true
	defer func() { // also when work panics
		close(stop)
		<-stopped
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if failed {
			r.flush(ctx)
		} else {
			r.forget(ctx)
		}
	}()
	err := work(context.WithValue(ctx, reporterKey{}, r))
	failed = err != nil
	return err
}

func (r *reporter) flush(ctx context.Context) {
	r.mu.Lock()
	p, fresh := r.now, r.fresh
	r.fresh = false
	r.mu.Unlock()
	if !fresh {
		return
	}
	r.write(ctx, `INSERT INTO job_progress (job_id, step, done, total, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (job_id) DO UPDATE SET step = $2, done = $3, total = $4, at = $5`, r.job, p.Step, p.Done, p.Total, p.At)
}

func (r *reporter) forget(ctx context.Context) {
	r.write(ctx, "DELETE FROM job_progress WHERE job_id = $1", r.job)
}

// write does not fail the job: its progress is a courtesy.
func (r *reporter) write(ctx context.Context, query string, args ...any) {
	err := r.d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err != nil && ctx.Err() == nil {
		r.log.Warn("cannot write a job's progress", "job", r.job, "error", err)
	}
}

func progressOf(tx *db.Tx, job int64) (p Progress, err error) {
	err = tx.QueryRow("SELECT step, done, total, at FROM job_progress WHERE job_id = $1", job).
		Scan(&p.Step, &p.Done, &p.Total, &p.At)
	if errors.Is(err, db.ErrNoRows) {
		err = nil
	}
	return p, err
}
