package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/outward"
	"github.com/fridayos/friday/internal/site/letters"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/webhook"
	"github.com/fridayos/friday/internal/wire"
)

// TestStoppedCallsHumans: a rollout that handsets' outcomes hold calls whoever may
// move it, once, with the reason, the figures and the time, in their language; and
// the webhooks that ask for it. What one of them does about it the others are told.
func TestStoppedCallsHumans(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 28, 9, 30, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		s := &installation{db: d}
		s.BaseURL = "https://os.example"
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		ids := map[string]int64{}
		for _, name := range []string{"ada", "mo", "hal", "ana"} {
			m, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, name, "correct horse battery staple")
			if err != nil {
				t.Fatal(err)
			}
			ids[name] = m.ID
		}
		images := []catalog.Partition{{Name: "system", Digest: blob.Digest{1}, Size: 4096}}
		b := catalog.Build{ID: catalog.BuildID("umi", "26.11.27", images), Device: "umi", Version: "26.11.27", Incremental: "26.11.27", PatchLevel: "2026-11-05", Timestamp: 3000, Images: images}
		var rollout fleet.Rollout
		var umis webhook.Hook
		write(func(tx *db.Tx) error {
			for _, role := range [][3]string{{"ada", "admin", ""}, {"mo", "maintainer", "umi"}, {"hal", "maintainer", "hlte"}} {
				if _, err := tx.Exec("INSERT INTO member_roles (member_id, role, device) VALUES ($1, $2, $3)", ids[role[0]], role[1], role[2]); err != nil {
					return err
				}
			}
			for _, n := range []webhook.NewHook{{URL: "https://hooks.example/all"}, {URL: "https://hooks.example/umi", Kinds: []string{webhook.RolloutStopped}, Device: "umi"}, {URL: "https://hooks.example/posts", Kinds: []string{"thread.posted"}}, {URL: "https://hooks.example/hlte", Device: "hlte"}} {
				h, _, err := webhook.Add(tx, outward.Policy{}, member.Member{ID: ids["ada"], Name: "ada"}, n)
				if err != nil {
					return err
				}
				if n.Device == "umi" {
					umis = h
				}
			}
			if err := catalog.PutBuild(tx, b); err != nil {
				return err
			}
			var err error
			rollout, err = fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Weekly, Build: b.ID}, "ada", "go")
			return err
		})
		now = now.Add(time.Hour)
		var reports []outcome.Report
		for i := range 60 {
			token := wire.OfferToken{ID: fmt.Sprint(i), Rollout: rollout.ID, Region: "IN", Expires: now.Unix() + 1000}
			reports = append(reports, outcome.Report{Token: token, Event: wire.Downloaded})
			if i%2 == 0 {
				reports = append(reports, outcome.Report{Token: token, Event: wire.Failed, Stage: outcome.StageBoot})
			}
		}
		write(func(tx *db.Tx) error { _, err := outcome.Record(tx, reports); return err })
		tr := s.train(nil, nil)
		for range 2 { // it is told once
			if err := tr.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		writer, err := letters.New(time.UTC, d.Now)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]int{"ada": 1, "mo": 1, "hal": 0, "ana": 0} {
			write(func(tx *db.Tx) error {
				m, err := member.ByID(tx, ids[name])
				if err != nil {
					return err
				}
				all, err := notice.List(tx, ids[name], 0, 0)
				if err != nil || len(all) != want {
					t.Errorf("%s is told %+v, %v", name, all, err)
				}
				entries, err := notice.Entries(tx, s.BaseURL, m, all)
				for _, e := range entries {
					line := writer.Line("en", e)
					for _, part := range []string{"26.11.27 · weekly waits on umi since 2026-11-28 10:30 UTC", "your word", "30 of 60 handsets failed", "A human has to look."} {
						if !strings.Contains(line, part) {
							t.Errorf("%s reads %q, which lacks %q", name, line, part)
						}
					}
					if es := writer.Line("es", e); !strings.Contains(es, "necesita tu decisión") || !strings.Contains(es, "30 de 60") {
						t.Errorf("in Spanish it reads %q", es)
					}
					if e.Where != "https://os.example/r/26.11.27/umi/weekly" || e.Kind != notice.System {
						t.Errorf("it leads to %s, as %s", e.Where, e.Kind)
					}
				}
				return err
			})
		}
		write(func(tx *db.Tx) error {
			hooks, err := webhook.List(tx)
			if err != nil {
				return err
			}
			told := 0
			for _, h := range hooks {
				sent, err := webhook.Deliveries(tx, h.ID, 0, 0)
				if err != nil {
					return err
				}
				told += len(sent)
				if h.ID != umis.ID {
					continue
				}
				var m webhook.Message
				if len(sent) != 1 || json.Unmarshal([]byte(sent[0].Body), &m) != nil {
					t.Fatalf("the hook of umi is told %+v", sent)
				}
				r := m.Data.Rollout
				if m.Type != "rollout.stopped" || m.Data.State != "held" || m.Data.Release != "26.11.27" || m.Data.Device != "umi" || !m.Timestamp.Equal(now) || !strings.HasPrefix(m.Data.Reason, "30 of 60") ||
					r.URL != "https://os.example/r/26.11.27/umi/weekly" || r.Stage != 1 || r.Stages != 4 || r.Reach != "1%" || r.Figure.Bad != 30 || r.Figure.Of != 60 || r.Figure.Measure != "failed" {
					t.Errorf("it is told %s", sent[0].Body)
				}
			}
			if told != 2 {
				t.Errorf("%d hooks are told, expected the one for all and that of umi", told)
			}
			return nil
		})
		// Then humans decide: each time the others who steer the device are told, and
		// who did it is not.
		write(func(tx *db.Tx) error {
			if err := catalog.PutRelease(tx, catalog.Release{Name: "26.11.27", Commit: "c1", CutAt: now}); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO train_releases (release, state, departs_at, opened_at, changed_at, reason) VALUES ('26.11.27', 'shipping', $1, $1, $1, '') ON CONFLICT (release) DO UPDATE SET state = 'shipping'`, now); err != nil {
				return err
			}
			_, err := tx.Exec(`INSERT INTO train_devices (release, device, state, reason, build, stock, fixes, changed_at) VALUES ('26.11.27', 'umi', 'shipping', '', $2, '', '[]', $1)`, now, b.ID)
			return err
		})
		ship := train.ShipOptions{Devices: []string{"umi"}, Actor: "mo", Reason: "The figures are of one carrier."}
		in := ship
		in.Conditions.Regions = []string{"IN"}
		for _, step := range []struct {
			do   func() error
			who  string
			says string
		}{
			{func() error { return tr.Ship(t.Context(), "26.11.27", ship) }, "mo", "mo lets 26.11.27 · weekly go on on umi since 2026-11-28"},
			{func() error {
				return tr.HaltRegions(t.Context(), "26.11.27", []string{"umi"}, []string{"IN"}, "mo", "It overheats there.")
			}, "mo", "mo halted 26.11.27 · weekly · IN on umi in that region since 2026-11-28"},
			{func() error { return tr.Ship(t.Context(), "26.11.27", in) }, "mo", "mo lets 26.11.27 · weekly · IN go on on umi in that region"},
			{func() error { return tr.Next(t.Context(), "26.11.27", []string{"umi"}, "ada", "It is urgent.") }, "ada", "ada began the next stage of 26.11.27 · weekly on umi"},
			{func() error { return tr.Hold(t.Context(), "26.11.27", []string{"umi"}, "ada", "Wait for me.") }, "ada", "ada holds 26.11.27 · weekly on umi"},
			{func() error { return tr.Halt(t.Context(), "26.11.27", []string{"umi"}, "root", "At the terminal.") }, "", "Someone halted 26.11.27 · weekly on umi"},
			{func() error { return tr.Pull(t.Context(), "26.11.27", []string{"umi"}, "ada", "It eats batteries.") }, "ada", "ada pulled 26.11.27 · weekly on umi"},
		} {
			now = now.Add(time.Minute)
			if err := step.do(); err != nil {
				t.Fatalf("%s: %v", step.says, err)
			}
			for _, name := range []string{"ada", "mo", "hal", "ana"} {
				write(func(tx *db.Tx) error {
					m, err := member.ByID(tx, ids[name])
					if err != nil {
						return err
					}
					all, err := notice.List(tx, ids[name], 0, 0)
					if err != nil {
						return err
					}
					entries, err := notice.Entries(tx, s.BaseURL, m, all)
					told := len(entries) > 0 && strings.HasPrefix(writer.Line("en", entries[0]), step.says) // the newest first
					if want := (name == "ada" || name == "mo") && name != step.who; told != want {
						t.Errorf("%s is told %v that %s, expected %v", name, told, step.says, want)
					}
					return err
				})
			}
		}
		write(func(tx *db.Tx) error {
			sent, err := webhook.Deliveries(tx, umis.ID, 0, 0)
			if err != nil {
				return err
			}
			var states []string
			for _, one := range sent {
				var m webhook.Message
				if err := json.Unmarshal([]byte(one.Body), &m); err != nil {
					return err
				}
				states = append(states, m.Data.State+" by "+m.Data.Actor)
			}
			slices.Sort(states)
			if got := strings.Join(states, ", "); got != "halted by , halted by mo, held by , held by ada, pulled by ada" {
				t.Errorf("the hook is told of %s", got)
			}
			return nil
		})
	})
}
