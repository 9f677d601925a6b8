package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/upload"
	"github.com/fridayos/friday/internal/webhook"
)

// tidyEvery is how often what has been kept for its time is forgotten. The page on
// privacy says that it is an hour.
const tidyEvery = time.Hour

// tidier forgets what every room has kept for its time. What runs out when is said
// on the page on privacy; a test compares the two.
type tidier struct {
	db      *db.DB
	files   *upload.Store // of posts
	reports *blob.Store   // scrubbed logs
	log     *slog.Logger
}

// run tidies until ctx ends: now, and then every hour. Several servers may do it
// at once.
func (t tidier) run(ctx context.Context) {
	every := time.NewTicker(tidyEvery)
	defer every.Stop()
	for {
		t.once(ctx)
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
	}
}

// once does each part; one that fails does not keep the others back, and is done
// again in an hour.
func (t tidier) once(ctx context.Context) {
	write := func(fn func(tx *db.Tx) error) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return "", t.db.Write(ctx, fn) }
	}
	for _, part := range []struct {
		name string
		do   func(context.Context) (did string, err error)
	}{
		{"forget sessions, addresses and codes", write(member.Forget)},
		{"forget where flags came from", write(moderation.Forget)},
		{"forget outcomes", write(outcome.Forget)},
		{"drop old sketches", write(outcome.ForgetSketches)},
		{"forget counts of active handsets", write(fleet.ForgetDays)},
		{"drop old notices", write(notice.Expire)},
		{"drop old deliveries", write(webhook.Expire)},
		{"award medals", write(func(tx *db.Tx) error { _, err := reputation.Award(tx); return err })},
		{"sweep uploads", func(ctx context.Context) (string, error) {
			did, err := t.files.Sweep(ctx, t.db)
			if did == (upload.Swept{}) {
				return "", err
			}
			return fmt.Sprintf("%d files forgotten, %d blobs removed with %d bytes", did.Orphans, did.Blobs, did.Bytes), err
		}},
		{"remove old logs", func(ctx context.Context) (string, error) {
			n, err := crash.Sweep(ctx, t.db, t.reports)
			if n == 0 {
				return "", err
			}
			return fmt.Sprintf("%d logs removed", n), err
		}},
	} {
		did, err := part.do(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.log.Error("cannot "+part.name+"; it is tried again in an hour", "err", err)
		case did != "":
			t.log.Info("tidied", "did", did)
		}
	}
}
