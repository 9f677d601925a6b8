package ext4_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// small is a tree whose image has a known layout: superblock, descriptors, two
// bitmaps, one block of inodes, then content.
func small() *tree.Node {
	root := withLost(tree.NewDir(0o755, 0, 0))
	f := tree.NewFile(0o644, 0, 0, bytes.Repeat([]byte("content "), 1000))
	f.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	f.SetXattr("user.a", bytes.Repeat([]byte("v"), 200))
	root.Set("a", f)
	d := tree.NewDir(0o755, 0, 0)
	d.Set("link", tree.NewSymlink(strings.Repeat("t", 100), 0, 0))
	d.Set("short", tree.NewSymlink("a", 0, 0))
	root.Set("d", d)
	return root
}

const (
	table   = 4 * 4096
	rootIno = table + 256
	fileIno = table + 11*256 // "a"
	dirIno  = table + 12*256 // "d"
	linkIno = table + 13*256 // "d/link"
	content = 5 * 4096       // of "a": two blocks
)

func smallImage(t testing.TB, o ext4.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := image(t, small(), o).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// loose takes the checksums away, which would hide the rest.
func loose(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) >= 1024+104 {
		le := binary.LittleEndian
		le.PutUint32(b[1124:], le.Uint32(b[1124:])&^0x410)
	}
	return b
}

func openBytes(b []byte) (*tree.Node, error) {
	im, err := ext4.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return im.Tree()
}

