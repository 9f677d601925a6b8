package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fridayos/friday/android/tree"
)

// onlyRanges reads what may be read of a blob that is stored over another.
type onlyRanges struct {
	t      *testing.T
	b      []byte
	ranges []tree.Range
}

func (o onlyRanges) ReadAt(p []byte, off int64) (int, error) {
	for _, r := range o.ranges {
		if off >= r.Offset && off+int64(len(p)) <= r.Offset+r.Length {
			return copy(p, o.b[off:]), nil
		}
	}
	o.t.Errorf("%d bytes at %d are read, which did not change", len(p), off)
	return 0, io.ErrUnexpectedEOF
}

// TestOver lays blob over blob; each is what it should be, also when those below are
// removed.
func TestOver(t *testing.T) {
	s := store(t)
	seed := uint64(2)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	b := random(400_000)
	refs, contents := []Ref{put(t, s, b)}, [][]byte{b}
	kept := 0
	for i := range 2 * maxLayers {
		b = bytes.Clone(b)
		var changed []tree.Range
		for at := r.IntN(50_000); at+2000 < len(b); at += 30_000 + r.IntN(90_000) {
			n := 1 + r.IntN(2000)
			copy(b[at:], random(n+i))
			changed = append(changed, tree.Range{Offset: int64(at), Length: int64(n + i)})
		}
		switch i % 5 {
		case 3: // shorter
			b = b[:len(b)-5000]
			for len(changed) > 0 && changed[len(changed)-1].Offset+changed[len(changed)-1].Length > int64(len(b)) {
				changed = changed[:len(changed)-1]
			}
		case 4: // longer
			changed = append(changed, tree.Range{Offset: int64(len(b)), Length: 7000})
			b = append(b, random(7000)...)
		}
		var from io.ReaderAt = onlyRanges{t, b, changed}
		whole := i%maxLayers == maxLayers-1
		if whole {
			from = bytes.NewReader(b) // there are too many files below
		}
		ref, err := s.Over(t.Context(), refs[len(refs)-1], from, int64(len(b)), changed, nil)
		if err != nil {
			t.Fatal(err)
		}
		if ref.Digest != Sum(b) || ref.Size != int64(len(b)) || !s.Has(ref) {
			t.Fatalf("found %v", ref)
		}
		if _, err := os.Stat(s.path(ref.Digest)); (err == nil) != whole {
			t.Fatalf("blob %d: a file of its own: %v", i, err)
		}
		if !whole {
			kept++
		}
		if again := put(t, s, b); again != ref {
			t.Fatalf("put again: %v", again)
		}
		refs, contents = append(refs, ref), append(contents, b)
	}
	if left(t, s) != 0 || kept == 0 {
		t.Errorf("%d files are left in tmp, %d blobs lie over others", left(t, s), kept)
	}
	n := 0
	last := ""
	if err := s.Walk(t.Context(), func(ref Ref, when time.Time) error {
		if n++; ref.Digest.String() <= last || when.IsZero() {
			t.Errorf("%s after %s", ref.Digest, last)
		}
		last = ref.Digest.String()
		return nil
	}); err != nil || n != len(refs) {
		t.Errorf("listed %d of %d: %v", n, len(refs), err)
	}
	for i, ref := range refs {
		o, err := s.OpenRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(o, contents[i]); err != nil {
			t.Errorf("blob %d: %v", i, err)
		}
		if err := s.Check(t.Context(), ref.Digest); err != nil {
			t.Error(err)
		}
		if err := s.Remove(ref.Digest); err != nil { // what lies over it stays
			t.Fatal(err)
		}
		if s.Has(ref) {
			t.Error("removed, it is there")
		}
		if got, err := io.ReadAll(o); err != nil || len(got) > len(contents[i]) {
			t.Errorf("who has it open reads on: %v", err)
		}
		o.Close()
	}
	if err := filepath.WalkDir(filepath.Join(s.dir, "over"), func(p string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			t.Errorf("%s is left", p)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestOverErrors(t *testing.T) {
	s := store(t)
	b := random(100_000)
	base := put(t, s, b)
	one := []tree.Range{{Offset: 10, Length: 10}}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for want, try := range map[string]func() (Ref, error){
		"not in the store": func() (Ref, error) {
			return s.Over(t.Context(), Ref{Digest{1}, 1}, bytes.NewReader(b), 100_000, one, nil)
		},
		"expected one from 20 on": func() (Ref, error) {
			return s.Over(t.Context(), base, bytes.NewReader(b), 100_000, append(one, one...), nil)
		},
		"within 100000": func() (Ref, error) {
			return s.Over(t.Context(), base, bytes.NewReader(b), 100_000, []tree.Range{{Offset: 99_999, Length: 2}}, nil)
		},
		"the source has ended": func() (Ref, error) {
			return s.Over(t.Context(), base, bytes.NewReader(b[:15]), 100_000, one, nil)
		},
		"expected 100010":  func() (Ref, error) { return s.Over(t.Context(), base, bytes.NewReader(b), 100_010, one, nil) },
		"context canceled": func() (Ref, error) { return s.Over(ended, base, bytes.NewReader(b), 100_000, one, nil) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d files are left in tmp", n)
	}
	// Damage of a patch is found.
	ref, err := s.Over(t.Context(), base, bytes.NewReader(append([]byte("new"), b[3:]...)), 100_000, []tree.Range{{Length: 3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(s.overPath(ref.Digest), "1")
	patch, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][]byte{patch[:len(patch)-1], patch[:20], nil, append([]byte("x"), patch[1:]...)} {
		if err := os.WriteFile(name, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(ref.Digest); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes of a patch: %v", len(bad), err)
		}
	}
	patch[len(patch)-1] ^= 1
	if err := os.WriteFile(name, patch, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), ref.Digest); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte of a patch: %v", err)
	}
}

func FuzzPatch(f *testing.F) {
	f.Add([]byte(overMagic + "\x0a\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00abc"))
	f.Add([]byte(overMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, ranges, err := patchHead(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, r := range ranges {
			if r.Offset < 0 || r.Length < 0 || r.Offset+r.Length > size {
				t.Fatalf("%d: %v", size, ranges)
			}
		}
	})
}
