package jobs

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/fridayos/friday/internal/db"
)

// River puts in periodic jobs from its leader alone, which knows those of its own
// process: where processes do different kinds, as serve and worker do, the leader
// would leave out the others'. So each process puts in the jobs that it does
// itself, and a row for each kind tells whether another was first.

// period is one job of Every.
type period struct {
	interval time.Duration
	args     river.JobArgs
}

// Every puts in a job each interval, and soon after the start, unless the one
// before still waits or runs. Of several processes that do such jobs one puts it in.
func Every(w *Workers, interval time.Duration, args river.JobArgs) {
	w.periods = append(w.periods, period{interval, args})
}

// maxLook is the longest time between two looks at whether a job is due.
const maxLook = time.Minute

// keep puts in the periodic jobs until ctx ends.
func (p *process) keep(ctx context.Context, one period) {
	tick := time.NewTicker(min(one.interval, maxLook))
	defer tick.Stop()
	for {
		if err := p.putDue(ctx, one); err != nil && ctx.Err() == nil {
			p.o.Log.Warn("cannot put in a periodic job; it is tried again", "kind", one.args.Kind(), "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// putDue puts a job in if nobody did for about its interval.
func (p *process) putDue(ctx context.Context, one period) error {
	now := time.Now()
	// Two tickers of one interval never agree to the millisecond.
	before := now.Add(-one.interval + one.interval/10)
	due := false
	err := p.d.Read(ctx, func(tx *db.Tx) error {
		var n int
		err := tx.QueryRow("SELECT COUNT(*) FROM job_periods WHERE kind = $1 AND put_at > $2 AND put_at <= $3", one.args.Kind(), before, now).Scan(&n)
		due = n == 0 // or the clock was set back
		return err
	})
	if err != nil || !due {
		return err
	}
	return p.d.Write(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(`INSERT INTO job_periods (kind, put_at) VALUES ($1, $2)
			ON CONFLICT (kind) DO UPDATE SET put_at = excluded.put_at WHERE job_periods.put_at <= $3 OR job_periods.put_at > $2`, one.args.Kind(), now, before)
		if err != nil || n == 0 {
			return err
		}
		q, err := in(tx)
		if err != nil {
			return err
		}
		if _, err := q.insert(ctx, one.args, &river.InsertOpts{Tags: []string{periodicTag}, UniqueOpts: whileItLives}); err != nil {
			return tx.Fail(fmt.Errorf("cannot put in job %s: %w", one.args.Kind(), err))
		}
		return nil
	})
}
