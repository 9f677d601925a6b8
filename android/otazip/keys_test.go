package otazip

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
)

// TestVerifyKeys: a recovery that has keys and no certificates takes what one of them
// signed.
func TestVerifyKeys(t *testing.T) {
	b, _, cert := writeTest(t, testContents(fakePayload(500)), testRSA(), zip64From)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(b []byte, keys ...crypto.PublicKey) error {
		key, err := VerifyKeys(bytes.NewReader(b), int64(len(b)), keys)
		if err == nil && key != cert.PublicKey {
			t.Errorf("verified by %v", key)
		}
		return err
	}
	if err := verify(b, &other.PublicKey, cert.PublicKey); err != nil {
		t.Error(err)
	}
	changed := bytes.Clone(b)
	changed[len(b)/4] ^= 1
	for want, err := range map[string]error{
		"no key to verify it with":         verify(b),
		"is by none of the 1 keys trusted": verify(b, &other.PublicKey),
		"is by none of the 2 keys trusted": verify(changed, cert.PublicKey, &other.PublicKey),
		"is by none of the 3 keys trusted": verify(b, nil, "no key", &other.PublicKey),
		"cannot verify package: ":          verify(b[:10], cert.PublicKey),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}
