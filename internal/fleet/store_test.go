package fleet_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// fill puts the catalogue of newWorld in and starts 26.11.27.
func fill(t *testing.T, d *db.DB) (r fleet.Rollout) {
	t.Helper()
	w := newWorld()
	write(t, d, func(tx *db.Tx) (err error) {
		for _, b := range w.facts.Builds {
			err = errors.Join(err, catalog.PutBuild(tx, b))
		}
		for _, p := range w.facts.Packages {
			err = errors.Join(err, catalog.PutPackage(tx, p))
		}
		err = errors.Join(err, catalog.PutRelease(tx, catalog.Release{Name: "26.11.27", Commit: "c0ffee", Notes: "What is new.", Builds: map[string]string{"umi": fresh.ID}}))
		if err != nil {
			return err
		}
		r, err = fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Weekly, Build: fresh.ID,
			Stages: []fleet.Stage{{Percent: 10, Least: time.Hour}, {Percent: 100}}}, "ana", "the gate is open")
		return err
	})
	return r
}

func write(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func snapshot(t *testing.T, d *db.DB) (s *fleet.Snapshot) {
	t.Helper()
	write(t, d, func(tx *db.Tx) (err error) {
		s, err = fleet.Load(tx)
		return err
	})
	s.Until = now.Add(time.Minute)
	return s
}

func TestRolloutLives(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := now
		d.SetClock(func() time.Time { return clock })
		r := fill(t, d)
		c := newWorld().checkin
		c.Bucket = 0
		for fleet.Place("26.11.27", c.Bucket) >= 1000 {
			c.Bucket++
		}
		s := snapshot(t, d)
		if got := fleet.Decide(&c, nil, s, now); !got.Offer() || got.Package.Digest[0] != 3 || got.Notes != "What is new." {
			t.Fatalf("a running rollout decides %+v", got)
		}
		revision := s.Revision
		step := func(name string, want fleet.State, fn func(tx *db.Tx) (fleet.Rollout, error)) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error {
				got, err := fn(tx)
				if err == nil && got.State != want {
					err = fmt.Errorf("%s: it is %s, expected %s", name, got.State, want)
				}
				return err
			})
			s := snapshot(t, d)
			if s.Revision <= revision {
				t.Errorf("%s: the revision did not rise", name)
			}
			revision = s.Revision
			offered := want == fleet.Running || want == fleet.Held || want == fleet.Complete
			if got := fleet.Decide(&c, nil, s, now); got.Offer() != offered {
				t.Errorf("%s: offered is %v, expected %v: %s", name, got.Offer(), offered, got.Reason)
			}
		}
		refused := func(name string, fn func(tx *db.Tx) (fleet.Rollout, error)) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := fn(tx); return err }); err == nil {
				t.Errorf("%s was allowed", name)
			}
		}
		refused("a second rollout of the same", func(tx *db.Tx) (fleet.Rollout, error) {
			return fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Weekly, Build: fresh.ID}, "ana", "again")
		})
		refused("another device's build", func(tx *db.Tx) (fleet.Rollout, error) {
			return fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "lmi", Channel: wire.Weekly, Build: fresh.ID}, "ana", "again")
		})
		refused("a change without a reason", func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Halt(tx, r.ID, "ana", "") })
		step("hold", fleet.Held, func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Hold(tx, r.ID, "ana", "looking") })
		step("resume", fleet.Running, func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Resume(tx, r.ID, "ana", "seen") })
		step("halt", fleet.Halted, func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Halt(tx, r.ID, "ana", "camera reboots") })
		refused("completing a halted one", func(tx *db.Tx) (fleet.Rollout, error) {
			return fleet.Set(tx, r.ID, fleet.Change{State: fleet.Complete, Reason: "x"}, "ana")
		})
		step("resume", fleet.Running, func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Resume(tx, r.ID, "ana", "not ours") })
		write(t, d, func(tx *db.Tx) error {
			changed, err := fleet.Tick(tx)
			if len(changed) != 0 {
				t.Errorf("a tick too early changed %+v", changed)
			}
			return err
		})
		clock = clock.Add(time.Hour)
		step("tick", fleet.Running, func(tx *db.Tx) (fleet.Rollout, error) {
			changed, err := fleet.Tick(tx)
			if err != nil || len(changed) != 1 || changed[0].Stage != 1 || !changed[0].StageSince.Equal(clock) {
				return fleet.Rollout{}, fmt.Errorf("the tick changed %+v: %w", changed, err)
			}
			return changed[0], nil
		})
		step("next", fleet.Complete, func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Next(tx, r.ID, "ana", "good enough") })
		step("pull", fleet.Pulled, func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Pull(tx, r.ID, "ana", "eats photos") })
		refused("resuming a pulled one", func(tx *db.Tx) (fleet.Rollout, error) { return fleet.Resume(tx, r.ID, "ana", "no") })
	})
}

