package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

var now = time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)

func makeBuild(device, version string, timestamp int64) catalog.Build {
	images := []catalog.Partition{{Name: "system", Digest: blob.Digest{byte(timestamp)}, Size: 4096}}
	return catalog.Build{ID: catalog.BuildID(device, version, images), Device: device, Version: version, Incremental: version, PatchLevel: "2026-11-05",
		Timestamp: timestamp, RollbackIndex: 5, VBMetaDigest: "d" + version, Images: images}
}

func makePackage(n byte, from string, to catalog.Build) catalog.Package {
	p := catalog.Package{Digest: blob.Digest{n}, Size: 100, Kind: catalog.Full, Device: to.Device, From: from, To: to.ID, File: to.Version + ".zip", ProvenAt: now}
	if from != "" {
		p.Kind = catalog.Incremental
	}
	return p
}

// world is two releases for umi: 26.11.20 complete, 26.11.27 in its stages.
type world struct {
	facts    fleet.Facts
	builds   []catalog.Build
	packages []catalog.Package
	checkin  wire.CheckIn
	ticket   *wire.Ticket
	now      time.Time
}

var (
	before = makeBuild("umi", "26.11.13", 1000)
	old    = makeBuild("umi", "26.11.20", 2000)
	fresh  = makeBuild("umi", "26.11.27", 3000)
)

func newWorld() *world {
	stages := []fleet.Stage{{Percent: 10}, {Percent: 100}}
	return &world{
		facts: fleet.Facts{
			Rollouts: []fleet.Rollout{
				{ID: 1, Release: "26.11.20", Device: "umi", Channel: "weekly", Build: old.ID, Stages: stages, Stage: 1, State: fleet.Complete},
				{ID: 2, Release: "26.11.27", Device: "umi", Channel: "weekly", Build: fresh.ID, Stages: stages, Stage: 1, State: fleet.Running},
			},
			Notes: map[string]string{"26.11.27": "What is new."},
		},
		checkin: wire.CheckIn{Device: "umi", Incremental: "26.11.20", VBMetaDigest: "d26.11.20", Timestamp: 2000, PatchLevel: "2026-11-05", RollbackIndex: 5,
			Channel: "weekly", Bucket: 4321},
		builds:   []catalog.Build{before, old, fresh},
		packages: []catalog.Package{makePackage(1, "", old), makePackage(2, "", fresh), makePackage(3, old.ID, fresh), makePackage(4, before.ID, old)},
		now:      now,
	}
}

func (w *world) snapshot() *fleet.Snapshot {
	f := w.facts
	f.Builds, f.To = map[string]*catalog.Build{}, map[string][]*catalog.Package{}
	for i := range w.builds {
		f.Builds[w.builds[i].ID] = &w.builds[i]
	}
	for i := range w.packages {
		f.To[w.packages[i].To] = append(f.To[w.packages[i].To], &w.packages[i])
	}
	return fleet.NewSnapshot(f)
}

func (w *world) rollout() *fleet.Rollout { return &w.facts.Rollouts[1] }
func (w *world) build() *catalog.Build   { return &w.builds[2] }

func (w *world) decide() fleet.Decision {
	s := w.snapshot()
	s.Until = now.Add(5 * time.Second)
	return fleet.Decide(&w.checkin, w.ticket, s, w.now)
}

func hex(n byte) string { return blob.Digest{n}.String() }

