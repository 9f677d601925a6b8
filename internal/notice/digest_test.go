package notice

import (
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

// digests are the letters of the week that a mailbox has, by whom they went to.
func (m *mailbox) digests() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	for i, l := range m.letters {
		if strings.Contains(l.Header.Get("List-Id"), "weekly.") {
			all[strings.Trim(l.Header.Get("To"), "<>")] += m.bodies[i]
		}
	}
	return all
}

func TestDigest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		box, sender := newMailbox(t)
		teller := b.teller(sender)
		editions := []Edition{}
		teller.Editions = func(*db.Tx) ([]Edition, error) { return editions, nil }
		camera, battery, dark := b.file(b.ana, "Camera crashes"), b.file(b.ben, "Battery drains"), b.file(b.kim, "Hidden thing")
		b.write(func(tx *db.Tx) error {
			if err := stake.MeToo(tx, feedback.Viewer{Member: b.ben.ID}, camera.ID, "hlte"); err != nil {
				return err
			}
			id, err := poll.New(tx, feedback.Viewer{Member: b.ana.ID}, poll.NewPoll{ThreadID: camera.ID, Question: "What did you like?", Choices: []string{"a", "b"}, Release: "26.11.27"})
			if err != nil || id == 0 {
				return err
			}
			if err := feedback.Hide(tx, dark.ID, b.ana.ID, true); err != nil {
				return err
			}
			code, err := member.NewClaimCode(tx, b.ben.ID, "hlte")
			if err == nil {
				_, err = member.RedeemClaim(tx, code, "hlte")
			}
			return err
		})
		b.now = b.now.Add(time.Hour)
		editions = []Edition{{Week: "26.11.27", Release: "26.11.27", Left: b.now, Fixes: []int64{camera.ID, battery.ID, dark.ID},
			Stops: []EditionStop{{Device: "umi", Left: true, Fixes: []int64{camera.ID, dark.ID}}, {Device: "hlte", Reason: "It waits for stock."}}}}
		send := func() map[string]string {
			t.Helper()
			for range 2 { // two servers
				if err := teller.DigestAll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			b.send(teller)
			return box.digests()
		}
		b.now = b.now.Add(settle - time.Minute)
		if got := send(); len(got) != 0 {
			t.Fatalf("it is told at once: %v", got)
		}
		b.write(func(tx *db.Tx) error { return Wish(tx, b.kim.ID, Digest, Mail, false) })
		b.now = b.now.Add(time.Minute)
		got := send()
		if len(got) != 2 {
			t.Fatalf("it went to %d members, expected ana and ben: %v", len(got), got)
		}
		for to, want := range map[string]string{
			"ana@example.org": "mine [{Camera crashes https://os.example.org/t/1 umi 26.11.27}], asks [], polls [{What did you like? https://os.example.org/t/1/polls}], held [], for [umi]",
			// What ben has is not fixed on his phone, which waits.
			"ben@example.org": "mine [], asks [], polls [{What did you like? https://os.example.org/t/1/polls}], held [{hlte It waits for stock.}], for [umi]",
		} {
			if !strings.Contains(strings.ReplaceAll(got[to], "\r\n", ""), want) {
				t.Errorf("%s is told\n%s\nexpected\n%s", to, got[to], want)
			}
		}
		if again := send(); len(again["ana@example.org"]) != len(got["ana@example.org"]) {
			t.Error("ana is told twice")
		}
		// A respin of the same week is no new week.
		editions = append([]Edition{{Week: "26.11.27", Release: "26.11.27.1", Left: b.now}}, editions...)
		b.now = b.now.Add(2 * settle)
		if again := send(); strings.Contains(again["ana@example.org"], "26.11.27.1") {
			t.Error("a respin has a digest of its own")
		}
		// The next week: ana is asked, since her own phone has the fix; ben stopped it
		// after it was put in; kim wants it here.
		build := feedback.Build{ID: "b3", Device: "umi", Version: "26.12.04", Timestamp: 300}
		b.write(func(tx *db.Tx) error {
			if err := feedback.FixInRelease(tx, camera.ID, "26.12.04", build); err != nil {
				return err
			}
			_, err := feedback.HandsetRuns(tx, b.ana.ID, build)
			return err
		})
		editions = []Edition{{Week: "26.12.04", Release: "26.12.04", Left: b.now, Fixes: []int64{camera.ID}, Stops: []EditionStop{{Device: "umi", Left: true, Fixes: []int64{camera.ID}}}}}
		b.now = b.now.Add(2 * settle)
		b.write(func(tx *db.Tx) error { return Wish(tx, b.kim.ID, Digest, Site, true) })
		if err := teller.DigestAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.write(func(tx *db.Tx) error { return Stop(tx, Stopping{Member: b.ben.ID, Digest: true}) })
		before := box.digests()["ben@example.org"]
		got = send()
		if got["ben@example.org"] != before {
			t.Error("who stopped the digest gets what was waiting")
		}
		if !strings.Contains(strings.ReplaceAll(got["ana@example.org"], "\r\n", ""), "week 26.12.04, mine [], asks [{Camera crashes https://os.example.org/t/1 umi 26.12.04}]") {
			t.Errorf("ana is told %s", got["ana@example.org"])
		}
		if list := b.list(b.kim); len(list) == 0 || list[0].Kind != Digest || list[0].Place != "/r/26.12.04" {
			t.Errorf("kim's list is %+v", list)
		}
		// A release that was pulled before its letter left is not told of; an old one neither.
		editions = []Edition{{Week: "26.12.11", Release: "26.12.11", Left: b.now}}
		b.now = b.now.Add(2 * settle)
		if err := teller.DigestAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		editions = nil
		if got := send(); strings.Contains(got["ana@example.org"], "26.12.11") {
			t.Error("a pulled release is told of")
		}
		editions = []Edition{{Week: "26.12.18", Release: "26.12.18", Left: b.now}}
		b.now = b.now.Add(stale + time.Hour)
		if got := send(); strings.Contains(got["ana@example.org"], "26.12.18") {
			t.Error("what is long past is told")
		}
	})
}

