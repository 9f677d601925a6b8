package super_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

var geometry = super.Geometry{MetadataMaxSize: 65536, Slots: 2, BlockSize: 4096}

func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func literal(b []byte) *tree.Image {
	im := new(tree.Image)
	im.AppendBytes(b)
	return im
}

func lay(t testing.TB, devices []super.Device, groups []super.Group, wants ...super.Want) *super.Metadata {
	t.Helper()
	m, err := super.Lay(geometry, devices, groups, wants)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func one(size uint64) []super.Device { return []super.Device{{Name: "super", Size: size}} }

func whole(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sample is an image of two partitions, and what is in them.
func sample(t testing.TB) ([]byte, *super.Metadata, map[string]*tree.Image) {
	t.Helper()
	m := lay(t, one(8<<20), []super.Group{{Name: "main_a", MaxSize: 4 << 20}},
		super.Want{Name: "system_a", Group: "main_a", Attributes: super.ReadOnly, Size: 1<<20 + 5000},
		super.Want{Name: "vendor_a", Group: "main_a", Attributes: super.ReadOnly, Size: 300000},
		super.Want{Name: "system_b"})
	contents := map[string]*tree.Image{"system_a": literal(noise(1, 1<<20+5000)), "vendor_a": literal(noise(2, 299999))}
	images, err := super.Build(geometry, m, contents)
	if err != nil {
		t.Fatal(err)
	}
	return whole(t, images[0]), m, contents
}

func open(t testing.TB, b []byte) *super.Super {
	t.Helper()
	s, err := super.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	b, m, contents := sample(t)
	if again, _, _ := sample(t); !bytes.Equal(again, b) || len(b) != 8<<20 {
		t.Fatal("not the same twice")
	}
	s := open(t, b)
	if s.Geometry != geometry || s.Empty || len(s.Problems) > 0 || len(s.Slots) != 2 {
		t.Fatalf("%+v", s)
	}
	for slot := range s.Slots {
		if !reflect.DeepEqual(s.Slots[slot], m) {
			t.Errorf("slot %d: expected %+v, found %+v", slot, m, s.Slots[slot])
		}
		for name, im := range contents {
			got, err := s.Contents(slot, name)
			if err != nil {
				t.Fatal(err)
			}
			want := whole(t, im)
			if g := whole(t, got); int64(len(g)) != m.Partition(name).Size() || !bytes.Equal(g[:len(want)], want) || len(bytes.Trim(g[len(want):], "\x00")) > 0 {
				t.Errorf("slot %d: %s differs", slot, name)
			}
		}
	}
	if im, err := s.Contents(0, "system_b"); err != nil || im.Size() != 0 {
		t.Error(im, err)
	}
	if _, err := s.Contents(0, "odm"); err == nil || !strings.Contains(err.Error(), `"odm": there are system_a, vendor_a, system_b`) {
		t.Error(err)
	}
	if _, err := s.Contents(2, "odm"); err == nil {
		t.Error("slot 2 was read")
	}
}

// AOSP's own file: what it says, and the same bytes when written again.
func TestSuperEmptySample(t *testing.T) {
	b, err := os.ReadFile("../../../shared/data/android-samples/super_empty.img")
	if err != nil {
		t.Skip("needs ../shared/data/android-samples/super_empty.img beside the checkout")
	}
	s := open(t, b)
	if !s.Empty || len(s.Problems) > 0 || len(s.Slots) != 1 {
		t.Fatalf("%+v", s)
	}
	again, err := super.Empty(s.Geometry, s.Slots[0])
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("written again it differs: %v; %+v", err, s.Slots[0])
	}
	if _, err := s.Contents(0, s.Slots[0].Partitions[0].Name); err == nil {
		t.Error("a super_empty gave contents")
	}
}

// Each copy that is damaged is named, and the other one is used.
func TestBackups(t *testing.T) {
	good, m, _ := sample(t)
	slot1, backup0, backup1 := 12288+65536, 12288+2*65536, 12288+3*65536
	for name, c := range map[string]struct {
		at   []int
		want string
	}{
		"geometry":          {[]int{4096 + 40}, "geometry: byte 4104: SHA-256 of the geometry"},
		"backup geometry":   {[]int{8192}, "backup of the geometry: this is not a super image: byte 8192: magic"},
		"slot 0":            {[]int{12288}, "slot 0: byte 12288: magic of the metadata: expected 0x414c5030"},
		"tables of slot 1":  {[]int{slot1 + 200}, fmt.Sprintf("slot 1: byte %d: SHA-256 of the tables", slot1+48)},
		"header of slot 1":  {[]int{slot1 + 50}, fmt.Sprintf("slot 1: byte %d: SHA-256 of the header", slot1+12)},
		"backup of slot 1":  {[]int{backup1 + 8}, fmt.Sprintf("backup of slot 1: byte %d: size of the header: expected 128, found 127", backup1+8)},
		"both of slot 0":    {[]int{12288, backup0}, "and so is its backup"},
		"version of slot 0": {[]int{12292}, "slot 0: byte 12292: version: expected 10.0 to 10.2, found 245.0"},
	} {
		b := bytes.Clone(good)
		for _, at := range c.at {
			b[at] ^= 0xff
		}
		s := open(t, b)
		if len(s.Problems) != 1 || !strings.Contains(s.Problems[0], c.want) {
			t.Errorf("%s: expected %q, found %q", name, c.want, s.Problems)
		}
		for i, slot := range s.Slots {
			if slot == nil && (name != "both of slot 0" || i != 0) || slot != nil && !reflect.DeepEqual(slot, m) {
				t.Errorf("%s: slot %d: %+v", name, i, slot)
			}
		}
	}
	b := bytes.Clone(good)
	for _, at := range []int{12288, slot1, backup0, backup1} {
		b[at] ^= 0xff
	}
	if _, err := super.Open(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "byte 12288: magic of the metadata") {
		t.Error(err)
	}
	if _, err := super.Open(bytes.NewReader(good[:5000]), 5000); err == nil || !strings.Contains(err.Error(), "byte 12288: metadata: expected 128 bytes, found the end of the image at 5000") {
		t.Error(err)
	}
	if _, err := super.Open(bytes.NewReader(good[:100]), 100); !errors.Is(err, super.ErrNotSuper) {
		t.Error(err)
	}
}

func TestVersionsAndSlots(t *testing.T) {
	m := lay(t, []super.Device{{Name: "system", Size: 4 << 20, Flags: super.DeviceSlotSuffixed}, {Name: "vendor", Size: 3 << 20, Flags: super.DeviceSlotSuffixed}},
		[]super.Group{{Name: "g", Flags: super.GroupSlotSuffixed}},
		super.Want{Name: "system", Group: "g", Attributes: super.SlotSuffixed, Size: 4 << 20}, super.Want{Name: "odm", Size: 1 << 20})
	big := noise(8, 4<<20)
	images, err := super.Build(geometry, m, map[string]*tree.Image{"system": literal(big)})
	if err != nil || len(images) != 2 || images[1].Size() != 3<<20 {
		t.Fatal(err)
	}
	first, second := whole(t, images[0]), whole(t, images[1])
	s := open(t, first)
	if _, err := s.Contents(0, "system"); err == nil || !strings.Contains(err.Error(), "lies on device 1 (vendor); only 1 were given") {
		t.Error(err)
	}
	b := s.Slots[1].ForSlot(1)
	if b.Partition("system_b") == nil || b.Groups[1].Name != "g_b" || b.Devices[1].Name != "vendor_b" || b.Partition("odm") == nil || s.Slots[1].Partition("system") == nil {
		t.Errorf("%+v", b)
	}
	im, err := b.Contents("system_b", super.Source{R: bytes.NewReader(first), Size: 4 << 20}, super.Source{R: bytes.NewReader(second), Size: 3 << 20})
	if err != nil || !bytes.Equal(whole(t, im), big) {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*super.Metadata)
		minor  uint16
	}{
		{func(*super.Metadata) {}, 0},
		{func(m *super.Metadata) { m.Partitions[0].Attributes |= super.Updated }, 1},
		{func(m *super.Metadata) { m.Flags = super.VirtualAB }, 2},
	} {
		c.change(m)
		e, err := super.Empty(geometry, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := open(t, e).Slots[0]; got.Minor != c.minor || got.Flags != m.Flags {
			t.Errorf("expected version 10.%d, found %+v", c.minor, got)
		}
	}
}

func TestZeroExtents(t *testing.T) {
	m := lay(t, one(4<<20), nil, super.Want{Name: "p", Size: 8192})
	m.Partitions[0].Extents = append(m.Partitions[0].Extents, super.Extent{Sectors: 8, Zero: true})
	images, err := super.Build(geometry, m, map[string]*tree.Image{"p": literal(noise(1, 8192))})
	if err != nil {
		t.Fatal(err)
	}
	im, err := open(t, whole(t, images[0])).Contents(0, "p")
	if err != nil || !bytes.Equal(whole(t, im), append(noise(1, 8192), make([]byte, 4096)...)) {
		t.Error(err)
	}
	if _, err := super.Build(geometry, m, map[string]*tree.Image{"p": literal(noise(1, 8193))}); err == nil || !strings.Contains(err.Error(), "from byte 8192 on it is zeros") {
		t.Error(err)
	}
}

func TestBadLayouts(t *testing.T) {
	small := super.Geometry{MetadataMaxSize: 512, Slots: 1, BlockSize: 4096}
	for want, f := range map[string]func() error{
		`partition "a": 1048576 of its 3145728 bytes have no room on the 1 devices`: func() error {
			_, err := super.Lay(geometry, one(3<<20), nil, []super.Want{{Name: "a", Size: 3 << 20}})
			return err
		},
		`there is no group "x"`: func() error {
			_, err := super.Lay(geometry, one(3<<20), nil, []super.Want{{Name: "a", Group: "x"}})
			return err
		},
		`group "g": expected at most 4096 bytes, found 8192`: func() error {
			_, err := super.Lay(geometry, one(3<<20), []super.Group{{Name: "g", MaxSize: 4096}}, []super.Want{{Name: "a", Group: "g", Size: 8192}})
			return err
		},
		`partition "a": expected a name of its own`: func() error {
			_, err := super.Lay(geometry, one(3<<20), nil, []super.Want{{Name: "a"}, {Name: "a"}})
			return err
		},
		"room for metadata: expected a multiple of 512 up to 4194304, found 100": func() error {
			_, err := super.Lay(super.Geometry{MetadataMaxSize: 100, Slots: 1, BlockSize: 4096}, one(1), nil, nil)
			return err
		},
		"metadata: expected at most 512 bytes, found": func() error {
			m := lay(t, one(8<<20), nil, super.Want{Name: "a", Size: 4096}, super.Want{Name: "b"}, super.Want{Name: "c"}, super.Want{Name: "d"}, super.Want{Name: "e"})
			_, err := super.Empty(small, m)
			return err
		},
		`name "a b": expected printable ASCII`: func() error {
			_, err := super.Empty(geometry, lay(t, one(8<<20), nil, super.Want{Name: "a b"}))
			return err
		},
		`partition "a": expected at most 4096 bytes, found 5000`: func() error {
			_, err := super.Build(geometry, lay(t, one(8<<20), nil, super.Want{Name: "a", Size: 4096}), map[string]*tree.Image{"a": literal(noise(1, 5000))})
			return err
		},
		`partition "z": there are a`: func() error {
			_, err := super.Build(geometry, lay(t, one(8<<20), nil, super.Want{Name: "a"}), map[string]*tree.Image{"z": literal(nil)})
			return err
		},
		"expected sectors of their own": func() error {
			m := lay(t, one(8<<20), nil, super.Want{Name: "a", Size: 8192}, super.Want{Name: "b", Size: 4096})
			m.Partitions[1].Extents[0].Sector = m.Partitions[0].Extents[0].Sector + 8
			_, err := super.Build(geometry, m, nil)
			return err
		},
		`expected sectors 2048 to 16384 of device "super", found 0 to 16`: func() error {
			m := lay(t, one(8<<20), nil, super.Want{Name: "a", Size: 8192})
			m.Partitions[0].Extents[0].Sector = 0
			_, err := super.Build(geometry, m, nil)
			return err
		},
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
}

// seal computes the sums of a changed super_empty.
func seal(b []byte) []byte {
	le := binary.LittleEndian
	sums := func(b []byte, at int) {
		clear(b[at : at+32])
		s := sha256.Sum256(b)
		copy(b[at:], s[:])
	}
	sums(b[:52], 8)
	h := b[4096:]
	size, n := le.Uint32(h[8:]), le.Uint32(h[44:])
	if size < 128 || int64(size) > int64(len(h)) {
		return b
	}
	if int64(n) <= int64(len(h))-int64(size) {
		s := sha256.Sum256(h[size:][:n])
		copy(h[48:], s[:])
	}
	sums(h[:size], 12)
	return b
}

func TestBadMetadata(t *testing.T) {
	m := lay(t, one(8<<20), nil, super.Want{Name: "a", Size: 8192}, super.Want{Name: "b", Size: 4096})
	good, err := super.Empty(geometry, m)
	if err != nil {
		t.Fatal(err)
	}
	const tables = 4096 + 128
	const extents = tables + 2*52
	for want, v := range map[string]struct {
		at int
		v  uint32
	}{
		"byte 4: size of the geometry: expected 52, found 53":                                      {4, 53},
		"byte 40: room for metadata: expected a multiple of 512 up to 4194304, found 4294966784":   {40, 0xfffffe00},
		"byte 44: slots: expected 1 to 16, found 0":                                                {44, 0},
		"byte 48: logical block size: expected a multiple of 512, found 1":                         {48, 1},
		"byte 4140: size of the tables: expected at most 65408":                                    {4096 + 44, 0xffffffff},
		"byte 4176: table of partitions: expected within the":                                      {4096 + 84, 0xffffffff},
		"byte 4184: size of an entry of the table of partitions: expected 52, found 51":            {4096 + 88, 51},
		"byte 4216: block devices: expected at least 1, found 0":                                   {4096 + 120, 0},
		fmt.Sprintf("byte %d: attributes of partition \"a\": expected bits of 0x3", tables+36):     {tables + 36, 4},
		fmt.Sprintf("byte %d: extents of partition \"a\": expected its own of 2", tables+40):       {tables + 44, 3},
		fmt.Sprintf("byte %d: extents of partition \"b\": expected its own of 2", tables+52+40):    {tables + 44, 2},
		fmt.Sprintf("byte %d: group of partition \"a\": expected less than 1, found 7", tables+48): {tables + 48, 7},
		fmt.Sprintf("byte %d: type of extent 0: expected 0 (linear) or 1 (zero)", extents+8):       {extents + 8, 2},
		fmt.Sprintf("byte %d: target of extent 0, which is zeros", extents+12):                     {extents + 8, 1},
		fmt.Sprintf("byte %d: sectors of extent 0: expected at most", extents):                     {extents + 4, 0x80000000},
		fmt.Sprintf("byte %d: first sector of extent 0: expected at most", extents+12):             {extents + 16, 0x80000000},
		fmt.Sprintf("byte %d: device of extent 0: expected less than 1, found 9", extents+20):      {extents + 20, 9},
	} {
		b := bytes.Clone(good)
		binary.LittleEndian.PutUint32(b[v.at:], v.v)
		seal(b)
		if _, err := super.Open(bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
	for n := range len(good) {
		if _, err := super.Open(bytes.NewReader(good[:n]), int64(n)); err == nil {
			t.Errorf("the first %d of %d bytes were taken", n, len(good))
		}
	}
}

// The kernel mounts a file system through the sectors that the metadata names.
func TestKernelMountsAPartition(t *testing.T) {
	judge.Need(t, "mount")
	root := tree.NewDir(0o755, 0, 0)
	root.MTime = 1764000000
	f := tree.NewFile(0o644, 0, 2000, noise(4, 50000))
	f.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	f.MTime = 1764000000
	root.Set("build.prop", f)
	fs, err := erofs.Build(root, erofs.Options{BuildTime: 1764000000})
	if err != nil {
		t.Fatal(err)
	}
	m := lay(t, one(8<<20), nil, super.Want{Name: "odm_a", Size: 12345}, super.Want{Name: "system_a", Size: fs.Size()})
	images, err := super.Build(geometry, m, map[string]*tree.Image{"system_a": fs})
	if err != nil {
		t.Fatal(err)
	}
	part, err := open(t, whole(t, images[0])).Contents(1, "system_a")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "system_a.img")
	if err := os.WriteFile(path, whole(t, part), 0o600); err != nil {
		t.Fatal(err)
	}
	judge.Same(t, root, judge.Kernel(t, path))
}

func FuzzOpen(f *testing.F) {
	m := lay(f, one(8<<20), []super.Group{{Name: "g", MaxSize: 1 << 20}}, super.Want{Name: "a", Group: "g", Size: 8192}, super.Want{Name: "b", Size: 4096})
	for _, flags := range []uint32{0, super.VirtualAB} {
		m.Flags = flags
		b, err := super.Empty(geometry, m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	full, _, _ := sample(f)
	f.Add(full[:12288+4*65536])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096+128 {
			b = seal(bytes.Clone(b)) // a checksum would hide the rest
		}
		s, err := super.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for i, m := range s.Slots {
			if m == nil {
				continue
			}
			for _, p := range m.ForSlot(i).Partitions {
				if im, err := s.Contents(i, p.Name); err == nil && im.Size() < 1<<20 {
					_ = whole(t, im)
				}
			}
			e, err := super.Empty(s.Geometry, m)
			if err != nil {
				continue
			}
			again, err := super.Open(bytes.NewReader(e), int64(len(e)))
			if err != nil {
				t.Fatal(err)
			}
			if got := again.Slots[0]; len(got.Partitions) != len(m.Partitions) || !reflect.DeepEqual(got.Groups, m.Groups) || !reflect.DeepEqual(got.Devices, m.Devices) {
				t.Fatalf("expected %+v, found %+v", m, got)
			}
		}
	})
}
