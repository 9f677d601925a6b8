package nest_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/pierrec/lz4/v4"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/tree"
)

// hostile is a thing that means harm, in a file of that name, and what is said of
// it: the place, what was expected, what was found.
type hostile struct {
	what, file string
	b          []byte
	want       string // in the error of a check of it or of what it holds
}

func poke16(b []byte, at int, v uint16) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint16(b[at:], v)
	return b
}
func poke32(b []byte, at int, v uint32) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}
func poke64(b []byte, at int, v uint64) []byte {
	b = bytes.Clone(b)
	binary.LittleEndian.PutUint64(b[at:], v)
	return b
}

// renamed replaces a name by another one of the same length.
func renamed(t testing.TB, b []byte, from, to string) []byte {
	t.Helper()
	if len(from) != len(to) || !bytes.Contains(b, []byte(from)) {
		t.Fatalf("cannot put %q in the place of %q", to, from)
	}
	return bytes.ReplaceAll(b, []byte(from), []byte(to))
}

func tail(b []byte) []byte { return append(bytes.Clone(b), "what is this"...) }

func gzipped(t testing.TB, b []byte) []byte {
	return packed(t, b, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

// parts are small good files of all formats.
type parts struct {
	ext4, erofs, lz4ed, super, sparse, payload, boot, cpio, zip, tar, pit, vbmeta, sin []byte
}

func good(t testing.TB) parts {
	t.Helper()
	var p parts
	root := system()
	p.ext4 = whole(t, must[*tree.Image](t)(ext4.Build(root, ext4.Options{})))
	p.erofs = whole(t, must[*tree.Image](t)(erofs.Build(root, erofs.Options{})))
	p.lz4ed = packed(t, bytes.Repeat([]byte("hello hello "), 1<<17), samsungLZ4)
	p.super = superImage(t)
	p.sparse = sparseFiles(t, append(make([]byte, 8192), "0123456789abcdef"...), 0)[0]
	rd := tree.NewDir(0o755, 0, 0)
	rd.Set("init-file", tree.NewFile(0o750, 0, 2000, []byte("#!init")))
	p.cpio = must[[]byte](t)(bootimg.PackRamdisk(rd, bootimg.Plain))
	p.boot = whole(t, must[*tree.Image](t)(bootimg.Build(&bootimg.Image{HeaderVersion: 2, PageSize: 2048, Kernel: []byte("kernel"), Ramdisk: p.cpio})))
	p.zip = zipOf(t, zip.Store, entry{"abcdefg", []byte("x")})
	p.tar = tarOf(t, false, entry{"abcdefg", []byte("x")})
	var pl bytes.Buffer
	plan := payload.Plan{Parts: []payload.PlanPart{{Name: "system", New: bytes.NewReader(p.erofs), NewSize: int64(len(p.erofs)), Ops: payload.FullOps(bytes.NewReader(p.erofs), int64(len(p.erofs)), nil)}}}
	if _, err := payload.Write(ctx, &pl, plan, nil); err != nil {
		t.Fatal(err)
	}
	p.payload = pl.Bytes()
	var pit bytes.Buffer
	if _, err := (&samsung.PIT{Partitions: []samsung.Partition{{ID: 20, Name: "SYSTEM", FlashName: "system.img"}}}).WriteTo(&pit); err != nil {
		t.Fatal(err)
	}
	p.pit = pit.Bytes()
	_, _, p.vbmeta, _ = verified(t)
	p.sin = sin(addr(0, 5, 4096), []byte("hello"))
	return p
}

func hostiles(t testing.TB) []hostile {
	p := good(t)
	sparse8EiB := poke32(poke32(p.sparse, 12, 1<<31), 16, math.MaxUint32)
	return []hostile{
		// What claims to be huge.
		{"sparse of 8 EiB", "a.img", sparse8EiB, "byte 16: blocks: expected an image of at most 17592186044416 bytes, found 4294967295 blocks of 2147483648 bytes"},
		{"ext4 of 2^48 blocks", "a.img", poke32(p.ext4, 1024+4, math.MaxUint32), "byte 1028: blocks: expected an image of at most"},
		{"erofs of 2^32 blocks", "a.img", poke32(p.erofs, 1024+36, math.MaxUint32), "byte 1060: blocks: expected an image of at most"},
		{"zip entry of 8 EiB", "a.zip", hugeZip(t), "at byte 0 of the 4611686018427387904 bytes that it should have: unexpected EOF"},
		{"tar entry of 8 EiB", "a.tar", hugeTar(t), "cannot read tar: at byte 4611686018427389439, entry 1: unexpected EOF"},
		{"cpio of 4 GiB", "ramdisk", renamed(t, p.cpio, "00000006", "FFFFFFFF"), "at byte 0, entry 0: expected a name of 1 to 4096 bytes and content within the file, found 10 and 4294967295"},
		{"boot image of 4 GiB", "boot.img", poke32(p.boot, 8, math.MaxUint32), "section kernel at offset 2048 is 4294967295 bytes long, expected at most 4096"},
		{"lz4 frame of 8 EiB", "a.lz4", poke64(p.lz4ed, 6, 1<<63), "offset 6: the header's checksum is"},
		{"payload manifest of 8 EiB", "payload.bin", bigEndian(p.payload, 12, 1<<63), "manifest has 9223372036854775808 bytes, expected at most"},
		{"vbmeta of 8 EiB", "vbmeta.img", bigEndian(p.vbmeta, 12, 1<<62), "authentication_data_block_size at offset 12 is 4611686018427387904, expected at most 65280"},
		{"PIT of 4 billion entries", "a.pit", poke32(p.pit, 4, math.MaxUint32), "offset 4: it has 4294967295 entries"},
		{"transfer list of 2^40 blocks", "a.zip", zipOf(t, zip.Store, entry{"s.transfer.list", []byte("4\n1\n0\n0\nnew 2,0,1099511627776\n")}, entry{"s.new.dat", make([]byte, 4096)}), "line 5: new: a set holds the range \"0\" to \"1099511627776\", expected numbers from 0 to"},
		{"sin of 8 EiB", "a.sin", sin(addr(0, 5, 1<<62), []byte("hello")), "offset 96: ADDR goes to 4611686018427387904, 5 bytes; an image has at most 17592186044416"},
		{"sin with a header of 4 GiB", "a.sin", bigEndian(p.sin, 0, 0x0353494e_ffffffff), "offset 4: the header has 4294967295 bytes, expected 28 to"},
		{"sin that points out of it", "a.sin", sin(addr(1<<40, 5, 0), []byte("hello")), "offset 96: ADDR points to 5 bytes at 1099511627776, there are 5"},
		// Names that lead out.
		{"zip with ../../x", "a.zip", renamed(t, p.zip, "abcdefg", "../../x"), "entry \"../../x\": expected a path within the archive"},
		{"tar with ../../x", "a.tar", tarOf(t, false, entry{"../../x", []byte("x")}), "entry \"../../x\": expected a path within the archive"},
		{"cpio with ../../xyz", "ramdisk", renamed(t, p.cpio, "init-file", "../../xyz"), "entry \"../../xyz\": expected a path within the archive"},
		{"ext4 with ../../..xyz", "a.img", renamed(t, p.ext4, "ping-again", "../../..xy"), "inode 12 at byte 19200: name in a directory: expected a name for a file, found"},
		{"erofs with ../../..xy", "a.img", renamed(t, p.erofs, "ping-again", "../../..xy"), "name in directory block at 0: expected a name for a file, found"},
		{"ozip with ../../x", "a.ozip", ozip(t, renamed(t, p.zip, "abcdefg", "../../x")), "entry \"../../x\": expected a path within the archive"},
		{"payload with ../../", "payload.bin", renamed(t, p.payload, "system", "../../"), "partition 0 is named \"../../\", expected letters, digits"},
		{"super with ../../xx", "super.img", renamed(t, p.super, "system_a", "../../xx"), "byte 12336: SHA-256 of the tables: expected"},
		// What holds itself.
		{"directory loop in ext4", "a.img", loopExt4(t, p.ext4), "entry \"lost+found\": expected a directory that has no other name, found inode 2 again"},
		{"directory loop in erofs", "a.img", loopErofs(t, p.erofs), "entry \"lost+found\": expected a directory that has no other name, found inode 1 again"},
		// A million of something.
		{"a million chunks", "a.img", millionChunks(), "byte 20: chunks: expected at most 2097152, found 3145728"},
		{"a million extents in super", "super.img", millionExtents(p.super), "size of the tables: expected at most 65408, the room for metadata less the header, found 25165824"},
		{"a million operations", "payload.bin", millionOperations(p.payload), "have room for more than 5242880 values"},
		{"a million ranges", "a.zip", zipOf(t, zip.Deflate, entry{"s.transfer.list", millionRanges()}, entry{"s.new.dat", make([]byte, 4096)}), "its new blocks take 4294967296 bytes, .new.dat has 4096"},
		{"a million tar entries", "a.tar.gz", millionFiles(t), "temporary files would take more than 33554432 bytes; is it a bomb?"},
		{"a million extents in ext4", "a.img", poke16(poke16(p.ext4, extentRoot(t, p.ext4)+2, math.MaxUint16), extentRoot(t, p.ext4)+4, math.MaxUint16), "entries of an extent node: expected at most 4, found 65535 of 65535"},
		// What expands for ever.
		{"lz4 that expands", "a.lz4", expandingLZ4(false), "offset 11: block 0: lz4: invalid source or destination"},
		{"legacy lz4 that expands", "a.img", expandingLZ4(true), "at byte 0 of what is unpacked: lz4: invalid source"},
		{"LZ4 in sin that expands", "a.sin", sin(lz4a(expandingLZ4(true)[8:], 60<<20), expandingLZ4(true)[8:]), "LZ4 block at"},
		{"LZ4 in sin of 1 GiB", "a.sin", sin(lz4a([]byte("hello"), 1<<30), []byte("hello")), "offset 96: LZ4A has 5 bytes of 1073741824, expected at most 67108864"},
		{"gzip of zeros", "a.gz", gzipped(t, make([]byte, 64<<20)), "temporary files would take more than 33554432 bytes; is it a bomb?"},
		// Trailing bytes.
		{"tail of sparse", "a.img", tail(p.sparse), "12 bytes follow the last chunk that nothing accounts for"},
		{"tail of tar", "a.tar", tail(p.tar), "12 bytes follow the archive that nothing accounts for"},
		{"tail of cpio", "ramdisk", tail(p.cpio), "12 bytes follow the archive that nothing accounts for"},
		{"tail of zip", "a.zip", tail(p.zip), "12 bytes follow the zip that nothing accounts for"},
		{"tail of lz4", "a.lz4", tail(p.lz4ed), "at byte 1572864 of what is unpacked"},
		{"tail of gzip", "a.gz", tail(gzipped(t, p.tar)), "at byte 2048 of what is unpacked"},
		{"tail of ext4", "a.img", tail(p.ext4), "12 bytes follow the file system that nothing accounts for"},
		{"tail of erofs", "a.img", tail(p.erofs), "12 bytes follow the file system that nothing accounts for"},
		{"tail of boot", "boot.img", tail(p.boot), "12 bytes follow the boot image that nothing accounts for"},
		{"tail of payload", "payload.bin", tail(p.payload), "12 bytes follow the data of the last operation that nothing accounts for"},
		{"tail of sin", "a.sin", tail(p.sin), "12 bytes follow the last piece that the header covers that nothing accounts for"},
		{"tail of ozip", "a.ozip", ozip(t, tail(p.zip)), "12 bytes follow the zip that nothing accounts for"},
		{"tail of super", "super.img", tail(p.super), "12 bytes follow the block device that its metadata describes that nothing accounts for"},
		{"tail of vbmeta", "vbmeta.img", tail(p.vbmeta), "12 bytes follow the vbmeta struct that nothing accounts for"},
	}
}

func bigEndian(b []byte, at int, v uint64) []byte {
	b = bytes.Clone(b)
	binary.BigEndian.PutUint64(b[at:], v)
	return b
}

// hugeZip has an entry that says it has 8 EiB.
func hugeZip(t testing.TB) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	to, err := w.CreateRaw(&zip.FileHeader{Name: "huge", Method: zip.Deflate, CompressedSize64: 5, UncompressedSize64: 1 << 62})
	if err == nil {
		_, err = to.Write([]byte{1, 0, 0, 0xff, 0xff}) // one empty stored block
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func hugeTar(t testing.TB) []byte {
	var b bytes.Buffer
	if err := tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "huge", Typeflag: tar.TypeReg, Size: 1 << 62}); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), make([]byte, 1024)...)
}

