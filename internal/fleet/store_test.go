package fleet_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/verdict"
	"github.com/fridayos/friday/internal/wire"
)

// fill puts the catalogue of newWorld in and starts 26.11.27.
func fill(t *testing.T, d *db.DB) (r fleet.Rollout) {
	t.Helper()
	w := newWorld()
	write(t, d, func(tx *db.Tx) (err error) {
		for _, b := range w.builds {
			err = errors.Join(err, catalog.PutBuild(tx, b))
		}
		for _, p := range w.packages {
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

// claim makes handsets of members: "7 of 1" is claim 7 of member 1, claimed age
// before now.
func claim(t *testing.T, d *db.DB, age time.Duration, claims ...string) {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		for _, c := range claims {
			var id, member int64
			if _, err := fmt.Sscanf(c, "%d of %d", &id, &member); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO members (id, name, name_key, password_hash, created_at) VALUES ($1, $2, $2, '', $3) ON CONFLICT DO NOTHING", member, fmt.Sprint("m", member), now.Add(-age)); err != nil {
				return err
			}
			if _, err := tx.Exec("INSERT INTO claims (id, member_id, device, created_at, ended_at) VALUES ($1, $2, 'umi', $3, 0)", id, member, now.Add(-age)); err != nil {
				return err
			}
		}
		return nil
	})
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

func report(r fleet.Rollout, id string, claim int64, e wire.Event, stage, code string) outcome.Report {
	return outcome.Report{Token: wire.OfferToken{ID: id, Rollout: r.ID, From: "26.11.20", To: fresh.ID, Claim: claim, Expires: now.Unix() + 3600}, Event: e, Stage: stage, Code: code}
}

func TestOutcomesCountOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		claim(t, d, time.Hour, "7 of 1", "8 of 2")
		expired := report(r, "late", 0, wire.Booted, "", "")
		expired.Token.Expires = now.Unix()
		nowhere := report(r, "nowhere", 0, wire.Booted, "", "")
		nowhere.Token.Rollout = 99
		reports := []outcome.Report{
			report(r, "a", 7, wire.Downloaded, "", ""), report(r, "a", 7, wire.Applied, "", ""), report(r, "a", 7, wire.Booted, "", ""), report(r, "a", 7, wire.Booted, "", ""),
			report(r, "b", 0, wire.Failed, "apply", "hash"), report(r, "c", 8, wire.Failed, "download", "http_404"), report(r, "d", 8, wire.Failed, "<script>", "Not One Word"),
			report(r, "e", 8, wire.RolledBack, "", ""), report(r, "f", 0, "exploded", "", ""), expired, nowhere,
		}
		for i := range 500 { // more than one statement takes
			reports = append(reports, report(r, fmt.Sprint("n", i), 0, wire.Booted, "", ""))
		}
		for round, want := range []int{507, 0} {
			write(t, d, func(tx *db.Tx) error {
				fresh, err := outcome.Record(tx, reports)
				if fresh != want {
					t.Errorf("round %d counted %d, expected %d", round, fresh, want)
				}
				return err
			})
		}
		write(t, d, func(tx *db.Tx) error {
			n, err := outcome.Of(tx, r.ID)
			want := outcome.Counts{
				Enrolled:  outcome.Group{Downloaded: 1, Applied: 1, Booted: 1, Failed: 1, FailedDownload: 1},
				Anonymous: outcome.Group{Booted: 500, Failed: 1, RolledBack: 1}, // the second bad end of one member
			}
			if n != want {
				t.Errorf("counted %+v, expected %+v", n, want)
			}
			return err
		})
		write(t, d, func(tx *db.Tx) error {
			failures, err := outcome.Failures(tx, r.ID)
			if len(failures) != 4 {
				t.Errorf("failures are %+v", failures)
			}
			for _, f := range failures {
				if f.Stage == "<script>" || f.Code == "Not One Word" || f.Code == "hash" && !f.Enrolled {
					t.Errorf("a handset's words got in: %+v", f)
				}
			}
			return err
		})
	})
}

