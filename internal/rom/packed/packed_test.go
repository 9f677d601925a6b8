package packed_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/rom/packed"
)

func digest(n *tree.Node) (packed.Digest, bool) {
	b, _ := io.ReadAll(n.Open())
	return sha256.Sum256(b), n.Perm == 0
}

var salt = []byte("salt")

func open(t *testing.T, s *blob.Store, packing string) *packed.Memory {
	t.Helper()
	m, err := packed.Open(t.Context(), s, packing, salt, digest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func file(i int) *tree.Node { return tree.NewFile(0, 0, 0, fmt.Appendf(nil, "file %d", i)) }

// blocks are what file i is packed to, more than one of some of them.
func blocks(i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%-16d", i), i%4*4096/16)
}

func remember(t *testing.T, m *packed.Memory, i int, packing string) *packed.Content {
	t.Helper()
	r, err := m.Remember(file(i), packing, fmt.Appendf(nil, "head %d", i), bytes.NewReader(blocks(i)), int64(len(blocks(i))))
	if err != nil {
		t.Fatal(err)
	}
	return holds(t, r, i)
}

// holds reads what is kept of file i.
func holds(t *testing.T, r io.ReaderAt, i int) *packed.Content {
	t.Helper()
	c, ok := r.(*packed.Content)
	if !ok {
		t.Fatalf("file %d is read from %T", i, r)
	}
	want := blocks(i)
	b := make([]byte, len(want)+1)
	if n, err := c.ReadAt(b, 0); n != len(want) || err != io.EOF || !bytes.Equal(b[:n], want) {
		t.Fatalf("file %d has %d bytes, %v, expected %d", i, n, err, len(want))
	}
	var leaves []byte
	for at := 0; at < len(want); at += 4096 {
		sum := sha256.Sum256(append(bytes.Clone(salt), want[at:at+4096]...))
		leaves = append(leaves, sum[:]...)
	}
	var sums []byte
	for at := 0; at < len(want); at += 4096 {
		sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(want[at:at+4096], crc32.MakeTable(crc32.Castagnoli)))
	}
	if !bytes.Equal(c.Leaves(), leaves) || !bytes.Equal(c.Sums(), sums) {
		t.Fatalf("file %d has other digests than those of its blocks", i)
	}
	return c
}

// recalled says whether file i is, and looks whether it is as it was.
func recalled(t *testing.T, m *packed.Memory, i int, packing string) bool {
	t.Helper()
	head, r, size, err := m.Recall(file(i), packing)
	if err != nil {
		t.Fatal(err)
	}
	if head == nil {
		return false
	}
	if holds(t, r, i); string(head) != fmt.Sprint("head ", i) || size != int64(len(blocks(i))) {
		t.Fatalf("file %d has head %q and %d bytes", i, head, size)
	}
	return true
}

// What was remembered in any of many builds is recalled, also when there are so
// many blobs that some are made one.
func TestMemory(t *testing.T) {
	s, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for round := range 70 {
		m := open(t, s, "lz4")
		for i := range round * 3 {
			if !recalled(t, m, i, "lz4") {
				t.Fatalf("round %d: file %d is forgotten", round, i)
			}
		}
		var fresh []*packed.Content
		for i := round * 3; i < round*3+3; i++ {
			if recalled(t, m, i, "lz4") {
				t.Fatalf("file %d is recalled, and nobody remembered it", i)
			}
			fresh = append(fresh, remember(t, m, i, "lz4"))
			if remember(t, m, i, "lz4") != fresh[len(fresh)-1] {
				t.Error("the same content is kept twice")
			}
		}
		if _, _, ok := fresh[0].Place(); ok {
			t.Error("what is not kept lies in a blob")
		}
		for range 2 { // the second time nothing is left to keep
			if err := m.Keep(); err != nil {
				t.Fatal(err)
			}
		}
		for i, c := range fresh {
			holds(t, c, round*3+i)
			d, off, ok := c.Place()
			b, err := s.Open(d)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			got := make([]byte, len(blocks(round*3+i)))
			if err := tree.ReadFull(b, got, off); err != nil || !bytes.Equal(got, blocks(round*3+i)) {
				t.Errorf("file %d does not lie where it says: %v", round*3+i, err)
			}
			b.Close()
		}
		if err := m.Tidy(); err != nil {
			t.Fatal(err)
		}
		n := 0
		if err := s.Walk(t.Context(), func(ref blob.Ref, _ time.Time) error { n++; return nil }); err != nil || n > 33 {
			t.Fatalf("round %d: %d blobs, %v", round, n, err)
		}
	}
	m := open(t, s, "other")
	if recalled(t, m, 1, "other") || recalled(t, open(t, s, "lz4"), 1, "other") {
		t.Error("packed otherwise, it is recalled")
	}
	nameless := file(1)
	nameless.Perm = 0o644
	if r, err := m.Remember(nameless, "other", []byte("head"), bytes.NewReader(nil), 0); r != nil || err != nil || m.Keep() != nil {
		t.Error(r, err)
	}
}

// flip changes a byte of the blob that holds file i, at a place from its end on.
func flip(t *testing.T, dir string, c *packed.Content, fromEnd int64) {
	t.Helper()
	d, off, _ := c.Place()
	name := filepath.Join(dir, "sha256", d.String()[:2], d.String()[2:4], d.String())
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if fromEnd > 0 {
		off = int64(len(b)) - fromEnd
	}
	b[off] ^= 1
	if err := errors.Join(os.Chmod(name, 0o644), os.WriteFile(name, b, 0o444)); err != nil {
		t.Fatal(err)
	}
}

// What is damaged or gone is forgotten, no more: the index and the details by their
// own digests, at once; the blocks by those who find them to be others than Leaves
// says.
func TestDamage(t *testing.T) {
	const foot, entry = 56, 104
	for name, c := range map[string]struct {
		fromEnd int64 // 0: the first byte of the blocks
		seen    bool  // at once
	}{
		"foot": {foot, true}, "index": {foot + entry - 33, true}, "digest of the index": {1, true},
		"head": {foot + entry + 36 + 6, true}, "leaves": {foot + entry + 4 + 1, true}, "sums": {foot + entry + 1, true}, "blocks": {0, false},
	} {
		dir := t.TempDir()
		s, err := blob.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		m := open(t, s, "lz4")
		kept := remember(t, m, 1, "lz4")
		if err := m.Keep(); err != nil {
			t.Fatal(err)
		}
		flip(t, dir, kept, c.fromEnd)
		m = open(t, s, "lz4")
		head, r, _, err := m.Recall(file(1), "lz4")
		if err != nil || (head == nil) != c.seen {
			t.Fatalf("%s: recalled %q, %v", name, head, err)
		}
		found, err := m.Mend()
		if err != nil || found == c.seen {
			t.Errorf("%s: mended %v, %v", name, found, err)
		}
		if c.seen {
			continue
		}
		b := make([]byte, 4096)
		if err := tree.ReadFull(r, b, 0); err != nil || sha256.Sum256(append(bytes.Clone(salt), b...)) == [32]byte(r.(*packed.Content).Leaves()) {
			t.Errorf("%s: its digest is that of other bytes: %v", name, err)
		}
		if recalled(t, open(t, s, "lz4"), 1, "lz4") {
			t.Errorf("%s: it is recalled once it is mended", name)
		}
	}
	s, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, s, "lz4")
	remember(t, m, 1, "lz4")
	if err := m.Keep(); err != nil {
		t.Fatal(err)
	}
	if found, err := m.Mend(); found || err != nil {
		t.Error("what is whole was mended", err)
	}
	var all []blob.Digest
	if err := s.Walk(t.Context(), func(ref blob.Ref, _ time.Time) error { all = append(all, ref.Digest); return nil }); err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if err := s.Remove(d); err != nil {
			t.Fatal(err)
		}
	}
	if recalled(t, open(t, s, "lz4"), 1, "lz4") {
		t.Error("what is gone is recalled")
	}
}

