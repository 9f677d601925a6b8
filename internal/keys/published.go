package keys

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/avb"
)

// Keys whose private halves lie in AOSP's source tree for all to take, and with which
// systems are signed by whoever forgets to make keys of their own.
var (
	// publishedCerts are those of build/make/target/product/security, by the SHA-256 of
	// the certificate.
	publishedCerts = map[string]string{
		"a40da80a59d170caa950cf15c18c454d47a39b26989d8b640ecd745ba71bf5dc": "testkey",
		"c8a2e9bccf597c2fb6dc66bee293fc13f2fc47ec77bc6b2b0d52c11f51192ab8": "platform",
		"28bbfe4a7b97e74681dc55c2fbb6ccb8d6c74963733f6af6ae74d8c3a6e879fd": "shared",
	}
	// publishedKeys are those of external/avb/test/data, by the SHA-1 that avbtool prints
	// of a public key.
	publishedKeys = map[string]string{
		"cdbb77177f731920bbe0a0f94f84d9038ae0617d": "testkey_rsa2048",
		"2597c218aae470a130f61162feaae70afd97f011": "testkey_rsa4096",
	}
)

// Published says whether a certificate is of a key that everybody has, and how AOSP calls
// it.
func Published(cert *x509.Certificate) (name string, ok bool) {
	name, ok = publishedCerts[fmt.Sprintf("%x", sha256.Sum256(cert.Raw))]
	return name, ok
}

// PublishedKey is Published for a key of Verified Boot.
func PublishedKey(key *rsa.PublicKey) (name string, ok bool) {
	name, ok = publishedKeys[fmt.Sprintf("%x", sha1.Sum(avb.EncodePublicKey(key)))]
	return name, ok
}

func published(path, name string) error {
	return fmt.Errorf("cannot use keys: %s is AOSP's %s, whose private half everybody has: who likes could sign for your phones; make keys of your own ('friday init' makes them)", path, name)
}

// sized refuses a key of another size than phones know.
func sized(path string, key *rsa.PrivateKey, bits ...int) error {
	n := key.N.BitLen()
	if slices.Contains(bits, n) {
		return nil
	}
	var want []string
	for _, b := range bits {
		want = append(want, fmt.Sprint(b))
	}
	return fmt.Errorf("cannot use keys: %s has %d bits, expected %s", path, n, strings.Join(want, " or "))
}
