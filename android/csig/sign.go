package csig

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidSignedData    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	oidContentType   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidMessageDigest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}
	oidSHA256        = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidRSA           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
)

// The parts of RFC 5652 that a csig has, by its names.
type contentInfo struct {
	Type    asn1.ObjectIdentifier
	Content signedData `asn1:"explicit,tag:0"`
}

type signedData struct {
	Version          int
	DigestAlgorithms []pkix.AlgorithmIdentifier `asn1:"set"`
	Encapsulated     encapsulated
	Certificates     asn1.RawValue
	Signers          []signerInfo `asn1:"set"`
}

type encapsulated struct {
	Type    asn1.ObjectIdentifier
	Content []byte `asn1:"explicit,tag:0"`
}

type signerInfo struct {
	Version            int
	ID                 issuerSerial
	DigestAlgorithm    pkix.AlgorithmIdentifier
	SignedAttributes   asn1.RawValue
	SignatureAlgorithm pkix.AlgorithmIdentifier
	Signature          []byte
}

type issuerSerial struct {
	Issuer asn1.RawValue
	Serial *big.Int
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// Sign writes a description and signs it with an RSA key, as Custota's own tool
// asks for; cert is the key's, which goes along. The same description and key
// give the same bytes.
func Sign(info Info, signer crypto.Signer, cert *x509.Certificate) ([]byte, error) {
	der, err := sign(info, signer, cert)
	if err != nil {
		return nil, fmt.Errorf("cannot sign csig: %w", err)
	}
	return der, nil
}

func sign(info Info, signer crypto.Signer, cert *x509.Certificate) ([]byte, error) {
	if err := info.check(); err != nil {
		return nil, err
	}
	if signer == nil || cert == nil {
		return nil, errors.New("it needs a key and its certificate")
	}
	key, ok := signer.Public().(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the key is a %T, expected RSA", signer.Public())
	}
	if !key.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("the key is not that of certificate %q (serial %x)", cert.Subject, cert.SerialNumber)
	}
	content, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	attributes, err := signedAttributes(content)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(attributes)
	// PKCS #1 v1.5, for which no randomness is needed.
	signature, err := signer.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	hash := pkix.AlgorithmIdentifier{Algorithm: oidSHA256}
	// Where they lie the attributes have another tag than where they are signed
	// (RFC 5652, 5.4).
	attributes[0] = 0xa0
	return asn1.Marshal(contentInfo{Type: oidSignedData, Content: signedData{
		Version:          1,
		DigestAlgorithms: []pkix.AlgorithmIdentifier{hash},
		Encapsulated:     encapsulated{Type: oidData, Content: content},
		Certificates:     asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: cert.Raw},
		Signers: []signerInfo{{
			Version:            1,
			ID:                 issuerSerial{Issuer: asn1.RawValue{FullBytes: cert.RawIssuer}, Serial: cert.SerialNumber},
			DigestAlgorithm:    hash,
			SignedAttributes:   asn1.RawValue{FullBytes: attributes},
			SignatureAlgorithm: pkix.AlgorithmIdentifier{Algorithm: oidRSA, Parameters: asn1.NullRawValue},
			Signature:          signature,
		}},
	}})
}

// signedAttributes are those that must be there, in DER, as a SET OF: the
// content's type and its digest.
func signedAttributes(content []byte) ([]byte, error) {
	digest := sha256.Sum256(content)
	kind, err := asn1.Marshal(oidData)
	if err != nil {
		return nil, err
	}
	sum, err := asn1.Marshal(digest[:])
	if err != nil {
		return nil, err
	}
	return asn1.MarshalWithParams([]attribute{
		{Type: oidContentType, Values: []asn1.RawValue{{FullBytes: kind}}},
		{Type: oidMessageDigest, Values: []asn1.RawValue{{FullBytes: sum}}},
	}, "set")
}
