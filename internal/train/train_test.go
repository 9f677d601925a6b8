package train_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

var start = time.Date(2026, 11, 19, 12, 0, 0, 0, time.UTC) // a Thursday

// TestTheWeek is the whole way of two releases: cut, build, packages, ship,
// offers, and a fix that reaches the one who reported it.
func TestTheWeek(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		y := newYard(t, d)
		y.work()
		all := train.ShipOptions{Stages: []fleet.Stage{{Percent: 100}}, Actor: "ana"}

		r, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Actor: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != "26.11.20" || len(r.Fixes) != 0 {
			t.Fatalf("cut %+v", r)
		}
		if err := y.train.Ship(t.Context(), r.Name, all); err == nil {
			t.Error("a release left before it was built")
		}
		first := y.wait(r.Name, train.Testing)
		if len(first.Devices) != 1 || len(first.Devices[0].Packages) != 1 || first.Devices[0].Packages[0].Kind != catalog.Full {
			t.Fatalf("the first release is %+v", first)
		}
		if err := y.train.Ship(t.Context(), r.Name, all); err != nil {
			t.Fatal(err)
		}
		stock := wire.CheckIn{Device: "umi", Incremental: "V14", Timestamp: 1788220800, PatchLevel: "2026-09-01", Channel: wire.Weekly}
		if got := y.decide(stock); !got.Offer() || got.Package.Kind != catalog.Full || got.Rollout.Release != "26.11.20" {
			t.Fatalf("a handset on stock is offered %+v", got)
		}
		old := y.build(first)

		// Ana reports a bug on it, and has a handset of her own.
		ana, threadID, claim := y.report()
		y.clock.set(start.AddDate(0, 0, 5))
		fix := y.commit(start.AddDate(0, 0, 4), "Welcome: say what is true\n\nFixes: #1\nFixes: #999", map[string]string{welcome: "Welcome, it works now.\n"})
		r, err = y.train.Cut(t.Context(), "HEAD", train.CutOptions{Actor: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != "26.11.27" || r.Commit != fix || !slices.Equal(r.Fixes, []int64{1, 999}) {
			t.Fatalf("cut %+v", r)
		}
		y.threadIs(threadID, feedback.Merged)
		second := y.wait(r.Name, train.Testing)
		kinds := map[string]int{}
		for _, p := range second.Devices[0].Packages {
			kinds[p.Kind]++
			if p.ProvenAt.IsZero() {
				t.Errorf("%s was not proven", p.File)
			}
		}
		if kinds[catalog.Full] != 1 || kinds[catalog.Incremental] != 1 {
			t.Fatalf("the second release has %v", kinds)
		}
		y.threadIs(threadID, feedback.Merged) // not in a release before it leaves
		if err := y.train.Ship(t.Context(), r.Name, all); err != nil {
			t.Fatal(err)
		}
		y.threadIs(threadID, feedback.InRelease)
		next := y.build(second)
		handset := wire.CheckIn{Device: "umi", Incremental: old.Incremental, VBMetaDigest: old.VBMetaDigest, Timestamp: old.Timestamp, PatchLevel: old.PatchLevel, RollbackIndex: old.RollbackIndex, Channel: wire.Weekly}
		if got := y.decide(handset); !got.Offer() || got.Package.Kind != catalog.Incremental || got.Build.ID != next.ID {
			t.Fatalf("a handset on 26.11.20 is offered %+v", got)
		}

		// Nobody is asked before the handset has it.
		asked := func() int {
			var asks []feedback.Ask
			y.write(func(tx *db.Tx) (err error) {
				asks, err = feedback.OpenAsks(tx, feedback.Viewer{Member: ana})
				return err
			})
			return len(asks)
		}
		y.write(func(tx *db.Tx) error { return y.train.Booted(tx, claim, old.ID) })
		if asked() != 0 {
			t.Error("the member was asked while the handset runs the old build")
		}
		y.write(func(tx *db.Tx) error { // a phone that she has sold
			code, err := member.NewClaimCode(tx, ana, "umi")
			if err != nil {
				return err
			}
			sold, err := member.RedeemClaim(tx, code, "umi")
			if err == nil {
				err = member.EndClaim(tx, ana, sold.ID)
			}
			return errors.Join(err, y.train.Booted(tx, sold.ID, next.ID))
		})
		if asked() != 0 {
			t.Error("the member was asked about a phone that is another's now")
		}
		y.write(func(tx *db.Tx) error { return y.train.Booted(tx, claim, next.ID) })
		if asked() != 1 {
			t.Errorf("the handset runs the fix, and %d questions are open", asked())
		}
		y.threadIs(threadID, feedback.OnHandset)

		y.write(func(tx *db.Tx) error { return y.train.Booted(tx, 12345, next.ID) }) // a claim that was given up
		if err := y.train.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := y.status(r.Name); got.State != train.Settled {
			t.Errorf("with all handsets offered it, the release is %s: %+v", got.State, got.Devices)
		}
		var steps []string
		for _, s := range y.status(r.Name).Log {
			if s.Device == "" {
				steps = append(steps, s.To)
			}
		}
		if got := strings.Join(steps, " "); got != "open frozen testing shipping settled" {
			t.Errorf("the release went through %q", got)
		}

		// Pulled: gone, and the next one carries its fixes again.
		if err := y.train.Pull(t.Context(), r.Name, nil, "ana", "eats photos"); err != nil {
			t.Fatal(err)
		}
		y.threadIs(threadID, feedback.Merged) // what was pulled carries no fix
		if asked() != 0 {
			t.Error("the member is asked about a release that was pulled")
		}
		if got := y.status(r.Name).State; got != train.Pulled {
			t.Errorf("the release is %s", got)
		}
		if got := y.decide(handset); got.Offer() {
			t.Errorf("pulled, and offered %+v", got.Package)
		}
		again, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Respin: r.Name, Actor: "ana"})
		if err != nil || again.Name != "26.11.27.1" || !slices.Contains(again.Fixes, 1) {
			t.Errorf("the respin is %+v, %v", again, err)
		}
		y.wait(again.Name, train.Testing)
	})
}

