package judge

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// VBMeta has openssl check the signature of a vbmeta struct by a key. Where the
// signature and what it covers lie is read here from the struct's header alone
// (avb_vbmeta_image.h): the authentication block is what is not signed.
func VBMeta(t testing.TB, b []byte, key *rsa.PublicKey) {
	t.Helper()
	be := binary.BigEndian
	if len(b) < 256 || string(b[:4]) != "AVB0" {
		t.Fatalf("no vbmeta struct: %d bytes", len(b))
	}
	authentication, auxiliary := int(be.Uint64(b[12:])), int(be.Uint64(b[20:]))
	digest := map[uint32]string{1: "-sha256", 2: "-sha256", 3: "-sha256", 4: "-sha512", 5: "-sha512", 6: "-sha512"}[be.Uint32(b[28:])]
	if digest == "" {
		t.Fatalf("the vbmeta struct has algorithm %d, expected RSA", be.Uint32(b[28:]))
	}
	at, size := 256+int(be.Uint64(b[48:])), int(be.Uint64(b[56:]))
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, b ...byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	public := write("public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	signed := append(b[:256:256], b[256+authentication:256+authentication+auxiliary]...)
	Pipe(t, signed, "openssl", "dgst", digest, "-verify", public, "-signature", write("signature", b[at:at+size]...))
}

// Hashed has openssl compute the SHA-256 of a salt and the first bytes of a file, as
// a hash descriptor of Verified Boot 2.0 has it.
func Hashed(t testing.TB, file string, salt []byte, size int64, want []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := Pipe(t, append(append([]byte{}, salt...), b[:size]...), "openssl", "dgst", "-sha256", "-r")
	if got, _, _ := strings.Cut(string(out), " "); got != hex.EncodeToString(want) {
		t.Fatalf("%s: openssl's SHA-256 is %s, expected %x", filepath.Base(file), got, want)
	}
}
