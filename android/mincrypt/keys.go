package mincrypt

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Key is one that a recovery trusts.
type Key struct {
	Public crypto.PublicKey // *rsa.PublicKey with exponent 3 or 65537, or *ecdsa.PublicKey on P-256
	Hash   crypto.Hash      // that packages are signed with: SHA1 or SHA256
}

// What ParseKeys reads.
const (
	MaxText = 256 << 10 // bytes
	maxKeys = 64
	maxBits = 8192 // recovery's own bound
	minBits = 2048
)

// version is the format's number for a key; 0: there is none.
func (k Key) version() int {
	switch key := k.Public.(type) {
	case *rsa.PublicKey:
		at := slices.Index([]int{3, 65537}, key.E)
		n := key.N.BitLen()
		if at < 0 || n%32 != 0 || n < minBits || n > maxBits {
			return 0
		}
		switch k.Hash {
		case crypto.SHA1:
			return 1 + at
		case crypto.SHA256:
			return 3 + at
		}
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() && k.Hash == crypto.SHA256 {
			return 5
		}
	}
	return 0
}

// WriteKeys writes keys as text, in their order.
func WriteKeys(keys []Key) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("cannot write keys of recovery: %w", err) }
	if len(keys) == 0 || len(keys) > maxKeys {
		return fail(fmt.Errorf("%d are given, expected 1 to %d", len(keys), maxKeys))
	}
	var out []string
	for i, k := range keys {
		v := k.version()
		if v == 0 {
			return fail(fmt.Errorf("key %d: expected RSA of %d to %d bits with the exponent 3 or 65537, with SHA-1 or SHA-256, or ECDSA on P-256 with SHA-256", i+1, minBits, maxBits))
		}
		prefix := ""
		if v > 1 {
			prefix = fmt.Sprintf("v%d ", v)
		}
		var body string
		switch key := k.Public.(type) {
		case *rsa.PublicKey:
			n, err := numbersOf(key.N)
			if err != nil {
				return fail(fmt.Errorf("key %d: %w", i+1, err))
			}
			body = fmt.Sprintf("{%d,%#x,{%s},{%s}}", len(n.modulus), n.n0inv, list(n.modulus), list(n.square))
		case *ecdsa.PublicKey:
			point, err := key.Bytes()
			if err != nil {
				return fail(fmt.Errorf("key %d: %w", i+1, err))
			}
			x, y := slices.Clone(point[1:33]), slices.Clone(point[33:])
			slices.Reverse(x)
			slices.Reverse(y)
			body = fmt.Sprintf("{32,{%s},{%s}}", list(x), list(y))
		}
		out = append(out, prefix+body)
	}
	return []byte(strings.Join(out, ",\n") + "\n"), nil
}

func list[T byte | uint32](vs []T) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = strconv.FormatUint(uint64(v), 10)
	}
	return strings.Join(out, ",")
}

// ParseKeys reads keys as text. As in recovery, one that it does not know makes
// the whole list useless.
func ParseKeys(text []byte) ([]Key, error) {
	fail := func(err error) ([]Key, error) { return nil, fmt.Errorf("cannot read keys of recovery: %w", err) }
	if len(text) > MaxText {
		return fail(fmt.Errorf("they have %d bytes, at most %d are read", len(text), MaxText))
	}
	r := &reader{text: string(text)}
	var keys []Key
	for {
		k, err := r.key()
		if err != nil {
			return fail(fmt.Errorf("key %d at byte %d: %w", len(keys)+1, r.at, err))
		}
		if keys = append(keys, k); len(keys) > maxKeys {
			return fail(fmt.Errorf("there are more than %d", maxKeys))
		}
		r.space()
		if r.at == len(r.text) {
			return keys, nil
		}
		if err := r.expect(","); err != nil {
			return fail(fmt.Errorf("behind key %d: %w", len(keys), err))
		}
	}
}

// reader goes through the text.
type reader struct {
	text string
	at   int
}

func (r *reader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n\v\f", r.text[r.at]) >= 0 {
		r.at++
	}
}