// TestMoves are the human's words, without a worker.
func TestMoves(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		y := newYard(t, d, "umi", "lmi")
		ctx := t.Context()
		if _, err := y.train.Cut(ctx, "HEAD", train.CutOptions{Devices: []string{"hlte"}}); err == nil {
			t.Error("a device that does not exist was cut")
		}
		if err := y.train.Skip(ctx, "26.11.20", "ana", ""); err == nil {
			t.Error("a week was skipped without a reason")
		}
		if err := y.train.Skip(ctx, "26.11.20", "ana", "holidays"); err != nil {
			t.Fatal(err)
		}
		y.write(func(tx *db.Tx) error {
			s, err := y.train.Status(tx, 10)
			if s.Week != "26.11.27" || len(s.Releases) != 1 || s.Releases[0].State != train.Skipped || s.Releases[0].Reason != "holidays" {
				t.Errorf("the status is %+v", s)
			}
			return err
		})
		if _, err := y.train.Cut(ctx, "HEAD", train.CutOptions{Actor: "ana"}); err == nil {
			t.Error("a skipped week was cut")
		}
		// lmi is described and has no stock: it does not go along.
		r, err := y.train.Cut(ctx, "HEAD", train.CutOptions{Date: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), Actor: "ana"})
		if err != nil || r.Name != "26.11.27" {
			t.Fatalf("cut %+v, %v", r, err)
		}
		if s := y.status(r.Name); len(s.Devices) != 1 || s.Devices[0].State != train.Building {
			t.Errorf("on board are %+v", s.Devices)
		}
		if _, err := y.train.Cut(ctx, "HEAD", train.CutOptions{Date: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)}); err == nil {
			t.Error("a release was cut twice")
		}
		if err := y.train.Hold(ctx, r.Name, []string{"umi"}, "ana", "camera reboots"); err != nil {
			t.Fatal(err)
		}
		if s := y.status(r.Name); s.State != train.Frozen || s.Devices[0].State != train.Held || s.Devices[0].Reason != "camera reboots" {
			t.Errorf("held: %+v", s)
		}
		if err := y.train.Hold(ctx, r.Name, nil, "ana", "again"); err == nil {
			t.Error("what is held was held again")
		}
		if err := y.train.Halt(ctx, r.Name, nil, "ana", "nothing runs"); err == nil {
			t.Error("nothing was halted without a word")
		}
		if err := y.train.Resume(ctx, r.Name, nil, "ana", "fixed"); err != nil {
			t.Fatal(err)
		}
		if s := y.status(r.Name); s.Devices[0].State != train.Building {
			t.Errorf("resumed: %+v", s.Devices[0])
		}
		if err := y.train.Pull(ctx, r.Name, nil, "ana", "wrong commit"); err != nil {
			t.Fatal(err)
		}
		if s := y.status(r.Name); s.State != train.Pulled || s.Devices[0].State != train.Withdrawn {
			t.Errorf("pulled: %+v", s)
		}
		for name, err := range map[string]error{
			"ship": y.train.Ship(ctx, r.Name, train.ShipOptions{}), "pull": y.train.Pull(ctx, r.Name, nil, "ana", "again"), "none": y.train.Hold(ctx, "26.01.01", nil, "ana", "x"),
		} {
			if err == nil {
				t.Errorf("%s: allowed", name)
			}
		}
		if err := y.train.Tick(ctx); err != nil {
			t.Fatal(err)
		}
		y.write(func(tx *db.Tx) error {
			s, err := y.train.Status(tx, 1)
			if len(s.Releases) != 1 {
				t.Errorf("one release was asked for, and %d came", len(s.Releases))
			}
			return err
		})
	})
}

