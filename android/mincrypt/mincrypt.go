// Package mincrypt reads and writes public keys as Android up to 9 keeps them: as
// numbers, with those that its own RSA code needs beside the modulus.
//
// One key in bytes is what a ramdisk has in /verity_key (package vb1). A list of keys
// in text is /res/keys of a recovery, where it has whose packages it takes, as
// AOSP's dumpkey wrote it; Android 10 reads certificates instead (package otazip).
// The package verifies no signatures.
//
// # Format
//
// In bytes, words of 32 bits little-endian: 64 (the words of the modulus), n0inv
// (-1/modulus modulo 2^32), the modulus and R² modulo it (64 words each, lowest
// first; R is 2^2048), the exponent.
//
// In text, "{64,0xc926ad21,{1795090719,…},{3437063169,…}}": words, n0inv, modulus,
// R². Before it stands what hash packages are signed with and the exponent: nothing
// (version 1: SHA-1 and 3), "v2 " (SHA-1, 65537), "v3 " (SHA-256, 3), "v4 "
// (SHA-256, 65537). "v5 {32,{…},{…}}" is a point of P-256, with SHA-256: the bytes
// of x and y, lowest first. A comma stands between keys, and none behind the last.
//
// Sources: AOSP's system/core/include/mincrypt, bootable/recovery (verifier.cpp of
// Android 5 to 8), read for the facts.
package mincrypt

import (
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// Size is how many bytes an RSA key takes.
const Size = 4 * (3 + 2*bits/32)

// bits of the modulus of a key in bytes.
const bits = 2048

// Encode writes an RSA key of 2048 bits in bytes.
func Encode(key *rsa.PublicKey) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("cannot write key: %w", err) }
	if n := key.N.BitLen(); n != bits || key.E != 3 && key.E != 65537 {
		return fail(fmt.Errorf("it has %d bits and the exponent %d, expected %d and 3 or 65537", n, key.E, bits))
	}
	n, err := numbersOf(key.N)
	if err != nil {
		return fail(err)
	}
	le := binary.LittleEndian
	b := le.AppendUint32(nil, bits/32)
	b = le.AppendUint32(b, n.n0inv)
	for _, w := range append(n.modulus, n.square...) {
		b = le.AppendUint32(b, w)
	}
	return le.AppendUint32(b, uint32(key.E)), nil
}

// Parse reads a key in bytes. Numbers that do not fit together are refused, as a
// phone could compute with them what we do not.
func Parse(b []byte) (*rsa.PublicKey, error) {
	fail := func(err error) (*rsa.PublicKey, error) { return nil, fmt.Errorf("cannot read key: %w", err) }
	le := binary.LittleEndian
	if len(b) != Size || le.Uint32(b) != bits/32 {
		return fail(fmt.Errorf("it has %d bytes, expected %d with %d at the start", len(b), Size, bits/32))
	}
	n := numbers{n0inv: le.Uint32(b[4:])}
	for i := range bits / 32 {
		n.modulus = append(n.modulus, le.Uint32(b[8+4*i:]))
		n.square = append(n.square, le.Uint32(b[8+bits/8+4*i:]))
	}
	modulus, err := n.check()
	if err != nil {
		return fail(err)
	}
	e := le.Uint32(b[Size-4:])
	if modulus.BitLen() != bits || e != 3 && e != 65537 {
		return fail(fmt.Errorf("it has %d bits and the exponent %d, expected %d and 3 or 65537", modulus.BitLen(), e, bits))
	}
	return &rsa.PublicKey{N: modulus, E: int(e)}, nil
}

// numbers are those of a modulus; words lowest first.
type numbers struct {
	n0inv           uint32
	modulus, square []uint32
}

func numbersOf(modulus *big.Int) (numbers, error) {
	word := new(big.Int).Lsh(big.NewInt(1), 32)
	inverse := new(big.Int).ModInverse(new(big.Int).Mod(modulus, word), word)
	if inverse == nil {
		return numbers{}, errors.New("its modulus is even")
	}
	size := (modulus.BitLen() + 31) / 32
	square := new(big.Int).Lsh(big.NewInt(1), uint(2*32*size))
	square.Mod(square, modulus)
	return numbers{uint32(new(big.Int).Sub(word, inverse).Uint64()), words(modulus, size), words(square, size)}, nil
}

func words(v *big.Int, size int) []uint32 {
	be := v.FillBytes(make([]byte, 4*size))
	out := make([]uint32, size)
	for i := range out {
		out[i] = binary.BigEndian.Uint32(be[len(be)-4*i-4:])
	}
	return out
}

func fromWords(ws []uint32) *big.Int {
	be := make([]byte, 4*len(ws))
	for i, w := range ws {
		binary.BigEndian.PutUint32(be[len(be)-4*i-4:], w)
	}
	return new(big.Int).SetBytes(be)
}

// check gives the modulus, if the other numbers are its own.
func (n numbers) check() (*big.Int, error) {
	modulus := fromWords(n.modulus)
	if modulus.BitLen() != 32*len(n.modulus) {
		return nil, fmt.Errorf("its modulus has %d bits in %d words", modulus.BitLen(), len(n.modulus))
	}
	want, err := numbersOf(modulus)
	if err != nil {
		return nil, err
	}
	if want.n0inv != n.n0inv || fromWords(want.square).Cmp(fromWords(n.square)) != 0 {
		return nil, errors.New("its numbers n0inv and R² do not belong to its modulus")
	}
	return modulus, nil
}
