package otazip

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"sync"
	"testing"
	"time"
)

// memFile is a File in memory.
type memFile struct{ b []byte }

func (m *memFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

func (m *memFile) WriteAt(p []byte, off int64) (int, error) {
	if need := int(off) + len(p); need > len(m.b) {
		m.b = append(m.b, make([]byte, need-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func testEC() *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("a key for tests"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return key
}

func testCert(t testing.TB, key crypto.Signer) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "Test OTA"},
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(4e9, 0),
	}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// fakePayload has a payload's header, and noise.
func fakePayload(n int) []byte {
	b := make([]byte, n)
	r := mrand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	copy(b, "CrAU")
	binary.BigEndian.PutUint64(b[4:], 2)
	binary.BigEndian.PutUint64(b[12:], 100)
	binary.BigEndian.PutUint32(b[20:], 267)
	return b
}

func testContents(payload []byte) Contents {
	return Contents{
		Metadata: Metadata{
			PreDevice: []string{"umi"}, PostBuild: "Friday/umi/umi:14/UKQ1/26.11.27:user/release-keys",
			PostBuildIncremental: "26.11.27", PostTimestamp: 1795737600, PostSecurityPatch: "2026-11-05", PostSDKLevel: "34",
		},
		Payload: func(w io.Writer) (string, error) {
			_, err := w.Write(payload)
			return "FILE_HASH=x\nFILE_SIZE=5000\nMETADATA_HASH=y\nMETADATA_SIZE=124\n", err
		},
		CareMap: []byte("care"),
		Extra:   map[string][]byte{"apex_info.pb": []byte("apex"), "META-INF/com/friday/build": []byte("id\n")},
	}
}

func writeTest(t testing.TB, c Contents, key crypto.Signer, limit int64) ([]byte, Info, *x509.Certificate) {
	t.Helper()
	cert := testCert(t, key)
	f := &memFile{}
	w := writer{f: f, limit: limit}
	info, err := w.write(context.Background(), c, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	return f.b, info, cert
}
