package judge

import (
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

// Signed has openssl check the whole-file signature of an OTA zip against a
// certificate in DER, and returns the file of the signature. Where it lies is
// said by the zip's last six bytes, as Android's recovery reads them.
func Signed(t testing.TB, zip, certificate []byte) (signature string) {
	t.Helper()
	end := len(zip)
	start, comment := int(binary.LittleEndian.Uint16(zip[end-6:])), int(binary.LittleEndian.Uint16(zip[end-2:]))
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	signature = file("signature.der", zip[end-start:end-6])
	Run(t, "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-nointern", "-noverify", "-out", os.DevNull,
		"-in", signature, "-content", file("signed", zip[:end-comment-2]),
		"-certfile", file("certificate.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})))
	return signature
}