func TestDecide(t *testing.T) {
	// late is a bucket that is not among the first tenth of 26.11.27.
	late, early := -1, -1
	for b := range wire.Buckets {
		if fleet.Place("26.11.27", b) >= 1000 {
			late = b
		} else {
			early = b
		}
	}
	for _, c := range []struct {
		name   string
		change func(w *world)
		want   string // digest of the package's first byte, or words of the reason
		n      byte
	}{
		{"incremental for exactly this build", func(w *world) {}, "", 3},
		{"incremental without a vbmeta digest", func(w *world) { w.checkin.VBMetaDigest = "" }, "", 3},
		{"another build under the same name", func(w *world) { w.checkin.VBMetaDigest = "other" }, "", 2},
		{"unknown build", func(w *world) { w.checkin.Incremental, w.checkin.VBMetaDigest = "V1", "x" }, "", 2},
		{"modified", func(w *world) { w.checkin.Modified = true }, "", 2},
		{"incremental failed here", func(w *world) { w.checkin.FailedHere = []string{hex(3)} }, "", 2},
		{"both failed here", func(w *world) { w.checkin.FailedHere = []string{hex(3), strings.ToUpper(hex(2))} }, "failed on this handset", 0},
		{"only the full one failed here", func(w *world) { w.checkin.FailedHere = []string{hex(2)} }, "", 3},
		{"another device", func(w *world) { w.checkin.Device = "lmi" }, "no release", 0},
		{"a rollout with another device's build", func(w *world) { w.build().Device = "lmi" }, "build for lmi", 0},
		{"another variant", func(w *world) { w.build().Variant, w.checkin.Variant = "cn", "eea" }, "variant cn", 0},
		{"its variant", func(w *world) { w.build().Variant, w.checkin.Variant = "cn", "cn" }, "", 3},
		{"another region", func(w *world) { w.rollout().Region, w.checkin.Region = "MX", "global" }, "region MX", 0},
		{"its region", func(w *world) { w.rollout().Region, w.checkin.Region = "MX", "mx" }, "", 3},
		{"another carrier", func(w *world) { w.rollout().Carrier = "telcel" }, "carrier telcel", 0},
		{"no such channel", func(w *world) { w.checkin.Channel = "nightly" }, "no channel", 0},
		{"beta without a ticket", func(w *world) { w.rollout().Channel, w.checkin.Channel = "beta", "beta" }, "needs a ticket", 0},
		{"beta with a ticket", func(w *world) {
			w.rollout().Channel, w.checkin.Channel = "beta", "beta"
			w.ticket = &wire.Ticket{Channels: []string{"beta"}, Expires: now.Unix() + 1}
		}, "", 3},
		{"beta with an expired ticket", func(w *world) {
			w.rollout().Channel, w.checkin.Channel = "beta", "beta"
			w.ticket = &wire.Ticket{Channels: []string{"beta"}, Expires: now.Unix()}
		}, "needs a ticket", 0},
		{"alpha with a ticket for beta", func(w *world) {
			w.rollout().Channel, w.checkin.Channel = "alpha", "alpha"
			w.ticket = &wire.Ticket{Channels: []string{"beta"}, Expires: now.Unix() + 1}
		}, "needs a ticket", 0},
		{"stable has none", func(w *world) { w.checkin.Channel = "stable" }, "no release", 0},
		{"older timestamp", func(w *world) { w.checkin.Timestamp = 3001 }, "older than what", 0},
		{"the same timestamp", func(w *world) { w.checkin.Timestamp = 3000 }, "", 3},
		{"older patch level", func(w *world) { w.checkin.PatchLevel = "2026-11-06" }, "patch level", 0},
		{"no patch level", func(w *world) { w.checkin.PatchLevel = "" }, "not a date", 0},
		{"a patch level that only sorts low", func(w *world) { w.checkin.PatchLevel = "1" }, "not a date", 0},
		{"a build without patch level", func(w *world) { w.build().PatchLevel = "" }, "patch level", 0},
		{"lower rollback index", func(w *world) { w.checkin.RollbackIndex = 6 }, "rollback index", 0},
		{"higher rollback index", func(w *world) { w.build().RollbackIndex = 6 }, "", 3},
		{"already on it", func(w *world) { w.checkin.Incremental, w.checkin.Timestamp = "26.11.27", 3000 }, "already", 0},
		{"already on it by vbmeta digest", func(w *world) { w.checkin.VBMetaDigest = "D26.11.27" }, "already", 0},
		{"pulled", func(w *world) { w.rollout().State = fleet.Pulled }, "was pulled", 0},
		{"halted", func(w *world) { w.rollout().State = fleet.Halted }, "is halted", 0},
		{"planned", func(w *world) { w.rollout().State = fleet.Planned }, "already", 0},
		{"held goes on at its stage", func(w *world) { w.rollout().State = fleet.Held }, "", 3},
		{"pulled, but the one before is newer than the handset's", func(w *world) {
			w.rollout().State = fleet.Pulled
			w.checkin.Incremental, w.checkin.VBMetaDigest, w.checkin.Timestamp = "26.11.13", "d26.11.13", 1000
		}, "", 4},
		{"later in the order", func(w *world) { w.rollout().Stage, w.checkin.Bucket = 0, late }, "turn comes later", 0},
		{"early in the order", func(w *world) { w.rollout().Stage, w.checkin.Bucket = 0, early }, "", 3},
		{"later, but a canary", func(w *world) {
			w.rollout().Stage, w.checkin.Bucket = 0, late
			w.ticket = &wire.Ticket{Places: []int64{7, 2}, Bucket: late, Expires: now.Unix() + 1}
		}, "", 3},
		{"later, and a canary of another release", func(w *world) {
			w.rollout().Stage, w.checkin.Bucket = 0, late
			w.ticket = &wire.Ticket{Places: []int64{1}, Bucket: late, Expires: now.Unix() + 1}
		}, "turn comes later", 0},
		{"later, with the ticket of another handset", func(w *world) {
			w.rollout().Stage, w.checkin.Bucket = 0, late
			w.ticket = &wire.Ticket{Places: []int64{2}, Bucket: early, Expires: now.Unix() + 1}
		}, "turn comes later", 0},
		{"later, but a volunteer", func(w *world) {
			w.rollout().Stages, w.rollout().Stage, w.checkin.Bucket, w.checkin.Early = []fleet.Stage{{Percent: 10, Volunteers: 100}, {Percent: 100}}, 0, late, true
		}, "", 3},
		{"no volunteer", func(w *world) {
			w.rollout().Stages, w.rollout().Stage, w.checkin.Bucket = []fleet.Stage{{Percent: 10, Volunteers: 100}, {Percent: 100}}, 0, late
		}, "turn comes later", 0},
		{"regions of the device", func(w *world) { w.rollout().Conditions.Regions, w.checkin.Region = []string{"IN", "ID"}, "mx" }, "regions IN, ID only", 0},
		{"one of them", func(w *world) { w.rollout().Conditions.Regions, w.checkin.Region = []string{"IN", "ID"}, "id" }, "", 3},
		{"no region told", func(w *world) { w.rollout().Conditions.Regions = []string{"IN"} }, "regions IN only", 0},
		{"carriers of the device", func(w *world) { w.rollout().Conditions.Carriers, w.checkin.Carrier = []string{"telcel"}, "o2" }, "carriers telcel only", 0},
		{"one of those", func(w *world) { w.rollout().Conditions.Carriers, w.checkin.Carrier = []string{"telcel", "O2"}, "o2" }, "", 3},
		{"too old a base", func(w *world) { w.rollout().Conditions.Base, w.checkin.BaseVersion = "13", "9" }, "needs Android 13", 0},
		{"no base told", func(w *world) { w.rollout().Conditions.Base = "13" }, "needs Android 13", 0},
		{"the base that it needs", func(w *world) { w.rollout().Conditions.Base, w.checkin.BaseVersion = "8.1", "8.1.0" }, "", 3},
		{"a later base", func(w *world) { w.rollout().Conditions.Base, w.checkin.BaseVersion = "9", "15" }, "", 3},
		{"held back from what it runs", func(w *world) { w.rollout().Conditions.HoldFrom = []string{"26.11.13", "26.11.20"} }, "held back", 0},
		{"outside the hours", func(w *world) { w.rollout().Conditions.Hours = &fleet.Hours{From: 9, To: 18} }, "from 9 to 18", 0},
		{"within them, where the handset is", func(w *world) {
			w.rollout().Conditions.Hours, w.checkin.UTCOffset = &fleet.Hours{From: 9, To: 18}, -60
		}, "", 3},
		{"hours past midnight", func(w *world) {
			w.rollout().Conditions.Hours, w.checkin.UTCOffset = &fleet.Hours{From: 22, To: 6}, 5*60+30
		}, "", 3},
		{"the owner waits", func(w *world) { w.rollout().CreatedAt, w.checkin.DelayDays = now.Add(-71*time.Hour), 3 }, "1h0m0s more", 0},
		{"and has waited", func(w *world) { w.rollout().CreatedAt, w.checkin.DelayDays = now.Add(-72*time.Hour), 3 }, "", 3},
		{"the owner wants to see others fare well", func(w *world) { w.rollout().Good, w.checkin.WaitGood = 98, 99 }, "until 99%", 0},
		{"they do", func(w *world) { w.rollout().Good, w.checkin.WaitGood = 99, 99 }, "", 3},
		{"too few have it", func(w *world) { w.rollout().Good, w.checkin.WaitGood = -1, 1 }, "until 1%", 0},
		{"a step may not be skipped", func(w *world) {
			w.facts.Rollouts[0].Conditions.Stepping = true
			w.checkin.Incremental, w.checkin.VBMetaDigest, w.checkin.Timestamp = "26.11.13", "d26.11.13", 1000
		}, "", 4},
		{"it was taken", func(w *world) { w.facts.Rollouts[0].Conditions.Stepping = true }, "", 3},
		{"not even when what comes after it is for all", func(w *world) {
			w.facts.Rollouts[0].Conditions.Stepping = true
			w.rollout().State = fleet.Complete
			w.checkin.Incremental, w.checkin.VBMetaDigest, w.checkin.Timestamp = "26.11.13", "d26.11.13", 1000
		}, "", 4},
		{"a step that is halted is waited for", func(w *world) {
			w.facts.Rollouts[0].Conditions.Stepping, w.facts.Rollouts[0].State = true, fleet.Halted
			w.checkin.Incremental, w.checkin.VBMetaDigest, w.checkin.Timestamp = "26.11.13", "d26.11.13", 1000
		}, "may not be skipped", 0},
		{"the way out of what was pulled waits for no stage", func(w *world) {
			w.facts.Rollouts[0].State = fleet.Pulled
			w.rollout().Stage, w.checkin.Bucket, w.checkin.DelayDays = 0, late, 30
		}, "", 3},
		{"no way out yet", func(w *world) { w.facts.Rollouts[0].State, w.rollout().State = fleet.Pulled, fleet.Halted }, "what the handset runs was pulled, and there is no way out yet: 26.11.27 is halted", 0},
		{"later, and the one before is for it", func(w *world) {
			w.rollout().Stage, w.checkin.Bucket = 0, late
			w.checkin.Incremental, w.checkin.VBMetaDigest, w.checkin.Timestamp = "V1", "", 500
		}, "", 1},
		{"a bucket that is none", func(w *world) { w.checkin.Bucket = wire.Buckets }, "bucket", 0},
		{"no full package", func(w *world) {
			w.packages = w.packages[2:]
			w.checkin.Modified = true
		}, "no full package", 0},
		{"the lease is out", func(w *world) { w.now = now.Add(5 * time.Second) }, "not heard", 0},
		{"the lease is not quite out", func(w *world) { w.now = now.Add(5*time.Second - 1) }, "", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld()
			c.change(w)
			d := w.decide()
			switch {
			case c.n != 0 && (!d.Offer() || d.Package.Digest[0] != c.n):
				t.Fatalf("expected package %d, got %+v", c.n, d)
			case c.n == 0 && d.Offer():
				t.Fatalf("expected no offer because %q, got package %d", c.want, d.Package.Digest[0])
			case c.n == 0 && !strings.Contains(d.Reason, c.want):
				t.Fatalf("expected no offer because %q, got %q", c.want, d.Reason)
			case d.LeaseOut != strings.Contains(c.want, "not heard"):
				t.Fatalf("LeaseOut is %v", d.LeaseOut)
			}
		})
	}
	if d := fleet.Decide(&wire.CheckIn{Device: "umi"}, nil, nil, now); !d.LeaseOut {
		t.Error("no snapshot at all is not a lease that ran out")
	}
}