func millionChunks() []byte {
	const n = 1 << 20
	b := make([]byte, 28, 28+n*16)
	le := binary.LittleEndian
	le.PutUint32(b, 0xed26ff3a)
	le.PutUint16(b[4:], 1)
	le.PutUint16(b[8:], 28)
	le.PutUint16(b[10:], 12)
	le.PutUint32(b[12:], 4096)
	le.PutUint32(b[16:], n*3)
	le.PutUint32(b[20:], n*3)
	for i := range uint32(n * 3) {
		if len(b)+16 > cap(b) {
			break
		}
		b = le.AppendUint16(b, 0xcac2)
		b = le.AppendUint16(b, 0)
		b = le.AppendUint32(b, 1)
		b = le.AppendUint32(b, 16)
		b = le.AppendUint32(b, i)
	}
	return b
}

func millionRanges() []byte {
	const n = 1 << 20
	b := fmt.Appendf(nil, "4\n%d\n0\n0\nnew %d", n, 2*n)
	for i := range n {
		b = fmt.Appendf(b, ",%d,%d", 2*i, 2*i+1)
	}
	return append(b, '\n')
}

func millionFiles(t testing.TB) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	w := tar.NewWriter(z)
	for i := range nest.MaxEntries + 2 {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprint(i), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	return out.Bytes()
}