// TestItStopsItself: three members' handsets fail, the rollout of their device is
// halted with its figures, another device's goes on; a human overrides.
func TestItStopsItself(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		claim(t, d, time.Hour, "7 of 1", "8 of 2", "9 of 3")
		other := makeBuild("lmi", "26.11.27", 3000)
		write(t, d, func(tx *db.Tx) error {
			if err := catalog.PutBuild(tx, other); err != nil {
				return err
			}
			_, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "lmi", Channel: wire.Weekly, Build: other.ID}, "ana", "the gate is open")
			return err
		})
		tick := func(want ...fleet.State) (changed []fleet.Rollout) {
			t.Helper()
			write(t, d, func(tx *db.Tx) (err error) {
				changed, err = fleet.Tick(tx)
				return err
			})
			var got []fleet.State
			for _, c := range changed {
				got = append(got, c.State)
			}
			if !slices.Equal(got, want) {
				t.Errorf("the tick changed %+v, expected %v", changed, want)
			}
			return changed
		}
		record := func(reports ...outcome.Report) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error { _, err := outcome.Record(tx, reports); return err })
		}
		record(report(r, "a", 7, wire.Failed, "apply", "hash"), report(r, "b", 8, wire.Failed, "apply", "hash"))
		tick() // two are not enough, whatever they say
		record(report(r, "c", 9, wire.Failed, "apply", "hash"))
		stopped := tick(fleet.Halted)
		f := stopped[0].Figure
		if f == nil || f.Measure != "failed" || f.Fresh != (verdict.Tally{N: 3, Bad: 3}) || !f.Enrolled || stopped[0].Reason != f.String() || !stopped[0].ChangedAt.Equal(now) {
			t.Errorf("it was halted as %+v, %+v", stopped[0], f)
		}
		write(t, d, func(tx *db.Tx) error { // what is kept is what was decided
			kept, err := fleet.ByID(tx, r.ID)
			if !reflect.DeepEqual(kept.Figure, f) {
				t.Errorf("kept is %+v, expected %+v", kept.Figure, f)
			}
			return err
		})
		write(t, d, func(tx *db.Tx) error {
			resumed, err := fleet.Resume(tx, r.ID, "ana", "a bad cable")
			if resumed.Actor != "ana" || resumed.Reason != "a bad cable" || resumed.Figure != nil {
				t.Errorf("overridden as %+v", resumed)
			}
			return err
		})
		tick() // the same counts do not halt again
	})
}

// TestWhoHalts: claims that are younger than the release, or all of one member,
// count as anyone's.
func TestWhoHalts(t *testing.T) {
	for name, c := range map[string]struct {
		age    time.Duration
		claims []string
		want   outcome.Group
	}{
		"three members":         {time.Hour, []string{"7 of 1", "8 of 2", "9 of 3"}, outcome.Group{Failed: 3}},
		"one member":            {time.Hour, []string{"7 of 1", "8 of 1", "9 of 1"}, outcome.Group{Failed: 1}},
		"claimed since the cut": {0, []string{"7 of 1", "8 of 2", "9 of 3"}, outcome.Group{}},
		"nobody's":              {time.Hour, []string{"70 of 1"}, outcome.Group{}},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				d.SetClock(func() time.Time { return now })
				r := fill(t, d)
				claim(t, d, c.age, c.claims...)
				write(t, d, func(tx *db.Tx) error {
					_, err := outcome.Record(tx, []outcome.Report{report(r, "a", 7, wire.Failed, "boot", ""), report(r, "b", 8, wire.Failed, "boot", ""), report(r, "c", 9, wire.Failed, "boot", "")})
					if err != nil {
						return err
					}
					n, err := outcome.Of(tx, r.ID)
					if want := (outcome.Counts{Enrolled: c.want, Anonymous: outcome.Group{Failed: 3 - c.want.Failed}}); n != want {
						t.Errorf("counted %+v, expected %+v", n, want)
					}
					return err
				})
			})
		})
	}
}