func TestOfferCarriesItsFacts(t *testing.T) {
	d := newWorld().decide()
	if d.Rollout.ID != 2 || d.Build.ID != fresh.ID || d.From != "26.11.20" || d.Notes != "What is new." {
		t.Errorf("the decision is %+v", d)
	}
}

// TestPlaces: a stage of n handsets offers with a place, and keeps to it.
func TestPlaces(t *testing.T) {
	w := newWorld()
	w.rollout().Stages, w.rollout().Stage = []fleet.Stage{{Handsets: 7}, {Percent: 100}}, 0
	s := w.snapshot()
	s.Until = now.Add(time.Second)
	if d := fleet.Decide(&w.checkin, nil, s, now); !d.Offer() || !d.NeedsPlace {
		t.Errorf("the first is answered %+v", d)
	}
	if d := fleet.Decide(&w.checkin, nil, s, now, 2); d.Offer() || !strings.Contains(d.Reason, "for 7 handsets at first, and no place is free") {
		t.Errorf("without a place it is answered %+v", d)
	}
	ticket := &wire.Ticket{Claim: 9, Expires: now.Unix() + 1}
	for rollout := range int64(20) { // places of old rollouts make way
		next := fleet.WithPlace(ticket, 100+rollout, w.checkin.Bucket)
		ticket = &next
	}
	with := fleet.WithPlace(ticket, 2, w.checkin.Bucket)
	if len(with.Places) != wire.MaxPlaces || with.Claim != 9 || fleet.HasPlace(ticket, 2, w.checkin.Bucket) || !fleet.HasPlace(&with, 119, w.checkin.Bucket) {
		t.Errorf("the ticket is %+v", with)
	}
	if d := fleet.Decide(&w.checkin, &with, s, now, 2); !d.Offer() || d.NeedsPlace {
		t.Errorf("with a place it is answered %+v", d)
	}
	if other := fleet.WithPlace(&with, 3, w.checkin.Bucket+1); len(other.Places) != 1 {
		t.Errorf("another handset took over %+v", other)
	}
}