// millionExtents says in every copy of the metadata that its tables hold so many.
func millionExtents(b []byte) []byte {
	b = bytes.Clone(b)
	le := binary.LittleEndian
	for at := 0; ; at++ {
		i := bytes.Index(b[at:], []byte("0PLA"))
		if i < 0 {
			return b
		}
		at += i
		h := b[at : at+int(le.Uint32(b[at+8:]))]
		le.PutUint32(h[44:], 24<<20)
		clear(h[12:44])
		sum := sha256.Sum256(h)
		copy(h[12:], sum[:])
	}
}

// millionOperations is a payload whose manifest has so many of the smallest.
func millionOperations(good []byte) []byte {
	var ops []byte
	for range 1 << 20 {
		ops = protowire.AppendBytes(protowire.AppendTag(ops, 8, protowire.BytesType), []byte{8, 6, 0x32, 4, 8, 0, 16, 1}) // ZERO of block 0
	}
	m := protowire.AppendVarint([]byte{3 << 3}, 4096)
	part := append(protowire.AppendString([]byte{1<<3 | 2}, "system"), ops...)
	m = protowire.AppendBytes(append(m, 13<<3|2), part)
	b := append(bytes.Clone(good[:24]), m...)
	binary.BigEndian.PutUint64(b[12:], uint64(len(m)))
	binary.BigEndian.PutUint32(b[20:], 0)
	return b
}

