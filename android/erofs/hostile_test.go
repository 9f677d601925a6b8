package erofs_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// forged is an image in memory that a test breaks.
type forged struct {
	b []byte
}

func (f forged) u16(off int, v uint16) { binary.LittleEndian.PutUint16(f.b[off:], v) }
func (f forged) u32(off int, v uint32) { binary.LittleEndian.PutUint32(f.b[off:], v) }
func (f forged) u64(off int, v uint64) { binary.LittleEndian.PutUint64(f.b[off:], v) }

// inode is the offset of an inode by its path, following directories by hand.
func (f forged) inode(t *testing.T, path string) int {
	t.Helper()
	off := f.nid(uint64(binary.LittleEndian.Uint16(f.b[1024+14:])))
	for _, name := range strings.Split(path, "/") {
		if name == "" {
			continue
		}
		d := f.dirent(t, off, name)
		off = f.nid(binary.LittleEndian.Uint64(f.b[d:]))
	}
	return off
}

func (f forged) nid(nid uint64) int {
	return int(binary.LittleEndian.Uint32(f.b[1024+40:]))*4096 + int(nid)*32
}

// tail is where the inline data of a compact inode starts.
func (f forged) tail(inode int) int {
	tail := inode + 32
	if n := int(binary.LittleEndian.Uint16(f.b[inode+2:])); n > 0 {
		tail += 12 + (n-1)*4
	}
	return tail
}

// dirent is the offset of an entry of a directory whose entries lie inline.
func (f forged) dirent(t *testing.T, inode int, name string) int {
	t.Helper()
	start := f.tail(inode)
	size := int(binary.LittleEndian.Uint32(f.b[inode+8:]))
	for d := start; d < start+int(binary.LittleEndian.Uint16(f.b[start+8:])); d += 12 {
		n := int(binary.LittleEndian.Uint16(f.b[d+8:]))
		if n+len(name) <= size && string(f.b[start+n:start+n+len(name)]) == name {
			return d
		}
	}
	t.Fatalf("no entry %q", name)
	return 0
}

func forgedTree() *tree.Node {
	root := tree.NewDir(0o755, 0, 0)
	sub := tree.NewDir(0o755, 0, 0)
	below := tree.NewDir(0o755, 0, 0)
	below.Set("f", tree.NewFile(0o644, 0, 0, []byte("text")))
	sub.Set("below", below)
	root.Set("sub", sub)
	root.Set("large", tree.NewFile(0o644, 0, 0, bytes.Repeat([]byte("x"), 20000)))
	root.Set("small", tree.NewFile(0o644, 0, 0, []byte("small")))
	root.Set("link", tree.NewSymlink("/target", 0, 0))
	_ = tree.Walk(root, func(path string, n *tree.Node) error {
		n.MTime = buildTime
		n.SetXattr("user.shared", []byte("by all"))
		n.SetXattr("user.own", []byte(path))
		return nil
	})
	return root
}