// TestSilence: a handset that applied a build and is not heard of counts once
// its time is over, and no longer when it starts after all.
func TestSilence(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := now
		d.SetClock(func() time.Time { return clock })
		r := fill(t, d)
		is := func(want outcome.Group, reports ...outcome.Report) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error {
				for i := range reports {
					reports[i].Token.Region, reports[i].Token.Expires = "IN", clock.Unix()+3600
				}
				if _, err := outcome.Record(tx, reports); err != nil {
					return err
				}
				if err := outcome.Forget(tx); err != nil {
					return err
				}
				if _, err := fleet.Tick(tx); err != nil {
					return err
				}
				n, err := outcome.RegionalOf(tx, r.ID)
				if n["IN"].Anonymous != want {
					t.Errorf("at %v: counted %+v, expected %+v", clock.Sub(now), n["IN"].Anonymous, want)
				}
				return err
			})
		}
		is(outcome.Group{Applied: 3}, report(r, "a", 0, wire.Applied, "", ""), report(r, "b", 0, wire.Applied, "", ""), report(r, "c", 0, wire.Applied, "", ""))
		is(outcome.Group{Applied: 3, Booted: 1}, report(r, "a", 0, wire.Booted, "", ""))
		is(outcome.Group{Applied: 4, Booted: 2}, report(r, "d", 0, wire.Booted, "", ""), report(r, "d", 0, wire.Applied, "", "")) // out of order
		clock = now.Add(outcome.SilentAfter - time.Second)
		is(outcome.Group{Applied: 4, Booted: 2})
		clock = now.Add(outcome.SilentAfter)
		is(outcome.Group{Applied: 4, Booted: 2, Silent: 2})
		is(outcome.Group{Applied: 4, Booted: 3, Silent: 1}, report(r, "b", 0, wire.Booted, "", ""))
		is(outcome.Group{Applied: 4, Booted: 3, Silent: 1}, report(r, "b", 0, wire.Booted, "", ""))
		clock = clock.Add(60 * 24 * time.Hour) // and what is silent for good stays so
		is(outcome.Group{Applied: 4, Booted: 3, Silent: 1})
	})
}

// TestRegionStops: one region's handsets fail; it is stopped there, offered
// elsewhere, and goes on when a human says so.
func TestRegionStops(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		var claims []string
		var reports []outcome.Report
		for i := range 60 {
			claims = append(claims, fmt.Sprintf("%d of %d", 100+i, 200+i))
			one := report(r, fmt.Sprint(i), int64(100+i), wire.Booted, "", "")
			one.Token.Region = "DE"
			if i < 4 {
				one.Token.Region, one.Event = "IN", wire.RolledBack
			}
			reports = append(reports, one)
		}
		claim(t, d, time.Hour, claims...)
		write(t, d, func(tx *db.Tx) error {
			_, err := outcome.Record(tx, reports)
			changed, err2 := fleet.Tick(tx)
			if len(changed) != 1 || changed[0].State != fleet.Running || !changed[0].Stopped("IN") || changed[0].Stopped("DE") {
				t.Errorf("the tick changed %+v", changed)
			}
			return errors.Join(err, err2)
		})
		offered := func(want string) {
			t.Helper()
			s, got := snapshot(t, d), ""
			for _, region := range []string{"in", "de", ""} {
				c := newWorld().checkin
				c.Region = region
				for fleet.Place("26.11.27", c.Bucket) >= 1000 {
					c.Bucket++
				}
				if d := fleet.Decide(&c, nil, s, now); d.Offer() {
					got += "[" + region + "]"
				}
			}
			if got != want {
				t.Errorf("offered in %s, expected %s", got, want)
			}
		}
		offered("[de]") // and not to one that may be anywhere
		write(t, d, func(tx *db.Tx) error {
			changed, err := fleet.Tick(tx)
			if len(changed) != 0 {
				t.Errorf("the next tick changed %+v", changed)
			}
			_, err2 := fleet.ResumeRegion(tx, r.ID, "IN", "ana", "it was one bad batch")
			changed, err3 := fleet.Tick(tx)
			if len(changed) != 0 {
				t.Errorf("after resuming the tick changed %+v", changed)
			}
			return errors.Join(err, err2, err3)
		})
		offered("[in][de][]")
		for what, fn := range map[string]func(tx *db.Tx) (fleet.Rollout, error){
			"resuming it twice": func(tx *db.Tx) (fleet.Rollout, error) { return fleet.ResumeRegion(tx, r.ID, "IN", "ana", "again") },
			"halting it nowhere": func(tx *db.Tx) (fleet.Rollout, error) {
				return fleet.HaltRegion(tx, r.ID, fleet.RegionChange{Reason: "x"}, "ana")
			},
			"halting without reason": func(tx *db.Tx) (fleet.Rollout, error) {
				return fleet.HaltRegion(tx, r.ID, fleet.RegionChange{Region: "IN"}, "ana")
			},
		} {
			if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := fn(tx); return err }); err == nil {
				t.Errorf("%s was allowed", what)
			}
		}
	})
}

func TestBootsAreHandedOnOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		write(t, d, func(tx *db.Tx) error {
			_, err := outcome.Record(tx, []outcome.Report{report(r, "a", 7, wire.Booted, "", ""), report(r, "b", 7, wire.Booted, "", ""), report(r, "c", 0, wire.Booted, "", ""), report(r, "d", 9, wire.Applied, "", "")})
			return err
		})
		write(t, d, func(tx *db.Tx) error {
			boots, err := outcome.Boots(tx, 10)
			if err != nil || len(boots) != 1 || boots[0] != (outcome.Boot{Claim: 7, Build: fresh.ID}) {
				t.Fatalf("boots are %+v, %v", boots, err)
			}
			first, err := outcome.Done(tx, boots[0])
			second, err2 := outcome.Done(tx, boots[0])
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
		claim(t, d, time.Hour, "7 of 1", "8 of 2")
		record := func(want outcome.Group, reports ...outcome.Report) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error {
				if err := outcome.Forget(tx); err != nil {
					return err
				}
				if _, err := outcome.Record(tx, reports); err != nil {
					return err
				}
				n, err := outcome.Of(tx, r.ID)
				if n.Enrolled != want {
					t.Errorf("counted %+v, expected %+v", n.Enrolled, want)
				}
				return err
			})
		}
		record(outcome.Group{Failed: 1, FailedDownload: 1}, report(r, "a", 7, wire.Failed, "download", ""), report(r, "b", 7, wire.Failed, "boot", ""), report(r, "c", 7, wire.Failed, "verify", ""))
		record(outcome.Group{Failed: 1, FailedDownload: 1}, report(r, "d", 7, wire.Failed, "boot", ""), report(r, "d", 7, wire.RolledBack, "", ""), report(r, "e", 7, wire.RolledBack, "", ""))
		clock = clock.Add(31 * 24 * time.Hour) // its first tokens have expired, and it has a new one
		late := report(r, "f", 7, wire.Failed, "boot", "")
		late.Token.Expires = clock.Unix() + 3600
		other := late
		other.Token.ID, other.Token.Claim = "g", 8
		record(outcome.Group{Failed: 2, FailedDownload: 1}, late, other)
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
				if err := outcome.Forget(tx); err != nil {
					return err
				}
				fresh, err := outcome.Record(tx, []outcome.Report{report(r, "a", 0, wire.Booted, "", "")})
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
				var reports []outcome.Report
				for i := range 50 { // in another order on each node
					reports = append(reports, report(r, fmt.Sprint((i*7+node*13)%50), 0, wire.Booted, "", ""))
				}
				if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := outcome.Record(tx, reports); return err }); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		write(t, d, func(tx *db.Tx) error {
			n, err := outcome.Of(tx, r.ID)
			if n.Anonymous.Booted != 50 {
				t.Errorf("50 outcomes told to four nodes count as %d", n.Anonymous.Booted)
			}
			return err
		})
	})
}

// TestLoaderReadsWhatChanged: a snapshot from a loader that has been used is the
// same as a fresh one, after every kind of change.
func TestLoaderReadsWhatChanged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		r := fill(t, d)
		var used fleet.Loader
		same := func(what string) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error {
				got, err := used.Load(tx)
				want, err2 := fleet.Load(tx)
				if err == nil && err2 == nil && !reflect.DeepEqual(got, want) {
					t.Errorf("%s: a loader that was used reads another snapshot", what)
				}
				return errors.Join(err, err2)
			})
		}
		same("at first")
		for what, fn := range map[string]func(tx *db.Tx) error{
			"held": func(tx *db.Tx) error { _, err := fleet.Hold(tx, r.ID, "ana", "looking"); return err },
			"stopped somewhere": func(tx *db.Tx) error {
				_, err := fleet.HaltRegion(tx, r.ID, fleet.RegionChange{Region: "IN", Reason: "x"}, "ana")
				return err
			},
			"a package came": func(tx *db.Tx) error { return catalog.PutPackage(tx, makePackage(9, before.ID, fresh)) },
			"another rollout": func(tx *db.Tx) error {
				_, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Stable, Build: old.ID}, "ana", "go")
				return err
			},
		} {
			write(t, d, fn)
			same(what)
		}
		write(t, d, func(tx *db.Tx) error { _, err := fleet.Pull(tx, r.ID, "ana", "eats photos"); return err })
		same("pulled")
	})
}