// Nobody is asked whether a fix works before their own device has it, by any way;
// nor when it was answered or taken back before the letter left.
func TestNeverAskedBefore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		box, sender := newMailbox(t)
		teller := b.teller(sender)
		th := b.file(b.ana, "Camera crashes")
		old, build := feedback.Build{ID: "b1", Device: "umi", Version: "26.11.20", Timestamp: 100}, feedback.Build{ID: "b2", Device: "umi", Version: "26.11.27", Timestamp: 200}
		asked := func() bool {
			t.Helper()
			b.send(teller)
			b.now = b.now.Add(3 * time.Hour)
			b.send(teller)
			box.mu.Lock()
			defer box.mu.Unlock()
			return strings.Contains(strings.Join(box.bodies, ""), ": asked ") || strings.Contains(kinds(b.list(b.ana)), "ask")
		}
		b.write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, b.ana.ID, old); return err })
		b.write(func(tx *db.Tx) error { return feedback.FixMerged(tx, th.ID, "c1") })
		b.write(func(tx *db.Tx) error { return feedback.FixInRelease(tx, th.ID, "26.11.27", build) })
		if asked() {
			t.Error("ana is asked before her phone has the build")
		}
		// The phone has it, and she answers on the site before the letter leaves.
		b.write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, b.ana.ID, build); return err })
		b.sweep()
		b.write(func(tx *db.Tx) error {
			return feedback.Answer(tx, feedback.Viewer{Member: b.ana.ID}, th.ID, "umi", feedback.Works)
		})
		asked()
		if strings.Contains(strings.Join(box.bodies, ""), ": asked ") {
			t.Error("ana is asked by mail what she has answered")
		}
		if got := kinds(b.list(b.ana)); !strings.Contains(got, "ask") {
			t.Errorf("on the site ana is told %q", got)
		}
		// Muted between the notice and its letter.
		two := b.file(b.ana, "Clock is late")
		b.reply(b.ben, two.ID, "By an hour.")
		b.sweep()
		b.write(func(tx *db.Tx) error { return stake.Mute(tx, feedback.Viewer{Member: b.ana.ID}, two.ID) })
		asked()
		if strings.Contains(strings.Join(box.bodies, ""), "Clock is late") {
			t.Error("a thread that was muted meanwhile is mailed")
		}
	})
}
