package handset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/ota"
)

// virtualKinds are phones with virtual A/B, as device.yaml has them.
var virtualKinds = map[string]bootprofile.Profile{
	"plain":     virtualKind(bootprofile.VirtualAB, 0, ""),
	"version 2": virtualKind(bootprofile.VirtualABCompressed, 2, "gz"),
	"version 3": virtualKind(bootprofile.VirtualABCompressed, 3, ""),
}

func virtualKind(slots bootprofile.Slots, version int, compression string) bootprofile.Profile {
	p := customKey
	p.Slots, p.COWVersion, p.COWCompression = slots, version, compression
	return p
}

// inSuper is a super with room for one system and its snapshots.
func inSuper(size, data int64) *Super {
	return &Super{Size: size, Data: data, Partitions: []string{"system"}}
}

func (m *maker) virtualPhone(t testing.TB, dir string, profile bootprofile.Profile, super *Super, im images) *Phone {
	t.Helper()
	p := must(New(filepath.Join(dir, "phone"), Identity{Device: "umi", Profile: profile, Channel: "weekly", Bucket: 7, Super: super}, avb.EncodePublicKey(&m.avb.PublicKey)))(t)
	for name, b := range im {
		if err := p.Flash(name, bytes.NewReader(b)); err != nil {
			t.Fatal(err)
		}
	}
	must(p.Boot(ctx))(t)
	return p
}

