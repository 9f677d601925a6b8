package blob

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/tree"
)

// placed reads bytes that lie in a blob.
type placed struct {
	*bytes.Reader
	ref Ref
	ok  bool
}

func (p placed) Place() (Digest, int64, bool) { return p.ref.Digest, 0, p.ok }

// mosaic is an image of pieces of blobs, of bytes of its own and of zeros.
func mosaic(r *rand.Rand, sources []placed) (*tree.Image, []byte) {
	im := new(tree.Image)
	for range 60 {
		switch k := r.IntN(10); {
		case k < 6:
			s := sources[r.IntN(len(sources))]
			n := 1 + r.Int64N(20_000)
			im.AppendRange(s, r.Int64N(s.Size()-n), n)
		case k < 8:
			im.AppendBytes(random(1 + r.IntN(9000)))
		default:
			im.AppendZeros(1 + r.Int64N(9000))
		}
	}
	b := make([]byte, im.Size())
	_ = tree.ReadFull(im, b, 0)
	return im, b
}

func mosaics(t *testing.T, s *Store, n int) []placed {
	t.Helper()
	var out []placed
	for i := range n {
		b := random(100_000)
		binary.LittleEndian.PutUint64(b, uint64(i)+1)
		for at := range b {
			b[at] ^= byte(i)
		}
		out = append(out, placed{bytes.NewReader(b), put(t, s, b), true})
	}
	return out
}

// same reads a blob by all ways.
func same(t *testing.T, s *Store, ref Ref, want []byte) {
	t.Helper()
	got, err := s.Bytes(ref.Digest, 1<<30)
	if err != nil || !bytes.Equal(got, want) || ref.Digest != Sum(want) || !s.Has(ref) {
		t.Fatalf("%d bytes, %v, expected %d", len(got), err, len(want))
	}
	if err := s.Check(t.Context(), ref.Digest); err != nil {
		t.Fatal(err)
	}
}

