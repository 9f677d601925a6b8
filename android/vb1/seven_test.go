package vb1

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

func written(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seven is an image as Android 7 has it, and what may be damaged in it.
func seven(t testing.TB, roots int) ([]byte, int64) {
	t.Helper()
	im := system(t)
	p := Params{Device: device, Salt: []byte("salt of a partition"), Key: newPair().key, TreeFirst: true, FECRoots: roots}
	out, _, err := AddVerity(context.Background(), im, p)
	if err != nil {
		t.Fatal(err)
	}
	if room, err := p.Room(im.Size()); err != nil || out.Size() != im.Size()+room {
		t.Errorf("%d bytes, expected %d and %d more, %v", out.Size(), im.Size(), room, err)
	}
	return written(t, out), im.Size()
}

// TestPartition fills partitions of any size, and what is filled is read, verified,
// corrected and signed anew like any other.
func TestPartition(t *testing.T) {
	ctx := context.Background()
	im := system(t)
	for _, roots := range []int{0, 2, 4} {
		p := Params{Device: device, Salt: []byte("salt"), Key: newPair().key, TreeFirst: true, FECRoots: roots}
		room, err := p.Room(im.Size())
		if err != nil {
			t.Fatal(err)
		}
		for _, more := range []int64{0, 1, 2, 3, 5, 40} {
			p.Size = im.Size() + room + more*4096
			fs := p.Largest(p.Size)
			if behind, err := p.Room(fs); err != nil || fs < im.Size() || fs+behind > p.Size {
				t.Errorf("%d roots, %d blocks more: a file system of %d bytes and %d behind it are to fit into %d, %v", roots, more, fs, behind, p.Size, err)
			}
			if behind, err := p.Room(fs + 4096); err != nil || fs+4096+behind <= p.Size {
				t.Errorf("%d roots, %d blocks more: a block more than %d bytes fits too, %v", roots, more, fs, err)
			}
			out, _, err := AddVerity(ctx, im, p)
			if err != nil {
				t.Fatal(err)
			}
			b := written(t, out)
			m := find(t, b, im.Size())
			if int64(len(b)) != p.Size || !m.TreeFirst() || m.FEC.Roots != roots || roots > 0 && m.FEC.Pad != more*4096 || roots == 0 && m.At != p.Size-MetadataSize {
				t.Errorf("%d roots, %d blocks more: %d bytes, %+v", roots, more, len(b), m)
			}
			if err := m.Verify(ctx, bytes.NewReader(b), p.Size, &newPair().key.PublicKey); err != nil {
				t.Error(err)
			}
			again, err := Resign(ctx, out, m, p.Key)
			if err != nil || !bytes.Equal(written(t, again), b) {
				t.Errorf("%d roots, %d blocks more: signed anew by the same key it is another, %v", roots, more, err)
			}
			if roots == 0 {
				continue
			}
			if err := m.VerifyFEC(ctx, bytes.NewReader(b)); err != nil {
				t.Error(err)
			}
			if more > 0 {
				b[m.FEC.At+m.FEC.Size+4095] = 1
				if err := m.VerifyFEC(ctx, bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("byte %d: between parity and header", m.FEC.At+m.FEC.Size+4095)) {
					t.Error(err)
				}
			}
		}
		p.Size = im.Size() + room - 4096
		if _, _, err := AddVerity(ctx, im, p); err == nil || !strings.Contains(err.Error(), "expected at most the partition's") {
			t.Errorf("%d roots: %v", roots, err)
		}
		if n := p.Largest(4096); n != 0 || p.Largest(-1) != 0 {
			t.Errorf("into a block fits a file system of %d bytes", n)
		}
	}
}

func find(t testing.TB, b []byte, fs int64) *Metadata {
	t.Helper()
	m, err := Find(bytes.NewReader(b), fs, int64(len(b)))
	if err != nil || m == nil {
		t.Fatalf("metadata %v, %v", m, err)
	}
	return m
}

// veritysetup reads tree and error correction of Android 7's order, and mends a block
// by it.
func TestSevenByOthers(t *testing.T) {
	judge.Need(t, "veritysetup", "e2fsck")
	b, fs := seven(t, 2)
	m := find(t, b, fs)
	image := filepath.Join(t.TempDir(), "system.img")
	verify := func(b []byte) {
		if err := os.WriteFile(image, b, 0o600); err != nil {
			t.Fatal(err)
		}
		judge.Run(t, "veritysetup", "verify", image, image, fmt.Sprintf("%x", m.Table.Root), "--no-superblock", fmt.Sprintf("--hash-offset=%d", m.Table.TreeOffset),
			"--salt", fmt.Sprintf("%x", m.Table.Salt), fmt.Sprintf("--data-blocks=%d", m.Table.Blocks), "--data-block-size=4096", "--hash-block-size=4096",
			"--hash=sha256", "--format=1", "--fec-device", image, fmt.Sprintf("--fec-offset=%d", m.FEC.At), fmt.Sprintf("--fec-roots=%d", m.FEC.Roots))
	}
	verify(b)
	judge.Run(t, "e2fsck", "-fn", image)
	damaged := bytes.Clone(b)
	for i := range 4096 {
		damaged[5*4096+i] ^= byte(i)
	}
	verify(damaged)
}

func TestSeven(t *testing.T) {
	ctx := context.Background()
	for _, roots := range []int{0, 2, 4} {
		b, fs := seven(t, roots)
		m, n := find(t, b, fs), int64(len(b))
		if !m.TreeFirst() || m.Table.TreeOffset != fs || m.FEC.Roots != roots {
			t.Errorf("%d roots: %+v", roots, m)
		}
		if err := m.Verify(ctx, bytes.NewReader(b), n, &newPair().key.PublicKey); err != nil {
			t.Error(err)
		}
		if err := m.VerifyFEC(ctx, bytes.NewReader(b)); (err == nil) != (roots > 0) {
			t.Error(err)
		}
		// Another key's: the same but for the table's signature and what corrects it.
		other, err := rsa.GenerateKey(rand.Reader, KeyBits)
		if err != nil {
			t.Fatal(err)
		}
		im := &tree.Image{}
		im.AppendBytes(b)
		again, err := Resign(ctx, im, m, other)
		if err != nil {
			t.Fatal(err)
		}
		theirs := written(t, again)
		is := find(t, theirs, fs)
		if err := is.Verify(ctx, again, n, &other.PublicKey); err != nil || is.Table.Text() != m.Table.Text() || int64(len(theirs)) != n {
			t.Errorf("%d bytes, %v", len(theirs), err)
		}
		if err := is.Verify(ctx, again, n, &newPair().key.PublicKey); err == nil || !strings.Contains(err.Error(), "the signature of the table") {
			t.Errorf("signed anew, and verified by the old key: %v", err)
		}
		if roots > 0 {
			if err := is.VerifyFEC(ctx, again); err != nil {
				t.Error(err)
			}
		}
		if !bytes.Equal(theirs[:m.At], b[:m.At]) {
			t.Error("what lies before the metadata is another")
		}
	}
	if _, _, err := AddVerity(ctx, system(t), Params{Device: device, Key: newPair().key, FECRoots: 2}); err == nil || !strings.Contains(err.Error(), "the tree must be first") {
		t.Error(err)
	}
	if _, err := Resign(ctx, system(t), &Metadata{}, newPair().other()); err == nil {
		t.Error("a small key has signed")
	}
}

func (pair) other() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
}