// side is a build as package ota takes it.
func side(t testing.TB, im images, s spec) ota.Side {
	t.Helper()
	blobs := must(blob.Open(t.TempDir()))(t)
	b := catalog.Build{Device: s.device, Version: s.version, Incremental: s.version, Timestamp: s.timestamp, PatchLevel: s.patch, RollbackIndex: s.rollback, SDK: 35}
	for _, name := range []string{"boot", "system", "vbmeta"} {
		ref := must(blobs.Put(t.Context(), bytes.NewReader(im[name])))(t)
		p := catalog.Partition{Name: name, Digest: ref.Digest, Size: ref.Size}
		if name == "system" {
			p.FS = "erofs"
		}
		b.Images = append(b.Images, p)
	}
	out, done, err := ota.Open(blobs, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return out
}

// packVirtual makes and proves a package for a phone with virtual A/B.
func (m *maker) packVirtual(t testing.TB, profile bootprofile.Profile, from images, fromSpec spec, to images, s spec, group int) string {
	t.Helper()
	d := must(ota.DynamicOf(profile, []payload.Group{{Name: "main", Size: uint64(group), Partitions: []string{"product", "system"}}}))(t)
	o := ota.Options{Signer: m.ota, Cert: m.cert, Dynamic: d, TempDir: t.TempDir()}
	f := must(os.Create(filepath.Join(t.TempDir(), "package.zip")))(t)
	defer f.Close()
	target := side(t, to, s)
	var p catalog.Package
	var err error
	var source *ota.Side
	if from == nil {
		p, err = ota.Full(t.Context(), f, target, o)
	} else {
		x := side(t, from, fromSpec)
		source = &x
		p, err = ota.Incremental(t.Context(), f, x, target, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := ota.Prove(t.Context(), f, p.Size, source, target, m.cert); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func snapshotState(t testing.TB, p *Phone) string {
	t.Helper()
	return must(p.SnapshotState())(t)
}

// TestVirtual: a phone with super once updates twice through snapshots, by a full and
// an incremental package, merges each after its start, and then has the new system
// alone, byte for byte.
func TestVirtual(t *testing.T) {
	m := ours(t)
	specs := []spec{week(1), week(2), week(3)}
	var builds []images
	for i := range specs {
		specs[i].bytes, specs[i].common = 300_000+i*40_000, 400_000
		builds = append(builds, m.build(t, specs[i]))
	}
	for name, profile := range virtualKinds {
		t.Run(name, func(t *testing.T) {
			p := m.virtualPhone(t, t.TempDir(), profile, inSuper(2<<20, 32<<20), builds[0])
			for i, zip := range []string{
				m.packVirtual(t, profile, nil, spec{}, builds[1], specs[1], 2<<20),
				m.packVirtual(t, profile, builds[1], specs[1], builds[2], specs[2], 2<<20),
			} {
				res := must(p.Sideload(ctx, zip))(t)
				if !res.Updated || res.Started.System.Incremental != specs[i+1].version || len(res.Started.Failures) > 0 {
					t.Fatalf("update %d: %+v", i, res)
				}
				if got := snapshotState(t, p); got != SnapshotsNone {
					t.Errorf("after the update the snapshots are %s", got)
				}
				if got := must(os.ReadFile(p.image("", "system")))(t); !bytes.Equal(got, builds[i+1]["system"]) {
					t.Errorf("after the merge system is not the new one: %d bytes, expected %d", len(got), len(builds[i+1]["system"]))
				}
				if left := must(filepath.Glob(p.path("super", "*.cow")))(t); len(left) > 0 {
					t.Errorf("left in super: %q", left)
				}
				again := must(must(Open(p.dir))(t).Boot(ctx))(t)
				if again.System.Incremental != specs[i+1].version {
					t.Errorf("started again it runs %s", again.System.Incremental)
				}
			}
		})
	}
}

// TestVirtualFallsBack: a new system that does not come up leaves the old one as it
// was, and its snapshots go.
func TestVirtualFallsBack(t *testing.T) {
	m, one, bad := ours(t), week(1), week(2)
	bad.noInit = true
	first, second := m.build(t, one), m.build(t, bad)
	for name, profile := range virtualKinds {
		t.Run(name, func(t *testing.T) {
			p := m.virtualPhone(t, t.TempDir(), profile, inSuper(1<<20, 32<<20), first)
			zip := m.packVirtual(t, profile, first, one, second, bad, 1<<20)
			res := must(p.Sideload(ctx, zip))(t)
			if res.Updated || res.Started.System.Incremental != one.version || len(res.Started.Failures) != 3 {
				t.Fatalf("%+v", res)
			}
			if got := must(os.ReadFile(p.image("", "system")))(t); !bytes.Equal(got, first["system"]) {
				t.Error("the old system was written to")
			}
			if got := snapshotState(t, p); got != SnapshotsNone {
				t.Errorf("the snapshots are %s", got)
			}
		})
	}
}

// TestVirtualSetBack: between the first start and the merge the boot loader may still
// go back; once it merges it cannot.
func TestVirtualSetBack(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	first, second := m.build(t, one), m.build(t, two)
	profile := virtualKinds["version 3"]
	profile.Trust = bootprofile.Unlocked // its boot loader lets itself be told
	zip := m.packVirtual(t, profile, first, one, second, two, 1<<20)
	ready := func() *Phone {
		p := must(New(filepath.Join(t.TempDir(), "phone"), Identity{Device: "umi", Profile: profile, Channel: "weekly", Super: inSuper(1<<20, 32<<20)}, nil))(t)
		for name, b := range first {
			if err := p.Flash(name, bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
		}
		running := must(p.Boot(ctx))(t)
		u := &update{Phase: downloaded, File: zip, ByHand: true, Done: map[string]int{}}
		if err := p.install(ctx, nil, u, running); err != nil {
			t.Fatal(err)
		}
		if started := must(p.Boot(ctx))(t); started.Slot != "b" || started.System.Incremental != two.version {
			t.Fatalf("it runs %+v", started)
		}
		return p
	}
	p := ready()
	if got := snapshotState(t, p); got != SnapshotsReady {
		t.Fatalf("the snapshots are %s", got)
	}
	if err := p.SetActive("a"); err != nil {
		t.Fatal(err)
	}
	if started := must(p.Boot(ctx))(t); started.Slot != "a" || started.System.Incremental != one.version || snapshotState(t, p) != SnapshotsNone {
		t.Fatalf("set back it runs %+v", started)
	}

	p = ready()
	stop, cancel := context.WithCancel(ctx)
	p.SetLog(func(line string) {
		if strings.HasPrefix(line, "merging system: ") {
			cancel()
		}
	})
	if err := p.Merge(stop); !errors.Is(err, context.Canceled) || snapshotState(t, p) != SnapshotsMerging {
		t.Fatalf("a merge that is cut off: %v", err)
	}
	for what, err := range map[string]error{
		"set active": p.SetActive("a"), "erase": p.Erase("", "userdata"),
		"flash": p.FlashSlot(ctx, "a", "system", bytes.NewReader(first["system"]), int64(len(first["system"]))),
	} {
		if err == nil || !strings.Contains(err.Error(), "merged") {
			t.Errorf("%s while it merges: %v", what, err)
		}
	}
	if started := must(p.Boot(ctx))(t); started.Slot != "b" || snapshotState(t, p) != SnapshotsNone {
		t.Errorf("after the next start: %+v", started)
	}
}

// TestVirtualRoom: what needs more than super and user data leave is refused before
// anything is written, in exact figures.
func TestVirtualRoom(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	first, second := m.build(t, one), m.build(t, two)
	used := int64(max(len(first["system"]), len(second["system"])))
	for name, profile := range virtualKinds {
		t.Run(name, func(t *testing.T) {
			zip := m.packVirtual(t, profile, first, one, second, two, 1<<20)
			p := m.virtualPhone(t, t.TempDir(), profile, inSuper(used+4096, 4096), first)
			_, err := p.Sideload(ctx, zip)
			var need, free, data, more int64
			if err == nil {
				t.Fatal("it is installed")
			}
			if _, scan := fmt.Sscanf(err.Error(), "cannot install package: its snapshots need %d bytes; %d are free in super and %d in user data: free %d more", &need, &free, &data, &more); scan != nil ||
				free != 4096 || data != 4096 || more != need-8192 {
				t.Fatalf("%v", err)
			}
			p = m.virtualPhone(t, t.TempDir(), profile, inSuper(used+4096, need-4096), first)
			if res := must(p.Sideload(ctx, zip))(t); !res.Updated {
				t.Errorf("with just the room that it asked for: %+v", res)
			}
		})
	}
}

// TestVirtualRefused: manifests that a phone with virtual A/B does not take.
func TestVirtualRefused(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	first, second := m.build(t, one), m.build(t, two)
	group := []payload.Group{{Name: "main", Size: 1 << 20, Partitions: []string{"system"}}}
	good := func() *payload.Dynamic {
		return &payload.Dynamic{Groups: group, SnapshotEnabled: true, VABCEnabled: true, VABCCompression: "lz4", COWVersion: 2}
	}
	p := m.virtualPhone(t, t.TempDir(), virtualKinds["version 2"], inSuper(1<<20, 32<<20), first)
	for want, edit := range map[string]func(d *payload.Dynamic, system *payload.PlanPart) *payload.Dynamic{
		"it says nothing of super's groups": func(*payload.Dynamic, *payload.PlanPart) *payload.Dynamic { return nil },
		"snapshot_enabled is not set": func(d *payload.Dynamic, _ *payload.PlanPart) *payload.Dynamic {
			d.SnapshotEnabled = false
			return d
		},
		"cow_version is 3, this phone takes 2 to 2": func(d *payload.Dynamic, _ *payload.PlanPart) *payload.Dynamic {
			d.COWVersion = 3
			return d
		},
		"estimate_cow_size is 0": func(d *payload.Dynamic, s *payload.PlanPart) *payload.Dynamic {
			s.Extra.EstimateCowSize = 0
			return d
		},
		`vabc_compression_param is "zip"`: func(d *payload.Dynamic, _ *payload.PlanPart) *payload.Dynamic {
			d.VABCCompression = "zip"
			return d
		},
		`"system" is in no group of super`: func(d *payload.Dynamic, _ *payload.PlanPart) *payload.Dynamic {
			d.Groups = nil
			return d
		},
		`its group "main" has "odm"`: func(d *payload.Dynamic, _ *payload.PlanPart) *payload.Dynamic {
			d.Groups = []payload.Group{{Name: "main", Partitions: []string{"odm", "system"}}}
			return d
		},
		"its group main needs": func(d *payload.Dynamic, _ *payload.PlanPart) *payload.Dynamic {
			d.Groups = []payload.Group{{Name: "main", Size: 8192, Partitions: []string{"system"}}}
			return d
		},
		"the copy-on-write file is full": func(d *payload.Dynamic, s *payload.PlanPart) *payload.Dynamic {
			s.Extra.EstimateCowSize = 1 // and 2 MiB, which the scratch space takes alone
			return d
		},
	} {
		zip := m.pack(t, first, one, second, two, func(_ *otazip.Metadata, plan *payload.Plan) {
			for i := range plan.Parts {
				if plan.Parts[i].Name == "system" {
					plan.Parts[i].Extra.EstimateCowSize = 8 << 20
					plan.Dynamic = edit(good(), &plan.Parts[i])
				}
			}
		})
		if _, err := p.Sideload(ctx, zip); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
		if started := must(p.Boot(ctx))(t); started.System.Incremental != one.version {
			t.Fatalf("after %q it runs %s", want, started.System.Incremental)
		}
	}
	if _, err := New(t.TempDir(), Identity{Device: "umi", Profile: virtualKinds["plain"], Channel: "weekly"}, []byte("k")); err == nil || !strings.Contains(err.Error(), "it needs the size of super") {
		t.Errorf("without a super: %v", err)
	}
}

// TestVirtualPowerCuts kills a phone of each kind while it updates and while it
// merges, again and again: what starts is always one of the two systems, whole, and
// in the end the new one without snapshots.
func TestVirtualPowerCuts(t *testing.T) {
	const kills = 16 // of each kind
	m, one, two := ours(t), week(1), week(2)
	one.bytes, one.common = 4_000_000, 3_000_000
	two.bytes, two.common = 4_100_000, 3_000_000
	first, second := m.build(t, one), m.build(t, two)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for name, profile := range virtualKinds {
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			base := memory(t)
			fresh := m.virtualPhone(t, filepath.Join(base, "fresh"), profile, inSuper(16<<20, 64<<20), first).dir
			zip := m.packVirtual(t, profile, first, one, second, two, 16<<20)
			s := newServer(t, zip, offerOf(t, zip, two))
			dir := filepath.Join(base, "phone")
			copyPhone(t, dir, fresh)
			killed, merging := 0, 0
			for killed < kills {
				line := []string{": applying", ": applied", "starting slot b", "merging:", "merging system: "}[rnd.IntN(5)]
				dead, _ := runAndKill(t, dir, s.URL, line, time.Duration(rnd.Int64N(int64(25*time.Millisecond))))
				if !dead {
					copyPhone(t, dir, fresh)
					continue
				}
				killed++
				if got := snapshotState(t, must(Open(dir))(t)); got == SnapshotsMerging {
					merging++
				}
				checkCopy(t, dir, one.version, two.version)
			}
			for {
				if done, _ := runAndKill(t, dir, s.URL, "never", 0); !done {
					break
				}
			}
			p := must(Open(dir))(t)
			if st := must(p.Boot(ctx))(t); st.System.Incremental != two.version || snapshotState(t, p) != SnapshotsNone {
				t.Errorf("in the end (seed %d) it runs %s with snapshots %s", seed, st.System.Incremental, snapshotState(t, p))
			}
			if got := must(os.ReadFile(p.image("", "system")))(t); !bytes.Equal(got, second["system"]) {
				t.Errorf("in the end (seed %d) system is not the new one", seed)
			}
			t.Logf("%d kills, %d of them while it merged", killed, merging)
			if merging == 0 {
				t.Error("no kill hit a merge")
			}
		})
	}
}
