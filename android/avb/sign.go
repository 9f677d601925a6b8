package avb

import (
	"crypto/rsa"
	"encoding/binary"
	"fmt"
)

// Sign serialises v and signs it; without a key the algorithm is None. The key's
// size decides between the RSA algorithms, v.Algorithm only whether SHA-512 is
// used in place of SHA-256. v.PublicKey is not read: it is key's. The same v and
// key give the same bytes.
func Sign(v *VBMeta, key *rsa.PrivateKey) ([]byte, error) {
	algorithm, encodedKey := None, []byte(nil)
	if key != nil {
		var err error
		if algorithm, err = algorithmFor(key.N.BitLen(), v.Algorithm); err != nil {
			return nil, fmt.Errorf("cannot sign vbmeta: %w", err)
		}
		if key.E != publicExponent {
			return nil, fmt.Errorf("cannot sign vbmeta: the key's exponent is %d, expected %d", key.E, publicExponent)
		}
		encodedKey = EncodePublicKey(&key.PublicKey)
	}
	if len(v.ReleaseString) > maxReleaseString {
		return nil, fmt.Errorf("cannot sign vbmeta: its release string is %d bytes long, expected at most %d", len(v.ReleaseString), maxReleaseString)
	}
	var aux []byte
	minor := max(v.RequiredMinor, requiredMinor(v))
	for i, d := range v.Descriptors {
		if err := checkWritable(d); err != nil {
			return nil, fmt.Errorf("cannot sign vbmeta: descriptor %d: %w", i, err)
		}
		aux = appendDescriptor(aux, d)
	}
	descriptors := len(aux)
	aux = append(aux, encodedKey...)
	aux = append(aux, v.PublicKeyMetadata...)
	aux = pad(aux, 64)

	hashSize, signatureSize := 0, algorithm.Bits()/8
	if key != nil {
		hashSize = algorithm.Hash().Size()
	}
	auth := make([]byte, roundUp(hashSize+signatureSize, 64))
	if total := headerSize + len(auth) + len(aux); total > MaxVBMetaSize {
		return nil, fmt.Errorf("cannot sign vbmeta: it would be %d bytes long, expected at most %d", total, MaxVBMetaSize)
	}

	be := binary.BigEndian
	h := make([]byte, headerSize)
	copy(h, magic)
	be.PutUint32(h[4:], 1)
	be.PutUint32(h[8:], minor)
	be.PutUint32(h[28:], uint32(algorithm))
	for offset, n := range map[int]int{
		12: len(auth), 20: len(aux),
		40: hashSize, // at 0 of auth
		48: hashSize, 56: signatureSize,
		64: descriptors, 72: len(encodedKey),
		80: descriptors + len(encodedKey), 88: len(v.PublicKeyMetadata),
		104: descriptors, // at 0 of aux
	} {
		be.PutUint64(h[offset:], uint64(n))
	}
	be.PutUint64(h[112:], v.RollbackIndex)
	be.PutUint32(h[120:], v.Flags)
	be.PutUint32(h[124:], v.RollbackIndexLocation)
	copy(h[128:], v.ReleaseString)

	if key != nil {
		sum := digest(algorithm.Hash(), h, aux)
		signature, err := rsa.SignPKCS1v15(nil, key, algorithm.Hash(), sum)
		if err != nil {
			return nil, fmt.Errorf("cannot sign vbmeta: %w", err)
		}
		copy(auth, sum)
		copy(auth[hashSize:], signature)
	}
	b := append(append(h, auth...), aux...)
	if _, err := Parse(b); err != nil { // what a reader would refuse is not handed out
		return nil, fmt.Errorf("cannot sign vbmeta: %w", err)
	}
	return b, nil
}

// requiredMinor is the libavb version that v's features came with.
func requiredMinor(v *VBMeta) (minor uint32) {
	if v.RollbackIndexLocation > 0 {
		minor = 2
	}
	for _, d := range v.Descriptors {
		switch d := d.(type) {
		case *HashtreeDescriptor:
			if d.Flags != 0 || len(d.RootDigest) == 0 {
				minor = max(minor, 1)
			}
		case *HashDescriptor:
			if d.Flags != 0 || len(d.Digest) == 0 {
				minor = max(minor, 1)
			}
		case *ChainDescriptor:
			if d.Flags != 0 {
				minor = max(minor, 3)
			}
		}
	}
	return minor
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

func pad(b []byte, to int) []byte { return append(b, make([]byte, roundUp(len(b), to)-len(b))...) }
