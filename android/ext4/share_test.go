package ext4_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// alike is a tree of files that hold much of the same.
func alike() *tree.Node {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 400*4096)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	root := withLost(tree.NewDir(0o755, 0, 0))
	add := func(name string, parts ...[]byte) {
		root.Set(name, tree.NewFile(0o644, 0, 0, bytes.Join(parts, nil)))
	}
	zeros := make([]byte, 100*4096)
	add("a", noise)
	add("b", noise)
	add("c", noise[:50*4096], zeros, noise[200*4096:201*4096], []byte("end"))
	add("d", []byte("moved by bytes: nothing to share"), noise)
	add("e", zeros[:7777])
	add("f", noise[300*4096:], noise[:100*4096])
	var mosaic []byte
	for i := range 3000 {
		mosaic = append(mosaic, noise[i*7%400*4096:][:4096]...)
		if i%3 == 0 {
			mosaic = append(mosaic, zeros[:4096]...)
		}
	}
	add("g", mosaic)
	return root
}

// What Android's e2fsdroid -s makes: blocks that several files have. It is smaller,
// reads as before, and fsck and the kernel take it.
func TestSharedBlocks(t *testing.T) {
	root := alike()
	o := ext4.Options{UUID: uuid, Time: buildTime, SharedBlocks: true, ReadOnly: true, MetadataSum: true}
	im := image(t, root, o)
	opened, got := readTree(t, im)
	judge.Same(t, root, got)
	if f := strings.Join(opened.Info().Features, " "); !strings.Contains(f, "shared_blocks") {
		t.Error(f)
	}
	a, b := got.Lookup("a"), got.Lookup("b")
	if !reflect.DeepEqual(a.Extents, b.Extents) {
		t.Errorf("a lies at %v, b, which is the same, at %v", a.Extents, b.Extents)
	}
	plain := image(t, root, ext4.Options{})
	if im.Size() > plain.Size()*2/3 {
		t.Errorf("it has %d bytes, %d without sharing", im.Size(), plain.Size())
	}
	path := file(t, im)
	judge.Run(t, "e2fsck", "-fn", path)
	judge.Same(t, root, judge.Folder(t, judge.Mount(t, "ext4", "ro", path)))
	// Read and written again, it is the same.
	again, lost := opened.Options()
	if lost != nil {
		t.Error(lost)
	}
	again.Size = 0
	var x, y bytes.Buffer
	if _, err := im.WriteTo(&x); err != nil {
		t.Fatal(err)
	}
	if _, err := image(t, got, again).WriteTo(&y); err != nil || !bytes.Equal(x.Bytes(), y.Bytes()) {
		t.Errorf("written again it differs: %d and %d bytes, %v", x.Len(), y.Len(), err)
	}
}

// Holes stay holes.
func TestHoles(t *testing.T) {
	content := new(tree.Image)
	for i := range 2500 { // an extent tree of three levels
		content.AppendBytes(bytes.Repeat([]byte{byte(i) | 1}, 4096+i%3))
		content.AppendZeros(int64(20000 + i*7%8192))
	}
	content.AppendZeros(40 << 20)
	content.AppendBytes([]byte("end"))
	empty := new(tree.Image)
	empty.AppendZeros(9 << 20)
	root := withLost(tree.NewDir(0o755, 0, 0))
	root.Set("holes", &tree.Node{Perm: 0o644, Size: content.Size(), Content: content})
	root.Set("nothing", &tree.Node{Perm: 0o644, Size: empty.Size(), Content: empty})
	root.Set("odd", &tree.Node{Perm: 0o644, Size: empty.Size() - 1234, Content: empty})
	im := image(t, root, ext4.Options{UUID: uuid, MetadataSum: true})
	if im.Size() > 30<<20 {
		t.Errorf("it has %d bytes", im.Size())
	}
	_, got := readTree(t, im)
	judge.Same(t, root, got)
	if n := got.Lookup("nothing"); len(n.Extents) != 0 {
		t.Errorf("nothing lies at %v", n.Extents)
	}
	path := file(t, im)
	judge.Run(t, "e2fsck", "-fn", path)
	judge.Same(t, root, judge.Folder(t, judge.Mount(t, "ext4", "ro", path)))
	if twice := image(t, got, ext4.Options{UUID: uuid, MetadataSum: true}); twice.Size() != im.Size() {
		t.Errorf("written again it has %d bytes instead of %d", twice.Size(), im.Size())
	}
}

// Options of an image make another of its kind.
func TestOptionsOf(t *testing.T) {
	root := withLost(randomTree(3, 100))
	for name, o := range optionSets {
		if o.HashSeed == [16]byte{} {
			o.HashSeed = o.UUID
		}
		im := image(t, root, o)
		opened, _ := readTree(t, im)
		got, lost := opened.Options()
		remnant := o.Size > opened.Info().Size // too little for a group
		o.Size = opened.Info().Size
		o.Inodes = opened.Info().Inodes
		if got != o || lost != nil {
			t.Errorf("%s: expected %+v, found %+v %v", name, o, got, lost)
		}
		var a, b bytes.Buffer
		if remnant || im.Size() > 100<<20 {
			continue
		}
		if _, err := im.WriteTo(&a); err != nil {
			t.Fatal(err)
		}
		if _, err := image(t, root, got).WriteTo(&b); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: made with them it differs, %v", name, err)
		}
	}
	judge.Need(t, "mke2fs")
	path := t.TempDir() + "/image"
	judge.Run(t, "mke2fs", "-q", "-t", "ext4", "-b", "1024", "-I", "128", "-O", "flex_bg,64bit", path, "32M")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	im, err := ext4.Open(f, 32<<20)
	if err != nil {
		t.Fatal(err)
	}
	o, lost := im.Options()
	if said := fmt.Sprint(lost); !o.SixtyFour || !o.MetadataSum || o.JournalBlocks != 4096 || o.Size != 32<<20 ||
		!strings.Contains(said, "blocks of 4096 bytes instead of 1024") || !strings.Contains(said, "inodes of 256 bytes instead of 128") || !strings.Contains(said, "flex_bg") {
		t.Errorf("%+v %s", o, said)
	}
}
