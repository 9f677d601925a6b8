package main

import (
	"context"
	"time"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/own"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/holding"
	"github.com/fridayos/friday/internal/member/letter"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/upload"
)

// forgetArgs is the job that deletes what is kept about people past its time.
type forgetArgs struct{}

// Kind names the job to the queue.
func (forgetArgs) Kind() string { return "member.forget" }

// memberWork says to workers how letters are sent and when things are forgotten.
func (s *installation) memberWork(w *jobs.Workers, site string) error {
	sender, err := s.sender()
	if err != nil {
		return err
	}
	letter.Desk{DB: s.db, Mail: sender, BaseURL: s.BaseURL, Site: site}.Register(w)
	jobs.Add(w, func(ctx context.Context, _ forgetArgs) error {
		return s.db.Write(ctx, func(tx *db.Tx) error { return member.Forget(tx) })
	})
	jobs.Every(w, time.Hour, forgetArgs{})
	return nil
}

// keepers are what the rooms above members keep about them.
func keepers() []holding.Keeper {
	return []holding.Keeper{
		{Name: "forum", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			r, err := own.Export(tx, id)
			if err != nil {
				return err
			}
			return yield(r)
		}, Erase: own.Erase},
		{Name: "uploads", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			files, err := upload.OfMember(tx, id)
			for _, f := range files {
				if err == nil {
					err = yield(f)
				}
			}
			return err
		}, Erase: upload.Erase},
		{Name: "moderation", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			const page = 100
			for before := int64(0); ; {
				events, err := moderation.Trail(tx, id, before, page)
				if err != nil {
					return err
				}
				for _, e := range events {
					if err := yield(e); err != nil {
						return err
					}
					before = e.ID
				}
				if len(events) < page {
					return nil
				}
			}
		}, Erase: moderation.Erase},
		{Name: "crash-reports", Erase: crash.Erase},
	}
}
