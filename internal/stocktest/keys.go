package stocktest

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"time"
)

// VendorKeys makes the keys of a vendor from a seed, the same each time, for
// Write. They protect nothing: who knows the seed has them.
func VendorKeys(seed uint64) (*rsa.PrivateKey, *x509.Certificate, error) {
	r := random(seedOf(seed, "vendor keys"))
	e := big.NewInt(65537)
	for {
		p, q := prime(&r, e), prime(&r, e)
		if p.Cmp(q) == 0 {
			continue
		}
		one := big.NewInt(1)
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		key := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())},
			D:         new(big.Int).ModInverse(e, phi),
			Primes:    []*big.Int{p, q},
		}
		key.Precompute()
		if err := key.Validate(); err != nil {
			return nil, nil, fmt.Errorf("cannot make vendor keys: %w", err)
		}
		cert, err := certificate(key)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot make vendor keys: %w", err)
		}
		return key, cert, nil
	}
}

// prime finds a prime of 1024 bits whose two highest bits are set and that suits
// the exponent e.
func prime(r *random, e *big.Int) *big.Int {
	var b [128]byte
	one := big.NewInt(1)
	for {
		for i := 0; i < len(b); i += 8 {
			binary.BigEndian.PutUint64(b[i:], r.next())
		}
		b[0] |= 0xc0
		b[len(b)-1] |= 1
		p := new(big.Int).SetBytes(b[:])
		if new(big.Int).Mod(new(big.Int).Sub(p, one), e).Sign() != 0 && p.ProbablyPrime(20) {
			return p
		}
	}
}

func certificate(key *rsa.PrivateKey) (*x509.Certificate, error) {
	t := &x509.Certificate{
		SerialNumber:       big.NewInt(1),
		Subject:            pkix.Name{CommonName: "Vendor OTA", Organization: []string{"A vendor of phones"}},
		NotBefore:          time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:           time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
		SignatureAlgorithm: x509.SHA256WithRSA,
		SubjectKeyId:       []byte{1}, // or it would be made from the key by an algorithm of Go's choice
	}
	der, err := x509.CreateCertificate(nil, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