// addr is a block of a .sin's map: n bytes at an offset of its data go to one of
// the image. Its digests are left away, as in the header.
func addr(at, n, to uint64) []byte {
	be := binary.BigEndian
	b := be.AppendUint32([]byte("ADDR"), 36)
	return be.AppendUint32(be.AppendUint64(be.AppendUint64(be.AppendUint64(b, at), n), to), 0)
}

func lz4a(packed []byte, size uint64) []byte {
	be := binary.BigEndian
	b := be.AppendUint32([]byte("LZ4A"), 52)
	for _, v := range []uint64{0, size, uint64(len(packed)), 0, 0} {
		b = be.AppendUint64(b, v)
	}
	return be.AppendUint32(b, 0)
}

// sin is a .sin of version 3 with a map and data.
func sin(blocks, data []byte) []byte {
	be := binary.BigEndian
	body := be.AppendUint32([]byte("MMCF"), uint32(24+len(blocks)))
	body = append(append(append(body, "GPTP\x00\x00\x00\x180123456789abcdef"...), blocks...), data...)
	sum := sha256.Sum256(body)
	b := []byte("\x03SIN")
	for _, v := range []int{64, 1, 2, 0, 36, len(body)} {
		b = be.AppendUint32(b, uint32(v))
	}
	return append(append(append(b, sum[:]...), 0, 0, 0, 0), body...)
}

var ozipKey = []byte("sixteen bytes it")