func report(r fleet.Rollout, id string, claim int64, e wire.Event, stage, code string) fleet.Report {
	return fleet.Report{Token: wire.OfferToken{ID: id, Rollout: r.ID, From: "26.11.20", To: fresh.ID, Claim: claim, Expires: now.Unix() + 3600}, Event: e, Stage: stage, Code: code}
}

func TestOutcomesCountOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		expired := report(r, "late", 0, wire.Booted, "", "")
		expired.Token.Expires = now.Unix()
		nowhere := report(r, "nowhere", 0, wire.Booted, "", "")
		nowhere.Token.Rollout = 99
		reports := []fleet.Report{
			report(r, "a", 7, wire.Downloaded, "", ""), report(r, "a", 7, wire.Applied, "", ""), report(r, "a", 7, wire.Booted, "", ""), report(r, "a", 7, wire.Booted, "", ""),
			report(r, "b", 0, wire.Failed, "apply", "hash"), report(r, "c", 8, wire.Failed, "download", "http_404"), report(r, "d", 8, wire.Failed, "<script>", "Not One Word"),
			report(r, "e", 8, wire.RolledBack, "", ""), report(r, "f", 0, "exploded", "", ""), expired, nowhere,
		}
		for i := range 500 { // more than one statement takes
			reports = append(reports, report(r, fmt.Sprint("n", i), 0, wire.Booted, "", ""))
		}
		for round, want := range []int{507, 0} {
			write(t, d, func(tx *db.Tx) error {
				fresh, err := fleet.Record(tx, reports)
				if fresh != want {
					t.Errorf("round %d counted %d, expected %d", round, fresh, want)
				}
				return err
			})
		}
		write(t, d, func(tx *db.Tx) error {
			n, err := fleet.CountsOf(tx, r.ID)
			want := fleet.Counts{
				Enrolled:  fleet.Group{Downloaded: 1, Applied: 1, Booted: 1, RolledBack: 1, Failed: 1, FailedDownload: 1},
				Anonymous: fleet.Group{Booted: 500, Failed: 1},
			}
			if n != want {
				t.Errorf("counted %+v, expected %+v", n, want)
			}
			return err
		})
		write(t, d, func(tx *db.Tx) error {
			failures, err := fleet.Failures(tx, r.ID)
			if len(failures) != 4 {
				t.Errorf("failures are %+v", failures)
			}
			for _, f := range failures {
				if f.Stage == "<script>" || f.Code == "Not One Word" || f.Code == "hash" && !f.Enrolled {
					t.Errorf("a handset's words got in: %+v", f)
				}
			}
			changed, err2 := fleet.Tick(tx)
			if len(changed) != 1 || changed[0].State != fleet.Halted {
				t.Errorf("two of three enrolled handsets failed, and the tick changed %+v", changed)
			}
			return errors.Join(err, err2)
		})
		write(t, d, func(tx *db.Tx) error { // a human overrides: the same counts do not halt again
			_, err := fleet.Resume(tx, r.ID, "ana", "a bad cable")
			changed, err2 := fleet.Tick(tx)
			if len(changed) != 0 {
				t.Errorf("after resuming the tick changed %+v", changed)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestBootsAreHandedOnOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		write(t, d, func(tx *db.Tx) error {
			_, err := fleet.Record(tx, []fleet.Report{report(r, "a", 7, wire.Booted, "", ""), report(r, "b", 7, wire.Booted, "", ""), report(r, "c", 0, wire.Booted, "", ""), report(r, "d", 9, wire.Applied, "", "")})
			return err
		})
		write(t, d, func(tx *db.Tx) error {
			boots, err := fleet.Boots(tx, 10)
			if err != nil || len(boots) != 1 || boots[0] != (fleet.Boot{Claim: 7, Build: fresh.ID}) {
				t.Fatalf("boots are %+v, %v", boots, err)
			}
			first, err := fleet.Done(tx, boots[0])
			second, err2 := fleet.Done(tx, boots[0])
			if !first || second {
				t.Errorf("handed on: %v, then %v", first, second)
			}
			return errors.Join(err, err2)
		})
	})
}