func TestBadImages(t *testing.T) {
	good := loose(smallImage(t, ext4.Options{}))
	root, err := openBytes(good)
	if err != nil {
		t.Fatal(err)
	}
	judge.Same(t, small(), root)
	blocks := uint32(len(good) / 4096)
	rootDir := int(binary.LittleEndian.Uint32(good[rootIno+40+20:])) * 4096
	acl := int(binary.LittleEndian.Uint32(good[fileIno+104:])) * 4096
	for name, c := range map[string]struct {
		at   int
		v    uint32
		want string
	}{
		"magic":            {1080, 0, "this is not an ext4 image: byte 1080: magic: expected 0xef53, found 0x0"},
		"block size":       {1048, 7, "byte 1048: block size: expected 1024 to 65536 bytes, found 1024 << 7"},
		"blocks":           {1028, blocks + 1, fmt.Sprintf("byte 1028: blocks: expected an image of at most %d bytes", len(good))},
		"no blocks":        {1028, 0, "byte 1028: blocks"},
		"blocks per group": {1056, 0, "byte 1056: blocks of a group: expected 1 to 32768, found 0"},
		"many groups":      {1056, 1, "inode table"},
		"inodes per group": {1064, 0, "byte 1064: inodes of a group: expected 1 to 32768, found 0"},
		"inodes":           {1024, 1000, "byte 1024: inodes: expected at most 16 in 1 groups, found 1000"},
		"inode size":       {1112, 100, "byte 1112: inode size: expected a power of two from 128 to 4096, found 100"},
		"features":         {1120, 1 << 27, "byte 1120: not supported: features bit 27"},
		"journal":          {1120, 8, "byte 1120: not supported: it is a journal for another device"},
		"first block":      {1044, 1, "byte 1044: first data block: expected 0, found 1"},
		"inode table":      {4096 + 8, 0xffffff, "group 0: byte 4104: inode table: expected a block from 1 to"},
		"root type":        {rootIno, 0x81ed, "inode 2 at byte 16640: type of the root: expected dir, found file"},
		"mode":             {fileIno, 0x31ed, fmt.Sprintf("inode 12 at byte %d: i_mode: expected a file type, found 030755", fileIno)},
		"size":             {fileIno + 108, 0xffffffff, "i_size: expected at most 2^46"},
		"extra size":       {fileIno + 128, 132, "i_extra_isize: expected a multiple of 4 up to 128, found 132"},
		"encrypted":        {fileIno + 32, 0x80800, "not supported: an encrypted file"},
		"extent magic":     {fileIno + 40, 0, "magic of an extent node: expected 0xf30a, found 0x0"},
		"extent count":     {fileIno + 44, 5, "entries of an extent node: expected at most 4"},
		"extent depth":     {fileIno + 46, 6, "depth of an extent node"},
		"extent block":     {fileIno + 60, blocks - 1, "extent: expected blocks below"},
		"extent at zero":   {fileIno + 60, 0, "extent: expected a block from 1 on, found 0"},
		"xattr block":      {fileIno + 104, blocks, "i_file_acl: expected a block below"},
		"xattr magic":      {acl, 1, "magic of an xattr block: expected 0xea020000, found 0x1"},
		"xattr value":      {acl + 32 + 8, 5000, `value of xattr "a": expected within 4096 bytes`},
		"xattr prefix":     {acl + 32, 0x0000_6301, `not supported: xattr "a" with the prefix number 99`},
		"xattr name":       {fileIno + 160 + 4, 0xff, "e_name_len of an xattr: expected at most"},
		"directory size":   {rootIno + 4, 4000, "i_size of a directory: expected a multiple of 4096, found 4000"},
		"entry length":     {rootDir + 4, 7, "rec_len of the entry at 0 of the directory: expected a multiple of 4 from 8 to 4096, found 7"},
		"name length":      {rootDir + 24 + 4, 0x01ff000c, "name_len of the entry at 24 of the directory: expected at most 4, found 255"},
		"entry inode":      {rootDir + 24, 99, `"a": inode 99: expected one of 1 to 16`},
		"entry type":       {rootDir + 24 + 4, 0x0701_000c, `type of "a" in directory: expected 1 (file), found 7`},
		"directory loop":   {rootDir + 36, 2, `entry "d": expected a directory that has no other name, found inode 2 again`},
		"symlink size":     {linkIno + 4, 5000, "i_size of a symlink: expected 1 to 4095, found 5000"},
		"symlink NUL":      {int(binary.LittleEndian.Uint32(good[linkIno+60:])) * 4096, 0, "target of a symlink: expected no NUL, found one at 0"},
		"nanoseconds":      {fileIno + 136, 0xffffffff, "i_mtime_extra: expected less than a second"},
	} {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[c.at:], c.v)
		if name == "extent depth" || name == "inode size" || name == "extra size" {
			copy(b[c.at+2:c.at+4], good[c.at+2:])
		}
		_, err := openBytes(b)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: expected %q, found %v", name, c.want, err)
		}
		if strings.Contains(c.want, "not supported") && !errors.Is(err, ext4.ErrNotSupported) || name == "magic" && !errors.Is(err, ext4.ErrNotExt4) {
			t.Errorf("%s: %v wraps nothing", name, err)
		}
	}
	if _, err := openBytes(good[:1500]); !errors.Is(err, ext4.ErrNotExt4) {
		t.Error(err)
	}
	if _, err := ext4.Open(bytes.NewReader(good[:3000]), int64(len(good))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

// Any bit of metadata that changes is found by a checksum.
func TestChecksums(t *testing.T) {
	good := smallImage(t, ext4.Options{UUID: uuid, MetadataSum: true})
	rootDir := int(binary.LittleEndian.Uint32(good[rootIno+40+20:])) * 4096
	acl := int(binary.LittleEndian.Uint32(good[fileIno+104:])) * 4096
	for at, want := range map[int]string{
		1024 + 120:     "byte 2044: checksum",
		4096 + 12:      "group 0: byte 4126: checksum of the group",
		fileIno + 16:   "inode 12 at byte 19200: checksum of the inode",
		rootDir + 100:  "checksum of the directory block at 0",
		rootDir + 4090: "end of the directory block at 0: expected a checksum",
		acl + 2000:     "checksum of an xattr block",
	} {
		b := bytes.Clone(good)
		b[at] ^= 1
		if _, err := openBytes(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("byte %d: expected %q, found %v", at, want, err)
		}
	}
	b := smallImage(t, ext4.Options{UUID: uuid})
	b[4096+12] ^= 1
	if _, err := openBytes(b); err == nil || !strings.Contains(err.Error(), "byte 4126: checksum of the group") {
		t.Error(err)
	}
}

// Every byte of the metadata, changed: an error or a tree, never a panic.
func TestDamaged(t *testing.T) {
	good := loose(smallImage(t, ext4.Options{}))
	for i := 1024; i < len(good); i++ {
		if i >= content && i < content+2*4096 || i > 2048 && i < 4096 || i > 4096+32 && i < table {
			continue
		}
		good[i] ^= 0xff
		_, _ = openBytes(good)
		good[i] ^= 0xff
	}
}

// A map that names itself is cut off by what may be read, not by memory.
func TestMapOfItself(t *testing.T) {
	b := loose(smallImage(t, ext4.Options{}))
	le := binary.LittleEndian
	blk := uint32(content / 4096)
	le.PutUint32(b[fileIno+32:], 0) // a block map
	le.PutUint32(b[fileIno+108:], 0x300)
	clear(b[fileIno+40:][:60])
	le.PutUint32(b[fileIno+40+4*14:], blk)
	for i := 0; i < 4096; i += 4 {
		le.PutUint32(b[content+i:], blk)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := openBytes(b)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "extents") && !strings.Contains(err.Error(), "the metadata is more than") {
		t.Error(err)
	}
	if used := after.Sys - before.Sys; used > 256<<20 {
		t.Errorf("took %d MiB", used>>20)
	}
}

func FuzzRead(f *testing.F) {
	for _, o := range []ext4.Options{{}, {MetadataSum: true}} {
		f.Add(smallImage(f, o))
	}
	root := withLost(tree.NewDir(0o755, 0, 0))
	for i := range 8 {
		root.Set(fmt.Sprintf("file-%d", i), tree.NewFile(0o644, 0, 0, []byte("x")))
	}
	var b bytes.Buffer
	if _, err := image(f, root, ext4.Options{}).WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		root, err := openBytes(loose(b))
		if err != nil {
			return
		}
		// What was read and can be written must be read again as it was.
		im, err := ext4.Build(root, ext4.Options{MetadataSum: true})
		if err != nil || im.Size() > 8<<20 {
			return
		}
		_, again := readTree(t, im)
		judge.Same(t, root, again)
	})
}
