package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/site/account"
	"github.com/fridayos/friday/internal/upload"
)

// kept is how a test puts in what one of the page's terms is about, as old as it
// is told, and counts what is left of it.
type kept struct {
	put  string // SQL: $1 is an id, $2 the moment from which the term runs, $3 when it ends
	left string // SQL that counts
	step time.Duration
}

// The statements name every argument, and its type; what they do not need is in a
// condition that is always so.
const needs = " WHERE CAST($1 AS BIGINT) > 0 AND CAST($2 AS BIGINT) > 0 AND CAST($3 AS BIGINT) > 0"

var terms = map[string]kept{
	"address": {"INSERT INTO sessions (id, token_hash, member_id, agent, address, created_at, seen_at, proved_at) SELECT $1, 'a', 1, '', '192.0.2.1', $2, $2, $2" + needs, "sessions WHERE address <> ''", time.Minute},
	"idle":    {"INSERT INTO sessions (id, token_hash, member_id, agent, address, created_at, seen_at, proved_at) SELECT $1, 'i', 1, '', '', $2, $2, $2" + needs, "sessions", time.Minute},
	"session": {"INSERT INTO sessions (id, token_hash, member_id, agent, address, created_at, seen_at, proved_at) SELECT $1, 's', 1, '', '', $2, $3, $3" + needs, "sessions", time.Minute},
	"origin":  {"INSERT INTO mod_flags (id, case_id, subject_kind, subject_id, flagger_id, reason, note, weight, known, origin, at, outcome) SELECT $1, 1, 'post', 1, 1, 'spam', '', 1, TRUE, 'here', $2, ''" + needs, "mod_flags WHERE origin <> ''", time.Minute},
	"pending": {"INSERT INTO member_mail (member_id, address, address_key, confirmed_at, pending, pending_at) SELECT 1, '', '', 0, 'a@b.example', $2" + needs, "member_mail", time.Minute},
	"code":    {"INSERT INTO codes (code_hash, kind, member_id, device, created_at, expires_at, used_at) SELECT 'c', 'claim', 1, 'umi', $2, $2, 0" + needs, "codes", time.Minute},
	"name":    {"INSERT INTO former_names (key_hash, until) SELECT 'n', $3" + needs, "former_names", time.Minute},
	"log":     {"INSERT INTO crash_reports (id, member_id, thread_id, device, build, enrolled, private, digest, size, facts, at, keep_until) SELECT $1, 1, 7, 'umi', '', FALSE, FALSE, '" + someDigest + "', 3, '{}', $2, $3" + needs, "crash_reports WHERE digest <> ''", time.Minute},
	"draft":   {"INSERT INTO crash_reports (id, member_id, thread_id, device, build, enrolled, private, digest, size, facts, at, keep_until) SELECT $1, 1, 0, 'umi', '', FALSE, FALSE, '" + someDigest + "', 3, '{}', $2, $3" + needs, "crash_reports", time.Minute},
	"removed": {"INSERT INTO uploads (id, member_id, name, type, digest, size, width, height, small_type, small_digest, small_size, secret, subject_kind, subject_id, at, removed_at) SELECT $1, 1, 'a', 'text/plain', '" + someDigest + "', 3, 0, 0, '', '', 0, 'x', 'post', 1, $2, $2" + needs, "uploads", time.Minute},
	"loose":   {"INSERT INTO uploads (id, member_id, name, type, digest, size, width, height, small_type, small_digest, small_size, secret, subject_kind, subject_id, at, removed_at) SELECT $1, 1, 'a', 'text/plain', '" + someDigest + "', 3, 0, 0, '', '', 0, 'x', '', 0, $2, 0" + needs, "uploads", time.Minute},
	// What handsets report is noted with the second of its end.
	"outcome":  {"INSERT INTO outcomes_noted (key, events, expires) SELECT 1, 8, CAST($3 AS BIGINT) / 1000000" + needs, "outcomes_noted", time.Minute},
	"days":     {"INSERT INTO handset_days (device, day, gap, n) SELECT 'umi', CAST($2 AS BIGINT) / 86400000000, 1, 1" + needs, "handset_days", 24 * time.Hour},
	"quiz":     {"INSERT INTO ring_tries (id, member_id, channel, passed, at) SELECT $1, 1, 'beta', TRUE, $2" + needs, "ring_tries", time.Minute},
	"place":    {"INSERT INTO ring_places (id, member_id, device, channel, state, why, reason, applied_at, decided_at, decided_by) SELECT $1, 1, 'umi', 'beta', 'refused', '', 'no', $2, $2, 1" + needs, "ring_places", time.Minute},
	"notice":   {"INSERT INTO notices (id, member_id, about, event_id, kind, thread_id, post_id, actor_id, device, release, word, at, site, read_at, mail_due, letter, push) SELECT $1, 1, 'x', 0, 'reply', 0, 0, 0, '', '', '', $2, TRUE, 0, 0, 0, FALSE" + needs, "notices", time.Minute},
	"delivery": {"INSERT INTO webhook_deliveries (id, hook_id, event_id, kind, body, attempts, status, error, took, created_at, tried_at, next_at, done_at) SELECT $1, 1, 1, 'x', '{}', 1, 200, '', 1, $2, $2, 0, $2" + needs, "webhook_deliveries", time.Minute},
}

