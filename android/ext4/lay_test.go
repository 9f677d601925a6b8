package ext4_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

func whole(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func lay(t testing.TB, root *tree.Node, o ext4.Options, was *layout.Map) ([]byte, *layout.Map) {
	t.Helper()
	im, m, err := ext4.Lay(root, o, layout.Plan{Was: was})
	if err != nil {
		t.Fatal(err)
	}
	text := m.Bytes()
	back, err := layout.Parse(text)
	if err != nil || !bytes.Equal(back.Bytes(), text) {
		t.Fatalf("the map does not read as it was written: %v", err)
	}
	return whole(t, im), back
}

// differ counts the blocks that differ, and looks that what the maps say is the
// same is.
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

// TestLayStays changes a tree again and again. Each image must be what the tree is
// (e2fsck looks too), be made again from its own map as it is, and keep what did
// not change.
func TestLayStays(t *testing.T) {
	for _, name := range []string{"as a ROM", "journal", "as mke2fs", "shared"} {
		t.Run(name, func(t *testing.T) {
			o := optionSets[name]
			if o.Size == 0 {
				o.Size = 64 << 20
			}
			root := withLost(randomTree(3, 400))
			seed := uint64(17)
			t.Logf("seed %d", seed)
			g := &generator{rand.New(rand.NewPCG(seed, 1))}
			old, was := lay(t, root, o, nil)
			if plain := whole(t, image(t, root, o)); !o.SharedBlocks && o.Inodes == 0 && len(plain) != len(old) {
				t.Errorf("laid it has %d bytes, built %d", len(old), len(plain))
			}
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
				check(t, b, root, !o.SharedBlocks)
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
			d.Set(fmt.Sprintf("new-%d-%d", round, i), tree.NewFile(0o644, 0, 0, g.content()))
		case 3:
			d.Remove(e.Name)
			dirs[g.IntN(len(dirs))].Set(fmt.Sprintf("moved-%d-%d", round, i), e.Node)
		}
	}
}

// check compares an image with its tree; e2fsck looks at it where it is installed.
// It takes blocks that files share for a mistake unless it is Android's.
func check(t testing.TB, b []byte, root *tree.Node, fsck bool) {
	t.Helper()
	im := new(tree.Image)
	im.AppendBytes(b)
	_, got := readTree(t, im)
	judge.Same(t, root, got)
	if _, err := exec.LookPath("e2fsck"); err == nil && fsck {
		judge.Run(t, "e2fsck", "-fn", file(t, im))
	}
}

// TestLayOneFile changes one file of 1 MiB: nothing else may be written but what
// tells of it. That is the bar: three times the blocks that changed, at most.
func TestLayOneFile(t *testing.T) {
	for _, grown := range []int{0, 5000, -5000} {
		root := withLost(tree.NewDir(0o755, 0, 0))
		g := &generator{rand.New(rand.NewPCG(5, 1))}
		dir := root
		for i := range 2000 {
			if i%40 == 0 {
				dir = tree.NewDir(0o755, 0, 0)
				root.Set(fmt.Sprintf("dir-%d", i/40), dir)
			}
			dir.Set(fmt.Sprintf("file-%d", i), tree.NewFile(0o644, 0, 0, noise(g, g.IntN(32<<10))))
		}
		root.Entry("dir-20").Set("app.apk", tree.NewFile(0o644, 0, 0, noise(g, 1<<20)))
		o := optionSets["as a ROM"]
		o.Size = 128 << 20
		old, was := lay(t, root, o, nil)
		root.Entry("dir-20").Set("app.apk", tree.NewFile(0o644, 0, 0, noise(g, 1<<20+grown)))
		b, is := lay(t, root, o, was)
		n := differ(t, old, b, was, is)
		changed := int64(1<<20+max(grown, 0)+4095) / 4096
		if n > 3*changed {
			t.Errorf("grown by %d: %d blocks are written, %d changed", grown, n, changed)
		}
		if grown == 0 && n > changed {
			t.Errorf("a file that keeps its size: %d blocks are written, %d changed", n, changed)
		}
		check(t, b, root, true)
	}
}

func noise(g *generator, n int) []byte {
	b := make([]byte, n+8)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], g.Uint64())
	}
	return b[:n]
}

// A digest that is given is believed: content is not read.
func TestLayReadsNothingTwice(t *testing.T) {
	root := withLost(randomTree(4, 200))
	o := optionSets["as a ROM"]
	_, was := lay(t, root, o, nil)
	sums := map[*tree.Node]layout.Digest{}
	_ = tree.Walk(root, func(_ string, n *tree.Node) error {
		if _, again := sums[n]; n.Type == tree.Regular && n.Size > 0 && !again {
			b, _ := io.ReadAll(n.Open())
			sums[n] = sha256.Sum256(b)
			n.Content = refuses{t}
		}
		return nil
	})
	known := func(n *tree.Node) (layout.Digest, bool) { d, ok := sums[n]; return d, ok }
	if _, _, err := ext4.Lay(root, o, layout.Plan{Was: was, Digest: known}); err != nil {
		t.Fatal(err)
	}
}

type refuses struct{ t testing.TB }

func (r refuses) ReadAt([]byte, int64) (int, error) {
	r.t.Error("content is read")
	return 0, io.ErrUnexpectedEOF
}

func TestLayErrors(t *testing.T) {
	root := randomTree(1, 50)
	o := optionSets["as a ROM"]
	_, was := lay(t, root, o, nil)
	for want, try := range map[string]func() error{
		"the layout map is of erofs": func() error {
			_, _, err := ext4.Lay(root, o, layout.Plan{Was: &layout.Map{FS: "erofs"}})
			return err
		},
		"but no size": func() error { _, _, err := ext4.Lay(root, ext4.Options{}, layout.Plan{Was: was}); return err },
		"there is no room": func() error {
			full := tree.NewDir(0o755, 0, 0)
			full.Set("large", tree.NewFile(0o644, 0, 0, make([]byte, 70<<20)))
			_, _, err := ext4.Lay(full, o, layout.Plan{Was: was})
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
	// A map that lies about places gives an image of its own, and a whole one.
	lies := *was
	lies.Files = append([]layout.File(nil), was.Files...)
	for i := range lies.Files {
		if len(lies.Files[i].Extents) > 0 {
			lies.Files[i].Extents = []layout.Extent{{Start: 3, Count: lies.Files[i].Extents[0].Count}}
			lies.Files[i].Number = 1 << 30
		}
	}
	b, _ := lay(t, root, o, &lies)
	check(t, b, root, true)
}
