package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/holding"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/notice/noticetest"
	"github.com/fridayos/friday/internal/outward"
	"github.com/fridayos/friday/internal/token"
	"github.com/fridayos/friday/internal/webhook"
)

// TestKeepers: what members are told, and how, is in their export, without what
// would let others act for them; and it goes with them, from every table.
func TestKeepers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		service := noticetest.Start(t)
		var browser notice.Browser
		if err := json.Unmarshal([]byte(service.Subscription()), &browser); err != nil {
			t.Fatal(err)
		}
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		var ana, ben member.Member
		var secret string
		for name, m := range map[string]*member.Member{"ana": &ana, "ben": &ben} {
			p := member.NewPasswords(member.TestCost())
			var err error
			if *m, err = p.Register(t.Context(), d, name, "a sentence is good"); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *db.Tx) error { _, err := notice.Sweep(tx); return err })
		write(func(tx *db.Tx) error {
			th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "Hello", Body: "World", AuthorID: ana.ID})
			if err != nil {
				return err
			}
			_, err = feedback.Reply(tx, feedback.Viewer{Member: ben.ID}, th.ID, "Hi, @ana.")
			return err
		})
		write(func(tx *db.Tx) (err error) {
			if _, err := notice.Sweep(tx); err != nil {
				return err
			}
			_, hook, err := webhook.Add(tx, outward.Policy{}, ana, webhook.NewHook{URL: "https://hooks.example.org/ana"})
			if err != nil {
				return err
			}
			_, key, err := token.New(tx, ana.ID, ana.Name, "backup", []token.Scope{token.Read}, 0)
			secret = hook + " " + key
			_, err2 := crash.Put(tx, crash.Report{MemberID: ana.ID, Device: "umi", Build: "26.11.27"}, []crash.Cluster{{Fingerprint: "0123456789abcdef", Kind: "java", Process: "com.android.camera2", Cause: "x", Top: "Open.run"}})
			return errors.Join(err, err2, notice.Wish(tx, ana.ID, notice.Digest, notice.Mail, false), notice.Subscribe(tx, service.Policy(), ana.ID, browser),
				notice.Wish(tx, ben.ID, notice.Digest, notice.Mail, false))
		})
		var out bytes.Buffer
		if err := holding.Write(t.Context(), d, keepers(), ana.ID, &out); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		given := map[string]string{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			given[f.Name] = string(text)
			for _, no := range append(strings.Fields(secret), "/push/secret", browser.Keys.Auth, browser.Keys.P256dh) {
				if strings.Contains(string(text), no) {
					t.Errorf("%s gives away %q", f.Name, no)
				}
			}
		}
		for name, want := range map[string]string{"notices.json": `"mention"`, "notice-wishes.json": `"digest"`, "push-browsers.json": `"127.0.0.1"`, "tokens.json": `"backup"`,
			"webhooks.json": `"https://hooks.example.org/ana"`, "crash-reports.json": `"0123456789abcdef"`, "forum.json": `"Hello"`} {
			if !strings.Contains(given[name], want) {
				t.Errorf("%s lacks %s: %s (there are %v)", name, want, given[name], slices.Sorted(maps.Keys(given)))
			}
		}
		count := func(table, column string, id int64) (n int) {
			t.Helper()
			write(func(tx *db.Tx) error {
				return tx.QueryRow("SELECT COUNT(*) FROM "+table+" WHERE "+column+" = $1", id).Scan(&n)
			})
			return n
		}
		tables := map[string]string{"notices": "member_id", "notice_wishes": "member_id", "push_browsers": "member_id", "webhooks": "created_by", "api_tokens": "member_id", "crash_reports": "member_id"}
		for table, column := range tables {
			if count(table, column, ana.ID) == 0 {
				t.Errorf("%s holds nothing of ana before; the test looks in the wrong place", table)
			}
		}
		write(func(tx *db.Tx) error { return holding.Erase(tx, keepers(), ana.ID) })
		for table, column := range tables {
			if n := count(table, column, ana.ID); n != 0 {
				t.Errorf("%s holds %d rows of who left", table, n)
			}
		}
		if count("notice_wishes", "member_id", ben.ID) != 1 {
			t.Error("ben's wishes went too")
		}
	})
}

// TestTellOfHook: a hook that was switched off is told to administrators and to who
// made it, each time it happens, once.
func TestTellOfHook(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := member.NewPasswords(member.TestCost())
		ids := map[string]int64{}
		for _, name := range []string{"ada", "ana", "ben"} {
			m, err := p.Register(t.Context(), d, name, "a sentence is good")
			if err != nil {
				t.Fatal(err)
			}
			ids[name] = m.ID
		}
		at := time.Now()
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			err := member.SetRoles(tx, member.Member{Name: "setup"}, ids["ada"], []member.Role{member.Admin}, nil)
			for _, when := range []time.Time{at, at, at.Add(time.Hour)} {
				err = errors.Join(err, tellOfHook(tx, webhook.Hook{ID: 7, URL: "https://hooks.example.org/x?key=1", CreatedBy: ids["ana"], DisabledAt: when, Why: webhook.Failing}))
			}
			for name, want := range map[string]int{"ada": 2, "ana": 2, "ben": 0} {
				all, err := notice.List(tx, ids[name], 0, 0)
				if err != nil {
					return err
				}
				if len(all) != want || want > 0 && (all[0].Kind != notice.System || all[0].Release != "hooks.example.org" || all[0].Place != "/hooks/7") {
					t.Errorf("%s is told %+v, expected %d things", name, all, want)
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWeekOf(t *testing.T) {
	for release, want := range map[string]string{"26.11.27": "26.11.27", "26.11.27.1": "26.11.27", "26.11.27.12": "26.11.27", "x": "x", "": ""} {
		if got := week(release); got != want {
			t.Errorf("%q is of the week %q, expected %q", release, got, want)
		}
	}
}