// TestOneIsHeldTheOthersGo: a device whose layers do not fit its stock is held
// with the reason, and the train leaves without it.
func TestOneIsHeldTheOthersGo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		y := newYard(t, d, "umi", "lmi")
		y.write(func(tx *db.Tx) error {
			stock, err := catalog.StockOf(tx, "umi")
			if err != nil {
				return err
			}
			stock.Device, stock.Digest = "lmi", blob.Digest{1}
			return catalog.PutStock(tx, stock)
		})
		name := "devices/lmi/device.yaml"
		yaml, err := os.ReadFile(filepath.Join(y.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		at := strings.LastIndex(string(yaml), "layers:")
		if at < 0 {
			t.Fatalf("%s names no layers:\n%s", name, yaml)
		}
		y.commit(start, "lmi: remove what is not there", map[string]string{
			name:                       string(yaml[:at]) + "layers: [broken]\n",
			"layers/broken/layer.yaml": "why: It names what is not there.\nremove:\n  - system:system/app/Nowhere\n",
		})
		r, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Actor: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		s := y.status(r.Name)
		if len(s.Devices) != 2 || s.Devices[0].Device != "lmi" || s.Devices[0].State != train.Held || s.Devices[1].State != train.Building {
			t.Fatalf("the devices are %+v", s.Devices)
		}
		if reason := s.Devices[0].Reason; !strings.Contains(reason, "layers/broken/layer.yaml") || !strings.Contains(reason, "Nowhere") {
			t.Errorf("the reason is %q, expected the place of the mistake", reason)
		}
		if _, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Devices: []string{"lmi"}, Respin: r.Name}); err == nil {
			t.Error("a release was cut of which nothing can be built")
		}
	})
}

// TestTheGateRefuses: a build that would take handsets back does not leave.
func TestTheGateRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		y := newYard(t, d)
		r, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Actor: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		put := func(tx *db.Tx, version string, timestamp int64) (catalog.Build, error) {
			images := []catalog.Partition{{Name: "system", Digest: blob.Sum([]byte(version)), Size: 4096}}
			b := catalog.Build{ID: catalog.BuildID("umi", version, images), Device: "umi", Version: version, Incremental: version, PatchLevel: "2026-11-05", Timestamp: timestamp, Images: images}
			p := catalog.Package{Digest: blob.Sum([]byte("zip of " + version)), Size: 10, Kind: catalog.Full, Device: "umi", To: b.ID, File: version + ".zip", ProvenAt: start}
			return b, errors.Join(catalog.PutBuild(tx, b), catalog.PutPackage(tx, p))
		}
		y.write(func(tx *db.Tx) error {
			newer, err := put(tx, "26.11.13", 3000)
			if err != nil {
				return err
			}
			if _, err := fleet.Start(tx, fleet.Plan{Release: "26.11.13", Device: "umi", Channel: wire.Weekly, Build: newer.ID}, "ana", "last week"); err != nil {
				return err
			}
			older, err := put(tx, r.Name, 2000)
			if err != nil {
				return err
			}
			_, err = tx.Exec("UPDATE train_devices SET state = 'ready', build = $1 WHERE release = $2", older.ID, r.Name)
			if err == nil {
				_, err = tx.Exec("UPDATE train_releases SET state = 'testing' WHERE release = $1", r.Name)
			}
			return err
		})
		err = y.train.Ship(t.Context(), r.Name, train.ShipOptions{Actor: "ana"})
		if err == nil || !strings.Contains(err.Error(), "timestamp") {
			t.Errorf("shipping an older build: %v", err)
		}
		s := y.status(r.Name)
		if s.State != train.Testing || s.Devices[0].State != train.Held || !strings.Contains(s.Devices[0].Reason, "timestamp") || len(s.Devices[0].Rollouts) != 0 {
			t.Errorf("after the gate refused: %+v", s)
		}
	})
}

