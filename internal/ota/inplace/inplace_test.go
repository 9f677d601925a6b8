package inplace

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/bsdiff"
)

const bs = blockota.BlockSize

var errPower = errors.New("the power is gone")

// flash is a partition whose power can be cut: what was not synced is lost, or
// torn, as rnd has it.
type flash struct {
	b, safe []byte
	writes  int // until the cut; negative: none
	rnd     *rand.Rand
	dirty   [][2]int64 // written since the last sync
}

func (f *flash) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(f.b).ReadAt(p, off) }

func (f *flash) WriteAt(p []byte, off int64) (int, error) {
	if f.writes == 0 {
		return 0, errPower
	}
	f.writes--
	f.dirty = append(f.dirty, [2]int64{off, off + int64(len(p))})
	return copy(f.b[off:], p), nil
}

func (f *flash) Sync() error {
	if f.writes == 0 {
		return errPower
	}
	f.safe, f.dirty = bytes.Clone(f.b), nil
	return nil
}

// cut leaves of what was not synced each 512 bytes old or new.
func (f *flash) cut() {
	b := bytes.Clone(f.safe)
	for _, d := range f.dirty {
		for at := d[0] / 512 * 512; at < d[1]; at += 512 {
			if f.rnd.IntN(2) == 0 {
				copy(b[at:min(at+512, int64(len(b)))], f.b[at:])
			}
		}
	}
	f.b, f.safe, f.dirty, f.writes = b, bytes.Clone(b), nil, -1
}

// material is a random pair of images and the transfers between them.
type material struct {
	old, next []byte
	t         []Transfer
	patches   []byte
}

func (m *material) images() Images {
	return Images{bytes.NewReader(m.old), bytes.NewReader(m.next), int64(len(m.old) / bs), int64(len(m.next) / bs)}
}

// random cuts the new image into targets: some moved from anywhere, some patched,
// some new, some zero, and some as they were.
func random(t *testing.T, rnd *rand.Rand, n, m int) *material {
	x := &material{old: make([]byte, n*bs), next: make([]byte, m*bs)}
	for i := range x.old {
		x.old[i] = byte(rnd.IntN(3))
	}
	copy(x.next, x.old)
	free := rnd.Perm(m)
	for len(free) > 0 {
		k := min(1+rnd.IntN(6), len(free))
		var target, source blockota.RangeSet
		for _, b := range free[:k] {
			target = extend(target, int64(b))
		}
		free = free[k:]
		kind := []blockota.Kind{blockota.Move, blockota.Move, blockota.BSDiff, blockota.BSDiff, blockota.New, blockota.Zero, ""}[rnd.IntN(7)]
		var src []byte
		if kind == blockota.Move || kind == blockota.BSDiff {
			blocks := k
			if kind == blockota.BSDiff {
				blocks = 1 + rnd.IntN(8)
			}
			for range blocks {
				b := int64(rnd.IntN(n))
				source = extend(source, b)
				src = append(src, x.old[b*bs:(b+1)*bs]...)
			}
		}
		place, dst := 0, []byte(nil)
		for b := range blocks(target) {
			out := x.next[b*bs : (b+1)*bs]
			switch kind {
			case blockota.Move:
				copy(out, src[place*bs:])
			case blockota.BSDiff:
				copy(out, src[(place%(len(src)/bs))*bs:])
				out[rnd.IntN(bs)]++
			case blockota.New:
				for i := range out {
					out[i] = byte(rnd.IntN(3))
				}
			case blockota.Zero:
				clear(out)
			case "":
				if int(b) >= n {
					kind = blockota.Zero
				}
			}
			dst = append(dst, out...)
			place++
		}
		tr := Transfer{Kind: kind, Source: source, Target: target}
		switch kind {
		case "":
			continue
		case blockota.Zero: // some of it may have been left as it was
			for b := range blocks(target) {
				clear(x.next[b*bs : (b+1)*bs])
			}
		case blockota.BSDiff:
			var p bytes.Buffer
			if err := bsdiff.Diff(t.Context(), src, dst, &p); err != nil {
				t.Fatal(err)
			}
			tr.PatchOffset, tr.PatchSize = int64(len(x.patches)), int64(p.Len())
			x.patches = append(x.patches, p.Bytes()...)
		}
		x.t = append(x.t, tr)
	}
	return x
}

// list orders the transfers, and writes and reads the list as recovery gets it.
func (m *material) list(t *testing.T, maxStash int64) (*blockota.List, func() blockota.Package, *Plan) {
	t.Helper()
	plan, err := Order(t.Context(), m.images(), m.t, maxStash)
	if err != nil {
		t.Fatal(err)
	}
	var text, data bytes.Buffer
	if _, err := plan.List.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	l, err := blockota.Parse(&text)
	if err != nil {
		t.Fatal(err)
	}
	for b := range blocks(plan.New) {
		data.Write(m.next[b*bs : (b+1)*bs])
	}
	if l.StashBlocks*bs > maxStash {
		t.Fatalf("%d blocks are stashed, at most %d bytes were allowed", l.StashBlocks, maxStash)
	}
	return l, func() blockota.Package {
		return blockota.Package{New: bytes.NewReader(data.Bytes()), Patches: bytes.NewReader(m.patches), PatchSize: int64(len(m.patches))}
	}, plan
}

