package pack

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/smallstep/pkcs7"
)

const madeBy = "1.0 (Friday)"

// jarFiles are those of scheme 1: the manifest with every file's digest, the digest
// of the manifest, and its signature.
func jarFiles(files []File, key *rsa.PrivateKey, cert *x509.Certificate) ([]File, error) {
	var manifest, list bytes.Buffer
	attribute(&manifest, "Manifest-Version", "1.0")
	attribute(&manifest, "Created-By", madeBy)
	manifest.WriteString("\r\n")
	for _, f := range files {
		var section bytes.Buffer
		attribute(&section, "Name", f.Name)
		attribute(&section, "SHA-256-Digest", digest(f.Content))
		section.WriteString("\r\n")
		manifest.Write(section.Bytes())
		attribute(&list, "Name", f.Name)
		attribute(&list, "SHA-256-Digest", digest(section.Bytes()))
		list.WriteString("\r\n")
	}
	var sf bytes.Buffer
	attribute(&sf, "Signature-Version", "1.0")
	attribute(&sf, "Created-By", madeBy)
	attribute(&sf, "SHA-256-Digest-Manifest", digest(manifest.Bytes()))
	attribute(&sf, "X-Android-APK-Signed", "2, 3") // so that nobody takes the newer schemes away
	sf.WriteString("\r\n")
	sf.Write(list.Bytes())

	s, err := pkcs7.NewSignedData(sf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("signature of scheme 1: %w", err)
	}
	s.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	s.SetEncryptionAlgorithm(pkcs7.OIDEncryptionAlgorithmRSA)
	// Without attributes, as one of them would be the time.
	if err := s.SignWithoutAttr(cert, key, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("signature of scheme 1: %w", err)
	}
	s.Detach()
	block, err := s.Finish()
	if err != nil {
		return nil, fmt.Errorf("signature of scheme 1: %w", err)
	}
	return []File{
		{Name: "META-INF/CERT.SF", Content: sf.Bytes()},
		{Name: "META-INF/CERT.RSA", Content: block},
		{Name: "META-INF/MANIFEST.MF", Content: manifest.Bytes()},
	}, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// attribute writes a line of a manifest, of at most 72 bytes with its end; what is
// longer goes on in the next, behind a space.
func attribute(b *bytes.Buffer, name, value string) {
	line := name + ": " + value
	for len(line) > 70 {
		b.WriteString(line[:70] + "\r\n")
		line = " " + line[70:]
	}
	b.WriteString(line + "\r\n")
}