// expect takes words, with whatever space before each.
func (r *reader) expect(words ...string) error {
	for _, w := range words {
		if r.space(); !strings.HasPrefix(r.text[r.at:], w) {
			return fmt.Errorf("byte %d: expected %q", r.at, w)
		}
		r.at += len(w)
	}
	return nil
}

// number takes one that has at most limit; negative ones are taken as C does, modulo
// 2^32, as there were tools that wrote words so.
func (r *reader) number(base int, limit uint64) (uint64, error) {
	r.space()
	end := r.at
	for end < len(r.text) && end-r.at < 20 && strings.IndexByte("-0123456789abcdefABCDEF", r.text[end]) >= 0 {
		end++
	}
	word := r.text[r.at:end]
	digits, negative := strings.CutPrefix(word, "-")
	v, err := strconv.ParseUint(digits, base, 32)
	if err != nil || digits == "" || digits[0] == '-' {
		return 0, fmt.Errorf("byte %d: expected a number of 32 bits", r.at)
	}
	if negative {
		v = uint64(uint32(-v))
	}
	if v > limit {
		return 0, fmt.Errorf("byte %d: the number is %d, expected at most %d", r.at, v, limit)
	}
	r.at = end
	return v, nil
}

// braced takes "{a,b,…}" of n numbers.
func (r *reader) braced(n int, limit uint64) ([]uint32, error) {
	out := make([]uint32, 0, n)
	open := "{"
	for range n {
		if err := r.expect(open); err != nil {
			return nil, err
		}
		v, err := r.number(10, limit)
		if err != nil {
			return nil, err
		}
		out, open = append(out, uint32(v)), ","
	}
	return out, r.expect("}")
}

func (r *reader) key() (Key, error) {
	version := uint64(1)
	if r.space(); strings.HasPrefix(r.text[r.at:], "v") {
		r.at++
		var err error
		if version, err = r.number(10, 5); err != nil {
			return Key{}, err
		}
		if version < 2 {
			return Key{}, fmt.Errorf("the version is %d, expected 2 to 5, or none", version)
		}
	}
	if err := r.expect("{"); err != nil {
		return Key{}, err
	}
	if version == 5 {
		return r.point()
	}
	size, err := r.number(10, maxBits/32)
	if err != nil {
		return Key{}, err
	}
	if size < minBits/32 {
		return Key{}, fmt.Errorf("it has %d words, expected %d to %d", size, minBits/32, maxBits/32)
	}
	if err := r.expect(",", "0x"); err != nil {
		return Key{}, err
	}
	n0inv, err := r.number(16, 1<<32-1)
	if err != nil {
		return Key{}, err
	}
	n := numbers{n0inv: uint32(n0inv)}
	for _, to := range []*[]uint32{&n.modulus, &n.square} {
		if err := r.expect(","); err != nil {
			return Key{}, err
		}
		if *to, err = r.braced(int(size), 1<<32-1); err != nil {
			return Key{}, err
		}
	}
	if err := r.expect("}"); err != nil {
		return Key{}, err
	}
	modulus, err := n.check()
	if err != nil {
		return Key{}, err
	}
	k := Key{&rsa.PublicKey{N: modulus, E: []int{3, 65537}[(version-1)%2]}, crypto.SHA1}
	if version >= 3 {
		k.Hash = crypto.SHA256
	}
	return k, nil
}

// point takes the rest of a key of version 5.
func (r *reader) point() (Key, error) {
	size, err := r.number(10, 32)
	if err != nil {
		return Key{}, err
	}
	if size != 32 {
		return Key{}, fmt.Errorf("its coordinates have %d bytes, expected 32", size)
	}
	at := []byte{4}
	for range 2 {
		if err := r.expect(","); err != nil {
			return Key{}, err
		}
		little, err := r.braced(32, 255)
		if err != nil {
			return Key{}, err
		}
		for _, b := range slices.Backward(little) {
			at = append(at, byte(b))
		}
	}
	if err := r.expect("}"); err != nil {
		return Key{}, err
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), at)
	if err != nil {
		return Key{}, errors.New("its point is not on P-256")
	}
	return Key{key, crypto.SHA256}, nil
}
