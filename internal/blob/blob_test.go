package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

func store(t testing.TB) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *Store, b []byte) Ref {
	t.Helper()
	ref, err := s.Put(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// left is how many files lie in tmp.
func left(t testing.TB, s *Store) int {
	t.Helper()
	entries, err := os.ReadDir(s.tmp())
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestPutOpen(t *testing.T) {
	s := store(t)
	for _, n := range []int{0, 1, 4096, 300_000, 1 << 20} {
		b := random(n)
		ref := put(t, s, b)
		if ref.Digest != sha256.Sum256(b) || ref.Size != int64(n) {
			t.Fatalf("%d bytes: found %v", n, ref)
		}
		if again := put(t, s, b); again != ref {
			t.Errorf("put again: found %v", again)
		}
		if !s.Has(ref) {
			t.Error("it is not there")
		}
		r, err := s.OpenRef(ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, b); err != nil {
			t.Error(err)
		}
		read, err := io.ReadAll(r.Verified())
		if err != nil || !bytes.Equal(read, b) {
			t.Errorf("verified reading: %d bytes, %v", len(read), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Check(t.Context(), ref.Digest); err != nil {
			t.Error(err)
		}
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d files left in tmp", n)
	}
	count := 0
	if err := s.Walk(t.Context(), func(r Ref, at time.Time) error {
		count++
		if !s.Has(r) || time.Since(at) > time.Hour {
			t.Errorf("walked over %v of %v", r, at)
		}
		return nil
	}); err != nil || count != 5 {
		t.Errorf("walked over %d blobs, %v", count, err)
	}
}

func TestWriterUnordered(t *testing.T) {
	s := store(t)
	want := random(1 << 20)
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write(want[:1000]); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	const piece = 1 << 16
	for off := 0; off < len(want); off += piece {
		group.Go(func() {
			if _, err := w.WriteAt(want[off:off+piece], int64(off)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := w.Truncate(int64(len(want)) + 5); err != nil {
		t.Fatal(err)
	}
	want = append(want, 0, 0, 0, 0, 0)
	if err := iotest.TestReader(io.NewSectionReader(w, 0, int64(len(want))), want); err != nil {
		t.Error(err)
	}
	ref, err := w.Commit()
	if err != nil || ref.Digest != Sum(want) || ref.Size != int64(len(want)) {
		t.Fatalf("found %v, %v", ref, err)
	}
	if _, err := w.Commit(); err == nil {
		t.Error("committed twice")
	}
}

// Zeros take no room on the disk, wherever they lie and however they come.
func TestHoles(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 60 {
		var b []byte
		zeros := 0
		for range 1 + rng.IntN(4) {
			b = append(b, random(rng.IntN(3*holeSize))...)
			n := rng.IntN(6 * holeSize)
			b, zeros = append(b, make([]byte, n)...), zeros+n
		}
		s := store(t)
		w, err := s.Create(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(b); {
			n := min(len(b)-at, 1+rng.IntN(4*holeSize))
			if _, err := w.Write(b[at : at+n]); err != nil {
				t.Fatal(err)
			}
			at += n
			back := make([]byte, at)
			if _, err := w.ReadAt(back, 0); err != nil || !bytes.Equal(back, b[:at]) {
				t.Fatalf("what was written is not read: %v", err)
			}
		}
		ref, err := w.Commit()
		if err != nil || ref.Size != int64(len(b)) || ref.Digest != sha256.Sum256(b) {
			t.Fatalf("%d bytes became %d: %v", len(b), ref.Size, err)
		}
		if back, err := s.Bytes(ref.Digest, int64(len(b))); err != nil || !bytes.Equal(back, b) {
			t.Fatalf("what was stored is not read: %v", err)
		}
	}
	s := store(t)
	ref := put(t, s, make([]byte, 64<<20))
	var st syscall.Stat_t
	if err := syscall.Stat(s.path(ref.Digest), &st); err != nil {
		t.Fatal(err)
	}
	if st.Blocks*512 > 2<<20 {
		t.Errorf("64 MiB of zeros take %d KiB of the disk", st.Blocks/2)
	}
}

func TestAbortAndFailuresLeaveNothing(t *testing.T) {
	s := store(t)
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte("half"))
	w.Abort()
	w.Abort()
	boom := errors.New("boom")
	if _, err := s.Put(t.Context(), io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Errorf("found %v, want the reader's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Put(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("found %v, want canceled", err)
	}
	if _, err := s.Cached(t.Context(), "k", func(w io.Writer) error { w.Write([]byte("half")); return boom }); !errors.Is(err, boom) {
		t.Errorf("found %v, want the maker's error", err)
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d files left in tmp", n)
	}
}

func TestDamage(t *testing.T) {
	s := store(t)
	content := random(100_000)
	damage := map[string]func(path string) error{
		"flipped byte": func(path string) error {
			b := bytes.Clone(content)
			b[77777] ^= 1
			return os.WriteFile(path, b, 0o644)
		},
		"cut off": func(path string) error { return os.Truncate(path, 99_999) },
		"grown":   func(path string) error { return os.Truncate(path, 100_001) },
		"emptied": func(path string) error { return os.Truncate(path, 0) },
	}
	for name, do := range damage {
		ref := put(t, s, content)
		os.Chmod(s.path(ref.Digest), 0o644)
		if err := do(s.path(ref.Digest)); err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context(), ref.Digest); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: check found %v", name, err)
		}
		if _, err := s.Bytes(ref.Digest, 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: reading found %v", name, err)
		}
		if name != "flipped byte" {
			if _, err := s.OpenRef(ref); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s: open found %v", name, err)
			}
			// Put mends what its length gives away.
			if again := put(t, s, content); again != ref || s.Check(t.Context(), ref.Digest) != nil {
				t.Errorf("%s: putting it again did not mend it", name)
			}
		}
		if err := s.Remove(ref.Digest); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCutOffWhileOpen(t *testing.T) {
	s := store(t)
	ref := put(t, s, random(100_000))
	b, err := s.Open(ref.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	os.Chmod(s.path(ref.Digest), 0o644)
	if err := os.Truncate(s.path(ref.Digest), 50_000); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ReadAt(make([]byte, 10), 49_995); !errors.Is(err, ErrDamaged) {
		t.Errorf("found %v, want damaged", err)
	}
	if _, err := io.ReadAll(b); !errors.Is(err, ErrDamaged) {
		t.Errorf("found %v, want damaged", err)
	}
}

func TestMissing(t *testing.T) {
	s := store(t)
	d := Sum([]byte("x"))
	if _, err := s.Open(d); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), d.String()) {
		t.Errorf("found %v", err)
	}
	if err := s.Remove(d); err != nil {
		t.Error(err)
	}
	if _, err := s.Bytes(put(t, s, random(10)).Digest, 9); err == nil {
		t.Error("read more than the limit")
	}
}

func TestConcurrentSameContent(t *testing.T) {
	s := store(t)
	b := random(200_000)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if ref, err := s.Put(context.Background(), bytes.NewReader(b)); err != nil || ref.Digest != Sum(b) {
				t.Error(ref, err)
			}
			if err := s.Check(context.Background(), Sum(b)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := left(t, s); n != 0 {
		t.Errorf("%d files left in tmp", n)
	}
}

func TestCached(t *testing.T) {
	s := store(t)
	calls := 0
	get := func(key string) Ref {
		ref, err := s.Cached(context.Background(), key, func(w io.Writer) error {
			calls++
			_, err := fmt.Fprint(w, "result for ", key)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return ref
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() { get("a") })
	}
	group.Wait()
	ref := get("a")
	if calls != 1 {
		t.Errorf("made %d times, want once", calls)
	}
	if other := get("b"); other == ref || calls != 2 {
		t.Errorf("another key gave %v after %d calls", other, calls)
	}
	again, err := Open(s.dir) // another process
	if err != nil {
		t.Fatal(err)
	}
	if found, ok, err := again.Memo("a"); found != ref || !ok || err != nil {
		t.Errorf("found %v %v %v", found, ok, err)
	}
	if err := s.Remove(ref.Digest); err != nil {
		t.Fatal(err)
	}
	if get("a") != ref || calls != 3 {
		t.Errorf("a removed result was not made again: %d calls", calls)
	}
	if err := os.WriteFile(s.memoPath("a"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if get("a") != ref || calls != 4 {
		t.Errorf("a broken memo was not made again: %d calls", calls)
	}
}

func TestSweep(t *testing.T) {
	s := store(t)
	for name, age := range map[string]time.Duration{"blob-old": 25 * time.Hour, "blob-new": 23 * time.Hour} {
		path := filepath.Join(s.tmp(), name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(s.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.tmp(), "blob-old")); err == nil {
		t.Error("the old file was kept")
	}
	if _, err := os.Stat(filepath.Join(s.tmp(), "blob-new")); err != nil {
		t.Error("the new file was swept")
	}
}

func TestReadOnly(t *testing.T) {
	s := store(t)
	ref := put(t, s, random(10))
	r, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context(), ref.Digest); err != nil {
		t.Error(err)
	}
	if _, err := r.Put(t.Context(), strings.NewReader("x")); err == nil {
		t.Error("it was written to")
	}
	if err := r.Remove(ref.Digest); err == nil {
		t.Error("it was removed from")
	}
	if _, err := OpenReadOnly(t.TempDir()); err == nil {
		t.Error("a folder that is no store was opened")
	}
}

// A real full disk: a small tmpfs, where mounting is allowed.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("needs mount: %s", bytes.TrimSpace(out))
	}
	defer syscall.Unmount(dir, 0)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ref := put(t, s, random(10_000))
	_, err = s.Put(t.Context(), bytes.NewReader(random(1<<20)))
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("found %v", err)
	}
	_, err = s.Cached(t.Context(), "k", func(w io.Writer) error { _, err := w.Write(random(1 << 20)); return err })
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("found %v", err)
	}
	if n := left(t, s); n != 0 {
		t.Errorf("%d files left in tmp", n)
	}
	if err := s.Check(t.Context(), ref.Digest); err != nil {
		t.Error(err)
	}
	put(t, s, random(20_000)) // there is room again
}

func TestDigest(t *testing.T) {
	d := Sum([]byte("x"))
	text, err := json.Marshal(Ref{d, 1})
	var back Ref
	if err != nil || json.Unmarshal(text, &back) != nil || back.Digest != d {
		t.Errorf("%s came back as %v, %v", text, back, err)
	}
	for _, src := range []any{d.String(), []byte(d.String())} {
		var got Digest
		if err := got.Scan(src); err != nil || got != d {
			t.Errorf("%v scanned as %v, %v", src, got, err)
		}
	}
	if v, err := (Digest{}).Value(); v != "" || err != nil {
		t.Errorf("zero is %q, %v", v, err)
	}
	for _, bad := range []string{"00", strings.Repeat("g", 64), strings.Repeat("0", 65)} {
		if got, err := Parse(bad); err == nil || !got.IsZero() {
			t.Errorf("%q was read as %v", bad, got)
		}
	}
	var got Digest
	if got.Scan(7) == nil {
		t.Error("a number was scanned")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("")
	f.Add(Sum(nil).String())
	f.Add("E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855")
	f.Add("../../../../../../../../../../../../../../../../../../etc/passwd")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			if !d.IsZero() {
				t.Errorf("%q: %v, and yet %s", s, err, d)
			}
			return
		}
		if s != "" && d.String() != strings.ToLower(s) {
			t.Errorf("%q is read as %s", s, d)
		}
	})
}

func TestMemos(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Ref{}
	for _, key := range []string{"a 1", "b 2", ""} {
		ref, err := s.Cached(t.Context(), key, func(w io.Writer) error { _, err := io.WriteString(w, "of "+key); return err })
		if err != nil {
			t.Fatal(err)
		}
		want[key] = ref
	}
	if err := os.WriteFile(filepath.Join(dir, "memo", "torn"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	all := func() map[string]Ref {
		got := map[string]Ref{}
		if err := s.Memos(t.Context(), func(key string, ref Ref) error { got[key] = ref; return nil }); err != nil {
			t.Error(err)
		}
		return got
	}
	if got := all(); !maps.Equal(got, want) {
		t.Errorf("%v is kept, expected %v", got, want)
	}
	for range 2 { // the second time it is gone
		if err := s.Forget("a 1"); err != nil {
			t.Error(err)
		}
	}
	if _, ok, err := s.Memo("a 1"); ok || err != nil || !s.Has(want["a 1"]) || len(all()) != 2 {
		t.Errorf("forgotten: %t, %v; of the blob: %t", !ok, err, !s.Has(want["a 1"]))
	}
	boom := errors.New("boom")
	if err := s.Memos(t.Context(), func(string, Ref) error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Memos(ctx, func(string, Ref) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	readOnly, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := readOnly.Forget("b 2"); err == nil {
		t.Error("a store that is only read forgets")
	}
}