func TestListed(t *testing.T) {
	w := newWorld()
	listed := func() string {
		r, b, p := w.snapshot().Listed("umi", "weekly")
		if r == nil {
			return ""
		}
		if p.Kind != catalog.Full || b.ID != r.Build {
			t.Errorf("%s is listed with %+v", r.Release, p)
		}
		return r.Release
	}
	if got := listed(); got != "26.11.20" {
		t.Errorf("while 26.11.27 is in its stages %q is listed", got)
	}
	w.rollout().State = fleet.Complete
	if got := listed(); got != "26.11.27" {
		t.Errorf("once it is complete %q is listed", got)
	}
	for what, c := range map[string]fleet.Conditions{"regions": {Regions: []string{"MX"}}, "a base": {Base: "13"}, "held builds": {HoldFrom: []string{"x"}}} {
		w.rollout().Conditions = c
		if got := listed(); got != "26.11.20" {
			t.Errorf("when it is narrowed by %s %q is listed", what, got)
		}
	}
	w.rollout().Conditions = fleet.Conditions{}
	w.rollout().Regions = []fleet.StoppedRegion{{Region: "IN"}}
	if got := listed(); got != "26.11.20" {
		t.Errorf("when it is stopped in a region %q is listed", got)
	}
	w.rollout().Region = "MX"
	if got := listed(); got != "26.11.20" {
		t.Errorf("when it is for one region %q is listed", got)
	}
	w.facts.Rollouts[0].State = fleet.Pulled
	if got := listed(); got != "" {
		t.Errorf("when nothing is for all %q is listed", got)
	}
}