func TestRefusesForgedImages(t *testing.T) {
	im, err := erofs.Build(forgedTree(), options)
	if err != nil {
		t.Fatal(err)
	}
	whole := make([]byte, im.Size())
	if _, err := im.ReadAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	const sb = 1024
	for name, c := range map[string]struct {
		forge func(f forged)
		want  string
	}{
		"magic":          {func(f forged) { f.b[sb] = 0 }, "byte 1024: magic: expected 0xe0f5e1e2"},
		"checksum":       {func(f forged) { f.u32(sb+8, 3); f.b[sb+64] = 'X' }, "byte 1028: checksum: expected"},
		"block bits":     {func(f forged) { f.b[sb+12] = 63 }, "block size bits: expected 9 to 16, found 63"},
		"features":       {func(f forged) { f.u32(sb+80, 0x80) }, "not supported: features 0x80"},
		"devices":        {func(f forged) { f.u32(sb+80, 8); f.u16(sb+86, 2) }, "not supported: 2 extra devices"},
		"blocks":         {func(f forged) { f.u32(sb+36, 1<<31) }, "blocks: expected"},
		"no blocks":      {func(f forged) { f.u32(sb+36, 0) }, "blocks: expected"},
		"inodes outside": {func(f forged) { f.u32(sb+40, 1<<30) }, "start of inodes: expected"},
		"root outside":   {func(f forged) { f.u16(sb+14, 65535) }, "has no such inode"},
		"prefix table":   {func(f forged) { f.u32(sb+80, 0x40); f.b[sb+91] = 200; f.u32(sb+92, 1<<31) }, "xattr prefix 0"},
		"prefix length":  {func(f forged) { f.u32(sb+80, 0x40); f.b[sb+91] = 1; f.u32(sb+92, 300) }, "length of xattr prefix: expected 1 to 256, found 0"},
		"root is a file": {func(f forged) { f.u16(f.inode(t, "")+4, 0x81a4) }, "type of the root: expected dir"},
		"layout":         {func(f forged) { f.u16(f.inode(t, ""), 7<<1) }, "i_format: layout: expected 0 to 4, found 7"},
		"format":         {func(f forged) { f.u16(f.inode(t, ""), 0x100) }, "not supported: i_format"},
		"mode":           {func(f forged) { f.u16(f.inode(t, "small")+4, 0) }, `"small": inode`},
		"xattrs outside": {func(f forged) { f.u16(f.inode(t, "small")+2, 65535) }, "metadata"},
		"shared count":   {func(f forged) { f.b[f.inode(t, "small")+32+4] = 255 }, "h_shared_count: expected"},
		"shared outside": {func(f forged) { f.u32(f.inode(t, "small")+32+12, 1<<31) }, "shared xattr 2147483648"},
		"xattr prefix":   {func(f forged) { f.b[f.inode(t, "small")+32+16+1] = 77 }, "e_name_index: expected a known prefix, found 77"},
		"xattr value":    {func(f forged) { f.u16(f.inode(t, "small")+32+16+2, 65535) }, "xattr entry: expected at most"},
		"data outside":   {func(f forged) { f.u32(f.inode(t, "large")+16, 1<<31) }, "data: expected bytes within the image"},
		"size":           {func(f forged) { f.u32(f.inode(t, "large")+8, 1<<31) }, "data: expected bytes within the image"},
		"inline tail":    {func(f forged) { f.u32(f.inode(t, "small")+8, 4095) }, "inline tail: expected bytes within one block"},
		"symlink of 0":   {func(f forged) { f.u32(f.inode(t, "link")+8, 0) }, "i_size of a symlink: expected 1 to 4095, found 0"},
		"symlink NUL":    {func(f forged) { f.b[f.tail(f.inode(t, "link"))] = 0 }, "target of a symlink: expected no NUL"},
		"chunk format": {func(f forged) {
			f.u16(f.inode(t, "large"), 4<<1)
			f.u32(f.inode(t, "large")+16, 1<<10)
		}, "not supported: chunk format"},
		"chunk blocks": {func(f forged) {
			f.u16(f.inode(t, "large"), 4<<1)
			f.u32(f.inode(t, "large")+16, 0)
			f.u32(f.tail(f.inode(t, "large")), 1<<30)
		}, "data: expected bytes within the image"},
		"chunk count": {func(f forged) {
			f.u16(f.inode(t, "large"), 4<<1)
			f.u32(f.inode(t, "large")+16, 0)
			f.u32(f.inode(t, "large")+8, 1<<32-1)
		}, "more bytes of metadata"},
		"index": {func(f forged) {
			f.u16(f.inode(t, "large"), 1<<1)
			f.u32(f.inode(t, "large")+8, 1<<32-1)
		}, "index: expected bytes within the image"},
		"no head": {func(f forged) {
			f.u16(f.inode(t, "large"), 1<<1)
			f.u32((f.tail(f.inode(t, "large"))+7)/8*8+16, 2)
		}, "first logical cluster: expected the head of a cluster"},
		"nameoff":       {func(f forged) { f.u16(f.tail(f.inode(t, "sub"))+8, 4000) }, "nameoff in directory block at 0: expected"},
		"nameoff 0":     {func(f forged) { f.u16(f.tail(f.inode(t, "sub"))+8, 0) }, "nameoff in directory block at 0: expected"},
		"names overlap": {func(f forged) { f.u16(f.tail(f.inode(t, "sub"))+12+8, 30) }, "rising offsets"},
		"name":          {func(f forged) { f.b[f.tail(f.inode(t, "sub"))+36+3] = '/' }, "expected a name for a file"},
		"entry type":    {func(f forged) { f.b[f.dirent(t, f.inode(t, ""), "small")+10] = 3 }, `type of "small" in directory: expected 1 (file), found 3`},
		"entry outside": {func(f forged) { f.u64(f.dirent(t, f.inode(t, ""), "small"), 1<<63) }, "has no such inode"},
		"loop": {func(f forged) {
			f.u64(f.dirent(t, f.inode(t, "sub"), "below"), uint64(binary.LittleEndian.Uint16(f.b[sb+14:])))
		}, "expected a directory that has no other name"},
		"directory of all": {func(f forged) {
			f.u16(f.inode(t, "sub"), 0)
			f.u32(f.inode(t, "sub")+8, uint32(len(f.b)))
			f.u32(f.inode(t, "sub")+16, 0)
		}, "more bytes of metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			f := forged{bytes.Clone(whole)}
			f.u32(sb+8, 2) // no checksum
			c.forge(f)
			_, err := openAndRead(f.b)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("expected an error with %q, found %v", c.want, err)
			}
			if strings.Contains(c.want, "not supported") != errors.Is(err, erofs.ErrNotSupported) {
				t.Errorf("ErrNotSupported: %v", err)
			}
		})
	}
	for _, n := range []int{0, 1024, 1151, 4095, len(whole) - 1} {
		if _, err := openAndRead(whole[:n]); err == nil {
			t.Errorf("an image cut to %d bytes was read", n)
		}
	}
}

