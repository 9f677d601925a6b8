package avb

import (
	"crypto"
	"fmt"
	"strings"
)

// Algorithm is how a vbmeta struct is signed. The numbers are the format's.
type Algorithm uint32

const (
	None Algorithm = iota
	SHA256RSA2048
	SHA256RSA4096
	SHA256RSA8192
	SHA512RSA2048
	SHA512RSA4096
	SHA512RSA8192
)

var algorithmNames = [...]string{"NONE", "SHA256_RSA2048", "SHA256_RSA4096", "SHA256_RSA8192",
	"SHA512_RSA2048", "SHA512_RSA4096", "SHA512_RSA8192"}

func (a Algorithm) known() bool { return int(a) < len(algorithmNames) }

// String is the name that avbtool uses.
func (a Algorithm) String() string {
	switch {
	case a.known():
		return algorithmNames[a]
	case a == 7 || a == 8:
		return fmt.Sprintf("%d (ML-DSA, not supported)", uint32(a))
	}
	return fmt.Sprintf("%d (unknown)", uint32(a))
}

// ParseAlgorithm is the inverse of String.
func ParseAlgorithm(s string) (Algorithm, error) {
	for i, name := range algorithmNames {
		if s == name {
			return Algorithm(i), nil
		}
	}
	return 0, fmt.Errorf("cannot use algorithm %q: expected one of %s", s, strings.Join(algorithmNames[:], ", "))
}

// Hash is the hash that is signed; 0 for None.
func (a Algorithm) Hash() crypto.Hash {
	switch a {
	case SHA256RSA2048, SHA256RSA4096, SHA256RSA8192:
		return crypto.SHA256
	case SHA512RSA2048, SHA512RSA4096, SHA512RSA8192:
		return crypto.SHA512
	}
	return 0
}

// Bits is the size of the RSA key; 0 for None.
func (a Algorithm) Bits() int {
	switch a {
	case SHA256RSA2048, SHA512RSA2048:
		return 2048
	case SHA256RSA4096, SHA512RSA4096:
		return 4096
	case SHA256RSA8192, SHA512RSA8192:
		return 8192
	}
	return 0
}

// algorithmFor chooses by key size; wish only says whether SHA-512 is wanted.
func algorithmFor(bits int, wish Algorithm) (Algorithm, error) {
	for a := SHA256RSA2048; a.known(); a++ {
		if a.Bits() == bits && (a.Hash() == crypto.SHA512) == (wish.Hash() == crypto.SHA512) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("the key has %d bits, expected 2048, 4096 or 8192", bits)
}
