package handset

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/wire"
)

var ctx = context.Background()

func TestUpdate(t *testing.T) {
	m, one, two, three := ours(t), week(1), week(2), week(3)
	first, second, third := m.build(t, one), m.build(t, two), m.build(t, three)
	p := m.phone(t, customKey, first)
	now := time.Unix(1_800_000_000, 0)
	p.SetClock(func() time.Time { return now })

	full := m.pack(t, nil, spec{}, second, two, nil)
	s := newServer(t, full, offerOf(t, full, two))
	c := &Client{Base: s.URL}
	res := must(p.Run(ctx, c))(t)
	if !res.Updated || res.Started.Slot != "b" || res.Started.System.Incremental != two.version {
		t.Fatalf("after the full package: %+v", res)
	}
	incremental := m.pack(t, second, two, third, three, nil)
	s.mu.Lock()
	s.path, s.offer = incremental, offerOf(t, incremental, three)
	s.mu.Unlock()
	res = must(p.Run(ctx, c))(t)
	if !res.Updated || res.Started.Slot != "a" || res.Started.System.Incremental != three.version {
		t.Fatalf("after the incremental package: %+v", res)
	}
	now = now.Add(25 * time.Hour)
	if res = must(p.Run(ctx, c))(t); res.Reason != "up to date" {
		t.Fatalf("a day later: %+v", res)
	}
	want := []wire.Event{wire.Downloaded, wire.Verified, wire.Applied, wire.Booted,
		wire.Downloaded, wire.Verified, wire.Applied, wire.Booted, wire.Healthy}
	if got := s.events(); !slices.Equal(got, want) {
		t.Errorf("outcomes are %v, want %v", got, want)
	}
	if got := s.checkins[1]; got.RollbackIndex != two.rollback || got.Slot != "b" || got.DaysSinceLast != 0 || got.Bucket != 7 {
		t.Errorf("the second check-in says %+v", got)
	}
	if got := s.checkins[2].DaysSinceLast; got != 1 {
		t.Errorf("a day later the check-in says %d days since the last, want 1", got)
	}
	st := must(p.Status())(t)
	if st.Running != "a" || st.Phase != "" || st.Wipes != 0 || st.System.Incremental != three.version {
		t.Errorf("status is %+v", st)
	}
}

func TestResumeAfterCut(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	p := m.phone(t, customKey, m.build(t, one))
	zip := m.pack(t, nil, spec{}, m.build(t, two), two, nil)
	s := newServer(t, zip, offerOf(t, zip, two))
	s.cutAt = 30_000
	c := &Client{Base: s.URL}
	if _, err := p.Run(ctx, c); err == nil || !strings.Contains(err.Error(), "cannot download package: cut off at byte 30000 of") {
		t.Fatalf("after a cut: %v", err)
	}
	p = must(Open(p.dir))(t)
	if res := must(p.Run(ctx, c))(t); !res.Updated {
		t.Fatalf("after going on: %+v", res)
	}
	if want := []string{"bytes=0-", "bytes=30000-"}; !slices.Equal(s.ranges, want) {
		t.Errorf("ranges asked for are %q, want %q", s.ranges, want)
	}
	if len(s.checkins) != 1 {
		t.Errorf("the phone checked in %d times for one update", len(s.checkins))
	}
}

// TestFallback: a build whose Android does not come up is tried three times,
// then the old one runs again, and the package is not asked for a second time.
func TestFallback(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	p := m.phone(t, customKey, m.build(t, one))
	two.noInit = true
	zip := m.pack(t, nil, spec{}, m.build(t, two), two, nil)
	s := newServer(t, zip, offerOf(t, zip, two))
	c := &Client{Base: s.URL}
	res := must(p.Run(ctx, c))(t)
	if res.Updated || res.Started.Slot != "a" || res.Started.System.Incremental != one.version {
		t.Fatalf("after a build that does not start: %+v", res)
	}
	if len(res.Started.Failures) != 3 || !strings.Contains(res.Reason, "cannot start system/bin/init: not there") {
		t.Errorf("failures are %q, reason %q", res.Started.Failures, res.Reason)
	}
	events := s.events()
	if last := s.outcomes[len(events)-1]; last.Event != wire.RolledBack || last.Stage != "boot" || !strings.Contains(last.Detail, "init") {
		t.Errorf("the last outcome is %+v", last)
	}
	if res := must(p.Run(ctx, c))(t); res.Offer != nil || len(s.checkins[1].FailedHere) != 1 {
		t.Errorf("the second check-in says %+v", s.checkins[1])
	}
}

