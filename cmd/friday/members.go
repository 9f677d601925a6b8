package main

import (
	"context"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/letter"
)

// forgetArgs is the job that deletes what is kept about people past its time.
type forgetArgs struct{}

// Kind names the job to the queue.
func (forgetArgs) Kind() string { return "member.forget" }

// memberWork says how letters about accounts are sent and when things are forgotten.
func (s *installation) memberWork(w *jobs.Workers, sender *mail.Sender, site string) {
	letter.Desk{DB: s.db, Mail: sender, BaseURL: s.BaseURL, Site: site}.Register(w)
	jobs.Add(w, func(ctx context.Context, _ forgetArgs) error {
		return s.db.Write(ctx, func(tx *db.Tx) error { return member.Forget(tx) })
	})
	jobs.Every(w, time.Hour, forgetArgs{})
}
