package packed_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
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

func open(t *testing.T, s *blob.Store, packing string) *packed.Memory {
	t.Helper()
	m, err := packed.Open(t.Context(), s, packing, digest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func file(i int) *tree.Node { return tree.NewFile(0, 0, 0, fmt.Appendf(nil, "file %d", i)) }

// What was remembered in any of many builds is recalled, also when there are so
// many blobs that they are made one.
func TestMemory(t *testing.T) {
	s, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for round := range 40 {
		m := open(t, s, "lz4")
		for i := range round * 3 {
			r, size, err := m.Recall(file(i), "lz4")
			if err != nil || r == nil {
				t.Fatalf("round %d: file %d is forgotten: %v", round, i, err)
			}
			b := make([]byte, size)
			if err := tree.ReadFull(r, b, 0); err != nil || string(b) != strings.Repeat("packed ", i)+fmt.Sprint(i) {
				t.Fatalf("round %d: file %d is %q, %v", round, i, b, err)
			}
		}
		for i := round * 3; i < round*3+3; i++ {
			if r, _, err := m.Recall(file(i), "lz4"); err != nil || r != nil {
				t.Fatalf("file %d is recalled, and nobody remembered it: %v", i, err)
			}
			b := []byte(strings.Repeat("packed ", i) + fmt.Sprint(i))
			for range 2 {
				if err := m.Remember(file(i), "lz4", bytes.NewReader(b), int64(len(b))); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := m.Keep(); err != nil {
			t.Fatal(err)
		}
		if err := m.Keep(); err != nil { // nothing is left to keep
			t.Fatal(err)
		}
	}
	m := open(t, s, "other")
	if r, _, err := m.Recall(file(1), "other"); r != nil || err != nil {
		t.Errorf("packed otherwise, it is recalled: %v", err)
	}
	if r, _, err := open(t, s, "lz4").Recall(file(1), "other"); r != nil || err != nil {
		t.Errorf("packed otherwise, it is recalled: %v", err)
	}
	nameless := file(1)
	nameless.Perm = 0o644
	if err := m.Remember(nameless, "other", bytes.NewReader(nil), 0); err != nil || m.Keep() != nil {
		t.Error(err)
	}
}

// What is damaged or gone is forgotten, no more.
func TestDamage(t *testing.T) {
	s, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, s, "lz4")
	if err := m.Remember(file(1), "lz4", strings.NewReader("packed"), 6); err != nil {
		t.Fatal(err)
	}
	if err := m.Keep(); err != nil {
		t.Fatal(err)
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
	if r, _, err := open(t, s, "lz4").Recall(file(1), "lz4"); r != nil || err != nil {
		t.Errorf("what is gone is recalled: %v", err)
	}
}
