package bootimg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

func noise(seed uint64, n int) []byte {
	var s [32]byte
	s[0] = byte(seed)
	b := make([]byte, n)
	rand.NewChaCha8(s).Read(b)
	return b
}

func all(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	b := make([]byte, im.Size())
	if _, err := im.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

func build(t testing.TB, im *Image) []byte {
	t.Helper()
	out, err := Build(im)
	if err != nil {
		t.Fatal(err)
	}
	return all(t, out)
}

func parse(t testing.TB, b []byte) *Image {
	t.Helper()
	im, err := Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// samples has an image of every kind.
func samples() map[string]*Image {
	board := [16]uint32{1, 2, 3}
	long := strings.Repeat("androidboot.x=y ", 60)
	return map[string]*Image{
		"boot v0":        {PageSize: 2048, Kernel: noise(1, 9000), Ramdisk: noise(2, 4096), Second: noise(3, 10), Name: "hlte", Cmdline: long, OSVersion: OSVersion{8, 1, 0}, OSPatchLevel: OSPatchLevel{2018, 5}, KernelAddr: 0x8000, RamdiskAddr: 0x2000000, SecondAddr: 0xf00000, TagsAddr: 0x1e00000},
		"boot v0 dt":     {PageSize: 4096, Kernel: noise(1, 9000), Ramdisk: noise(2, 4000), DT: noise(3, 5000), Cmdline: "console=null"},
		"boot v1":        {HeaderVersion: 1, PageSize: 2048, Kernel: noise(1, 9000), Ramdisk: noise(2, 4000), RecoveryDTBO: noise(4, 3000)},
		"boot v2":        {HeaderVersion: 2, PageSize: 4096, Kernel: noise(1, 9000), Ramdisk: noise(2, 4000), RecoveryDTBO: noise(4, 3000), DTB: noise(5, 700), DTBAddr: 1 << 33, OSPatchLevel: OSPatchLevel{2020, 12}},
		"boot v3":        {HeaderVersion: 3, PageSize: 4096, Kernel: noise(1, 9000), Ramdisk: noise(2, 4000), Cmdline: long, OSVersion: OSVersion{A: 11}, OSPatchLevel: OSPatchLevel{2021, 1}},
		"boot v4":        {HeaderVersion: 4, PageSize: 4096, Kernel: noise(1, 9000), Ramdisk: noise(2, 4000), Signature: noise(6, 4096)},
		"init_boot":      {HeaderVersion: 4, PageSize: 4096, Ramdisk: noise(2, 4000), OSVersion: OSVersion{A: 16}, OSPatchLevel: OSPatchLevel{2026, 11}},
		"vendor_boot v3": {Vendor: true, HeaderVersion: 3, PageSize: 4096, Ramdisk: noise(2, 4000), DTB: noise(5, 700), Name: "umi", Cmdline: long, KernelAddr: 0x8000, RamdiskAddr: 0x1000000, TagsAddr: 0x100, DTBAddr: 0x1f00000},
		"vendor_boot v4": {Vendor: true, HeaderVersion: 4, PageSize: 2048, DTB: noise(5, 700), Bootconfig: []byte("androidboot.hardware=x\n"), VendorRamdisks: []VendorRamdisk{
			{Type: RamdiskPlatform, Data: noise(7, 5000)}, {Name: "dlkm", Type: RamdiskDLKM, BoardID: board, Data: noise(8, 3000)}}},
	}
}

func TestRoundTrip(t *testing.T) {
	for name, want := range samples() {
		t.Run(name, func(t *testing.T) {
			b := build(t, want)
			got := parse(t, b)
			if got.Tail != nil || !reflect.DeepEqual(got.odd, oddities{}) {
				t.Errorf("tail %v, oddities %+v, want none", got.Tail, got.odd)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("parsed %+v\nwant %+v", got, want)
			}
			if again := build(t, got); !bytes.Equal(again, b) {
				t.Error("built again differs")
			}
			b = append(b, append(make([]byte, 8192), "SEANDROIDENFORCE"...)...)
			got = parse(t, b)
			if got.Tail == nil || got.Tail.Size() != 8192+16 {
				t.Errorf("tail %v", got.Tail)
			}
			if again := build(t, got); !bytes.Equal(again, b) {
				t.Error("built again with the tail differs")
			}
		})
	}
}

// TestOddBytesAreKept changes bytes of the header, of the padding and of sections:
// what Parse accepts must come out as it went in.
func TestOddBytesAreKept(t *testing.T) {
	for name, im := range samples() {
		b := build(t, im)
		kept := 0
		for i := range b {
			if i >= 64 && i%17 != 0 {
				continue
			}
			for _, x := range []byte{1, 0x80} {
				c := bytes.Clone(b)
				c[i] ^= x
				got, err := Parse(bytes.NewReader(c), int64(len(c)))
				if err != nil {
					continue
				}
				kept++
				out, err := Build(got)
				if err != nil {
					t.Fatalf("%s: byte %d xor %#x was read but not built: %v", name, i, x, err)
				}
				if !bytes.Equal(all(t, out), c) {
					t.Fatalf("%s: byte %d xor %#x was lost", name, i, x)
				}
			}
		}
		if kept < 500 {
			t.Errorf("%s: only %d changes were read", name, kept)
		}
		for n := range len(b) - 1 {
			if n%61 != 0 && n < len(b)-200 {
				continue
			}
			if got, err := Parse(bytes.NewReader(b[:n]), int64(n)); err == nil && !bytes.Equal(build(t, got), b[:n]) {
				t.Fatalf("%s: cut off at %d: built again differs", name, n)
			}
		}
	}
}

func TestChangedImageIsComputedAnew(t *testing.T) {
	b := build(t, samples()["boot v2"])
	b[576] ^= 1 // an id as others compute it
	im := parse(t, b)
	im.Ramdisk = noise(9, 12345)
	im.Cmdline = "quiet"
	got := parse(t, build(t, im))
	if got.odd.id != nil {
		t.Error("the id is still the old one")
	}
	im.odd.id = nil
	if !reflect.DeepEqual(got, im) {
		t.Errorf("parsed %+v\nwant %+v", got, im)
	}
}

// TestUnpackBootimg lets Debian's unpack_bootimg read what is built.
func TestUnpackBootimg(t *testing.T) {
	judge.Need(t, "unpack_bootimg")
	for name, im := range samples() {
		if im.HeaderVersion == 4 && im.Vendor || im.DT != nil { // that program knows neither
			continue
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "boot.img")
		if err := os.WriteFile(file, build(t, im), 0o600); err != nil {
			t.Fatal(err)
		}
		out := judge.Run(t, "unpack_bootimg", "--boot_img", file, "--out", filepath.Join(dir, "out"))
		ramdisk := "ramdisk"
		if im.Vendor {
			ramdisk = "vendor_ramdisk"
		}
		for part, want := range map[string][]byte{"kernel": im.Kernel, ramdisk: im.Ramdisk, "second": im.Second, "recovery_dtbo": im.RecoveryDTBO, "dtb": im.DTB} {
			if got, err := os.ReadFile(filepath.Join(dir, "out", part)); len(want) > 0 && (err != nil || !bytes.Equal(got, want)) {
				t.Errorf("%s: %s differs: %v", name, part, err)
			}
		}
		for _, want := range []string{"os version: " + im.OSVersion.String() + "\n", "os patch level: " + im.OSPatchLevel.String()} {
			if !im.Vendor && im.OSPatchLevel.Month > 0 && !strings.Contains(out, want) {
				t.Errorf("%s: no %q in %s", name, want, out)
			}
		}
	}
}

// TestMkbootimg reads what Debian's mkbootimg writes, and builds the same bytes.
func TestMkbootimg(t *testing.T) {
	judge.Need(t, "mkbootimg")
	dir := t.TempDir()
	for name, b := range map[string][]byte{"kernel": noise(1, 9000), "ramdisk": noise(2, 4000), "second": noise(3, 10), "dtb": noise(4, 100)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	common := []string{"--os_version", "13.0.1", "--os_patch_level", "2023-07", "--kernel", "kernel", "--ramdisk", "ramdisk"}
	long := strings.Repeat("a=b ", 200)
	for _, c := range []struct {
		name string
		args []string
		make func() *Image // nil: not compared with a built one
	}{
		{"v0", append(common, "--second", "second", "--board", "board", "--cmdline", "x=y"), func() *Image {
			return &Image{Second: noise(3, 10), Name: "board", Cmdline: "x=y", SecondAddr: 0x10f00000}
		}},
		{"v0 long command line", append(common, "--cmdline", long), nil},
		{"v1", append(common, "--header_version", "1", "--pagesize", "4096"), func() *Image { return &Image{HeaderVersion: 1, PageSize: 4096} }},
		{"v2", append(common, "--header_version", "2", "--dtb", "dtb"), func() *Image { return &Image{HeaderVersion: 2, DTB: noise(4, 100), DTBAddr: 0x11f00000} }},
		{"v3", append(common, "--header_version", "3", "--cmdline", long), nil}, // its header_size is one that no other program writes
	} {
		file := filepath.Join(dir, "out.img")
		judge.In(t, dir, "mkbootimg", append(c.args, "-o", file)...)
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := parse(t, want)
		if !bytes.Equal(build(t, got), want) {
			t.Errorf("%s: built again differs", c.name)
		}
		if !bytes.Equal(got.Kernel, noise(1, 9000)) || !bytes.Equal(got.Ramdisk, noise(2, 4000)) || got.OSVersion != (OSVersion{13, 0, 1}) || got.OSPatchLevel != (OSPatchLevel{2023, 7}) {
			t.Errorf("%s: parsed %+v", c.name, got)
		}
		if strings.Contains(c.name, "long") && got.Cmdline != long {
			t.Errorf("%s: command line %q", c.name, got.Cmdline)
		}
		if c.make == nil {
			continue
		}
		im := c.make()
		im.Kernel, im.Ramdisk, im.OSVersion, im.OSPatchLevel = noise(1, 9000), noise(2, 4000), OSVersion{13, 0, 1}, OSPatchLevel{2023, 7}
		im.KernelAddr, im.RamdiskAddr, im.TagsAddr = 0x10008000, 0x11000000, 0x10000100
		if !bytes.Equal(build(t, im), want) {
			t.Errorf("%s: built by hand differs from mkbootimg's", c.name)
		}
	}
	args := []string{"--header_version", "3", "--vendor_boot", "vendor.img", "--vendor_ramdisk", "ramdisk", "--dtb", "dtb", "--vendor_cmdline", "q=1", "--pagesize", "4096"}
	judge.In(t, dir, "mkbootimg", args...)
	want, err := os.ReadFile(filepath.Join(dir, "vendor.img"))
	if err != nil {
		t.Fatal(err)
	}
	if got := parse(t, want); !bytes.Equal(build(t, got), want) || !bytes.Equal(got.DTB, noise(4, 100)) || got.Cmdline != "q=1" {
		t.Errorf("vendor_boot: parsed %+v", got)
	}
}

func TestParseErrors(t *testing.T) {
	of := func(name string, edit func(b []byte) []byte) []byte {
		return edit(all(t, must(Build(samples()[name]))))
	}
	set := func(at int, v uint32) func(b []byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "cannot read boot image: it is 0 bytes long, expected at least 44"},
		{make([]byte, 100), `cannot read boot image: magic at offset 0 is "\x00\x00\x00\x00\x00\x00\x00\x00", expected "ANDROID!" or "VNDRBOOT"`},
		{of("boot v0", func(b []byte) []byte { return b[:1000] }), "cannot read boot v0: it is 1000 bytes long, expected a header of 1632"},
		{of("boot v0", set(36, 3000)), "cannot read boot v0: page_size at offset 36 is 3000, expected a power of two from 2048 to 131072"},
		{of("boot v0", set(8, 1<<31)), "cannot read boot v0: section kernel at offset 2048 is 2147483648 bytes long, expected at most 16384 up to the image's end"},
		{of("boot v0", set(40, 1<<30)), "cannot read boot v0: section dt at offset 18432 is 1073741824 bytes long, expected at most 0 up to the image's end"},
		{of("boot v2", set(1636, 5)), "cannot read boot v2: recovery_dtbo_offset at offset 1636 is 5, expected 20480"},
		{of("boot v4", func(b []byte) []byte { return b[:len(b)-1] }), "cannot read boot v4: section boot_signature at offset 20480 is 4096 bytes long, expected at most 4095 up to the image's end"},
		{of("vendor_boot v3", set(8, 2)), "cannot read vendor_boot: header_version at offset 8 is 2, expected 3 or 4"},
		{of("vendor_boot v4", set(2112, 215)), "cannot read vendor_boot v4: vendor_ramdisk_table_size at offset 2112 is 215, expected 216 for 2 entries"},
		{of("vendor_boot v4", set(2116, 1<<31)), "cannot read vendor_boot v4: vendor_ramdisk_table_size at offset 2112 is 216, expected 231928233984 for 2147483648 entries"},
		{of("vendor_boot v4", set(2120, 112)), "cannot read vendor_boot v4: vendor_ramdisk_table_entry_size at offset 2120 is 112, expected 108"},
		{of("vendor_boot v4", set(4096+8192+2048, 1<<31)), "cannot read vendor_boot v4: entry 0 of vendor_ramdisk_table is 2147483648 bytes at offset 0, expected offset 0 and at most 8000 bytes"},
		{of("vendor_boot v4", set(4096+8192+2048+108, 2999)), "cannot read vendor_boot v4: 1 bytes of the vendor ramdisk from offset 7999 are in no entry of vendor_ramdisk_table"},
	} {
		if _, err := Parse(bytes.NewReader(c.b), int64(len(c.b))); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	b := of("boot v3", set(8, MaxSections))
	r := io.NewSectionReader(zeros{b}, 0, 1<<40)
	if _, err := Parse(r, r.Size()); err == nil || err.Error() != "cannot read boot v3: its sections up to ramdisk hold 134221728 bytes, expected at most 134217728" {
		t.Error(err)
	}
}

func must(im *tree.Image, err error) *tree.Image {
	if err != nil {
		panic(err)
	}
	return im
}

// zeros follow b for ever.
type zeros struct{ b []byte }

func (z zeros) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(z.b)) {
		copy(p, z.b[off:])
	}
	return len(p), nil
}

func TestBuildErrors(t *testing.T) {
	for _, c := range []struct {
		im   Image
		want string
	}{
		{Image{HeaderVersion: 5}, "cannot build boot v5: header version is 5, expected 0 to 4, or 3 or 4 for vendor_boot"},
		{Image{Vendor: true}, "cannot build vendor_boot v0: header version is 0, expected 0 to 4, or 3 or 4 for vendor_boot"},
		{Image{PageSize: 4095}, "cannot build boot v0: page size is 4095, expected a power of two from 2048 to 131072"},
		{Image{HeaderVersion: 4, PageSize: 8192}, "cannot build boot v4: page size is 8192, expected 4096"},
		{Image{HeaderVersion: 3, DTB: []byte{1}}, "cannot build boot v3: it has no place for a DTB"},
		{Image{Vendor: true, HeaderVersion: 4, Ramdisk: []byte{1}}, "cannot build vendor_boot v4: it has no place for a ramdisk"},
		{Image{HeaderVersion: 3, Name: "x"}, "cannot build boot v3: it has no place for a name"},
		{Image{Name: strings.Repeat("x", 17)}, "cannot build boot v0: name is 17 bytes long, expected at most 16"},
		{Image{Cmdline: strings.Repeat("x", 1536)}, "cannot build boot v0: extra_cmdline is 1025 bytes long, expected at most 1024"},
		{Image{DT: make([]byte, 4)}, "cannot build boot v0: the DT is 4 bytes long, which would be read as a header version"},
		{Image{OSVersion: OSVersion{128, 0, 0}}, "cannot build boot v0: OS version is 128.0.0, expected numbers up to 127"},
		{Image{OSPatchLevel: OSPatchLevel{1999, 1}}, "cannot build boot v0: OS patch level is 1999-01, expected a month from 2000-01 to 2127-12"},
		{Image{Kernel: make([]byte, MaxSections+1)}, "cannot build boot v0: its sections hold 134217729 bytes, expected at most 134217728"},
	} {
		if _, err := Build(&c.im); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestOSVersionAndPatchLevel(t *testing.T) {
	for s, want := range map[string]OSVersion{"16": {16, 0, 0}, "8.1.0": {8, 1, 0}, "4.4": {4, 4, 0}, "127.0.010": {127, 0, 10}} {
		if got, err := ParseOSVersion(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for s, want := range map[string]string{
		"":        `cannot read OS version "": expected one to three numbers such as 8.1.0`,
		"8.":      `cannot read OS version "8.": expected one to three numbers such as 8.1.0`,
		"1.2.3.4": `cannot read OS version "1.2.3.4": expected one to three numbers such as 8.1.0`,
		"-1":      `cannot read OS version "-1": expected one to three numbers such as 8.1.0`,
		"128":     `cannot read OS version "128": 128 is above 127`,
	} {
		if _, err := ParseOSVersion(s); err == nil || err.Error() != want {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, want := range map[string]OSPatchLevel{"2026-11": {2026, 11}, "2026-11-05": {2026, 11}, "2000-01": {2000, 1}} {
		got, err := ParseOSPatchLevel(s)
		if err != nil || got != want || got.String() != s[:7] {
			t.Errorf("%q: %v, %v", s, got, err)
		}
		n, err := encodeOS(OSVersion{}, got)
		if _, back := decodeOS(n); err != nil || back != got {
			t.Errorf("%q: encoded as %#x: %v, %v", s, n, back, err)
		}
	}
	for _, s := range []string{"", "2026", "2026-13", "2026-00", "1999-12", "2128-01", "2026-11-32", "2026/11", "2026-11-5"} {
		if _, err := ParseOSPatchLevel(s); err == nil || err.Error() != fmt.Sprintf("cannot read patch level %q: expected a month from 2000 to 2127 such as 2026-11", s) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, im := range samples() {
		for _, b := range []*[]byte{&im.Kernel, &im.Ramdisk, &im.Signature} {
			*b = (*b)[:min(len(*b), 10)] // small seeds are changed faster
		}
		f.Add(build(f, im))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		im, err := Parse(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		out, err := Build(im)
		if err != nil {
			t.Fatalf("read but not built: %v", err)
		}
		if !bytes.Equal(all(t, out), b) {
			t.Fatal("built again differs")
		}
	})
}

func FuzzParseOSVersion(f *testing.F) {
	for _, s := range []string{"16", "8.1.0", "127.127.127", "128", "1.2.3.4", "01.002.003", "-1", "2026-11", "2026-11-05", "2128-01", "0000-00-00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := ParseOSVersion(s); err == nil {
			if again, err := ParseOSVersion(v.String()); err != nil || again != v {
				t.Errorf("%q is %v and reads back as %v (%v)", s, v, again, err)
			}
		}
		if p, err := ParseOSPatchLevel(s); err == nil {
			if again, err := ParseOSPatchLevel(p.String()); err != nil || again != p {
				t.Errorf("%q is %v and reads back as %v (%v)", s, p, again, err)
			}
		}
	})
}