// ozip wraps a zip with the key above.
func ozip(t testing.TB, plain []byte) []byte {
	b := append([]byte("OPPOENCRYPT!"), make([]byte, 0x1050-12)...)
	body, cip := bytes.Clone(plain), must[cipher.Block](t)(aes.NewCipher(ozipKey))
	for at := 0; at+16 <= len(body); at += 16 + 16384 {
		cip.Encrypt(body[at:], body[at:])
	}
	return append(b, body...)
}

// expandingLZ4 is a block whose last length goes on and on.
func expandingLZ4(legacy bool) []byte {
	block := append([]byte{0x1f, 'x', 1, 0}, bytes.Repeat([]byte{0xff}, 60_000)...)
	if legacy {
		b := binary.LittleEndian.AppendUint32([]byte{0x02, 0x21, 0x4c, 0x18}, uint32(len(block)))
		return append(b, block...)
	}
	var b bytes.Buffer
	w := lz4.NewWriter(&b)
	if err := w.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false), lz4.ConcurrencyOption(1)); err == nil {
		_, _ = w.Write(bytes.Repeat([]byte("0123456789"), 1000))
		_ = w.Close()
	}
	head := b.Bytes()[:7]
	out := binary.LittleEndian.AppendUint32(bytes.Clone(head), uint32(len(block)))
	return append(append(out, block...), 0, 0, 0, 0)
}

// dirent is where the entry of a name in a directory stands.
func dirent(t testing.TB, b []byte, name string) int {
	i := bytes.Index(b, []byte(name))
	if i < 0 {
		t.Fatalf("there is no %q", name)
	}
	return i
}

// loopExt4 makes lost+found the root.
func loopExt4(t testing.TB, b []byte) []byte { return poke32(b, dirent(t, b, "lost+found")-8, 2) }

// loopErofs makes "lost+found" the root: entries of 12 bytes stand before names.
func loopErofs(t testing.TB, b []byte) []byte {
	meta := int(binary.LittleEndian.Uint32(b[1024+40:])) * 4096
	root := meta + int(binary.LittleEndian.Uint16(b[1024+14:]))*32
	names := dirent(t, b[root:], "lost+found") + root
	// ".", "..", "lost+found", "system": the third.
	for at := root; at < names; at += 4 {
		if int(binary.LittleEndian.Uint16(b[at+8:])) > 0 && b[at+10] == 2 && binary.LittleEndian.Uint64(b[at:]) == uint64(binary.LittleEndian.Uint16(b[1024+14:])) {
			return poke64(b, at+24, uint64(binary.LittleEndian.Uint16(b[1024+14:])))
		}
	}
	t.Fatal("no entries found")
	return nil
}

// extentRoot is where the map of the first inode with extents stands.
func extentRoot(t testing.TB, b []byte) int {
	i := bytes.Index(b, []byte{0x0a, 0xf3, 1, 0, 4, 0, 0, 0})
	if i < 0 {
		t.Fatal("no extents found")
	}
	return i
}

// Whatever is opened, at any depth, is refused with its path and place, in bounded
// memory.
func TestHostile(t *testing.T) {
	for _, h := range hostiles(t) {
		t.Run(h.what, func(t *testing.T) {
			b := zipOf(t, zip.Deflate, entry{"in.tar", tarOf(t, false, entry{h.file, h.b})})
			path := onDisk(t, "fw.zip", b)
			n := newNest(t, nest.Options{MaxSpill: 32 << 20, Keys: [][]byte{ozipKey}})
			o := must[*nest.Object](t)(n.Open(ctx, path))
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var errs []string
			_, err := n.Verify(ctx, o, func(c nest.Check) {
				if c.Err != "" {
					errs = append(errs, strings.TrimPrefix(c.Path, path)+": "+c.What+": "+c.Err)
				}
			})
			runtime.ReadMemStats(&after)
			if err != nil {
				errs = append(errs, err.Error())
			}
			if grown := int64(after.Sys) - int64(before.Sys); grown > 128<<20 {
				t.Errorf("memory grew by %d MiB", grown>>20)
			}
			if !slices.ContainsFunc(errs, func(s string) bool {
				return strings.HasPrefix(s, "//in.tar//"+h.file) && strings.Contains(s, h.want)
			}) {
				t.Errorf("expected %q, found %q", h.want, errs)
			}
		})
	}
}