// TestRaisingTheIndex: a build that raises the rollback index leaves when a human
// says so, and says it in its notes; its rollout is for whom device.yaml says.
func TestRaisingTheIndex(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		y := newYard(t, d)
		file := filepath.Join("devices", "umi", "device.yaml")
		text, err := os.ReadFile(filepath.Join(y.dir, file))
		if err != nil {
			t.Fatal(err)
		}
		y.commit(start, "umi: India and Indonesia, from Android 13 on", map[string]string{file: string(text) + "\noffer:\n  regions: [IN, ID]\n  carriers: [jio]\n  base: \"13\"\n"})
		r, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Actor: "ana", Notes: "Better."})
		if err != nil {
			t.Fatal(err)
		}
		put := func(tx *db.Tx, version string, index uint64) (catalog.Build, error) {
			images := []catalog.Partition{{Name: "system", Digest: blob.Sum([]byte(version)), Size: 4096}}
			b := catalog.Build{ID: catalog.BuildID("umi", version, images), Device: "umi", Version: version, Incremental: version, PatchLevel: "2026-11-05", Timestamp: 3000, RollbackIndex: index, Images: images}
			p := catalog.Package{Digest: blob.Sum([]byte("zip of " + version)), Size: 10, Kind: catalog.Full, Device: "umi", To: b.ID, File: version + ".zip", ProvenAt: start}
			return b, errors.Join(catalog.PutBuild(tx, b), catalog.PutPackage(tx, p))
		}
		y.write(func(tx *db.Tx) error {
			before, err := put(tx, "26.11.13", 5)
			next, err2 := put(tx, r.Name, 6)
			_, err3 := fleet.Start(tx, fleet.Plan{Release: "26.11.13", Device: "umi", Channel: wire.Weekly, Build: before.ID}, "ana", "last week")
			_, err4 := tx.Exec("UPDATE train_devices SET state = 'ready', build = $1 WHERE release = $2", next.ID, r.Name)
			_, err5 := tx.Exec("UPDATE train_releases SET state = 'testing' WHERE release = $1", r.Name)
			return errors.Join(err, err2, err3, err4, err5)
		})
		o := train.ShipOptions{Actor: "ana", Devices: []string{"umi"}, Stages: []fleet.Stage{{Percent: 100}}}
		if err := y.train.Ship(t.Context(), r.Name, o); err == nil || !strings.Contains(err.Error(), "raises the rollback index to 6") || !strings.Contains(err.Error(), "--raise-rollback-index") {
			t.Errorf("raising the index in silence: %v", err)
		}
		o.RaiseRollbackIndex = true
		if err := y.train.Ship(t.Context(), r.Name, o); err != nil {
			t.Fatal(err)
		}
		c := wire.CheckIn{Device: "umi", Incremental: "26.11.13", PatchLevel: "2026-11-05", RollbackIndex: 5, Channel: wire.Weekly, Region: "in", Carrier: "Jio", BaseVersion: "13"}
		if d := y.decide(c); !d.Offer() || !strings.Contains(d.Notes, "Better.\n\nThis release raises the rollback index to 6") {
			t.Errorf("a handset that it is for is answered %+v", d)
		}
		for what, change := range map[string]func(c *wire.CheckIn){
			"region":  func(c *wire.CheckIn) { c.Region = "MX" },
			"carrier": func(c *wire.CheckIn) { c.Carrier = "telcel" },
			"base":    func(c *wire.CheckIn) { c.BaseVersion = "12" },
		} {
			other := c
			change(&other)
			if d := y.decide(other); d.Offer() {
				t.Errorf("a handset of another %s is offered it", what)
			}
		}
	})
}