// openAndRead reads the tree and all content, up to a bound.
func openAndRead(b []byte) (*tree.Node, error) {
	im, err := erofs.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	root, err := im.Tree()
	if err != nil {
		return nil, err
	}
	left := int64(16 << 20)
	err = tree.Walk(root, func(path string, n *tree.Node) error {
		if n.Type != tree.Regular || n.Size > left {
			return nil
		}
		left -= n.Size
		_, err := io.Copy(io.Discard, n.Open())
		return err
	})
	return root, err
}

// A directory whose blocks are those of many others would let a small image
// make an endless tree, level by level or by breadth.
func TestMemoryIsBounded(t *testing.T) {
	root := tree.NewDir(0o755, 0, 0)
	names := tree.NewDir(0o755, 0, 0)
	file := tree.NewFile(0o644, 0, 0, nil)
	file.MTime = buildTime
	for i := range 5000 {
		names.Set(fmt.Sprintf("%04d", i), file)
	}
	names.MTime = buildTime
	root.Set("0", names)
	for i := range 3000 {
		d := tree.NewDir(0o755, 0, 0)
		d.MTime = buildTime
		root.Set(fmt.Sprintf("d%04d", i), d)
	}
	im, err := erofs.Build(root, options)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, im.Size())
	if _, err := im.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	f := forged{b}
	f.u32(1024+8, 2)
	// Each empty directory becomes one with the blocks of the full one.
	opened, err := erofs.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := opened.Tree(); err != nil {
		t.Fatal(err)
	}
	var full int
	for off := f.nid(1); off+32 <= len(b); off += 32 {
		if binary.LittleEndian.Uint16(b[off+4:]) == 0x41ed && binary.LittleEndian.Uint32(b[off+8:]) > 4096*5 && b[off+16] != 0 {
			full = off // the last of them is "0", the first may be the root
		}
	}
	empty := 0
	for off := f.nid(1); off+32 <= len(b); off += 32 {
		if binary.LittleEndian.Uint16(b[off+4:]) == 0x41ed && binary.LittleEndian.Uint32(b[off+8:]) == 27 {
			f.u16(off, 0)
			copy(b[off+8:off+20], b[full+8:full+20])
			f.u32(off+8, binary.LittleEndian.Uint32(b[full+8:])/4096*4096)
			empty++
		}
	}
	if empty < 2000 {
		t.Fatalf("only %d directories were forged", empty)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = openAndRead(b)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "more bytes of metadata") {
		t.Errorf("expected an end to the metadata, found %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 100*uint64(len(b)) {
		t.Errorf("an image of %d bytes made %d bytes of garbage", len(b), used)
	}
}

// The superblock and inodes of the samples, changed byte by byte: an error or a
// tree, never a panic. The fuzz target looks further.
func TestDamagedSamples(t *testing.T) {
	for name := range samples {
		b, err := os.ReadFile(filepath.Join("testdata", name+".erofs"))
		if err != nil {
			t.Fatal(err)
		}
		b[1024+8] &^= 1
		for i := 1024; i < min(len(b), 3072); i += 5 {
			b[i] ^= 0xff
			_, _ = openAndRead(b)
			b[i] ^= 0xff
		}
	}
}

func FuzzRead(f *testing.F) {
	im, err := erofs.Build(forgedTree(), options)
	if err != nil {
		f.Fatal(err)
	}
	b := make([]byte, im.Size())
	if _, err := im.ReadAt(b, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for name := range samples {
		b, err := os.ReadFile(filepath.Join("testdata", name+".erofs"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1032 {
			b = bytes.Clone(b)
			b[1032] &^= 1 // a checksum would hide the rest
		}
		root, err := openAndRead(b)
		if err != nil {
			return
		}
		// What was read and can be written must be read again as it was.
		im, err := erofs.Build(root, options)
		if err != nil || im.Size() > 16<<20 {
			return
		}
		opened, err := erofs.Open(im, im.Size())
		if err != nil {
			t.Fatal(err)
		}
		again, err := opened.Tree()
		if err != nil {
			t.Fatal(err)
		}
		judge.Same(t, root, again)
	})
}
