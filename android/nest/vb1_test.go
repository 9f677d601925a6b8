package nest_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
)

// What Verified Boot 1 keeps behind images is said, and compared.
func TestVerifiedBoot1(t *testing.T) {
	key := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Mango"}, NotAfter: time.Unix(1<<32, 0)}
	cert := must[*x509.Certificate](t)(x509.ParseCertificate(must[[]byte](t)(x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key))))
	boot := good(t).boot
	boot = append(boot, must[[]byte](t)(vb1.SignBoot(bytes.NewReader(boot), int64(len(boot)), "/boot", key, cert))...)
	im, _, err := vb1.AddVerity(ctx, must[*tree.Image](t)(ext4.Build(system(), ext4.Options{})), vb1.Params{Device: "/dev/block/by-name/system", Salt: []byte("salt"), Key: key})
	if err != nil {
		t.Fatal(err)
	}
	seven, _, err := vb1.AddVerity(ctx, must[*tree.Image](t)(ext4.Build(system(), ext4.Options{})), vb1.Params{Device: "/dev/block/by-name/system", Salt: []byte("salt"), Key: key, TreeFirst: true, FECRoots: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		flip int // a byte that the check covers
		fact string
		what string
	}{
		"boot.img":   {boot, 2048, "boot_signature", "boot signature: by CN=Mango"},
		"system.img": {whole(t, im), 700, "verity", "verity: every block by the hash tree; the key that signed its table lies in the boot image"},
		"seven.img":  {whole(t, seven), int(seven.Size()) - 5000, "verity", "verity: the error correction, 2 roots"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNest(t, nest.Options{})
			in := must[*nest.Info](t)(n.Info(ctx, must[*nest.Object](t)(n.Open(ctx, onDisk(t, name, c.b))), -1))
			if in.Facts[c.fact] == nil || len(in.Problems) > 0 {
				t.Errorf("%+v", in)
			}
			whats, failed := checks(t, onDisk(t, name, c.b), nest.Options{})
			if !slices.Contains(whats, c.what) || failed > 0 {
				t.Errorf("%d failed: %q", failed, whats)
			}
			bad := bytes.Clone(c.b)
			bad[c.flip] ^= 1
			whats, failed = checks(t, onDisk(t, name, bad), nest.Options{})
			if failed == 0 || !slices.ContainsFunc(whats, func(s string) bool { return strings.HasPrefix(s, c.what+": cannot verify") }) {
				t.Errorf("%d failed: %q", failed, whats)
			}
		})
	}
}
