package otazip

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/judge"
)

func tempFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenSSLVerifiesSignature(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"RSA": testRSA(), "EC": testEC()} {
		t.Run(name, func(t *testing.T) {
			b, _, cert := writeTest(t, testContents(fakePayload(70000)), key, zip64From)
			sig := judge.Signed(t, b, cert.Raw)
			out := judge.Run(t, "openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", sig)
			if !strings.Contains(strings.Join(strings.Fields(out), " "), "signedAttrs: <ABSENT>") {
				t.Errorf("signed attributes:\n%s", out)
			}
		})
	}
}

func TestUnzipReads(t *testing.T) {
	for _, limit := range []int64{zip64From, 1000} {
		b, _, _ := writeTest(t, testContents(fakePayload(5000)), testRSA(), limit)
		path := tempFile(t, "ota.zip", b)
		if out := judge.Run(t, "unzip", "-t", path); !strings.Contains(out, "No errors detected") {
			t.Errorf("unzip -t: %s", out)
		}
		if out := judge.Run(t, "zipinfo", "-v", path); strings.Contains(strings.ToLower(out), "warning") || !strings.Contains(out, "payload.bin") {
			t.Errorf("zipinfo: %s", out)
		}
	}
	b, err := WriteCerts([]*x509.Certificate{testCert(t, testRSA()), testCert(t, testEC())})
	if err != nil {
		t.Fatal(err)
	}
	if out := judge.Run(t, "unzip", "-t", tempFile(t, "otacerts.zip", b)); !strings.Contains(out, "No errors detected") {
		t.Errorf("otacerts.zip: unzip -t: %s", out)
	}
}

func TestProtocDecodesMetadata(t *testing.T) {
	b, _, _ := writeTest(t, testContents(fakePayload(5000)), testRSA(), zip64From)
	z, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	bin, err := z.ReadFile(NameMetadataPB)
	if err != nil {
		t.Fatal(err)
	}
	out := string(judge.Pipe(t, bin, "protoc", "--decode_raw"))
	// The fields by number: type 1, precondition 5, postcondition 6.
	for _, want := range []string{
		"1: 1\n", "4 {\n  1: \"ota-property-files\"\n", "5 {\n  1: \"umi\"\n}", "6 {\n  1: \"umi\"\n  2: \"Friday/umi/umi:14/UKQ1/26.11.27:user/release-keys\"\n  3: \"26.11.27\"\n  4: 1795737600\n", "  6: \"2026-11-05\"\n}",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("protoc's reading lacks %q:\n%s", want, out)
		}
	}
}

// TestSignedByAOSP verifies a zip that AOSP's signapk signed.
func TestSignedByAOSP(t *testing.T) {
	const dir = "../../../shared/data/android-samples/"
	b, err := os.ReadFile(dir + "otasigned_v3.zip")
	if err != nil {
		t.Skipf("needs ../shared/data/android-samples/otasigned_v3.zip")
	}
	pemBytes, err := os.ReadFile(dir + "otasigned_v3.x509.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(pemBytes)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	r, size := bytes.NewReader(b), int64(len(b))
	if _, err := Verify(r, size, []*x509.Certificate{testCert(t, testEC()), cert}); err != nil {
		t.Error(err)
	}
	if _, err := Verify(r, size, []*x509.Certificate{testCert(t, testRSA())}); err == nil ||
		err.Error() != "cannot verify package: signed by certificate serial 936eacbe07f201df, which is none of the 1 trusted" {
		t.Errorf("with another certificate: %v", err)
	}
	z, err := Open(r, size)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := z.ReadFile("a"); err != nil || len(b) != 6 {
		t.Errorf("file a: %q, %v", b, err)
	}
	if b, err := z.ReadFile(NameOTACert); err != nil || !bytes.Equal(b, pemBytes) {
		t.Errorf("otacert (deflated): %d bytes, %v", len(b), err)
	}
	// Recovery's own test: the same file with one byte more or less is refused.
	for _, changed := range [][]byte{b[:len(b)-1], append(bytes.Clone(b), 0), append([]byte{0}, b...)} {
		if _, err := Verify(bytes.NewReader(changed), int64(len(changed)), []*x509.Certificate{cert}); err == nil {
			t.Error("a longer or shorter file is accepted")
		}
	}
}