// own is how many bytes a blob takes that no other has.
func own(t *testing.T, s *Store, d Digest) (n int64) {
	t.Helper()
	layers, _, err := s.layers(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range layers {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// TestPutImage: an image made of parts of others is what it should be, takes little
// room, is read once, and stays when those others are removed, as what is laid over it
// does.
func TestPutImage(t *testing.T) {
	s := store(t)
	seed := uint64(3)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	sources := mosaics(t, s, 5)
	kept := map[Ref][]byte{}
	for range 10 {
		im, b := mosaic(r, sources)
		var seen bytes.Buffer
		ref, err := s.PutImage(t.Context(), im, &seen)
		if err != nil {
			t.Fatal(err)
		}
		same(t, s, ref, b)
		if !bytes.Equal(seen.Bytes(), b) {
			t.Fatal("what was given to check is not what is stored")
		}
		if n := own(t, s, ref.Digest); n > ref.Size/2 {
			t.Errorf("%d bytes take %d of their own", ref.Size, n)
		}
		again, err := s.PutImage(t.Context(), im, nil)
		if err != nil || again != ref {
			t.Fatalf("it is stored twice: %v, %v", again, err)
		}
		kept[ref] = b

		next := bytes.Clone(b)
		copy(next[5000:], random(3000))
		over, err := s.Over(t.Context(), ref, bytes.NewReader(next), int64(len(next)), []tree.Range{{Offset: 5000, Length: 3000}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		same(t, s, over, next)
		if n := own(t, s, over.Digest); n > over.Size*2/3 {
			t.Errorf("over it, %d bytes take %d of their own", over.Size, n)
		}
		kept[over] = next
	}
	listed := 0
	if err := s.Walk(t.Context(), func(ref Ref, _ time.Time) error { listed++; return nil }); err != nil || listed != len(kept)+len(sources) {
		t.Errorf("%d blobs are listed, %v, expected %d", listed, err, len(kept)+len(sources))
	}
	for _, x := range sources {
		if err := s.Remove(x.ref.Digest); err != nil {
			t.Fatal(err)
		}
	}
	for ref, b := range kept {
		same(t, s, ref, b)
		if err := s.Remove(ref.Digest); err != nil || s.Has(ref) {
			t.Fatal("it cannot be removed", err)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d files are left in tmp", n)
	}
}

// TestPutImageWhole: where nothing can be linked, an image is stored whole.
func TestPutImageWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for name, n := range map[string]int{"nowhere": 2, "gone": 2, "too many": 3 * maxSources} {
		s := store(t)
		sources := mosaics(t, s, n)
		for i := range sources {
			sources[i].ok = name != "nowhere"
			if name == "gone" {
				if err := s.Remove(sources[i].ref.Digest); err != nil {
					t.Fatal(err)
				}
			}
		}
		im, b := mosaic(r, sources)
		if name == "too many" {
			for _, x := range sources {
				im.AppendRange(x, 0, x.Size())
			}
			b = make([]byte, im.Size())
			_ = tree.ReadFull(im, b, 0)
		}
		var seen bytes.Buffer
		ref, err := s.PutImage(t.Context(), im, &seen)
		if err != nil || !bytes.Equal(seen.Bytes(), b) {
			t.Fatal(name, err)
		}
		same(t, s, ref, b)
		if _, sources, err := s.layers(ref.Digest); len(sources) > 0 || err != nil {
			t.Errorf("%s: it has parts of %d files, %v", name, len(sources), err)
		}
	}
}

type refuses struct{}

func (refuses) Write([]byte) (int, error) { return 0, errors.New("it is refused") }

func TestPutImageErrors(t *testing.T) {
	s := store(t)
	r := rand.New(rand.NewPCG(5, 1))
	sources := mosaics(t, s, 2)
	im, _ := mosaic(r, sources)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	broken := new(tree.Image)
	broken.AppendImage(im)
	broken.AppendRange(strings.NewReader("short"), 0, 100)
	readOnly, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	for want, try := range map[string]func() (Ref, error){
		"it is refused":              func() (Ref, error) { return s.PutImage(t.Context(), im, refuses{}) },
		"context canceled":           func() (Ref, error) { return s.PutImage(ended, im, io.Discard) },
		"gave 5 of 100 bytes":        func() (Ref, error) { return s.PutImage(t.Context(), broken, nil) },
		"is open for reading only":   func() (Ref, error) { return readOnly.PutImage(t.Context(), im, nil) },
		"cannot store blob: context": func() (Ref, error) { return s.PutImage(ended, im, nil) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d files are left in tmp", n)
	}
	n := 0
	if err := s.Walk(t.Context(), func(Ref, time.Time) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("%d blobs, %v: what was refused is stored", n, err)
	}

	// Damage of the list of parts, and of what it is made of, is found.
	ref, err := s.PutImage(t.Context(), im, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(s.overPath(ref.Digest), "0")
	list, err := os.ReadFile(name)
	if err == nil {
		err = os.Chmod(name, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	far := bytes.Clone(list)
	for at := overHead; ; at += partSize { // the first part of another file begins beyond its end
		if binary.LittleEndian.Uint64(far[at+8:]) >= fromPart {
			binary.LittleEndian.PutUint64(far[at+16:], 1<<40)
			break
		}
	}
	for _, bad := range [][]byte{list[:len(list)-1], list[:20], nil, append([]byte("x"), list[1:]...), far} {
		if err := os.WriteFile(name, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(ref.Digest); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d bytes of a list: %v", len(bad), err)
		}
	}
	list[len(list)-1] ^= 1
	if err := os.WriteFile(name, list, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(t.Context(), ref.Digest); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte of the image: %v", err)
	}
}

func FuzzParts(f *testing.F) {
	le := binary.LittleEndian
	b := le.AppendUint64(le.AppendUint64([]byte(partsMagic), 10), 3)
	for _, v := range []uint64{3, ownPart, 0, 5, zeroPart, 0, 2, fromPart + 1, 77} {
		b = le.AppendUint64(b, v)
	}
	b = append(b, "own"...)
	if size, parts, err := readParts(bytes.NewReader(b), int64(len(b))); err != nil || size != 10 || len(parts) != 3 || parts[0].off != int64(len(b))-3 {
		f.Fatal(size, parts, err)
	}
	f.Add(b)
	f.Add([]byte(partsMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		size, parts, err := readParts(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		total := int64(0)
		for _, p := range parts {
			if total += p.length; p.length < 0 || p.off < 0 || p.from == ownPart && p.off+p.length > int64(len(b)) {
				t.Fatalf("%d: %+v", size, p)
			}
		}
		if total != size {
			t.Fatalf("parts have %d bytes of %d", total, size)
		}
	})
}
