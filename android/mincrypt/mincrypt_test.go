package mincrypt

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fridayos/friday/internal/judge"
)

// keys are one of each kind that there is in text.
var keys = sync.OnceValue(func() []Key {
	rsaKey := func(bits int, e int) *rsa.PublicKey { // its numbers alone count here
		b := make([]byte, bits/8)
		if _, err := rand.Read(b); err != nil {
			panic(err)
		}
		b[0], b[len(b)-1] = b[0]|0x80, b[len(b)-1]|1
		return &rsa.PublicKey{N: new(big.Int).SetBytes(b), E: e}
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return []Key{
		{rsaKey(2048, 3), crypto.SHA1}, {rsaKey(2048, 65537), crypto.SHA1}, {rsaKey(2048, 3), crypto.SHA256},
		{rsaKey(2048, 65537), crypto.SHA256}, {&ec.PublicKey, crypto.SHA256}, {rsaKey(4096, 65537), crypto.SHA256},
	}
})

func same(a, b Key) bool {
	p, ok := a.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && p.Equal(b.Public) && a.Hash == b.Hash
}

func text(t testing.TB, keys ...Key) string {
	t.Helper()
	b, err := WriteKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeys(t *testing.T) {
	all := text(t, keys()...)
	for i, prefix := range []string{"{64,0x", "v2 {64,0x", "v3 {64,0x", "v4 {64,0x", "v5 {32,{", "v4 {128,0x"} {
		if got := text(t, keys()[i]); !strings.HasPrefix(got, prefix) || !strings.Contains(all, strings.TrimSuffix(got, "\n")) {
			t.Errorf("key %d begins with %.20q, expected %q", i, got, prefix)
		}
	}
	spaced := strings.NewReplacer(",", " ,\n ", "{", " { ", "}", " } ").Replace(all)
	signed := all
	for _, v := range words(keys()[0].Public.(*rsa.PublicKey).N, 64) { // as tools wrote them that knew no unsigned numbers
		if v >= 1<<31 {
			signed = strings.Replace(signed, fmt.Sprint(v), fmt.Sprint(int32(v)), 1)
		}
	}
	for name, s := range map[string]string{"as written": all, "without the last line's end": strings.TrimSpace(all), "with space": spaced, "with signs": signed} {
		got, err := ParseKeys([]byte(s))
		if err != nil || !slices.EqualFunc(got, keys(), same) {
			t.Errorf("%s: %d keys, %v", name, len(got), err)
		}
	}
	one := text(t, keys()[3])
	for name, c := range map[string]struct{ text, want string }{
		"nothing":      {"", `key 1 at byte 0: byte 0: expected "{"`},
		"a zip":        {"PK\x03\x04", `expected "{"`},
		"version 1":    {"v1 " + one[3:], "the version is 1, expected 2 to 5, or none"},
		"version 6":    {"v6 " + one[3:], "the number is 6, expected at most 5"},
		"words":        {"v4 {63" + one[6:], "it has 63 words, expected 64 to 256"},
		"more words":   {"v4 {65" + one[6:], `expected ","`},
		"many words":   {"v4 {4294967295" + one[6:], "the number is 4294967295, expected at most 256"},
		"no n0inv":     {"v4 {64,1,{" + one[10:], `expected "0x"`},
		"n0inv":        {"v4 {64,0x1,{" + one[strings.Index(one, "{")+strings.Index(one[4:], "{")+2:], "do not belong to its modulus"},
		"a comma more": {one + ",", `key 2 at byte`},
		"no comma":     {one + one, `behind key 1: byte`},
		"half":         {one[:len(one)/2], "key 1 at byte"},
		"large":        {strings.Repeat(" ", MaxText+1), "at most 262144 are read"},
		"many":         {strings.Repeat(text(t, keys()[4])+",", 65) + one, "there are more than 64"},
		"P-256":        {"v5 {32,{" + strings.Repeat("1,", 31) + "1},{" + strings.Repeat("1,", 31) + "1}}", "its point is not on P-256"},
		"P-521":        {"v5 {31,{1}}", "its coordinates have 31 bytes, expected 32"},
		"a large byte": {"v5 {32,{256", "the number is 256, expected at most 255"},
	} {
		if _, err := ParseKeys([]byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), "cannot read keys of recovery: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	for name, bad := range map[string][]Key{"none": nil, "P-384": {{&p384.PublicKey, crypto.SHA256}}, "SHA-512": {{keys()[0].Public, crypto.SHA512}},
		"P-256 with SHA-1": {{keys()[4].Public, crypto.SHA1}}, "no key": {{nil, crypto.SHA256}}} {
		if _, err := WriteKeys(bad); err == nil || !strings.HasPrefix(err.Error(), "cannot write keys of recovery: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestByOpenSSL: the numbers are those that openssl has of the same key.
func TestByOpenSSL(t *testing.T) {
	judge.Need(t, "openssl")
	for i, k := range keys() {
		der, err := x509.MarshalPKIXPublicKey(k.Public)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "key.pem")
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		lists := strings.Split(text(t, k), "{")[2:]
		number := func(list string, size int) string { // as hex, highest first
			var hex string
			list, _, _ = strings.Cut(list, "}")
			for word := range strings.SplitSeq(list, ",") {
				var v uint32
				if _, err := fmt.Sscan(word, &v); err != nil {
					t.Fatal(err)
				}
				hex = fmt.Sprintf("%0*X", 2*size, v) + hex
			}
			return hex
		}
		if i == 4 {
			out := judge.Run(t, "openssl", "pkey", "-pubin", "-in", path, "-noout", "-text")
			_, at, _ := strings.Cut(strings.NewReplacer(":", "", " ", "", "\n", "").Replace(out), "pub04")
			if want := strings.ToLower(number(lists[0], 1) + number(lists[1], 1)); !strings.HasPrefix(at, want) {
				t.Errorf("openssl has the point %s, the text %s", at, want)
			}
			continue
		}
		out := judge.Run(t, "openssl", "rsa", "-pubin", "-in", path, "-noout", "-modulus")
		if want := "Modulus=" + number(lists[0], 4); strings.TrimSpace(out) != want {
			t.Errorf("openssl has %s, the text %s", out, want)
		}
	}
}

func TestBytes(t *testing.T) {
	key := keys()[3].Public.(*rsa.PublicKey)
	b, err := Encode(key)
	if err != nil || len(b) != Size || Size != 524 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if again, err := Parse(b); err != nil || !again.Equal(key) {
		t.Errorf("%v, %v", again, err)
	}
	// n0inv is what Montgomery's multiplication needs: -1/n modulo 2^32.
	if n0, inv := uint32(new(big.Int).And(key.N, big.NewInt(1<<32-1)).Uint64()), binary.LittleEndian.Uint32(b[4:]); n0*inv != 1<<32-1 {
		t.Errorf("n0inv is %08x for %08x", inv, n0)
	}
	for _, at := range []int{0, 4, 8, 263, 264, 519, 520, 523} {
		bad := bytes.Clone(b)
		bad[at] ^= 0x81
		if _, err := Parse(bad); err == nil || !strings.HasPrefix(err.Error(), "cannot read key: ") {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	for _, k := range []*rsa.PublicKey{keys()[5].Public.(*rsa.PublicKey), {N: key.N, E: 17}, {N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 3}} {
		if _, err := Encode(k); err == nil {
			t.Errorf("a key of %d bits with the exponent %d was taken", k.N.BitLen(), k.E)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(text(f, keys()[:5]...)))
	for _, k := range keys() {
		f.Add([]byte(text(f, k)))
	}
	f.Add([]byte("v5 {32,{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseKeys(b)
		if err != nil {
			return
		}
		again, err := ParseKeys([]byte(text(t, got...)))
		if err != nil || !slices.EqualFunc(got, again, same) {
			t.Errorf("%q is read as other keys once it is written: %v", b, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	b, err := Encode(keys()[0].Public.(*rsa.PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := Encode(key); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is written otherwise, %v", b, err)
		}
	})
}

func ExampleParseKeys() {
	_, err := ParseKeys([]byte("v6 {64,0x1"))
	fmt.Println(err)
	// Output: cannot read keys of recovery: key 1 at byte 1: byte 1: the number is 6, expected at most 5
}
