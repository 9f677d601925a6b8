package otazip

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// The signature block is CMS (RFC 5652) cut down to what recovery reads: one
// signer, no signed attributes, so that the signature covers the file itself and
// the same file gives the same signature.

var (
	oidData        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidSHA1        = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256      = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidSHA256RSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Encapsulated     encapsulated
	Certificates     asn1.RawValue `asn1:"optional,tag:0"`
	CRLs             asn1.RawValue `asn1:"optional,tag:1"`
	Signers          []signerInfo  `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"explicit,optional,tag:0"`
}

type issuerSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type signerInfo struct {
	Version            int
	ID                 issuerSerial
	DigestAlgorithm    pkix.AlgorithmIdentifier
	SignedAttributes   asn1.RawValue `asn1:"optional,tag:0"`
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
	Unsigned           asn1.RawValue `asn1:"optional,tag:1"`
}

// signCMS makes the signature block for a SHA-256.
func signCMS(digest []byte, signer crypto.Signer, cert *x509.Certificate) ([]byte, error) {
	// A nil source of randomness makes ECDSA deterministic (RFC 6979); RSA
	// PKCS #1 v1.5 is so by itself.
	sig, err := signer.Sign(nil, digest, crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("cannot sign package: %w", err)
	}
	algorithm := pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue}
	if _, ok := signer.Public().(*ecdsa.PublicKey); ok {
		algorithm = pkix.AlgorithmIdentifier{Algorithm: oidECDSASHA256}
	}
	hash := pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}
	// Java's RecoverySystem takes the signer's certificate from the block, so
	// exactly that one is in it.
	data, err := asn1.Marshal(signedData{
		Version:          1,
		DigestAlgorithms: []pkix.AlgorithmIdentifier{hash},
		Encapsulated:     encapsulated{Type: oidData},
		Certificates:     asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: cert.Raw},
		Signers: []signerInfo{{
			Version:            1,
			ID:                 issuerSerial{Issuer: asn1.RawValue{FullBytes: cert.RawIssuer}, Serial: cert.SerialNumber},
			DigestAlgorithm:    hash,
			SignatureAlgorithm: algorithm,
			Signature:          sig,
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot encode signature block: %w", err)
	}
	block, err := asn1.Marshal(contentInfo{
		Type:    oidSignedData,
		Content: asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: data},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot encode signature block: %w", err)
	}
	return block, nil
}

// parseCMS reads a signature block; it checks no signature.
func parseCMS(block []byte) (signerInfo, error) {
	fail := func(what string, err error) (signerInfo, error) {
		return signerInfo{}, fmt.Errorf("cannot read signature block: %s: %w", what, err)
	}
	var ci contentInfo
	rest, err := asn1.Unmarshal(block, &ci)
	if err != nil {
		return fail("ContentInfo", err)
	}
	if len(rest) != 0 {
		return fail("ContentInfo", fmt.Errorf("%d bytes follow it, expected none", len(rest)))
	}
	if !ci.Type.Equal(oidSignedData) {
		return fail("ContentInfo", fmt.Errorf("type is %v, expected signedData %v", ci.Type, oidSignedData))
	}
	var sd signedData
	rest, err = asn1.Unmarshal(ci.Content.Bytes, &sd)
	if err != nil {
		return fail("SignedData", err)
	}
	if len(rest) != 0 {
		return fail("SignedData", fmt.Errorf("%d bytes follow it, expected none", len(rest)))
	}
	if len(sd.Encapsulated.Content.FullBytes) != 0 {
		return fail("SignedData", errors.New("it holds content of its own, expected a detached signature"))
	}
	if len(sd.Signers) != 1 {
		return fail("SignedData", fmt.Errorf("it has %d signers, expected 1", len(sd.Signers)))
	}
	si := sd.Signers[0]
	if len(si.SignedAttributes.FullBytes) != 0 {
		return fail("SignerInfo", errors.New("it has signed attributes, which recovery refuses; sign without them"))
	}
	if alg := si.DigestAlgorithm.Algorithm; alg.Equal(oidSHA1) {
		return fail("SignerInfo", errors.New("digest is SHA-1, expected SHA-256; the package was signed by an old tool"))
	} else if !alg.Equal(oidSHA256) {
		return fail("SignerInfo", fmt.Errorf("digest algorithm is %v, expected SHA-256 %v", alg, oidSHA256))
	}
	return si, nil
}

// by says whether a key made the signature over digest.
func (si signerInfo) by(key crypto.PublicKey, digest [sha256.Size]byte) (bool, error) {
	alg := si.SignatureAlgorithm.Algorithm
	isRSA := alg.Equal(oidRSA) || alg.Equal(oidSHA256RSA)
	if !isRSA && !alg.Equal(oidECDSASHA256) {
		return false, fmt.Errorf("cannot verify package: signature algorithm is %v, expected RSA PKCS #1 v1.5 or ECDSA with SHA-256", alg)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		return isRSA && rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], si.Signature) == nil, nil
	case *ecdsa.PublicKey:
		return !isRSA && ecdsa.VerifyASN1(key, digest[:], si.Signature), nil
	}
	return false, nil
}

// verifyCMS finds the certificate whose key made the signature over digest.
func verifyCMS(si signerInfo, digest [sha256.Size]byte, certs []*x509.Certificate) (*x509.Certificate, error) {
	for _, cert := range certs {
		if ok, err := si.by(cert.PublicKey, digest); err != nil {
			return nil, err
		} else if ok {
			return cert, nil
		}
	}
	for _, cert := range certs {
		if bytes.Equal(cert.RawIssuer, si.ID.Issuer.FullBytes) && cert.SerialNumber.Cmp(si.ID.Serial) == 0 {
			return nil, fmt.Errorf("cannot verify package: the signature by %q does not match the file (SHA-256 %x); it was changed after signing, or cut and joined", cert.Subject, digest)
		}
	}
	return nil, fmt.Errorf("cannot verify package: signed by certificate serial %x, which is none of the %d trusted", si.ID.Serial, len(certs))
}
