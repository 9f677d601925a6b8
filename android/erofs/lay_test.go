package erofs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

func lay(t testing.TB, root *tree.Node, o erofs.Options, was *layout.Map) ([]byte, *layout.Map) {
	t.Helper()
	im, m, err := erofs.Lay(root, o, layout.Plan{Was: was})
	if err != nil {
		t.Fatal(err)
	}
	text := m.Bytes()
	back, err := layout.Parse(text)
	if err != nil || !bytes.Equal(back.Bytes(), text) {
		t.Fatalf("the map does not read as it was written: %v", err)
	}
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), back
}

func differ(t testing.TB, a, b []byte, was, is *layout.Map) int64 {
	t.Helper()
	kept := layout.Kept(was, is)
	for _, k := range kept {
		if !bytes.Equal(a[k.Offset:k.Offset+k.Length], b[k.Offset:k.Offset+k.Length]) {
			t.Fatalf("blocks %d to %d are said to be the same, and differ", k.Offset/4096, (k.Offset+k.Length)/4096)
		}
	}
	all, err := layout.Changed(t.Context(), bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), 0, int64(len(b)), nil)
	if err != nil {
		t.Fatal(err)
	}
	quick, err := layout.Changed(t.Context(), bytes.NewReader(a), int64(len(a)), bytes.NewReader(b), 0, int64(len(b)), kept)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(all) != fmt.Sprint(quick) {
		t.Fatalf("changed: by reading all %v, by the maps %v", all, quick)
	}
	return layout.Blocks(all)
}

func layWays(t testing.TB) map[string]erofs.Options {
	z, tails := erofs.LZ4{Level: 0, Scratch: scratch(t)}, erofs.LZ4{Level: 0, Blocks: 4, TailPacking: true, Scratch: scratch(t)}
	return map[string]erofs.Options{
		"plain": {UUID: [16]byte{1}, BuildTime: buildTime},
		"lz4":   {UUID: [16]byte{1}, BuildTime: buildTime, LZ4: &z},
		"tails": {UUID: [16]byte{1}, BuildTime: buildTime, LZ4: &tails},
	}
}

// TestLayStays changes a tree again and again. Each image must be what the tree is
// (fsck.erofs looks too), be made again from its own map as it is, and keep what did
// not change.
func TestLayStays(t *testing.T) {
	for name, o := range layWays(t) {
		t.Run(name, func(t *testing.T) {
			root := randomTree(3, 400)
			seed := uint64(17)
			t.Logf("seed %d", seed)
			g := &generator{Rand: rand.New(rand.NewPCG(seed, 1))}
			old, was := lay(t, root, o, nil)
			for round := range 6 {
				mutate(g, root, round)
				b, is := lay(t, root, o, was)
				if twice, _ := lay(t, root, o, was); !bytes.Equal(b, twice) {
					t.Fatal("made twice: other bytes")
				}
				if again, _ := lay(t, root, o, is); !bytes.Equal(b, again) {
					t.Fatal("over its own map it is another image")
				}
				n := differ(t, old, b, was, is)
				t.Logf("round %d: %d blocks of %d differ", round, n, len(b)/4096)
				check(t, b, root)
				old, was = b, is
			}
		})
	}
}

// mutate changes, adds, moves and removes some files.
func mutate(g *generator, root *tree.Node, round int) {
	var dirs []*tree.Node
	_ = tree.Walk(root, func(_ string, n *tree.Node) error {
		if n.Type == tree.Directory {
			dirs = append(dirs, n)
		}
		return nil
	})
	for i := range 12 {
		d := dirs[g.IntN(len(dirs))]
		if len(d.Entries) == 0 {
			continue
		}
		e := d.Entries[g.IntN(len(d.Entries))]
		if e.Node.Type != tree.Regular {
			continue
		}
		switch g.IntN(4) {
		case 0:
			d.Remove(e.Name)
		case 1:
			n := *e.Node
			b := g.content()
			n.Size, n.Content = int64(len(b)), bytes.NewReader(b)
			d.Set(e.Name, &n)
		case 2:
			n := tree.NewFile(0o644, 0, 0, g.content())
			n.SetXattr("user.new", fmt.Appendf(nil, "%d", round))
			d.Set(fmt.Sprintf("new-%d-%d", round, i), n)
		case 3:
			d.Remove(e.Name)
			dirs[g.IntN(len(dirs))].Set(fmt.Sprintf("moved-%d-%d", round, i), e.Node)
		}
	}
}

