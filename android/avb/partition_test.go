package avb

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
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

func imageOf(b []byte) *tree.Image {
	im := &tree.Image{}
	im.AppendBytes(b)
	return im
}

func all(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// verity runs veritysetup's check of d over the file, and with repair its error
// correction.
func verity(t *testing.T, file string, d *HashtreeDescriptor, fec bool) ([]byte, error) {
	t.Helper()
	salt := "-"
	if len(d.Salt) > 0 {
		salt = hex.EncodeToString(d.Salt)
	}
	args := []string{"verify", file, file, hex.EncodeToString(d.RootDigest), "--no-superblock",
		fmt.Sprintf("--hash-offset=%d", d.TreeOffset), "--salt", salt, fmt.Sprintf("--data-blocks=%d", d.ImageSize/uint64(d.DataBlockSize)),
		fmt.Sprintf("--data-block-size=%d", d.DataBlockSize), fmt.Sprintf("--hash-block-size=%d", d.HashBlockSize), "--hash=" + d.HashAlgorithm, "--format=1"}
	if fec {
		args = append(args, "--fec-device", file, fmt.Sprintf("--fec-offset=%d", d.FECOffset), fmt.Sprintf("--fec-roots=%d", d.FECRoots))
	}
	return exec.Command("veritysetup", args...).CombinedOutput()
}

func TestVeritysetupAcceptsTree(t *testing.T) {
	judge.Need(t, "veritysetup")
	for _, c := range []struct {
		blocks, blockSize int
		algorithm         string
		salt              []byte
	}{
		{2, 4096, "sha256", nil},
		{127, 4096, "sha256", []byte("salt")},
		{128, 4096, "sha256", []byte("salt")},
		{129, 4096, "sha256", noise(9, 32)},
		{128*128 + 1, 4096, "sha256", noise(9, 32)},
		{600, 4096, "sha1", noise(9, 32)},
		{600, 4096, "sha512", noise(9, 32)},
		{600, 1024, "sha256", noise(9, 32)},
	} {
		t.Run(fmt.Sprintf("%dx%d %s", c.blocks, c.blockSize, c.algorithm), func(t *testing.T) {
			data := noise(1, c.blocks*c.blockSize)
			im, d, err := AddHashtree(imageOf(data), HashtreeParams{Partition: "system", Salt: c.salt, BlockSize: c.blockSize, HashAlgorithm: c.algorithm})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "system.img")
			b := all(t, im)
			if !bytes.Equal(b[:len(data)], data) {
				t.Fatal("the data changed")
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := verity(t, file, d, false); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			b[len(data)/2] ^= 1
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := verity(t, file, d, false); err == nil {
				t.Fatalf("veritysetup accepts damage, so it proves nothing: %s", out)
			}
		})
	}
}

// TestVeritysetupRepairs damages data and tree and lets veritysetup correct it.
func TestVeritysetupRepairs(t *testing.T) {
	judge.Need(t, "veritysetup")
	for _, roots := range []int{2, 4} {
		data := noise(3, 3000*4096)
		im, d, err := AddHashtree(imageOf(data), HashtreeParams{Partition: "system", Salt: noise(4, 32), FECRoots: roots})
		if err != nil {
			t.Fatal(err)
		}
		whole := all(t, im)
		if err := VerifyFEC(t.Context(), d, bytes.NewReader(whole), int64(len(whole))); err != nil {
			t.Error(err)
		}
		// A burst of roots/2 times a column's length can be corrected.
		column := int(d.FECSize) / roots
		for _, at := range []int{0, 100*4096 + 17, len(data) - column/2} {
			b := bytes.Clone(whole)
			for i := range column * roots / 2 {
				b[at+i] ^= 0xa5
			}
			file := filepath.Join(t.TempDir(), "system.img")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := verity(t, file, d, true)
			if err != nil {
				t.Errorf("%d roots, damage at %d: %v: %s", roots, at, err, out)
			}
			if out, err := verity(t, file, d, false); err == nil {
				t.Errorf("accepted without repair: %s", out)
			}
		}
		b := bytes.Clone(whole)
		b[d.FECOffset+100] ^= 1
		want := fmt.Sprintf("cannot verify FEC of partition system: the parity at offset %d to %d does not match the data", d.FECOffset, min(d.FECOffset+uint64(fecStrip*roots), d.FECOffset+d.FECSize))
		if err := VerifyFEC(t.Context(), d, bytes.NewReader(b), int64(len(b))); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestAddHashtreeLayout(t *testing.T) {
	key := testKey(t, 2048)
	data := noise(1, 300*4096-100)
	p := HashtreeParams{Partition: "system", Salt: []byte("s"), Key: key, FECRoots: 2,
		VBMeta: VBMeta{RollbackIndex: 7, Descriptors: []Descriptor{&PropertyDescriptor{Key: "a", Value: []byte("b")}}}}
	im, d, err := AddHashtree(imageOf(data), p)
	if err != nil {
		t.Fatal(err)
	}
	b := all(t, im)
	f, ok, err := ParseFooter(im, im.Size())
	if err != nil || !ok || f.OriginalImageSize != uint64(len(data)) {
		t.Fatalf("footer %+v, %v, %v", f, ok, err)
	}
	if d.ImageSize != 300*4096 || d.TreeOffset != d.ImageSize || d.TreeSize != 4*4096 || d.FECOffset != d.TreeOffset+d.TreeSize || f.VBMetaOffset != d.FECOffset+d.FECSize {
		t.Errorf("places: %+v %+v", d, f)
	}
	s, err := ReadStruct(im, im.Size())
	if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(s)
	if err != nil || v.RollbackIndex != 7 || !reflect.DeepEqual(v.Descriptors, []Descriptor{d, p.VBMeta.Descriptors[0]}) {
		t.Errorf("struct %+v, %v", v, err)
	}

	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p.Store = file
	spilled, _, err := AddHashtree(imageOf(data), p)
	if err != nil || !bytes.Equal(all(t, spilled), b) {
		t.Errorf("with a store: %v, or other bytes", err)
	}

	p.Store, p.PartitionSize = nil, 4<<20
	fixed, _, err := AddHashtree(imageOf(data), p)
	if err != nil || fixed.Size() != 4<<20 {
		t.Fatalf("size %d, %v", fixed.Size(), err)
	}
	if _, err := ReadStruct(fixed, fixed.Size()); err != nil {
		t.Error(err)
	}
	p.PartitionSize = 400 * 4096
	p.FECRoots = 0
	if fixed, _, err = AddHashtree(imageOf(data), p); err != nil || fixed.Size() != 400*4096 {
		t.Errorf("%v", err)
	}
}

func TestAddErrors(t *testing.T) {
	data := noise(1, 8*4096)
	done, _, err := AddHash(imageOf(data), HashParams{Partition: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	broken := &tree.Image{}
	broken.AppendRange(bytes.NewReader(nil), 0, 4096)
	for _, c := range []struct {
		im   *tree.Image
		p    HashtreeParams
		want string
	}{
		{done, HashtreeParams{Partition: "a"}, "cannot add hash tree to partition a: the image has an AVB footer already: give its first 32768 bytes only"},
		{imageOf(data), HashtreeParams{Partition: "a", BlockSize: 1000}, "cannot add hash tree to partition a: block size is 1000, expected a power of two from 512 to 65536"},
		{imageOf(data), HashtreeParams{Partition: "a", HashAlgorithm: "md5"}, `cannot add hash tree to partition a: hash algorithm "md5" is not supported, expected sha1, sha256, sha512 or blake2b-256`},
		{imageOf(nil), HashtreeParams{Partition: "a"}, "cannot add hash tree to partition a: image size is 0, expected a multiple of 4096 above 0"},
		{imageOf(data), HashtreeParams{Partition: "a", FECRoots: 1}, "cannot add hash tree to partition a: number of FEC roots is 1, expected 2 to 24"},
		{imageOf(data), HashtreeParams{Partition: "a", PartitionSize: 40960}, "cannot add hash tree to partition a: partition size is 40960, expected a multiple of 4096 of at least 45056: make the partition larger or the image smaller"},
		{imageOf(data), HashtreeParams{}, `cannot add hash tree to partition : cannot sign vbmeta: cannot read vbmeta descriptor 0 (hashtree): partition_name at offset 436 is "", expected 1 to 31 letters, digits, '_', '-' or '.'`},
	} {
		if _, _, err := AddHashtree(c.im, c.p); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	if _, _, err := AddHashtree(broken, HashtreeParams{Partition: "a"}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends early: %v", err)
	}
	if _, _, err := AddHash(broken, HashParams{Partition: "a"}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends early: %v", err)
	}
}

func TestVerifyPartition(t *testing.T) {
	data := noise(5, 300*4096)
	im, tr, err := AddHashtree(imageOf(data), HashtreeParams{Partition: "system", Salt: []byte("salt")})
	if err != nil {
		t.Fatal(err)
	}
	boot, h, err := AddHash(imageOf(data[:10000]), HashParams{Partition: "boot", Salt: []byte("x"), HashAlgorithm: "sha512"})
	if err != nil {
		t.Fatal(err)
	}
	one, tr1, err := AddHashtree(imageOf(data[:4096]), HashtreeParams{Partition: "one"})
	if err != nil || tr1.TreeSize != 0 {
		t.Fatal(tr1, err)
	}
	check := func(name string, d Descriptor, b []byte, want string) {
		t.Helper()
		err := VerifyPartition(t.Context(), d, bytes.NewReader(b), int64(len(b)))
		if got := fmt.Sprint(err); (err != nil || want != "") && !(strings.HasPrefix(got, want) && want != "") {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	flip := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at] ^= 1; return b }
	b, bb := all(t, im), all(t, boot)
	check("tree", tr, b, "")
	check("one block", tr1, all(t, one), "")
	check("hash", h, bb, "")
	check("data", tr, flip(b, 137*4096+5), "cannot verify partition system: block 137 at offset 561152 does not match the hash tree at offset "+fmt.Sprint(300*4096+4096+137*32)+": found digest ")
	check("leaf", tr, flip(b, 300*4096+4096+137*32), "cannot verify partition system: block 137 at offset 561152 does not match")
	check("top", tr, flip(b, 300*4096+3), "cannot verify partition system: the hash tree at offset 1228800 is ")
	check("tree padding", tr, flip(b, 300*4096+4095), "cannot verify partition system: the hash tree at offset 1232864 is 0000")
	check("one block", tr1, flip(all(t, one), 9), "cannot verify partition one: the root digest of its data is ")
	check("hash", h, flip(bb, 9999), "cannot verify partition boot: the hash of its first 10000 bytes is ")
	check("hash tail", h, flip(bb, 10000), "")
	check("cut", tr, b[:299*4096], "cannot verify partition system: image_size is 1228800, expected at most the partition's 1224704 bytes")
	check("cut tree", tr, b[:301*4096], "cannot verify partition system: tree_offset 1228800 and tree_size 16384 reach past the partition's end at 1232896")
	check("cut hash", h, bb[:9999], "cannot verify partition boot: image_size is 10000, expected at most the partition's 9999 bytes")
	check("kind", &PropertyDescriptor{}, b, "cannot verify a partition by a *avb.PropertyDescriptor: expected a hash or a hashtree descriptor")

	with := func(edit func(d *HashtreeDescriptor)) *HashtreeDescriptor { d := *tr; edit(&d); return &d }
	check("version", with(func(d *HashtreeDescriptor) { d.DMVersion = 0 }), b, "cannot verify partition system: dm_verity_version is 0, expected 1")
	check("overflow", with(func(d *HashtreeDescriptor) { d.TreeOffset = 1<<64 - 4096 }), b, "cannot verify partition system: tree_offset 18446744073709547520 and")
	check("huge", with(func(d *HashtreeDescriptor) { d.ImageSize = 1 << 63 }), b, "cannot verify partition system: image_size is 9223372036854775808, expected at most")
	check("block", with(func(d *HashtreeDescriptor) { d.HashBlockSize = 1 << 30 }), b, "cannot verify partition system: block size is 1073741824, expected a power of two from 512 to 65536")
	check("tree size", with(func(d *HashtreeDescriptor) { d.TreeSize = 4096 }), b, "cannot verify partition system: tree_size is 4096, expected 16384 for an image of 1228800 bytes")
	check("no tree", with(func(d *HashtreeDescriptor) { d.TreeSize = 0 }), b, "")
	check("no digest", with(func(d *HashtreeDescriptor) { d.RootDigest = nil }), b, "cannot verify partition system: the descriptor has no root digest: it is kept by the phone")
	h2 := *h
	h2.HashAlgorithm = "sha1"
	check("sha1 hash", &h2, bb, `cannot verify partition boot: hash algorithm "sha1" is not supported, expected sha256 or sha512`)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := VerifyPartition(ctx, tr, im, im.Size()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := VerifyPartition(ctx, h, boot, boot.Size()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestParseFooter(t *testing.T) {
	good := append(make([]byte, 4096), Footer{100, 200, 300}.encode()...)
	if f, ok, err := ParseFooter(bytes.NewReader(good), int64(len(good))); err != nil || !ok || f != (Footer{100, 200, 300}) {
		t.Errorf("%+v %v %v", f, ok, err)
	}
	for _, n := range []int{0, 63, 64, 4096} {
		if _, ok, err := ParseFooter(bytes.NewReader(make([]byte, n)), int64(n)); ok || err != nil {
			t.Errorf("%d zeros: %v %v", n, ok, err)
		}
	}
	for _, c := range []struct {
		f    Footer
		want string
	}{
		{Footer{4097, 0, 0}, "cannot read AVB footer: original_image_size at offset 12 is 4097, expected at most 4096"},
		{Footer{0, 1 << 63, 1 << 63}, "cannot read AVB footer: vbmeta_offset at offset 20 is 9223372036854775808, expected at most 4096"},
		{Footer{0, 4000, 1<<64 - 4000}, "cannot read AVB footer: vbmeta_size at offset 28 is 18446744073709547616, expected at most 96"},
	} {
		b := append(make([]byte, 4096), c.f.encode()...)
		if _, _, err := ParseFooter(bytes.NewReader(b), int64(len(b))); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	good[4096+7] = 2
	if _, _, err := ParseFooter(bytes.NewReader(good), int64(len(good))); err == nil || err.Error() != "cannot read AVB footer: version_major at offset 4 is 2, expected 1" {
		t.Error(err)
	}
}

// phone is a set of partitions as open gives them.
type phone map[string][]byte

func (p phone) open(name string) (io.ReaderAt, int64, error) {
	b, ok := p[name]
	if !ok {
		return nil, 0, fmt.Errorf("partition %s: %w", name, fs.ErrNotExist)
	}
	return bytes.NewReader(b), int64(len(b)), nil
}

// newPhone has a top struct by a 4096-bit key with boot in it, and vbmeta_system
// (system) and recovery chained by a 2048-bit key. edit changes the top struct.
func newPhone(t testing.TB, edit func(top, system *VBMeta)) phone {
	t.Helper()
	key, other := testKey(t, 4096), testKey(t, 2048)
	boot, bootHash, err := AddHash(imageOf(noise(1, 5000)), HashParams{Partition: "boot", Salt: []byte("b")})
	if err != nil {
		t.Fatal(err)
	}
	recovery, _, err := AddHash(imageOf(noise(2, 6000)), HashParams{Partition: "recovery", Key: other, VBMeta: VBMeta{RollbackIndex: 12}})
	if err != nil {
		t.Fatal(err)
	}
	system, systemTree, err := AddHashtree(imageOf(noise(3, 40*4096)), HashtreeParams{Partition: "system", Salt: []byte("s")})
	if err != nil {
		t.Fatal(err)
	}
	otherKey := EncodePublicKey(&other.PublicKey)
	vs := &VBMeta{RollbackIndex: 11, Descriptors: []Descriptor{systemTree}}
	top := &VBMeta{RollbackIndex: 10, Descriptors: []Descriptor{
		&ChainDescriptor{Partition: "vbmeta_system", RollbackIndexLocation: 2, PublicKey: otherKey},
		bootHash,
		&ChainDescriptor{Partition: "recovery", RollbackIndexLocation: 1, PublicKey: otherKey},
	}}
	if edit != nil {
		edit(top, vs)
	}
	return phone{"boot": all(t, boot), "recovery": all(t, recovery), "system": all(t, system),
		"vbmeta_system": append(sign(t, vs, other), make([]byte, 100)...),
		"vbmeta":        append(sign(t, top, key), make([]byte, 70000)...)}
}

func TestVerifyChain(t *testing.T) {
	key := EncodePublicKey(&testKey(t, 4096).PublicKey)
	p := newPhone(t, nil)
	for _, trusted := range [][]byte{key, nil} {
		c, err := VerifyChain(t.Context(), p.open, trusted)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[uint32]uint64{0: 10, 1: 12, 2: 11}; !reflect.DeepEqual(c.RollbackIndexes, want) {
			t.Errorf("rollback indexes %v, want %v", c.RollbackIndexes, want)
		}
		if want := []string{"system", "boot", "recovery"}; !slices.Equal(c.Partitions, want) {
			t.Errorf("partitions %q, want %q", c.Partitions, want)
		}
		recovery, _ := ReadStruct(bytes.NewReader(p["recovery"]), int64(len(p["recovery"])))
		if c.Digest != Digest(p["vbmeta"], p["vbmeta_system"], recovery) {
			t.Error("the digest is not that of the structs in order")
		}
		if c.VBMeta.RollbackIndex != 10 || c.Chained["vbmeta_system"].RollbackIndex != 11 || c.Chained["recovery"].RollbackIndex != 12 {
			t.Errorf("structs %+v", c)
		}
	}
	p["boot"], p["vbmeta"] = nil, nil
	delete(p, "vbmeta")
	own, _, err := AddHash(imageOf(noise(1, 5000)), HashParams{Partition: "boot", Key: testKey(t, 4096)})
	if err != nil {
		t.Fatal(err)
	}
	p["boot"] = all(t, own)
	if c, err := VerifyChain(t.Context(), p.open, key); err != nil || !slices.Equal(c.Partitions, []string{"boot"}) {
		t.Errorf("top struct in boot: %+v, %v", c, err)
	}
}

func TestVerifyChainFlags(t *testing.T) {
	for flags, want := range map[uint32][]string{
		FlagVerificationDisabled: nil,
		FlagHashtreeDisabled:     {"boot", "recovery"},
	} {
		p := newPhone(t, func(top, _ *VBMeta) { top.Flags = flags })
		p["system"][5] ^= 1
		c, err := VerifyChain(t.Context(), p.open, EncodePublicKey(&testKey(t, 4096).PublicKey))
		if err != nil || !slices.Equal(c.Partitions, want) {
			t.Errorf("flags %d: %q, %v, want %q", flags, c.Partitions, err, want)
		}
	}
}

func TestVerifyChainRefuses(t *testing.T) {
	key, other := EncodePublicKey(&testKey(t, 4096).PublicKey), EncodePublicKey(&testKey(t, 2048).PublicKey)
	for _, c := range []struct {
		name    string
		edit    func(top, system *VBMeta)
		damage  func(p phone)
		trusted []byte
		want    string
	}{
		{"another key", nil, nil, other, "cannot verify chain: partition vbmeta: it is signed by key " + keyName(key) + ", expected " + keyName(other)},
		{"unsigned", nil, func(p phone) { p["vbmeta"] = sign(t, &VBMeta{}, nil) }, key, "cannot verify chain: partition vbmeta: cannot verify vbmeta: it is not signed"},
		{"boot damaged", nil, func(p phone) { p["boot"][0] ^= 1 }, key, "cannot verify chain: cannot verify partition boot: the hash of its first 5000 bytes is "},
		{"system damaged, unlocked", nil, func(p phone) { p["system"][8192] ^= 1 }, nil, "cannot verify chain: cannot verify partition system: block 2 at offset 8192 does not match the hash tree"},
		{"chained by another key", func(top, _ *VBMeta) { top.Descriptors[0].(*ChainDescriptor).PublicKey = key }, nil, key,
			"cannot verify chain: partition vbmeta_system: it is signed by key " + keyName(other) + ", expected " + keyName(key) + " by its chain descriptor"},
		{"chained unsigned", nil, func(p phone) { p["vbmeta_system"] = sign(t, &VBMeta{}, nil) }, nil, "cannot verify chain: partition vbmeta_system: cannot verify vbmeta: it is not signed"},
		{"chained flags", func(_, s *VBMeta) { s.Flags = 1 }, nil, key, "cannot verify chain: partition vbmeta_system: flags of a chained vbmeta are 0x1, expected 0"},
		{"chained further", func(_, s *VBMeta) {
			s.Descriptors = []Descriptor{&ChainDescriptor{Partition: "boot", RollbackIndexLocation: 4, PublicKey: key}}
		}, nil, key, "cannot verify chain: partition vbmeta_system: it delegates further, which only the top vbmeta may"},
		{"location 0", func(top, _ *VBMeta) { top.Descriptors[0].(*ChainDescriptor).RollbackIndexLocation = 0 }, nil, key, "cannot verify chain: partition vbmeta_system: rollback_index_location of its chain descriptor is 0, expected 1 to 31"},
		{"location 32", func(top, _ *VBMeta) { top.Descriptors[0].(*ChainDescriptor).RollbackIndexLocation = 32 }, nil, key, "cannot verify chain: partition vbmeta_system: its rollback index location is 32, expected at most 31"},
		{"location twice", func(top, _ *VBMeta) { top.Descriptors[0].(*ChainDescriptor).RollbackIndexLocation = 1 }, nil, key, "cannot verify chain: partition recovery: its rollback index location 1 is in use by another vbmeta"},
		{"missing partition", nil, func(p phone) { delete(p, "system") }, key, "cannot verify chain: cannot open partition system: partition system: file does not exist"},
		{"no footer", nil, func(p phone) { p["recovery"] = p["recovery"][:len(p["recovery"])-64] }, key, `cannot verify chain: partition recovery: cannot read vbmeta: magic at offset 0 is "`},
		{"empty", nil, func(p phone) { p["vbmeta"] = nil }, key, "cannot verify chain: partition vbmeta: cannot read vbmeta: it is 0 bytes long, expected a header of 256"},
	} {
		p := newPhone(t, c.edit)
		if c.damage != nil {
			c.damage(p)
		}
		_, err := VerifyChain(t.Context(), p.open, c.trusted)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

func FuzzPartition(f *testing.F) {
	p := newPhone(f, nil)
	f.Add(p["recovery"])
	f.Add(p["system"])
	f.Add(p["vbmeta"][:4096])
	f.Fuzz(func(t *testing.T, b []byte) {
		open := func(string) (io.ReaderAt, int64, error) { return bytes.NewReader(b), int64(len(b)), nil }
		VerifyChain(t.Context(), open, nil)
		s, err := ReadStruct(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		v, err := Parse(s)
		if err != nil {
			return
		}
		for _, d := range v.Descriptors {
			VerifyPartition(t.Context(), d, bytes.NewReader(b), int64(len(b)))
			if d, ok := d.(*HashtreeDescriptor); ok {
				VerifyFEC(t.Context(), d, bytes.NewReader(b), int64(len(b)))
			}
		}
	})
}

func BenchmarkHashtree(b *testing.B) {
	data := noise(1, 64<<20)
	for _, roots := range []int{0, 2} {
		b.Run(fmt.Sprintf("roots=%d", roots), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := AddHashtree(imageOf(data), HashtreeParams{Partition: "system", FECRoots: roots}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
