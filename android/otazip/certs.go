package otazip

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ReadCerts reads the certificates of an otacerts.zip, the file in which a phone
// keeps whose updates it trusts (system/etc/security/otacerts.zip).
func ReadCerts(r io.ReaderAt, size int64) ([]*x509.Certificate, error) {
	z, err := Open(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot read update certificates: %w", err)
	}
	var certs []*x509.Certificate
	for _, e := range z.entries {
		if !strings.HasSuffix(e.Name, ".pem") {
			continue
		}
		b, err := z.ReadFile(e.Name)
		if err != nil {
			return nil, fmt.Errorf("cannot read update certificates: %w", err)
		}
		cert, err := parseCert(b)
		if err != nil {
			return nil, fmt.Errorf("cannot read update certificates: %s: %w", e.Name, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("cannot read update certificates: the zip has no .pem file")
	}
	return certs, nil
}

func parseCert(b []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no CERTIFICATE block in it, expected a certificate as PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}

// CheckCert says whether recovery can use a certificate: RSA of 2048 or 4096
// bits, or ECDSA on P-256, and itself signed with SHA-256, since recovery takes
// the digest of packages from there. One certificate that it cannot use makes
// recovery drop all of an otacerts.zip.
func CheckCert(cert *x509.Certificate) error {
	fail := func(format string, a ...any) error {
		return fmt.Errorf("cannot use certificate %q: %s", cert.Subject, fmt.Sprintf(format, a...))
	}
	switch key := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n != 2048 && n != 4096 || key.E != 3 && key.E != 65537 {
			return fail("its RSA key has %d bits and exponent %d; recovery takes 2048 or 4096 bits, and 3 or 65537", n, key.E)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return fail("its ECDSA key is on %s; recovery takes P-256", key.Curve.Params().Name)
		}
	default:
		return fail("its key is %v; recovery takes RSA and ECDSA", cert.PublicKeyAlgorithm)
	}
	if a := cert.SignatureAlgorithm; a != x509.SHA256WithRSA && a != x509.ECDSAWithSHA256 {
		return fail("it is itself signed with %v; recovery takes SHA256-RSA and ECDSA-SHA256", a)
	}
	return nil
}

// WriteCerts makes an otacerts.zip. The same certificates give the same bytes,
// in whatever order they come.
func WriteCerts(certs []*x509.Certificate) ([]byte, error) {
	if len(certs) == 0 {
		return nil, errors.New("cannot write update certificates: none given; a phone with none takes no update")
	}
	for _, cert := range certs {
		if err := CheckCert(cert); err != nil {
			return nil, fmt.Errorf("cannot write update certificates: %w", err)
		}
	}
	sorted := slices.SortedFunc(slices.Values(certs), func(a, b *x509.Certificate) int { return bytes.Compare(a.Raw, b.Raw) })
	sorted = slices.CompactFunc(sorted, func(a, b *x509.Certificate) bool { return a.Equal(b) })
	var body, central []byte
	for _, cert := range sorted {
		// Recovery reads entries that end in x509.pem and goes by no other name.
		e := newEntry(fmt.Sprintf("%x", sha256.Sum256(cert.Raw))[:16]+".x509.pem", encodeCert(cert))
		e.header = int64(len(body))
		body = append(e.appendLocal(body), e.content...)
		central = e.appendCentral(central)
	}
	end := appendEnd(nil, directory{offset: int64(len(body)), size: int64(len(central)), entries: len(sorted)}, zip64From)
	return slices.Concat(body, central, end, []byte{0, 0}), nil
}

func encodeCert(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}
