package editing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"testing"

	"github.com/fridayos/friday/android/mincrypt"
)

// TestRecoveryKeys: a key of updates that is no RSA is written too.
func TestRecoveryKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x := &Editor{Cert: &x509.Certificate{PublicKey: &ec.PublicKey}}
	text, err := x.recoveryKeys()
	keys, parseErr := mincrypt.ParseKeys(text)
	if err != nil || parseErr != nil || !slices.ContainsFunc(keys, func(k mincrypt.Key) bool { return ec.PublicKey.Equal(k.Public) }) {
		t.Errorf("%s: %v, %v", text, err, parseErr)
	}
	x.Cert = &x509.Certificate{}
	if _, err := x.recoveryKeys(); err == nil {
		t.Error("a certificate without a key is written")
	}
}