func TestRefusals(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	first := m.build(t, one)
	older := func(s spec) spec { s.timestamp = one.timestamp - 1; return s }
	oldPatch := func(s spec) spec { s.patch = "2026-01-05"; return s }
	lower := func(s spec) spec { s.rollback = one.rollback - 1; return s }
	for _, c := range []struct {
		name string
		spec spec
		by   *maker
		from bool // incremental, from a build that is not the running one
		edit func(*otazip.Metadata, *payload.Plan)
		code string
		want string
	}{
		{"another device", func(s spec) spec { s.device = "hlte"; return s }(two), m, false, nil, "device",
			`cannot install package: it is for device ["hlte"], this is "umi"`},
		{"an older timestamp", older(two), m, false, nil, "timestamp",
			`cannot install package: it was built at 1790604799, the running system at 1790604800: older`},
		{"an older timestamp in the payload only", two, m, false, func(_ *otazip.Metadata, p *payload.Plan) { p.MaxTimestamp = 1 }, "timestamp",
			`cannot apply payload: max_timestamp is 1, the running system's is 1790604800: older`},
		{"an older patch level", oldPatch(two), m, false, nil, "patch_level",
			`cannot install package: its security patch level is "2026-01-05", the running system's is "2026-11-05"`},
		{"a lower rollback index", lower(two), m, false, nil, "chain",
			`cannot accept vbmeta: rollback index at location 0 is 10, the phone has stored 11`},
		{"another OS's key", two, theirs(t), false, nil, "signature", `signature`},
		{"an incremental from another build", two, m, true, func(o *otazip.Metadata, _ *payload.Plan) { o.PreBuildIncremental = one.version }, "source",
			`cannot verify source of partition "boot"`},
		{"an incremental that names another build", two, m, true, nil, "source",
			`cannot install package: it starts from build "26.11.27", running is "26.11.13"`},
		{"a minor version too new", two, m, true, func(o *otazip.Metadata, p *payload.Plan) {
			o.PreBuildIncremental, p.MinorVersion = one.version, 9
		}, "minor", `cannot apply payload: minor version is 9, this phone takes up to 6`},
		{"a partition that is not there", two, m, false, func(_ *otazip.Metadata, p *payload.Plan) { p.Parts[0].Name = "radio" }, "partition",
			`cannot apply payload: this phone has no partition "radio"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := m.phone(t, customKey, first)
			var from images
			var fromSpec spec
			if c.from {
				fromSpec = week(3)
				from = m.build(t, fromSpec)
			}
			zip := c.by.pack(t, from, fromSpec, c.by.build(t, c.spec), c.spec, c.edit)
			// The offer tells the truth of its bytes and lies about what is in them.
			s := newServer(t, zip, offerOf(t, zip, two))
			_, err := p.Run(ctx, &Client{Base: s.URL})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %s", err, c.want)
			}
			if n := len(s.outcomes); n == 0 || s.outcomes[n-1].Event != wire.Failed || s.outcomes[n-1].Code != c.code {
				t.Errorf("outcomes are %+v, want the last to be failed with code %q", s.outcomes, c.code)
			}
			if started := must(p.Boot(ctx))(t); started.Slot != "a" || started.System.Incremental != one.version {
				t.Errorf("afterwards runs %+v", started)
			}
		})
	}
}

func TestOfferRefused(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	p := m.phone(t, customKey, m.build(t, one))
	zip := m.pack(t, nil, spec{}, m.build(t, two), two, nil)
	for name, c := range map[string]struct {
		edit func(*wire.Offer)
		want string
	}{
		"older":       {func(o *wire.Offer) { o.Timestamp = 1 }, "older"},
		"patch level": {func(o *wire.Offer) { o.PatchLevel = "2020-01-01" }, "installing it would erase your data"},
		"no digest":   {func(o *wire.Offer) { o.SHA256 = "" }, "SHA-256 is \"\""},
	} {
		o := offerOf(t, zip, two)
		c.edit(&o)
		s := newServer(t, zip, o)
		if _, err := p.Run(ctx, &Client{Base: s.URL}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want %q in it", name, err, c.want)
		}
		if len(s.ranges) != 0 {
			t.Errorf("%s: the phone downloaded what it need not", name)
		}
	}
}

// TestWrongBytes: a server that sends something else than it offered gets
// nothing installed, and nothing of it is built upon.
func TestWrongBytes(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	p := m.phone(t, customKey, m.build(t, one))
	zip := m.pack(t, nil, spec{}, m.build(t, two), two, nil)
	o := offerOf(t, zip, two)
	o.SHA256 = strings.Repeat("0", 64)
	s := newServer(t, zip, o)
	_, err := p.Run(ctx, &Client{Base: s.URL})
	if err == nil || !strings.Contains(err.Error(), "cannot accept package: its SHA-256 is") {
		t.Fatalf("error is %v", err)
	}
	if _, err := os.Stat(p.path("update", "package.zip")); err == nil {
		t.Error("the wrong package is still there")
	}
}

// TestSideloadWipes: brought by hand, an older patch level is installed and
// erases the data, as on a real phone with its owner's key.
func TestSideloadWipes(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	for _, profile := range []bootprofile.Profile{customKey, unlocked()} {
		p := m.phone(t, profile, m.build(t, one))
		if err := os.WriteFile(p.path("userdata", "photo"), []byte("cat"), 0o600); err != nil {
			t.Fatal(err)
		}
		two.patch = "2026-01-05"
		zip := m.pack(t, nil, spec{}, m.build(t, two), two, nil)
		res := must(p.Sideload(ctx, zip))(t)
		if !res.Updated || res.Started.System.PatchLevel != two.patch {
			t.Fatalf("sideload: %+v", res)
		}
		if _, err := os.Stat(p.path("userdata", "photo")); err == nil || p.st.Wipes != 1 {
			t.Errorf("%s: the data is still there, wipes are %d", profile.Trust, p.st.Wipes)
		}
		if _, err := os.Stat(zip); err != nil {
			t.Errorf("the person's own file is gone: %v", err)
		}
	}
}

func unlocked() bootprofile.Profile {
	p := customKey
	p.Trust = bootprofile.Unlocked
	return p
}

// TestUnlocked: an unlocked phone boots another OS's system, which a phone with
// a fused key refuses.
func TestUnlocked(t *testing.T) {
	other := theirs(t).build(t, week(1))
	p := theirs(t).phone(t, unlocked(), other)
	if st := must(p.Boot(ctx))(t); st.State != "orange" {
		t.Errorf("verified boot state is %q, want orange", st.State)
	}
	locked := must(New(t.TempDir()+"/p", Identity{Device: "umi", Profile: customKey, Channel: "weekly"}, []byte("key of ours")))(t)
	for name, b := range other {
		if err := locked.Flash(name, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := locked.Boot(ctx); err == nil || !strings.Contains(err.Error(), "cannot boot: no slot starts") {
		t.Errorf("a phone with another key: %v", err)
	}
}

// TestLocked: once a phone has started with its owner's key, its boot loader
// writes nothing.
func TestLocked(t *testing.T) {
	p := theirs(t).phone(t, customKey, theirs(t).build(t, week(1)))
	zeros := bytes.NewReader(make([]byte, 4096))
	for name, err := range map[string]error{
		"flash": p.FlashSlot(ctx, "a", "boot", zeros, 4096), "erase": p.Erase("b", "boot"), "wipe": p.Erase("", "userdata"),
	} {
		if err == nil || !strings.Contains(err.Error(), "the boot loader is locked") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	must(p.Boot(ctx))(t)
}

// TestDamagedSlot: a slot whose blocks went bad does not start.
func TestDamagedSlot(t *testing.T) {
	m, one := ours(t), week(1)
	im := m.build(t, one)
	for partition := range im {
		p := m.phone(t, customKey, im)
		f := must(os.OpenFile(p.image("a", partition), os.O_RDWR, 0))(t)
		b := make([]byte, 1)
		must(f.ReadAt(b, 2000))(t)
		b[0] ^= 0x10
		must(f.WriteAt(b, 2000))(t)
		f.Close()
		if partition == "vbmeta" {
			continue // that byte is padding, which nothing covers
		}
		if _, err := p.Boot(ctx); err == nil {
			t.Errorf("%s: the phone boots a damaged slot", partition)
		}
	}
}

func TestNewAndOpenRefuse(t *testing.T) {
	virtual := customKey
	virtual.Slots = bootprofile.VirtualAB
	vb1 := oneSlot
	vb1.Trust = bootprofile.VerifiedBoot1
	for want, id := range map[string]Identity{
		`its device is ""`:               {Profile: customKey},
		"bucket is 10000":                {Device: "umi", Bucket: 10000, Profile: customKey},
		"needs the size of super":        {Device: "umi", Profile: virtual},
		"expected a certificate in DER":  {Device: "umi", Profile: vb1},
		"an unlocked phone checks no AV": {Device: "umi", Profile: unlocked()},
	} {
		if _, err := New(t.TempDir(), id, []byte("key")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q in it", err, want)
		}
	}
	if _, err := New(t.TempDir(), Identity{Device: "umi", Profile: customKey}, nil); err == nil {
		t.Error("a phone that trusts a custom key was made without one")
	}
	p := must(New(t.TempDir(), Identity{Device: "umi", Profile: customKey}, []byte("key")))(t)
	if _, err := New(p.dir, p.id, []byte("key")); err == nil || !strings.Contains(err.Error(), "already holds one") {
		t.Errorf("a second phone in one folder: %v", err)
	}
	if err := p.Flash("../x", bytes.NewReader(nil)); err == nil {
		t.Error("a partition name that leaves the folder was taken")
	}
	if err := os.WriteFile(p.path("state.json"), []byte(`{"active":"c"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(p.dir); err == nil || !strings.Contains(err.Error(), `active is "c"`) {
		t.Errorf("a state that is none: %v", err)
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"offer":null,"reason":"up to date","next_check":60}`))
	f.Add([]byte(`{"offer":{"release":"26.11.27","size":-1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := newServerBody(t, body)
		p := &Phone{dir: t.TempDir(), st: newState(), now: time.Now, log: func(string) {}, id: Identity{Device: "umi", Profile: customKey}}
		if err := os.MkdirAll(p.path("update"), 0o755); err != nil {
			t.Fatal(err)
		}
		o, _, err := p.CheckIn(ctx, &Client{Base: s.URL, HTTP: s.Client()}, Started{})
		if err == nil && o != nil && (o.Size <= 0 || len(o.SHA256) != 64) {
			t.Errorf("accepted offer %+v", o)
		}
	})
}
