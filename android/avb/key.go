package avb

import (
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/big"
)

// publicExponent is the only one that the format knows.
const publicExponent = 65537

func encodedKeySize(bits int) int { return 8 + 2*bits/8 }

// EncodePublicKey writes k as AvbRSAPublicKey: the number of bits, -1/n mod 2^32,
// n, and 2^(2*bits) mod n. The format has no place for the exponent: it is 65537.
func EncodePublicKey(k *rsa.PublicKey) []byte {
	bits := k.N.BitLen()
	bytes := (bits + 7) / 8
	b := make([]byte, 8+2*bytes)
	binary.BigEndian.PutUint32(b, uint32(bits))
	binary.BigEndian.PutUint32(b[4:], n0inv(k.N))
	k.N.FillBytes(b[8 : 8+bytes])
	rr(k.N, bits).FillBytes(b[8+bytes:])
	return b
}

// n0inv is -1/n mod 2^32, by Newton's iteration; n is odd.
func n0inv(n *big.Int) uint32 {
	n0 := uint32(new(big.Int).And(n, big.NewInt(1<<32-1)).Uint64())
	x := n0 // right in the lowest 3 bits
	for range 4 {
		x *= 2 - n0*x
	}
	return -x
}

func rr(n *big.Int, bits int) *big.Int {
	x := new(big.Int).Lsh(big.NewInt(1), uint(2*bits))
	return x.Mod(x, n)
}

// DecodePublicKey reads an AvbRSAPublicKey and checks the numbers derived from n,
// which a boot loader computes with.
func DecodePublicKey(b []byte) (*rsa.PublicKey, error) {
	const what = "AVB public key"
	if len(b) < 8 {
		return nil, fmt.Errorf("cannot read %s: it is %d bytes long, expected at least 8", what, len(b))
	}
	bits := binary.BigEndian.Uint32(b)
	if bits != 2048 && bits != 4096 && bits != 8192 {
		return nil, badField(what, 0, "key_num_bits", bits, "2048, 4096 or 8192")
	}
	if want := encodedKeySize(int(bits)); len(b) != want {
		return nil, fmt.Errorf("cannot read %s: it is %d bytes long, expected %d for %d bits", what, len(b), want, bits)
	}
	n := new(big.Int).SetBytes(b[8 : 8+bits/8])
	if n.BitLen() != int(bits) {
		return nil, badField(what, 8, "n", fmt.Sprintf("a number of %d bits", n.BitLen()), fmt.Sprintf("%d bits", bits))
	}
	if n.Bit(0) == 0 {
		return nil, badField(what, 8, "n", "even", "an odd number")
	}
	if found, want := binary.BigEndian.Uint32(b[4:]), n0inv(n); found != want {
		return nil, badField(what, 4, "n0inv", fmt.Sprintf("%#x", found), fmt.Sprintf("%#x as n gives", want))
	}
	if rr(n, int(bits)).Cmp(new(big.Int).SetBytes(b[8+bits/8:])) != 0 {
		return nil, badField(what, int(8+bits/8), "rr", "another number", "2^(2*key_num_bits) mod n")
	}
	return &rsa.PublicKey{N: n, E: publicExponent}, nil
}

// SameKey compares two encoded public keys in constant time.
func SameKey(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
