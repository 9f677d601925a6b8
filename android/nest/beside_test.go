package nest_test

import (
	"archive/zip"
	"crypto/rand"
	"crypto/rsa"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
)

// verified is a system with its hash tree, in super, and vbmeta images: one that
// chains to vbmeta_system, which has the descriptor.
func verified(t testing.TB) (image, superImage, vbmeta, vbmetaSystem []byte) {
	t.Helper()
	key := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	im, d, err := avb.AddHashtree(must[*tree.Image](t)(erofs.Build(system(), erofs.Options{})), avb.HashtreeParams{Partition: "system", Salt: []byte{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	vbmetaSystem = must[[]byte](t)(avb.Sign(&avb.VBMeta{Algorithm: avb.SHA256RSA2048, Descriptors: []avb.Descriptor{d}}, key))
	chain := &avb.ChainDescriptor{Partition: "vbmeta_system", RollbackIndexLocation: 1, PublicKey: avb.EncodePublicKey(&key.PublicKey)}
	vbmeta = must[[]byte](t)(avb.Sign(&avb.VBMeta{Algorithm: avb.SHA256RSA2048, Descriptors: []avb.Descriptor{chain}}, key))
	g := super.Geometry{MetadataMaxSize: 65536, Slots: 2, BlockSize: 4096}
	m := must[*super.Metadata](t)(super.Lay(g, []super.Device{{Name: "super", Size: 16 << 20}}, nil, []super.Want{{Name: "system_a", Size: im.Size()}}))
	images := must[[]*tree.Image](t)(super.Build(g, m, map[string]*tree.Image{"system_a": im}))
	return whole(t, im), whole(t, images[0]), vbmeta, vbmetaSystem
}

func checks(t testing.TB, path string, o nest.Options) (whats []string, failed int) {
	t.Helper()
	n := newNest(t, o)
	obj := must[*nest.Object](t)(n.Open(ctx, path))
	failed, err := n.Verify(ctx, obj, func(c nest.Check) { whats = append(whats, strings.TrimRight(c.What+": "+c.Err, ": ")) })
	if err != nil {
		t.Fatal(err)
	}
	return whats, failed
}

// A vbmeta image finds what it describes wherever vendors put it.
func TestVerifyAround(t *testing.T) {
	sys, sup, vbmeta, vbs := verified(t)
	lz4ed := func(b []byte) []byte { return packed(t, b, samsungLZ4) }
	chunks := sparseFiles(t, sup, 0)[0]
	bad := slices.Clone(sup)
	// A byte of the system itself: behind the metadata of super.
	at := 1<<20 + slices.IndexFunc(bad[1<<20:], func(b byte) bool { return b != 0 })
	bad[at] ^= 1
	tests := map[string]struct {
		file string
		b    []byte
		want string // a check of the content of system
		good bool
	}{
		"beside": {"fw.zip", zipOf(t, zip.Store, entry{"vbmeta.img", vbmeta}, entry{"vbmeta_system.img", vbs}, entry{"system.img", sys}),
			"avb: content of system", true},
		"sparse": {"fw.zip", zipOf(t, zip.Deflate, entry{"vbmeta.img", vbmeta}, entry{"vbmeta_system.img", vbs}, entry{"system.img", sparseFiles(t, sys, 0)[0]}),
			"avb: content of system", true},
		"in super in a tar": {"fw.zip", zipOf(t, zip.Deflate, entry{"AP.tar.md5", tarOf(t, true, entry{"vbmeta.img", vbmeta}, entry{"vbmeta_system.img.lz4", lz4ed(vbs)}, entry{"super.img.lz4", lz4ed(chunks)})}),
			"avb: content of system, in super.img.lz4//system_a", true},
		"Odin's archives": {"fw.zip", zipOf(t, zip.Store, entry{"AP.tar.md5", tarOf(t, true, entry{"super.img.lz4", lz4ed(chunks)})}, entry{"BL.tar.md5", tarOf(t, true, entry{"vbmeta.img", vbmeta}, entry{"vbmeta_system.img", vbs})}),
			"avb: content of system, in ../../AP.tar.md5//super.img.lz4//system_a", true},
		"a level above": {"fw.zip", zipOf(t, zip.Store, entry{"images/super.img", sup}, entry{"images/boot.zip", zipOf(t, zip.Store, entry{"vbmeta.img", vbmeta}, entry{"vbmeta_system.img", vbs})}),
			"avb: content of system, in ../super.img//system_a", true},
		"damaged": {"fw.zip", zipOf(t, zip.Store, entry{"vbmeta.img", vbmeta}, entry{"vbmeta_system.img", vbs}, entry{"super.img", bad}),
			"avb: content of system, in super.img//system_a", false},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			whats, failed := checks(t, onDisk(t, c.file, c.b), nest.Options{})
			i := slices.IndexFunc(whats, func(s string) bool { return strings.HasPrefix(s, c.want) })
			if i < 0 || (whats[i] == c.want) != c.good || (failed == 0) != c.good {
				t.Errorf("%d failed; expected %q among %q", failed, c.want, whats)
			}
			if !slices.ContainsFunc(whats, func(s string) bool { return strings.HasPrefix(s, "avb: chain to vbmeta_system") }) {
				t.Errorf("the chain was not followed: %q", whats)
			}
		})
	}
	// What lies beside a firmware on the disk is another's.
	path := onDisk(t, "fw.zip", zipOf(t, zip.Store, entry{"vbmeta_system.img", vbs}))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "system.img"), bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if whats, failed := checks(t, path, nest.Options{}); failed > 0 {
		t.Error(whats)
	}
}
