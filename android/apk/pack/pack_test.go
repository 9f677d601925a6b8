package pack_test

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/apk/apktest"
	"github.com/fridayos/friday/android/apk/pack"
	"github.com/fridayos/friday/internal/judge"
)

func key(t testing.TB, bits int) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "an OS"}, NotBefore: time.Unix(0, 0), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return k, c
}

func files() []pack.File {
	return []pack.File{
		{Name: "AndroidManifest.xml", Content: apktest.Manifest(apk.Manifest{Package: "org.example.packed", VersionCode: 1, VersionName: "1", TargetSDK: 30}, true)},
		{Name: "res/raw/" + strings.Repeat("a-long-name-", 20) + ".bin", Content: bytes.Repeat([]byte("0123456789abcdef"), 1<<17)}, // more than one chunk
		{Name: "resources.bin", Content: []byte("kept as it is"), Stored: true},
		{Name: "empty", Stored: true},
	}
}

// TestJudged: two programs of others verify each scheme, our own reader too, and
// a byte that was changed is seen.
func TestJudged(t *testing.T) {
	for _, bits := range []int{2048, 4096} {
		k, c := key(t, bits)
		b, err := pack.Signed(files(), k, c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := pack.Signed(files(), k, c)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("%d bits: the same files give other bytes (%v)", bits, err)
		}
		signers, err := apk.Signers(t.Context(), bytes.NewReader(b), int64(len(b)))
		if err != nil || len(signers) != 1 || signers[0].Scheme != 3 || !bytes.Equal(signers[0].Certificate, c.Raw) {
			t.Fatalf("signers %+v, %v", signers, err)
		}
		z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			if at, err := f.DataOffset(); err != nil || f.Method == zip.Store && at%4 != 0 {
				t.Errorf("%s begins at byte %d (%v)", f.Name, at, err)
			}
		}
		name := filepath.Join(t.TempDir(), "x.apk")
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, sdk := range []struct{ min, want string }{
			{"18", "Verified using v1 scheme (JAR signing): true"}, {"24", "Verified using v2 scheme (APK Signature Scheme v2): true"}, {"28", "Verified using v3 scheme (APK Signature Scheme v3): true"},
		} {
			if said := judge.Run(t, "apksigner", "verify", "-v", "--min-sdk-version", sdk.min, name); !strings.Contains(said, sdk.want) || strings.Contains(said, "WARNING") {
				t.Errorf("from Android API %s, apksigner says\n%s", sdk.min, said)
			}
		}
		if said := judge.Run(t, "apksigner", "verify", "-v", "--min-sdk-version", "18", "--max-sdk-version", "23", name); !strings.Contains(said, "v1 scheme (JAR signing): true") {
			t.Errorf("by scheme 1 alone, apksigner says\n%s", said)
		}
		changed := bytes.Clone(b)
		changed[len(b)/3] ^= 1
		if err := os.WriteFile(name, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := apk.Signers(t.Context(), bytes.NewReader(changed), int64(len(changed))); err == nil {
			t.Error("a changed byte is not seen")
		}
	}
}

// TestScheme1: openssl verifies the signature over the digests.
func TestScheme1(t *testing.T) {
	k, c := key(t, 2048)
	b, err := pack.Signed(files(), k, c)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
	said := judge.In(t, filepath.Join(dir, "META-INF"), "openssl", "cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in", "CERT.RSA", "-content", "CERT.SF", "-out", "out")
	if !strings.Contains(said, "successful") {
		t.Errorf("openssl says\n%s", said)
	}
}

func TestMistakes(t *testing.T) {
	k, c := key(t, 2048)
	other, _ := key(t, 2048)
	for want, do := range map[string]func() ([]byte, error){
		"cannot make app: file x is given twice":                       func() ([]byte, error) { return pack.Signed([]pack.File{{Name: "x"}, {Name: "x"}}, k, c) },
		"cannot make app: file name \"/x\", expected a plain path":     func() ([]byte, error) { return pack.Signed([]pack.File{{Name: "/x"}}, k, c) },
		"cannot make app: file META-INF/a: META-INF is for signatures": func() ([]byte, error) { return pack.Signed([]pack.File{{Name: "META-INF/a"}}, k, c) },
		"cannot make app: there is no key to sign it with":             func() ([]byte, error) { return pack.Signed(nil, nil, c) },
		"cannot make app: the certificate is not that of the key":      func() ([]byte, error) { return pack.Signed(nil, other, c) },
	} {
		if b, err := do(); err == nil || err.Error() != want || b != nil {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
