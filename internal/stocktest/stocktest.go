// Package stocktest makes realistic stock firmware for tests and the demo: an
// A/B OTA zip as a phone's vendor publishes it, with system (erofs, laid out as
// system-as-root), boot (header version 4) and vbmeta, signed by the vendor's
// own keys.
//
// The firmware is made of nothing but its seed: the same Spec gives the same
// bytes on every machine. Names, owners, modes, labels, capabilities and sizes
// follow those of Android images; the programs inside do not run. It is not a
// substitute for a vendor's firmware where what is in the files matters: lay
// real files over it with Spec.Extra.
package stocktest

import (
	"context"
	"crypto"
	"crypto/x509"
	"os"

	"github.com/fridayos/friday/android/tree"
)

// Spec says what firmware to make. Zero values are replaced by those of
// Default.
type Spec struct {
	Seed       uint64
	Device     string // codename: ro.product.device
	Brand      string // ro.product.brand
	Model      string // ro.product.model
	Version    string // ro.build.version.incremental
	PatchLevel string // ro.build.version.security_patch, YYYY-MM-DD
	Timestamp  int64  // ro.build.date.utc and the time of every file
	Files      int    // regular files in system, about
	Bytes      int64  // size of all files in system, about
	// Extra is laid over system's root: what it has wins.
	Extra *tree.Node
}

// Write makes the firmware of s and writes its OTA zip to w, which must be
// empty. The payload and the zip are signed by signer, whose certificate is
// cert; an RSA signer signs vbmeta too, any other leaves it unsigned.
func Write(ctx context.Context, w *os.File, s Spec, signer crypto.Signer, cert *x509.Certificate) error {
	panic("unwritten")
}