// TestSweep removes what another version kept, what is packed in ways or with salts that
// nothing reads, and nothing else.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	s, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	keep := func(packing string, i int) {
		m := open(t, s, packing)
		remember(t, m, i, packing)
		if err := m.Keep(); err != nil {
			t.Fatal(err)
		}
	}
	keep("lz4 1 9", 1)
	keep("lz4 1 9", 2)
	keep("lz4 0 9", 3)
	// As version 1 had it: the blocks, an index of 48 bytes a file, the end of 24.
	put := func(b []byte) blob.Ref {
		ref, err := s.Put(t.Context(), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	le := binary.LittleEndian
	pack := append(blocks(1), make([]byte, 48)...)
	pack = le.AppendUint64(le.AppendUint64(append(pack, "fridaypk"...), uint64(len(blocks(1)))), 1)
	old, image := put(pack), put([]byte("an image that some list names by mistake"))
	var list []byte
	for _, r := range []blob.Ref{old, image} {
		list = le.AppendUint64(append(list, r.Digest[:]...), uint64(r.Size))
	}
	for key, ref := range map[string]blob.Ref{"packed content 1 lz4 1 9": put(list), "packed content 3 lz4 1 9 00": put([]byte("of a version to come")), "ramdisk 2": image} {
		if err := s.SetMemo(t.Context(), key, ref); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		if err := s.Walk(t.Context(), func(blob.Ref, time.Time) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	sweep := func(reads func(packing string, with []byte) bool, want packed.Swept) {
		t.Helper()
		did, err := packed.Sweep(t.Context(), s, reads)
		if did.Bytes > 0 {
			want.Bytes = did.Bytes
		}
		if err != nil || did != want {
			t.Errorf("it removed %+v, %v, expected %+v", did, err, want)
		}
	}
	current := func(packing string, with []byte) bool { return packing == "lz4 1 9" && bytes.Equal(with, salt) }
	sweep(current, packed.Swept{Ways: 3, Blobs: 2})
	if s.Has(old) || !s.Has(image) || count() != before-4 {
		t.Errorf("version 1's content is there: %t, an image: %t, %d blobs of %d", s.Has(old), s.Has(image), count(), before)
	}
	sweep(current, packed.Swept{})
	for i, packing := range map[int]string{1: "lz4 1 9", 2: "lz4 1 9", 3: "lz4 0 9"} {
		_, r, _, err := open(t, s, packing).Recall(file(i), packing)
		if (r != nil) != (i != 3) || err != nil {
			t.Errorf("file %d is recalled from %v, %v", i, r, err)
		}
	}
	if _, ok, err := s.Memo("ramdisk 2"); !ok || err != nil {
		t.Errorf("what else is kept is forgotten, %v", err)
	}
	sweep(func(string, []byte) bool { return false }, packed.Swept{Ways: 1, Blobs: 2})
	readOnly, err := blob.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	keep("lz4 1 9", 1)
	if _, err := packed.Sweep(t.Context(), readOnly, func(string, []byte) bool { return false }); err == nil {
		t.Error("a store that is only read was swept")
	}
}