func (m *material) device(rnd *rand.Rand) *flash {
	b := make([]byte, max(len(m.old), len(m.next)))
	copy(b, m.old)
	return &flash{b: b, safe: bytes.Clone(b), writes: -1, rnd: rnd}
}

type scratch struct{ b []byte }

func (s *scratch) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(s.b).ReadAt(p, off)
}
func (s *scratch) WriteAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); end > int64(len(s.b)) {
		s.b = append(s.b, make([]byte, end-int64(len(s.b)))...)
	}
	return copy(s.b[off:], p), nil
}

// TestOrder applies the lists of random transfers in place.
func TestOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	turned := int64(0)
	for i := range 150 {
		m := random(t, rnd, 1+rnd.IntN(60), 1+rnd.IntN(60))
		l, pkg, plan := m.list(t, int64(rnd.IntN(12))*bs)
		turned += plan.Turned
		dev := m.device(rnd)
		if err := l.Check(t.Context(), dev, int64(len(dev.b)), nil); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if err := l.Apply(t.Context(), dev, int64(len(dev.b)), pkg(), &scratch{}); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if !bytes.Equal(dev.b[:len(m.next)], m.next) {
			t.Fatalf("round %d: the result differs", i)
		}
	}
	if turned == 0 {
		t.Error("no transfer was turned into data for want of room")
	}
}

// TestPowerCuts cuts the power at every write of a list, and again while it goes
// on; the list applied again must always end with the new image.
func TestPowerCuts(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 2))
	cuts := 0
	base, err := os.MkdirTemp("/dev/shm", "friday-test-") // thousands of small files, durably written
	if err != nil {
		base = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	for round := range 3 {
		m := random(t, rnd, 10+rnd.IntN(30), 10+rnd.IntN(30))
		l, pkg, _ := m.list(t, int64(2+rnd.IntN(20))*bs)
		for at := 0; ; at++ {
			dev, dir := m.device(rnd), filepath.Join(base, fmt.Sprint(round, at))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			keep := blockota.Folder(dir)
			try := func() error {
				if err := l.Check(t.Context(), dev, int64(len(dev.b)), keep); err != nil {
					t.Fatalf("round %d, cut at write %d: what was cut off is not taken: %v", round, at, err)
				}
				p := pkg()
				p.Keep = keep
				return l.Apply(t.Context(), dev, int64(len(dev.b)), p, &scratch{})
			}
			dev.writes = at
			err := try()
			for again := 0; errors.Is(err, errPower); again++ {
				cuts++
				dev.cut()
				if again < 2 {
					dev.writes = rnd.IntN(at + 2)
				}
				err = try()
			}
			if err != nil {
				t.Fatalf("round %d, cut at write %d: %v", round, at, err)
			}
			if !bytes.Equal(dev.b[:len(m.next)], m.next) {
				t.Fatalf("round %d, cut at write %d: the result differs", round, at)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 && dev.writes >= 0 {
				t.Fatalf("round %d, cut at write %d: %d stashes are left", round, at, len(left))
			}
			if dev.writes > 0 { // it was never cut
				break
			}
		}
	}
	t.Logf("%d power cuts", cuts)
	if cuts < 100 {
		t.Errorf("the power was cut %d times, expected more", cuts)
	}
}

// TestCircle: the same transfers give the same list, and in-place circles work.
func TestCircle(t *testing.T) {
	m := &material{}
	for _, c := range "abcdef" {
		m.old = append(m.old, bytes.Repeat([]byte{byte(c)}, bs)...)
	}
	for _, c := range "bcdefa" {
		m.next = append(m.next, bytes.Repeat([]byte{byte(c)}, bs)...)
	}
	for i := range int64(6) {
		m.t = append(m.t, Transfer{Kind: blockota.Move, Source: blockota.RangeSet{{Start: (i + 1) % 6, End: (i+1)%6 + 1}}, Target: blockota.RangeSet{{Start: i, End: i + 1}}})
	}
	l, _, plan := m.list(t, 1*bs)
	var a, b strings.Builder
	_, _ = l.WriteTo(&a)
	l2, _, _ := m.list(t, 1*bs)
	_, _ = l2.WriteTo(&b)
	if a.String() != b.String() || l.StashBlocks != 1 || plan.Turned != 0 {
		t.Errorf("a circle of six:\n%s", a.String())
	}
	_, _, plan = m.list(t, 0)
	if plan.Turned != 1 || plan.List.StashBlocks != 0 {
		t.Errorf("without room %d blocks are carried as data, expected 1", plan.Turned)
	}
}

func TestRefused(t *testing.T) {
	im := Images{bytes.NewReader(make([]byte, bs)), bytes.NewReader(make([]byte, bs)), 1, 1}
	one, far := blockota.RangeSet{{Start: 0, End: 1}}, blockota.RangeSet{{Start: 0, End: 2}}
	for want, ts := range map[string][]Transfer{
		"transfer 0 reads block 1, the old image has 1":  {{Kind: blockota.Move, Source: far, Target: one}},
		"transfer 0 writes block 1, the new image has 1": {{Kind: blockota.New, Target: far}},
		"transfers 0 and 1 both write block 0":           {{Kind: blockota.New, Target: one}, {Kind: blockota.New, Target: one}},
	} {
		if _, err := Order(t.Context(), im, ts, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
}
