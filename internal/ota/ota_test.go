package ota

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/keys"
)

type signer struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

// testKeys are made once for all tests.
var testKeys = sync.OnceValue(func() signer {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	dir = filepath.Join(dir, "k")
	if err := keys.GenerateWith(dir, keys.Options{AVBBits: 2048, OTABits: 2048, Now: time.Unix(1764201600, 0)}); err != nil {
		panic(err)
	}
	ring, err := keys.Open(dir)
	if err != nil {
		panic(err)
	}
	key, cert, err := ring.OTA()
	if err != nil {
		panic(err)
	}
	return signer{key.(*rsa.PrivateKey), cert}
})

func options(o Options) Options {
	o.Signer, o.Cert = testKeys().key, testKeys().cert
	return o
}

// system is a small system: compressible files, noise, and a build.prop.
func system(seed uint64, files int, meanSize int) *tree.Node {
	r := rand.New(rand.NewPCG(seed, 1))
	root := tree.NewDir(0o755, 0, 0)
	for i := range files {
		dir := fmt.Sprintf("dir%02d", i%17)
		if root.Entry(dir) == nil {
			root.Set(dir, tree.NewDir(0o755, 0, 0))
		}
		root.Entry(dir).Set(fmt.Sprintf("file%04d.so", i), tree.NewFile(0o644, 0, 0, content(r, int(float64(meanSize)*r.ExpFloat64())+1)))
	}
	root.Set("build.prop", tree.NewFile(0o600, 0, 0, []byte("ro.build.version.incremental=1\n")))
	return root
}

// content is half noise, half words, as programs are.
func content(r *rand.Rand, n int) []byte {
	b := make([]byte, 0, n)
	words := []string{"android", "content", "Intent", "\x00\x00\x00\x00", "service", "\x1f\x20\x03\xd5"}
	for len(b) < n {
		if r.IntN(4) == 0 {
			var noise [16]byte
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			b = append(b, noise[:]...)
		}
		b = append(b, words[r.IntN(len(words))]...)
	}
	return b[:n]
}

// newImage makes an image of bytes, padded to whole blocks.
func newImage(partition, fs string, b []byte) Image {
	b = append(slices.Clone(b), make([]byte, (blockSize-len(b)%blockSize)%blockSize)...)
	return Image{Partition: partition, FS: fs, Content: bytes.NewReader(b), Size: int64(len(b)), SHA256: sha256.Sum256(b)}
}

func build(t testing.TB, version string, time int64, root *tree.Node, boot []byte) Side {
	t.Helper()
	im, err := erofs.Build(root, erofs.Options{UUID: [16]byte{1}, BuildTime: 1764201600})
	if err != nil {
		t.Fatal(err)
	}
	im, _, err = avb.AddHashtree(im, avb.HashtreeParams{Partition: "system", Salt: []byte("salt"), FECRoots: 2})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	vbmeta, err := avb.Sign(&avb.VBMeta{RollbackIndex: 3, ReleaseString: version}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := Side{
		Build: catalog.Build{
			Device: "umi", Version: version, Incremental: version, Timestamp: time, PatchLevel: "2026-11-05", SDK: 34,
			Fingerprint: "Xiaomi/umi/umi:14/UKQ1/" + version + ":user/release-keys", RollbackIndex: 3,
		},
		Images: []Image{newImage("boot", "", boot), newImage("system", "erofs", b.Bytes()), newImage("vbmeta", "", vbmeta)},
	}
	for _, img := range s.Images {
		s.Build.Images = append(s.Build.Images, catalog.Partition{Name: img.Partition, FS: img.FS, Digest: img.SHA256, Size: img.Size})
	}
	s.Build.ID = catalog.BuildID(s.Build.Device, s.Build.Version, s.Build.Images)
	return s
}

// twoBuilds are last week's and this week's: some files changed, one moved,
// one gone, one new, one grown.
func twoBuilds(t testing.TB) (Side, Side) {
	t.Helper()
	boot := content(rand.New(rand.NewPCG(7, 7)), 1<<20)
	old := system(1, 120, 20_000)
	next := tree.Clone(old)
	r := rand.New(rand.NewPCG(2, 2))
	edit(next.Entry("dir03"), "file0003.so", func(b []byte) []byte { return append(content(r, 700), b...) })
	edit(next.Entry("dir05"), "file0005.so", func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	next.Set("moved.so", next.Entry("dir06").Entry("file0006.so"))
	next.Entry("dir06").Remove("file0006.so")
	next.Entry("dir07").Remove("file0007.so")
	next.Set("new.bin", tree.NewFile(0o644, 0, 0, content(r, 90_000)))
	next.Set("zeros.bin", tree.NewFile(0o644, 0, 0, make([]byte, 300_000)))
	next.Set("build.prop", tree.NewFile(0o600, 0, 0, []byte("ro.build.version.incremental=2\n")))
	nextBoot := slices.Concat(boot[:1<<19], []byte("patched"), boot[1<<19:])
	return build(t, "26.11.20", 1795132800, old, boot), build(t, "26.11.27", 1795737600, next, nextBoot)
}

func edit(dir *tree.Node, name string, change func([]byte) []byte) {
	n := dir.Entry(name)
	b := make([]byte, n.Size)
	if _, err := n.Content.ReadAt(b, 0); err != nil && err != io.EOF {
		panic(err)
	}
	dir.Set(name, tree.NewFile(n.Perm, n.UID, n.GID, change(b)))
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "ota.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func store(t testing.TB) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func makeFull(t testing.TB, to Side, o Options) (*os.File, catalog.Package) {
	t.Helper()
	f := tempFile(t)
	p, err := Full(context.Background(), f, to, options(o))
	if err != nil {
		t.Fatal(err)
	}
	return f, p
}

func makeIncremental(t testing.TB, from, to Side, o Options) (*os.File, catalog.Package) {
	t.Helper()
	f := tempFile(t)
	p, err := Incremental(context.Background(), f, from, to, options(o))
	if err != nil {
		t.Fatal(err)
	}
	return f, p
}
