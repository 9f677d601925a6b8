package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"

	"github.com/fridayos/friday/internal/db"
)

// River gives the jobs of a worker that was killed to others only when they
// have run for longer than any job may: hours. So each worker writes a sign of
// life to job_workers, and whoever lives takes the jobs of those who have been
// silent for a lease. Wall clocks are compared: machines must keep time, as NTP does.

func (p *process) beat(ctx context.Context) error {
	return p.d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO job_workers (id, seen_at) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET seen_at = $2`, p.id, time.Now())
		return err
	})
}

// tidy removes what the dead left in our tables; River's rows of their jobs are long gone.
func (p *process) tidy(ctx context.Context) error {
	return p.d.Write(ctx, func(tx *db.Tx) error {
		for query, age := range map[string]time.Duration{
			"DELETE FROM job_workers WHERE seen_at < $1": 24 * time.Hour,
			"DELETE FROM job_progress WHERE at < $1":     30 * 24 * time.Hour,
		} {
			if _, err := tx.Exec(query, time.Now().Add(-age)); err != nil {
				return err
			}
		}
		return nil
	})
}

// leave tells that this process has ended by itself.
func (p *process) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := p.d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM job_workers WHERE id = $1", p.id)
		return err
	})
	if err != nil {
		p.o.Log.Warn("cannot sign off", "error", err)
	}
}

// live gives signs of life and looks after the jobs of the dead until ctx ends.
func (p *process) live(ctx context.Context, rescue rescueFunc) {
	tick := time.NewTicker(p.o.Lease / 6)
	defer tick.Stop()
	for {
		if err := p.lookAfter(ctx, rescue); err != nil && ctx.Err() == nil {
			p.o.Log.Warn("cannot look after the jobs of dead workers", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := p.beat(ctx); err != nil && ctx.Err() == nil {
			p.o.Log.Warn("cannot give a sign of life", "error", err)
		}
	}
}

type rescueFunc func(context.Context, *db.Tx, *riverdriver.JobRescueManyParams) error

func rescuer[T any](driver riverdriver.Driver[T]) rescueFunc {
	return func(ctx context.Context, tx *db.Tx, params *riverdriver.JobRescueManyParams) error {
		var inner any = tx.SQL()
		if tx.Pgx() != nil {
			inner = tx.Pgx()
		}
		_, err := driver.UnwrapExecutor(inner.(T)).JobRescueMany(ctx, params)
		return err
	}
}

func (p *process) lookAfter(ctx context.Context, rescue rescueFunc) error {
	now := time.Now()
	var jobs []*rivertype.JobRow
	list := func(tx *db.Tx) error {
		alive, err := db.All(tx, func(s db.Scanner) (id string, err error) { return id, s.Scan(&id) },
			"SELECT id FROM job_workers WHERE seen_at > $1", now.Add(-p.o.Lease))
		if err != nil {
			return err
		}
		q, err := in(tx)
		if err != nil {
			return err
		}
		jobs, err = q.list(tx.Context(), river.NewJobListParams().States(rivertype.JobStateRunning).First(1000))
		if err != nil {
			return tx.Fail(err)
		}
		jobs = slices.DeleteFunc(jobs, func(j *rivertype.JobRow) bool {
			n := len(j.AttemptedBy)
			return n == 0 || slices.Contains(alive, j.AttemptedBy[n-1])
		})
		return nil
	}
	// Looking needs no writer; nearly always there is nothing to do.
	if err := p.d.Read(ctx, list); err != nil || len(jobs) == 0 {
		return err
	}
	return p.d.Write(ctx, func(tx *db.Tx) error {
		if err := list(tx); err != nil || len(jobs) == 0 {
			return err
		}
		params, err := rescueParams(jobs, now.UTC())
		if err != nil {
			return err
		}
		if err := rescue(tx.Context(), tx, params); err != nil {
			return tx.Fail(fmt.Errorf("cannot take over jobs: %w", err))
		}
		for i, j := range jobs {
			p.o.Log.Warn("a worker died at a job", "job", j.ID, "kind", j.Kind, "worker", j.AttemptedBy[len(j.AttemptedBy)-1], "now", params.State[i])
		}
		return nil
	})
}

// rescueParams decides what becomes of jobs whose worker died: the attempt
// counts, so that one that kills its workers comes to an end.
func rescueParams(jobs []*rivertype.JobRow, now time.Time) (*riverdriver.JobRescueManyParams, error) {
	params := &riverdriver.JobRescueManyParams{StuckHorizon: now}
	for _, j := range jobs {
		text, err := json.Marshal(rivertype.AttemptError{At: now, Attempt: max(j.Attempt, 0), Error: "the worker died"})
		if err != nil {
			return nil, err
		}
		var metadata struct {
			CancelAttemptedAt time.Time `json:"cancel_attempted_at"`
		}
		if err := json.Unmarshal(j.Metadata, &metadata); err != nil {
			return nil, fmt.Errorf("cannot read job %d: %w", j.ID, err)
		}
		state, ended := rivertype.JobStateAvailable, (*time.Time)(nil)
		if j.Attempt >= j.MaxAttempts {
			state, ended = rivertype.JobStateDiscarded, &now
		}
		if !metadata.CancelAttemptedAt.IsZero() {
			state, ended = rivertype.JobStateCancelled, &now
		}
		params.ID = append(params.ID, j.ID)
		params.Error = append(params.Error, text)
		params.FinalizedAt = append(params.FinalizedAt, ended)
		params.ScheduledAt = append(params.ScheduledAt, now)
		params.State = append(params.State, string(state))
	}
	return params, nil
}
