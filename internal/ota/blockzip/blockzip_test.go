package blockzip_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/ota/blockzip"
)

type entry struct {
	name    string
	content []byte
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(e.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := brotli.NewWriterLevel(&out, 5)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// block is a block of noise.
func block(seed uint64) []byte {
	b, r := make([]byte, blockota.BlockSize), rand.New(rand.NewPCG(seed, 9))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

const metadata = "META-INF/com/android/metadata"

func write(t testing.TB, im *blockzip.Image) ([]byte, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := im.Write(context.Background(), f); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b, nil
}

// TestImages: lists as AOSP's tools write them, by hand: in two pieces out of order, with
// zeros and what is erased; plain, packed, empty; and whole images.
func TestImages(t *testing.T) {
	a, b, c := block(1), block(2), block(3)
	zero := make([]byte, blockota.BlockSize)
	fresh := bytes.Join([][]byte{c, a, b}, nil)
	list := []byte("4\n3\n0\n0\nerase 2,0,6\nnew 2,3,4\nnew 4,0,1,2,3\nzero 2,1,2\n") // c at 3, a at 0, b at 2
	want := bytes.Join([][]byte{a, zero, b, c, zero, zero}, nil)
	z := zipOf(t,
		entry{metadata, []byte("ota-type=BLOCK\npost-build=x/y/z\npre-device=m8\n")},
		entry{"system.transfer.list", list}, entry{"system.new.dat.br", packed(t, fresh)}, entry{"system.patch.dat", nil},
		entry{"vendor.transfer.list", list}, entry{"vendor.new.dat", fresh}, entry{"vendor.patch.dat", nil},
		entry{"odm.transfer.list", []byte("4\n0\n0\n0\nerase 2,0,2\n")},
		entry{"boot.img", []byte("a boot image")}, entry{"firmware-update/tz.img", []byte("no")}, entry{"META-INF/x.img", []byte("no")})
	p, err := blockzip.Open(bytes.NewReader(z), int64(len(z)))
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string][]byte{"boot": []byte("a boot image"), "odm": make([]byte, 2*blockota.BlockSize), "system": want, "vendor": want}
	if len(p.Images) != len(wanted) || p.Find("tz") != nil {
		t.Fatalf("it has %d images, expected %d", len(p.Images), len(wanted))
	}
	for name, want := range wanted {
		im := p.Find(name)
		if im == nil || im.Size != int64(len(want)) {
			t.Fatalf("%s: %+v, expected %d bytes", name, im, len(want))
		}
		if got, err := write(t, im); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what it should be, %v", name, err)
		}
	}
	t.Run("brotli", func(t *testing.T) { // the foreign one reads what ours is read from
		if got := judge.Pipe(t, packed(t, fresh), "brotli", "-dc"); !bytes.Equal(got, fresh) {
			t.Error("brotli unpacks something else")
		}
	})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	f, err := os.Create(filepath.Join(t.TempDir(), "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := p.Find("system").Write(cancelled, f); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestNot: what is no full package, or is damaged.
func TestNot(t *testing.T) {
	full := []byte("4\n1\n0\n0\nnew 2,0,1\n")
	move := fmt.Appendf(nil, "4\n1\n0\n0\nmove %040d 2,0,1 1 2,1,2\n", 0)
	damaged := zipOf(t, entry{"system.transfer.list", full}, entry{"system.new.dat", block(1)})
	damaged[bytes.Index(damaged, block(1))] ^= 1
	broken := packed(t, block(1))
	broken = broken[:len(broken)-100]
	for name, c := range map[string]struct {
		zip  []byte
		want string
		not  error
	}{
		"no zip":              {[]byte("nothing"), "cannot open package: ", zip.ErrFormat},
		"no list":             {zipOf(t, entry{"boot.img", []byte("x")}), "it has no transfer list", blockzip.ErrOther},
		"incremental":         {zipOf(t, entry{metadata, []byte("pre-build=a/b/c\npre-build-incremental=26.11.20\n")}, entry{"system.transfer.list", move}), "it starts from 26.11.20 (a/b/c); 'friday ota verify --from' applies it to that build", nil},
		"only in its list":    {zipOf(t, entry{"system.transfer.list", move}), "it starts from a build that its metadata do not name", nil},
		"with patches":        {zipOf(t, entry{"system.transfer.list", full}, entry{"system.new.dat", block(1)}, entry{"system.patch.dat", []byte("x")}), "it is an incremental package", nil},
		"a list of nonsense":  {zipOf(t, entry{"system.transfer.list", []byte("9\n")}), "cannot open package: system.transfer.list: ", nil},
		"a name":              {zipOf(t, entry{"X-y.transfer.list", full}), `"X-y" is no partition`, nil},
		"two of one":          {zipOf(t, entry{"system.img", []byte("x")}, entry{"system.transfer.list", full}), "there are two images of system", nil},
		"larger than a phone": {zipOf(t, entry{"system.transfer.list", []byte("4\n4294967295\n0\n0\nzero 2,0,4294967295\n")}), "no phone has as much", nil},
		"no new data":         {zipOf(t, entry{"system.transfer.list", full}), "cannot extract system: cannot apply transfer list: line 5: new: there is no .new.dat", nil},
		"new data too short":  {zipOf(t, entry{"system.transfer.list", full}, entry{"system.new.dat", block(1)[:100]}), "its data end after 100 bytes, expected 4096", nil},
		"new data too long":   {zipOf(t, entry{"system.transfer.list", full}, entry{"system.new.dat", append(block(1), 0)}), ".new.dat holds more than the list takes", nil},
		"behind brotli":       {zipOf(t, entry{"system.transfer.list", full}, entry{"system.new.dat.br", append(packed(t, block(1)), "more"...)}), "cannot extract system: ", nil},
		"a byte is another":   {damaged, "checksum error", zip.ErrChecksum},
		"brotli ends early":   {zipOf(t, entry{"system.transfer.list", full}, entry{"system.new.dat.br", broken}), "cannot extract system: ", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := blockzip.Open(bytes.NewReader(c.zip), int64(len(c.zip)))
			if err == nil {
				var got []byte
				if got, err = write(t, p.Find("system")); err == nil {
					t.Fatalf("it is taken: %d bytes, CRC-32 %08x", len(got), crc32.ChecksumIEEE(got))
				}
			}
			if !strings.Contains(err.Error(), c.want) || c.not != nil && !errors.Is(err, c.not) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

// FuzzOpen: what is opened is written or refused, and never more than it says.
func FuzzOpen(f *testing.F) {
	full := []byte("4\n1\n0\n0\nerase 2,0,3\nnew 2,1,2\nzero 2,0,1\n")
	f.Add(zipOf(f, entry{"system.transfer.list", full}, entry{"system.new.dat", block(1)}, entry{"boot.img", []byte("x")}))
	f.Add(zipOf(f, entry{metadata, []byte("post-build=x\n")}, entry{"system.transfer.list", full}, entry{"system.new.dat.br", packed(f, block(1))}))
	f.Add(zipOf(f, entry{metadata, []byte("pre-build=x\n")}, entry{"system.transfer.list", full}))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := blockzip.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for i := range p.Images {
			im := &p.Images[i]
			if im.Size > 1<<20 {
				continue
			}
			to, err := os.Create(filepath.Join(dir, "image"))
			if err != nil {
				t.Fatal(err)
			}
			err = im.Write(t.Context(), to)
			fi, statErr := to.Stat()
			if statErr != nil || err == nil && fi.Size() != im.Size {
				t.Errorf("%s has %d bytes, it says %d, %v", im.Partition, fi.Size(), im.Size, statErr)
			}
			to.Close()
		}
	})
}
