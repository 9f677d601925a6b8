// Package keys holds the signing keys by role.
//
// `friday worker` holds the release keys, a folder (mode 0700) of PEM files
// (mode 0600) that Generate makes and Open reads:
//
//	avb.pem       RSA; signs vbmeta. Its public half is fused into a phone or
//	              ignored by an unlocked one.
//	ota.pem       RSA; signs payloads and whole packages.
//	ota.x509.pem  its certificate, which lies in otacerts.zip of every build.
//
// `friday serve` holds the ticket key alone, which signs what handsets hand
// back to it: tickets and outcome tokens. It never opens a release key, and
// the ticket key can sign nothing that a phone would install.
//
// The package signs no formats itself; android/avb, android/payload and
// android/otazip do.
package keys

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
)

// Options of GenerateWith.
type Options struct {
	AVBBits int    // 2048, 4096 or 8192; 0 means 4096
	OTABits int    // 2048 or 4096; 0 means 4096
	Name    string // common name of the certificate; "" means "Friday OTA"
}

// Generate makes the release keys in dir. It overwrites nothing.
func Generate(dir string) error { return GenerateWith(dir, Options{}) }

// GenerateWith is Generate with sizes and a name.
func GenerateWith(dir string, o Options) error { panic("unwritten") }

// Ring is a folder of release keys.
type Ring struct{ dir string }

// Open checks that dir and its files are nobody else's to read.
func Open(dir string) (*Ring, error) { panic("unwritten") }

// AVB is the key that signs vbmeta.
func (r *Ring) AVB() (*rsa.PrivateKey, error) { panic("unwritten") }

// OTA is the key that signs payloads and packages, and its certificate.
func (r *Ring) OTA() (crypto.Signer, *x509.Certificate, error) { panic("unwritten") }
