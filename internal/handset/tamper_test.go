package handset

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// tampering is a phone before an update, and a package for it of which one
// byte will differ.
type tampering struct {
	p        *Phone
	was      state
	running  Started
	file     *os.File
	size     int64
	original images // what the unchanged package leads to
}

func newTampering(t *testing.T, p *Phone, zip string, original images) *tampering {
	t.Helper()
	f := must(os.OpenFile(zip, os.O_RDWR, 0))(t)
	t.Cleanup(func() { f.Close() })
	c := &tampering{p: p, was: p.st, file: f, size: must(f.Stat())(t).Size(), original: original,
		running: Started{Slot: "a", System: must(p.readSystem("a"))(t)}}
	c.was.Slots, c.was.Rollback = maps.Clone(p.st.Slots), maps.Clone(p.st.Rollback)
	return c
}

// change turns one bit, tells what the phone does with the package, and turns
// it back.
func (c *tampering) change(t *testing.T, at int64, bit int) (refused bool) {
	t.Helper()
	b := make([]byte, 1)
	must(c.file.ReadAt(b, at))(t)
	b[0] ^= 1 << bit
	must(c.file.WriteAt(b, at))(t)
	refused = c.refused(t)
	b[0] ^= 1 << bit
	must(c.file.WriteAt(b, at))(t)
	return refused
}

// refused tells what the phone does with the package, without an offer whose
// digest would give the change away: it refuses it with an error that says why,
// or it ends up with the very system that the unchanged one leads to.
func (c *tampering) refused(t *testing.T) bool {
	t.Helper()
	zip := c.file.Name()
	// The checks before the first block first: they spare thousands of restarts.
	err := c.p.verify(ctx, &update{File: zip, ByHand: true}, c.running)
	if err == nil {
		_, err = c.p.Sideload(ctx, zip)
	}
	if err != nil {
		var r *refusal
		if !errors.As(err, &r) || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("the error does not say what did not match: %v", err)
		}
		return true
	}
	for name, want := range c.original {
		if got, err := os.ReadFile(c.p.image("b", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("a changed package was installed and %s is another: %v", name, err)
		}
	}
	c.reset(t)
	return false
}

// reset puts the phone back to slot a, and ruins slot b, so that the next
// package must write it all again.
func (c *tampering) reset(t *testing.T) {
	t.Helper()
	for name := range c.original {
		if err := os.Remove(c.p.image("b", name)); err != nil {
			t.Fatal(err)
		}
	}
	c.p.st = c.was
	c.p.st.Slots, c.p.st.Rollback = maps.Clone(c.was.Slots), maps.Clone(c.was.Rollback)
	if err := errors.Join(c.p.save(), c.p.dropUpdate(&update{File: c.file.Name()})); err != nil {
		t.Fatal(err)
	}
}

// smallest is a phone and a package for it with little in it.
func smallest(t *testing.T) *tampering {
	t.Helper()
	m, one, two := ours(t), week(1), week(2)
	one.bytes, one.common, two.bytes, two.common = 100, 100, 100, 100
	first, second := m.build(t, one), m.build(t, two)
	return newTampering(t, m.phoneIn(t, memory(t), customKey, first), m.pack(t, first, one, second, two, nil), second)
}

// TestEveryByteChanged changes each byte of a small package, one at a time.
func TestEveryByteChanged(t *testing.T) {
	t.Parallel()
	c := smallest(t)
	refused, same := int64(0), 0
	for i := range c.size {
		if c.change(t, i, int(i%8)) {
			refused++
			continue
		}
		same++
	}
	if st := must(c.p.Boot(ctx))(t); st.System != c.running.System {
		t.Errorf("afterwards runs %+v", st)
	}
	t.Logf("of %d changed bytes %d were refused and %d led to the identical system", c.size, refused, same)
	if refused < c.size*9/10 {
		t.Errorf("only %d of %d were refused", refused, c.size)
	}
}

// TestRandomBytesChanged does the same at random places of a larger package.
func TestRandomBytesChanged(t *testing.T) {
	t.Parallel()
	m, one, two := ours(t), week(1), week(2)
	one.bytes, two.bytes = 6<<20, 6<<20
	first, second := m.build(t, one), m.build(t, two)
	path := m.pack(t, nil, spec{}, second, two, nil)
	c := newTampering(t, m.phone(t, customKey, first), path, second)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		c.change(t, rnd.Int64N(c.size), rnd.IntN(8))
	}
	if res := must(c.p.Sideload(ctx, path))(t); !res.Updated {
		t.Errorf("the unchanged package: %+v", res)
	}
}

// TestEveryLength cuts a small package off at every length.
func TestEveryLength(t *testing.T) {
	t.Parallel()
	c := smallest(t)
	for n := c.size - 1; n >= 0; n -= 7 {
		if err := c.file.Truncate(n); err != nil {
			t.Fatal(err)
		}
		if !c.refused(t) {
			t.Fatalf("a package cut off at byte %d of %d was installed", n, c.size)
		}
	}
}
