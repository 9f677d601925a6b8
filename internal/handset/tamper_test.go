package handset

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tampered tells what a phone does with a package of which one byte differs,
// without an offer whose digest would give it away: "" where it is refused, with
// an error that says why, and the running slot still starts; else the system it
// led to.
func tampered(t *testing.T, p *Phone, zip string, original images) (refused bool) {
	t.Helper()
	// The checks before the first block first: they spare thousands of restarts.
	running := Started{Slot: "a", System: must(readSystem(p.image("a", "system")))(t)}
	err := p.verify(ctx, &update{File: zip, ByHand: true}, running)
	if err == nil {
		_, err = p.Sideload(ctx, zip)
	}
	if err != nil {
		var r *refusal
		if !errors.As(err, &r) || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("the error does not say what did not match: %v", err)
		}
		return true
	}
	for name, want := range original {
		if got, err := os.ReadFile(p.image("b", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("a changed package was installed and %s is another: %v", name, err)
		}
	}
	return false
}

// TestEveryByteChanged changes each byte of a small package, one at a time.
func TestEveryByteChanged(t *testing.T) {
	t.Parallel()
	m, one, two := ours(t), week(1), week(2)
	one.bytes, one.common, two.bytes, two.common = 100, 100, 100, 100
	first, second := m.build(t, one), m.build(t, two)
	original := must(os.ReadFile(m.pack(t, first, one, second, two, nil)))(t)
	p := m.phone(t, customKey, first)
	zip := filepath.Join(t.TempDir(), "changed.zip")
	refused, same := 0, 0
	for i := range original {
		changed := bytes.Clone(original)
		changed[i] ^= 1 << (i % 8)
		if err := os.WriteFile(zip, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if tampered(t, p, zip, second) {
			refused++
			continue
		}
		same++
		p = m.phone(t, customKey, first)
	}
	if st := must(p.Boot(ctx))(t); st.System.Incremental != one.version {
		t.Errorf("afterwards runs %+v", st)
	}
	t.Logf("of %d changed bytes %d were refused and %d led to the identical system", len(original), refused, same)
	if refused < len(original)*9/10 {
		t.Errorf("only %d of %d were refused", refused, len(original))
	}
}

// TestRandomBytesChanged does the same at random places of a larger package.
func TestRandomBytesChanged(t *testing.T) {
	t.Parallel()
	m, one, two := ours(t), week(1), week(2)
	one.bytes, two.bytes = 6<<20, 6<<20
	first, second := m.build(t, one), m.build(t, two)
	path := m.pack(t, nil, spec{}, second, two, nil)
	p := m.phone(t, customKey, first)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	f := must(os.OpenFile(path, os.O_RDWR, 0))(t)
	defer f.Close()
	size := must(f.Stat())(t).Size()
	for range 200 {
		at, b := rnd.Int64N(size), make([]byte, 1)
		must(f.ReadAt(b, at))(t)
		was := b[0]
		b[0] ^= 1 << rnd.IntN(8)
		must(f.WriteAt(b, at))(t)
		if !tampered(t, p, path, second) {
			p = m.phone(t, customKey, first)
		}
		b[0] = was
		must(f.WriteAt(b, at))(t)
	}
	if res := must(p.Sideload(ctx, path))(t); !res.Updated {
		t.Errorf("the unchanged package: %+v", res)
	}
}

// TestEveryLength cuts a small package off at every length.
func TestEveryLength(t *testing.T) {
	t.Parallel()
	m, one, two := ours(t), week(1), week(2)
	one.bytes, one.common, two.bytes, two.common = 100, 100, 100, 100
	first, second := m.build(t, one), m.build(t, two)
	path := m.pack(t, first, one, second, two, nil)
	p := m.phone(t, customKey, first)
	size := must(os.Stat(path))(t).Size()
	for n := size - 1; n >= 0; n -= 7 {
		if err := os.Truncate(path, n); err != nil {
			t.Fatal(err)
		}
		if !tampered(t, p, path, second) {
			t.Fatalf("a package cut off at byte %d of %d was installed", n, size)
		}
	}
}