func TestServed(t *testing.T) {
	w := newWorld()
	state := func(n byte) fleet.State {
		p, _ := w.snapshot().Package(hex(n))
		return p.State
	}
	if state(3) != fleet.Complete || state(9) != "" {
		t.Error("a running rollout's package is not served, or an unknown one is")
	}
	w.rollout().State = fleet.Halted
	if state(3) != fleet.Halted {
		t.Errorf("a halted rollout's package is %s", state(3))
	}
	beta := *w.rollout()
	beta.ID, beta.Channel, beta.State = 3, "beta", fleet.Running
	w.facts.Rollouts = append(w.facts.Rollouts, beta)
	if state(3) != fleet.Complete {
		t.Errorf("a package that runs on another channel is %s", state(3))
	}
	w.facts.Rollouts[1].State, w.facts.Rollouts[2].State = fleet.Pulled, fleet.Pulled
	if state(3) != fleet.Pulled {
		t.Errorf("a pulled package is %s", state(3))
	}
	w.facts.Rollouts = w.facts.Rollouts[:1]
	if state(3) != "" {
		t.Errorf("a package without a rollout is %q", state(3))
	}
}

func TestRaisedIndexIsInTheNotes(t *testing.T) {
	w := newWorld()
	w.rollout().Conditions.Raises = 7
	if d := w.decide(); d.Notes != "What is new.\n\nThis release raises the rollback index to 7: builds from before it will not start on this phone any more." {
		t.Errorf("the notes are %q", d.Notes)
	}
}

func TestConditionsCheck(t *testing.T) {
	for want, c := range map[string]fleet.Conditions{
		"":             {Regions: []string{"IN", "GLOBAL"}, Carriers: []string{"o2"}, Base: "8.1", Hours: &fleet.Hours{From: 22, To: 6}},
		"region is":    {Regions: []string{"in"}},
		"no name":      {Carriers: []string{""}},
		"Android":      {Base: "thirteen"},
		"hours are 24": {Hours: &fleet.Hours{From: 24, To: 6}},
		"hours are 6":  {Hours: &fleet.Hours{From: 6, To: 6}},
	} {
		if err := c.Check(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, expected %q", c, err, want)
		}
	}
}

func TestPlaceIsAnOrder(t *testing.T) {
	both := 0
	for _, release := range []string{"26.11.20", "26.11.27"} {
		seen := make([]bool, wire.Buckets)
		for b := range wire.Buckets {
			p := fleet.Place(release, b)
			if p < 0 || p >= wire.Buckets || seen[p] {
				t.Fatalf("%s: bucket %d has place %d, taken or outside", release, b, p)
			}
			seen[p] = true
		}
	}
	for b := range wire.Buckets {
		if fleet.Place("26.11.20", b) < 1000 && fleet.Place("26.11.27", b) < 1000 {
			both++
		}
	}
	if both < 60 || both > 140 { // 100 expected, deviation 9
		t.Errorf("%d buckets are in the first tenth of two releases, expected about 100", both)
	}
}