func check(t testing.TB, b []byte, root *tree.Node) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, got := openFile(t, path)
	judge.Same(t, root, got)
	if _, err := exec.LookPath("fsck.erofs"); err == nil {
		judge.Run(t, "fsck.erofs", path)
	}
}

// TestLayOneFile changes one file of 1 MiB: nothing else may be written but what
// tells of it. That is the bar: three times the blocks that changed, at most.
func TestLayOneFile(t *testing.T) {
	for name, o := range layWays(t) {
		for _, grown := range []int{0, 5000, -5000} {
			root := tree.NewDir(0o755, 0, 0)
			g := &generator{Rand: rand.New(rand.NewPCG(5, 1))}
			dir := root
			for i := range 2000 {
				if i%40 == 0 {
					dir = tree.NewDir(0o755, 0, 0)
					root.Set(fmt.Sprintf("dir-%d", i/40), dir)
				}
				dir.Set(fmt.Sprintf("file-%d", i), tree.NewFile(0o644, 0, 0, noise(g, g.IntN(32<<10))))
			}
			root.Entry("dir-20").Set("app.apk", tree.NewFile(0o644, 0, 0, noise(g, 1<<20)))
			old, was := lay(t, root, o, nil)
			root.Entry("dir-20").Set("app.apk", tree.NewFile(0o644, 0, 0, noise(g, 1<<20+grown)))
			b, is := lay(t, root, o, was)
			n := differ(t, old, b, was, is)
			changed := int64(1<<20+max(grown, 0)+4095) / 4096
			if n > 3*changed {
				t.Errorf("%s, grown by %d: %d blocks are written, %d changed", name, grown, n, changed)
			}
			if grown == 0 && n > changed {
				t.Errorf("%s, a file that keeps its size: %d blocks are written, %d changed", name, n, changed)
			}
			check(t, b, root)
		}
	}
}

func noise(g *generator, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], g.Uint64())
	}
	return b[:n]
}

type kept struct{ head, blocks []byte }

// memory is a Memory that counts.
type memory struct {
	mu               sync.Mutex
	kept             map[string]kept
	asked, remembers int
}

func key(n *tree.Node, packing string) string {
	h := sha256.New()
	_, _ = io.Copy(h, n.Open())
	return fmt.Sprintf("%s %x", packing, h.Sum(nil))
}

func (m *memory) Recall(n *tree.Node, packing string) ([]byte, io.ReaderAt, int64, error) {
	k := key(n, packing)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	if f, ok := m.kept[k]; ok {
		return f.head, bytes.NewReader(f.blocks), int64(len(f.blocks)), nil
	}
	return nil, nil, 0, nil
}

func (m *memory) Remember(n *tree.Node, packing string, head []byte, r io.ReaderAt, size int64) (io.ReaderAt, error) {
	b := make([]byte, size)
	if err := tree.ReadFull(r, b, 0); err != nil {
		return nil, err
	}
	k := key(n, packing)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept[k] = kept{bytes.Clone(head), b}
	if m.remembers++; m.remembers%2 == 0 {
		return nil, nil // it was left to scratch
	}
	return bytes.NewReader(b), nil
}

// What was packed once is not packed again, and the image is the same.
func TestMemory(t *testing.T) {
	root := randomTree(6, 150)
	compressible(root, 3)
	for _, z := range []erofs.LZ4{{Level: 4}, {Level: 4, Blocks: 16, TailPacking: true}} {
		z.Scratch = scratch(t)
		o := erofs.Options{UUID: [16]byte{1}, BuildTime: buildTime, LZ4: &z}
		want, _ := lay(t, root, o, nil)
		m := &memory{kept: map[string]kept{}}
		z.Memory = m
		for range 2 {
			z.Scratch = scratch(t)
			if got, _ := lay(t, root, o, nil); !bytes.Equal(got, want) {
				t.Fatal("with a memory it is another image")
			}
		}
		whole := 0
		for _, f := range m.kept {
			if len(f.blocks)%4096 != 0 {
				t.Errorf("%d bytes of blocks are kept, expected whole blocks", len(f.blocks))
			}
			if bytes.Equal(f.head, []byte{3, 0, 0, 0}) && len(f.blocks) > 0 { // packing gained nothing
				whole++
			}
		}
		if whole == 0 {
			t.Error("no blocks are kept of files that gain nothing by packing")
		}
		if m.asked != 2*m.remembers && m.remembers != len(m.kept) || m.remembers == 0 || m.remembers > m.asked/2 {
			t.Errorf("asked %d times, packed %d times", m.asked, m.remembers)
		}
	}
}