// TestOff: what was switched off stays so, and is not verified.
func TestOff(t *testing.T) {
	out, _, err := AddVerity(context.Background(), system(t), Params{Device: device, Key: newPair().key, Disabled: true})
	if err != nil {
		t.Fatal(err)
	}
	m := find(t, written(t, out), system(t).Size())
	if err := m.Verify(t.Context(), out, out.Size(), &newPair().key.PublicKey); !m.Disabled || err == nil {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestSince: brought up to date, each byte is as if all had been computed.
func TestSince(t *testing.T) {
	ctx := context.Background()
	for _, p := range []Params{{}, {TreeFirst: true}, {TreeFirst: true, FECRoots: 2}} {
		p.Device, p.Salt, p.Key = device, []byte("salt"), newPair().key
		base := make([]byte, 700*4096)
		for i := range base {
			base[i] = byte(i * i >> 7)
		}
		image := func(b []byte) *tree.Image {
			im := &tree.Image{}
			im.AppendBytes(b)
			return im
		}
		old, _, err := AddVerity(ctx, image(base), p)
		if err != nil {
			t.Fatal(err)
		}
		was := written(t, old)
		for name, c := range map[string]struct {
			grow    int // blocks
			changed []tree.Range
		}{
			"nothing": {}, "some": {0, []tree.Range{{Offset: 3 * 4096, Length: 4096}, {Offset: 400 * 4096, Length: 8192}}},
			"larger": {9, []tree.Range{{Offset: 700 * 4096, Length: 9 * 4096}}}, "smaller": {-600, nil},
		} {
			next := append(bytes.Clone(base), make([]byte, max(0, c.grow*4096))...)[:len(base)+c.grow*4096]
			for _, r := range c.changed {
				for i := r.Offset; i < r.Offset+r.Length; i++ {
					next[i] ^= byte(i>>12) | 1
				}
			}
			want, table, err := AddVerity(ctx, image(next), p)
			if err != nil {
				t.Fatal(err)
			}
			q := p
			q.Since = &Since{Image: bytes.NewReader(was), Metadata: find(t, was, int64(len(base))), Changed: c.changed}
			got, again, err := AddVerity(ctx, image(next), q)
			if err != nil || again.Text() != table.Text() || !bytes.Equal(written(t, got), written(t, want)) {
				t.Errorf("%+v, %s: %v\n%s\n%s", p.FECRoots, name, err, again.Text(), table.Text())
			}
		}
	}
}

func TestFind(t *testing.T) {
	b, fs := seven(t, 2)
	n := int64(len(b))
	at := find(t, b, fs).At
	header := n - 4096
	both := func(off int64, x byte) func([]byte) {
		return func(b []byte) { b[header+off] ^= x; b[n-60+off] ^= x }
	}
	for name, c := range map[string]struct {
		damage func([]byte)
		want   string
	}{
		"version":   {both(4, 1), "version is 1 and the header has 60 bytes, expected 0 and 60"},
		"roots":     {both(12, 1), "expected"},
		"no roots":  {both(12, 2), "cannot read error correction"},
		"size":      {both(17, 1), "expected"},
		"covered":   {both(24, 1), "it covers"},
		"one of it": {func(b []byte) { b[header+4] ^= 1 }, ""},
		"metadata":  {func(b []byte) { b[at+4] = 1 }, "version is 1, expected 0"},
		"none":      {func(b []byte) { b[at] = 2 }, ""},
	} {
		bad := bytes.Clone(b)
		c.damage(bad)
		m, err := Find(bytes.NewReader(bad), fs, n)
		if c.want == "" && (err != nil || m != nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, %v", name, m, err)
		}
	}
	m := find(t, b, fs)
	for name, off := range map[string]int64{"parity": m.FEC.At, "data": 4096} {
		bad := bytes.Clone(b)
		bad[off] ^= 1
		if err := m.VerifyFEC(t.Context(), bytes.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "the parity does not match") {
			t.Errorf("%s: %v", name, err)
		}
	}
	m.FEC.Digest = [sha256.Size]byte{}
	if err := m.VerifyFEC(t.Context(), bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "another digest") {
		t.Error(err)
	}
	for _, size := range []int64{0, 4096, 8192, 100} {
		if m, err := Find(bytes.NewReader(make([]byte, size)), 0, size); m != nil || err != nil {
			t.Errorf("%d zeros: %v, %v", size, m, err)
		}
	}
	if _, err := Find(io.NewSectionReader(bytes.NewReader(nil), 0, 0), 0, 1<<20); err == nil {
		t.Error("an image that cannot be read")
	}
}

func FuzzFind(f *testing.F) {
	for _, roots := range []int{0, 2} {
		b, fs := seven(f, roots)
		f.Add(b[fs:], uint16(0))
	}
	f.Add(binary.LittleEndian.AppendUint32(nil, fecMagic), uint16(1))
	f.Fuzz(func(t *testing.T, b []byte, fs uint16) {
		m, err := Find(bytes.NewReader(b), int64(fs), int64(len(b)))
		if err != nil || m == nil {
			return
		}
		if m.FEC.Roots > 0 {
			_ = m.VerifyFEC(context.Background(), bytes.NewReader(b))
		}
		_ = m.Verify(context.Background(), bytes.NewReader(b), int64(len(b)), &newPair().key.PublicKey)
	})
}