// byQueue are terms that the queue of jobs keeps by itself, as it is told
// (jobs.Run).
var byQueue = map[string]bool{"letter": true}

const someDigest = "00000000000000000000000000000000000000000000000000000000000000aa"

// TestWhatIsSaidIsForgotten: for every term on the page on privacy, what it is about
// is there shortly before its end, and is gone shortly after, by what the server runs
// every hour.
func TestWhatIsSaidIsForgotten(t *testing.T) {
	if tidyEvery != time.Hour {
		t.Errorf("tidied every %s, the page says every hour", tidyEvery)
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		files, err := blob.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		reports, err := blob.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(context.Background(), fn); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *db.Tx) error {
			for _, q := range []string{
				"INSERT INTO members (id, name, name_key, password_hash, created_at) VALUES (1, 'ana', 'ana', '', 1)",
				"INSERT INTO mod_cases (id, subject_kind, subject_id, author_id, weight, flags, held, auto_hidden, signs, opened_at, decided_at) VALUES (1, 'post', 1, 1, 1, 1, FALSE, FALSE, '', 1, 0)",
				"INSERT INTO webhooks (id, url, secret, old_secret, old_until, kinds, device, note, created_by, created_at, failing_since, disabled_at, disabled_why) VALUES (1, 'https://x.example', '', '', 0, '', '', '', 1, 1, 0, 0, '')",
			} {
				if _, err := tx.Exec(q); err != nil {
					return err
				}
			}
			return nil
		})
		var said strings.Builder
		tidy := tidier{d, upload.NewStore(files), reports, slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelError}))}
		seen := map[string]bool{}
		for i, one := range account.Terms() {
			seen[one.Key] = true
			probe, ok := terms[one.Key]
			if !ok {
				if !byQueue[one.Key] {
					t.Errorf("nothing tests that %s is forgotten after %s", one.Key, one.For)
				}
				continue
			}
			count := func() (n int) {
				write(func(tx *db.Tx) error { return tx.QueryRow("SELECT COUNT(*) FROM " + probe.left).Scan(&n) })
				return n
			}
			begun := now
			write(func(tx *db.Tx) error { _, err := tx.Exec(probe.put, int64(i+1), begun, begun.Add(one.For)); return err })
			now = begun.Add(one.For - probe.step)
			if tidy.once(t.Context()); count() != 1 {
				t.Errorf("%s is gone %s before its %s are over", one.Key, probe.step, one.For)
			}
			now = begun.Add(one.For + probe.step)
			if tidy.once(t.Context()); count() != 0 {
				t.Errorf("%s is there %s after its %s", one.Key, probe.step, one.For)
			}
			write(func(tx *db.Tx) error {
				table, _, _ := strings.Cut(probe.left, " ")
				_, err := tx.Exec("DELETE FROM " + table)
				return err
			})
		}
		for key := range terms {
			if !seen[key] {
				t.Errorf("%s is forgotten, and the page on privacy does not say so", key)
			}
		}
		if said.Len() > 0 {
			t.Errorf("tidying failed: %s", said.String())
		}
	})
}