// One claimed handset asks for many offers, and fails with each; another two
// fail once. Its offers may also have been asked for before it was claimed.
func TestOneHandsetIsOneVoice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := now
		d.SetClock(func() time.Time { return clock })
		r := fill(t, d)
		record := func(want fleet.Group, reports ...fleet.Report) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error {
				if err := fleet.Forget(tx); err != nil {
					return err
				}
				if _, err := fleet.Record(tx, reports); err != nil {
					return err
				}
				n, err := fleet.CountsOf(tx, r.ID)
				if n.Enrolled != want {
					t.Errorf("counted %+v, expected %+v", n.Enrolled, want)
				}
				return err
			})
		}
		record(fleet.Group{Failed: 1, FailedDownload: 1}, report(r, "a", 7, wire.Failed, "download", ""), report(r, "b", 7, wire.Failed, "boot", ""), report(r, "c", 7, wire.Failed, "verify", ""))
		record(fleet.Group{Failed: 1, FailedDownload: 1, RolledBack: 1}, report(r, "d", 7, wire.Failed, "boot", ""), report(r, "d", 7, wire.RolledBack, "", ""), report(r, "e", 7, wire.RolledBack, "", ""))
		clock = clock.Add(31 * 24 * time.Hour) // its first tokens have expired, and it has a new one
		late := report(r, "f", 7, wire.Failed, "boot", "")
		late.Token.Expires = clock.Unix() + 3600
		other := late
		other.Token.ID, other.Token.Claim = "g", 8
		record(fleet.Group{Failed: 2, FailedDownload: 1, RolledBack: 1}, late, other)
	})
}

func TestForgetKeepsWhatCounts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := now
		d.SetClock(func() time.Time { return clock })
		r := fill(t, d)
		again := func(want int) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error {
				if err := fleet.Forget(tx); err != nil {
					return err
				}
				fresh, err := fleet.Record(tx, []fleet.Report{report(r, "a", 0, wire.Booted, "", "")})
				if fresh != want {
					t.Errorf("at %v counted %d, expected %d", clock, fresh, want)
				}
				return err
			})
		}
		again(1)
		clock = now.Add(3599 * time.Second)
		again(0)
		clock = now.Add(3600 * time.Second) // forgotten, and too late to count
		again(0)
	})
}

func TestNodesReportTheSameOutcome(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		var wg sync.WaitGroup
		for node := range 4 {
			wg.Go(func() {
				var reports []fleet.Report
				for i := range 50 { // in another order on each node
					reports = append(reports, report(r, fmt.Sprint((i*7+node*13)%50), 0, wire.Booted, "", ""))
				}
				if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := fleet.Record(tx, reports); return err }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		write(t, d, func(tx *db.Tx) error {
			n, err := fleet.CountsOf(tx, r.ID)
			if n.Anonymous.Booted != 50 {
				t.Errorf("50 outcomes told to four nodes count as %d", n.Anonymous.Booted)
			}
			return err
		})
	})
}
