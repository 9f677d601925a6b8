package train_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// rollsOut puts a build with a rollout of it into the database, and boots it on
// so many handsets.
func rollsOut(t *testing.T, tx *db.Tx, version string, at time.Time, handsets int) fleet.Rollout {
	t.Helper()
	images := []catalog.Partition{{Name: "system", FS: "erofs", Digest: blob.Sum([]byte(version)), Size: 1 << 20}}
	b := catalog.Build{ID: catalog.BuildID("umi", version, images), Device: "umi", Version: version, Commit: strings.Repeat("a", 40), Incremental: version, PatchLevel: "2026-11-05", SDK: 30,
		Fingerprint: "Xiaomi/umi/umi:11/RKQ1.200826.002/V12.5.9.0.RJBCNXM:user/release-keys", Timestamp: at.Unix(), Stock: blob.Sum([]byte("stock")), Images: images, Report: blob.Sum([]byte("report"))}
	if err := catalog.PutBuild(tx, b); err != nil {
		t.Fatal(err)
	}
	r, err := fleet.Start(tx, fleet.Plan{Release: version, Device: "umi", Channel: "weekly", Build: b.ID}, "ana", "it is Friday")
	if err != nil {
		t.Fatal(err)
	}
	var reports []outcome.Report
	for i := range handsets {
		reports = append(reports, outcome.Report{Event: wire.Booted, Token: wire.OfferToken{ID: fmt.Sprint(version, i), Rollout: r.ID, To: b.ID, Expires: tx.Now().Unix() + 3600}})
	}
	if _, err := outcome.Record(tx, reports); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCrashesHoldARollout: what members' logs say of a build reaches its rollout
// as plain numbers; what was there before the build does not.
func TestCrashesHoldARollout(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		tr := &train.Train{DB: d}
		var rollout fleet.Rollout
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		send := func(member int64, version, fingerprint string) {
			write(func(tx *db.Tx) error {
				r, err := crash.Put(tx, crash.Report{MemberID: member, Device: "umi", Build: version, Text: blob.Ref{Digest: blob.Sum(fmt.Append(nil, member, version, fingerprint)), Size: 1}},
					[]crash.Cluster{{Fingerprint: fingerprint, Kind: "java", Process: "com.example", Top: "a.b.C.d"}})
				if err != nil {
					return err
				}
				return crash.Publish(tx, r.ID, member, 41, false)
			})
		}
		is := func(want fleet.State) fleet.Rollout {
			t.Helper()
			if err := tr.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			var r fleet.Rollout
			write(func(tx *db.Tx) (err error) { r, err = fleet.ByID(tx, rollout.ID); return err })
			if r.State != want {
				t.Fatalf("the rollout is %s (%s), expected %s", r.State, r.Reason, want)
			}
			return r
		}
		write(func(tx *db.Tx) error {
			rollsOut(t, tx, "26.11.20", now.AddDate(0, 0, -7), 300)
			rollout = rollsOut(t, tx, "26.11.27", now, 20)
			return nil
		})
		for m := range int64(12) { // an old crash, as often as it was
			send(m+1, "26.11.20", "00000000000000aa")
		}
		send(20, "26.11.27", "00000000000000aa")
		is(fleet.Running)
		send(30, "26.11.27", "00000000000000bb")
		is(fleet.Running) // one member's crash is no signal
		send(31, "26.11.27", "00000000000000bb")
		send(32, "26.11.27", "00000000000000bb")
		r := is(fleet.Held)
		if !strings.Contains(r.Reason, "new in this build or grew: 1") {
			t.Errorf("it is held because %q", r.Reason)
		}
		write(func(tx *db.Tx) error {
			signals, err := train.Crashes(tx, "umi", "26.11.27")
			if err != nil || len(signals) != 1 || signals[0].Fingerprint != "00000000000000bb" || signals[0].Change != crash.New || signals[0].Here != 3 || signals[0].HandsetsHere != 20 || signals[0].HandsetsEarlier != 300 {
				t.Errorf("signals %+v, %v", signals, err)
			}
			if first, err := train.Crashes(tx, "umi", "26.11.20"); err != nil || len(first) != 0 {
				t.Errorf("the first build has nothing to compare with: %+v, %v", first, err)
			}
			return nil
		})
		// A human lets it go on; the same crash does not hold it again.
		write(func(tx *db.Tx) error { _, err := fleet.Resume(tx, rollout.ID, "mo", "known and harmless"); return err })
		is(fleet.Running)
		send(33, "26.11.27", "00000000000000bb")
		is(fleet.Running)
	})
}
