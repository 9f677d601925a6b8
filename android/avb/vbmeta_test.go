package avb

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fridayos/friday/internal/judge"
)

// testKey reads one of the throw-away keys in testdata.
func testKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("testdata/rsa%d.pem", bits))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sample is a struct with every descriptor there is.
func sample(t testing.TB) *VBMeta {
	return &VBMeta{
		RollbackIndex:         1764547200,
		RollbackIndexLocation: 3,
		Flags:                 FlagHashtreeDisabled,
		ReleaseString:         "a release",
		PublicKeyMetadata:     []byte("metadata"),
		Descriptors: []Descriptor{
			&PropertyDescriptor{Key: "com.android.build.system.fingerprint", Value: []byte("a/b/c:16/X/1:user/release-keys")},
			&PropertyDescriptor{Key: "", Value: nil},
			&HashtreeDescriptor{Partition: "system", DMVersion: 1, ImageSize: 8192, TreeOffset: 8192, TreeSize: 4096, DataBlockSize: 4096, HashBlockSize: 4096,
				FECRoots: 2, FECOffset: 12288, FECSize: 8192, HashAlgorithm: "sha256", Salt: []byte{1, 2, 3}, RootDigest: bytes.Repeat([]byte{7}, 32), Flags: FlagDoNotUseAB},
			&HashDescriptor{Partition: "boot", ImageSize: 5, HashAlgorithm: "sha512", Salt: []byte("salt"), Digest: bytes.Repeat([]byte{9}, 64)},
			&CmdlineDescriptor{Flags: FlagOnlyIfHashtreeEnabled, Cmdline: "dm=\"1 vroot\""},
			&ChainDescriptor{Partition: "vbmeta_system", RollbackIndexLocation: 2, PublicKey: EncodePublicKey(&testKey(t, 2048).PublicKey), Flags: FlagDoNotUseAB},
			&UnknownDescriptor{Tag: 99, Data: []byte("8 bytes.")},
		},
	}
}

func sign(t testing.TB, v *VBMeta, key *rsa.PrivateKey) []byte {
	t.Helper()
	b, err := Sign(v, key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSignVerifyRoundTrip(t *testing.T) {
	for _, a := range []Algorithm{None, SHA256RSA2048, SHA256RSA4096, SHA256RSA8192, SHA512RSA2048, SHA512RSA4096, SHA512RSA8192} {
		t.Run(a.String(), func(t *testing.T) {
			if a.Bits() == 8192 && testing.Short() {
				t.Skip("slow: 8192 bits")
			}
			want := sample(t)
			want.Algorithm = a
			var key *rsa.PrivateKey
			if a != None {
				key = testKey(t, a.Bits())
				want.PublicKey = EncodePublicKey(&key.PublicKey)
			}
			b := sign(t, want, key)
			want.RequiredMinor = 3 // for the chain descriptor's flags
			if again := sign(t, want, key); !bytes.Equal(b, again) {
				t.Error("signing twice gives different bytes")
			}
			got, err := Parse(append(b, 1, 2, 3))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("parsed %+v, want %+v", got, want)
			}
			got, err = Verify(b)
			if a == None {
				if !errors.Is(err, ErrUnsigned) {
					t.Errorf("Verify: %v, want ErrUnsigned", err)
				}
			} else if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("verified %+v (%v), want %+v", got, err, want)
			}
		})
	}
}

// TestOpenSSL lets openssl check the signature over header and auxiliary block.
func TestOpenSSL(t *testing.T) {
	judge.Need(t, "openssl")
	for _, c := range []struct {
		a      Algorithm
		digest string
	}{{SHA256RSA2048, "-sha256"}, {SHA256RSA4096, "-sha256"}, {SHA512RSA4096, "-sha512"}} {
		key, dir := testKey(t, c.a.Bits()), t.TempDir()
		v := sample(t)
		v.Algorithm = c.a
		p, err := split(sign(t, v, key))
		if err != nil {
			t.Fatal(err)
		}
		der, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
		for name, b := range map[string][]byte{
			"pub.pem": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
			"sig":     p.signature.of(p.auth),
			"signed":  append(bytes.Clone(p.header), p.aux...),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		judge.In(t, dir, "openssl", "dgst", c.digest, "-verify", "pub.pem", "-signature", "sig", "signed")
	}
}

// TestPixel3 reads what a shipped phone boots with.
func TestPixel3(t *testing.T) {
	const file = "../../../shared/data/android-samples/pixel3_vbmeta.img"
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("needs ../shared/data/android-samples/pixel3_vbmeta.img beside the module")
	} else if err != nil {
		t.Fatal(err)
	}
	v, err := Verify(b)
	if err != nil {
		t.Fatal(err)
	}
	if v.Algorithm != SHA256RSA2048 || v.ReleaseString != "avbtool 1.1.0" || v.RollbackIndex != 1541376000 {
		t.Errorf("algorithm %s, release %q, rollback index %d", v.Algorithm, v.ReleaseString, v.RollbackIndex)
	}
	var kinds []string
	for _, d := range v.Descriptors {
		switch d := d.(type) {
		case *ChainDescriptor:
			kinds = append(kinds, "chain "+d.Partition)
		case *HashDescriptor:
			kinds = append(kinds, "hash "+d.Partition)
		case *HashtreeDescriptor:
			kinds = append(kinds, "tree "+d.Partition)
			g, err := d.check(int64(d.FECOffset + d.FECSize))
			if err != nil || uint64(g.treeSize) != d.TreeSize {
				t.Errorf("%s: geometry %+v, %v; the phone's tree has %d bytes", d.Partition, g, err, d.TreeSize)
			}
			if c, _ := newFECCode(2); c.size(int64(d.ImageSize+d.TreeSize), 4096) != int64(d.FECSize) {
				t.Errorf("%s: FEC would have %d bytes, the phone's has %d", d.Partition, c.size(int64(d.ImageSize+d.TreeSize), 4096), d.FECSize)
			}
		}
	}
	if want := []string{"chain system", "hash boot", "tree product", "hash dtbo", "tree vendor"}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("descriptors %q, want %q", kinds, want)
	}
	p, _ := split(b)
	again := &parts{header: p.header, auth: p.auth}
	for _, d := range v.Descriptors {
		again.aux = appendDescriptor(again.aux, d)
	}
	if !bytes.Equal(again.aux, p.descriptors.of(p.aux)) {
		t.Error("descriptors written again differ from the phone's")
	}
	for i := range p.size() {
		if i%7 != 0 { // a sample; TestTampering flips every byte
			continue
		}
		c := bytes.Clone(b)
		c[i] ^= 0x10
		if got, err := Verify(c); err == nil && !reflect.DeepEqual(got, v) {
			t.Fatalf("byte %d flipped: accepted as another struct", i)
		}
	}
}

// TestTampering flips each byte of a small signed struct.
func TestTampering(t *testing.T) {
	v := &VBMeta{RollbackIndex: 5, Descriptors: []Descriptor{&PropertyDescriptor{Key: "k", Value: []byte("v")}, &HashDescriptor{Partition: "boot", ImageSize: 3, HashAlgorithm: "sha256", Digest: make([]byte, 32)}}}
	b := sign(t, v, testKey(t, 2048))
	want, err := Verify(b)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	refused, equal := 0, 0
	for i := range b {
		for _, x := range []byte{0x01, 0x80, byte(1 + rng.IntN(255))} {
			c := bytes.Clone(b)
			c[i] ^= x
			got, err := Verify(c)
			switch {
			case err != nil:
				refused++
			case reflect.DeepEqual(got, want):
				equal++
			default:
				t.Fatalf("byte %d xor %#x: accepted as %+v", i, x, got)
			}
		}
	}
	// 32 of hash and 256 of signature fill the block of 320 but for 32 bytes.
	if equal != 3*32 {
		t.Errorf("%d refused, %d without effect, want the 32 padding bytes of the authentication block", refused, equal)
	}
	for n := range b {
		if _, err := Verify(b[:n]); err == nil {
			t.Fatalf("cut off at %d: accepted", n)
		}
	}
}

func TestParseErrors(t *testing.T) {
	good := sign(t, sample(t), testKey(t, 2048))
	unsigned := sign(t, &VBMeta{Descriptors: []Descriptor{&CmdlineDescriptor{Cmdline: "abc"}}}, nil)
	set32 := func(b []byte, at int, v uint32) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
	set64 := func(b []byte, at int, v uint64) []byte { binary.BigEndian.PutUint64(b[at:], v); return b }
	for _, c := range []struct {
		name string
		of   []byte
		edit func(b []byte) []byte
		want string
	}{
		{"empty", nil, func(b []byte) []byte { return b }, "cannot read vbmeta: it is 0 bytes long, expected a header of 256"},
		{"magic", good, func(b []byte) []byte { b[3] = '1'; return b }, `cannot read vbmeta: magic at offset 0 is "AVB1", expected "AVB0"`},
		{"major", good, func(b []byte) []byte { return set32(b, 4, 2) }, "cannot read vbmeta: required_libavb_version_major at offset 4 is 2, expected 1"},
		{"minor", good, func(b []byte) []byte { return set32(b, 8, 4) }, "cannot read vbmeta: required_libavb_version_minor at offset 8 is 4, expected at most 3"},
		{"auth size", good, func(b []byte) []byte { return set64(b, 12, 321) }, "cannot read vbmeta: authentication_data_block_size at offset 12 is 321, expected a multiple of 64"},
		{"aux size", good, func(b []byte) []byte { return set64(b, 20, 1<<64-64) }, "cannot read vbmeta: auxiliary_data_block_size at offset 20 is 18446744073709551552, expected at most 65280"},
		{"both large", good, func(b []byte) []byte { return set64(set64(b, 12, 65280), 20, 64) }, "cannot read vbmeta: its blocks add up to 65600 bytes, expected at most 65536"},
		{"cut off", good, func(b []byte) []byte { return b[:len(b)-1] }, fmt.Sprintf("cannot read vbmeta: it is cut off: its blocks add up to %d bytes, found %d", len(good), len(good)-1)},
		{"ML-DSA", good, func(b []byte) []byte { return set32(b, 28, 7) }, "cannot read vbmeta: algorithm_type at offset 28 is 7 (ML-DSA, not supported), expected 0 (NONE) to 6 (SHA512_RSA8192)"},
		{"algorithm", good, func(b []byte) []byte { return set32(b, 28, 77) }, "cannot read vbmeta: algorithm_type at offset 28 is 77 (unknown), expected 0 (NONE) to 6 (SHA512_RSA8192)"},
		{"hash size", good, func(b []byte) []byte { return set64(b, 40, 20) }, "cannot read vbmeta: hash_size at offset 40 is 20, expected 32 for SHA256_RSA2048"},
		{"hash offset", good, func(b []byte) []byte { return set64(b, 32, 1<<64-1) }, "cannot read vbmeta: hash_offset at offset 32 and hash_size are 18446744073709551615 and 32, expected a place in a block of 320 bytes"},
		{"signature size", good, func(b []byte) []byte { return set64(b, 56, 0) }, "cannot read vbmeta: signature_size at offset 56 is 0, expected 256 for SHA256_RSA2048"},
		{"key size", good, func(b []byte) []byte { return set64(b, 72, 8) }, "cannot read vbmeta: public_key_size at offset 72 is 8, expected 520 for SHA256_RSA2048"},
		{"release", good, func(b []byte) []byte { b[175] = 'x'; return b }, "cannot read vbmeta: release_string at offset 128 does not end with a NUL byte"},
		{"descriptor length", unsigned, func(b []byte) []byte { return set64(b, 264, 15) }, "cannot read vbmeta descriptor 0: num_bytes_following at offset 264 is 15, expected a multiple of 8"},
		{"descriptor too long", unsigned, func(b []byte) []byte { return set64(b, 264, 1<<63) }, "cannot read vbmeta descriptor 0: num_bytes_following at offset 264 is 9223372036854775808, expected at most 16"},
		{"descriptor cut", unsigned, func(b []byte) []byte { return set64(b, 104, 4) }, "cannot read vbmeta descriptor 0: tag at offset 256 is 8 bytes long, expected at most 4"},
		{"cmdline length", unsigned, func(b []byte) []byte { return set32(b, 276, 1<<31) }, "cannot read vbmeta descriptor 0 (kernel command line): kernel_cmdline at offset 280 is 2147483648 bytes long, expected at most 8"},
		{"cmdline text", unsigned, func(b []byte) []byte { b[280] = 0xff; return b }, `cannot read vbmeta descriptor 0 (kernel command line): kernel_cmdline at offset 280 is "\xffbc", expected UTF-8`},
		{"padding", unsigned, func(b []byte) []byte { b[287] = 1; return b }, "cannot read vbmeta descriptor 0 (kernel command line): padding at offset 287 is 0x01, expected 0"},
	} {
		if _, err := Parse(c.edit(bytes.Clone(c.of))); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestSignErrors(t *testing.T) {
	small, _ := rsa.GenerateKey(nil, 1024)
	odd := *testKey(t, 2048)
	odd.E = 3
	k := testKey(t, 2048)
	for _, c := range []struct {
		v    VBMeta
		key  *rsa.PrivateKey
		want string
	}{
		{VBMeta{}, small, "cannot sign vbmeta: the key has 1024 bits, expected 2048, 4096 or 8192"},
		{VBMeta{}, &odd, "cannot sign vbmeta: the key's exponent is 3, expected 65537"},
		{VBMeta{ReleaseString: string(make([]byte, 48))}, k, "cannot sign vbmeta: its release string is 48 bytes long, expected at most 47"},
		{VBMeta{PublicKeyMetadata: make([]byte, 65536)}, k, "cannot sign vbmeta: it would be 66688 bytes long, expected at most 65536"},
		{VBMeta{Descriptors: []Descriptor{nil}}, k, "cannot sign vbmeta: descriptor 0: it is nil"},
		{VBMeta{Descriptors: []Descriptor{&UnknownDescriptor{Tag: 2}}}, k, "cannot sign vbmeta: descriptor 0: its tag is 2, which is a known descriptor's"},
		{VBMeta{Descriptors: []Descriptor{&UnknownDescriptor{Tag: 9, Data: []byte{1}}}}, k, "cannot sign vbmeta: descriptor 0: its data is 1 bytes long, expected a multiple of 8"},
		{VBMeta{Descriptors: []Descriptor{&HashDescriptor{Partition: "../boot"}}}, k,
			`cannot sign vbmeta: cannot read vbmeta descriptor 0 (hash): partition_name at offset 708 is "../boot", expected 1 to 31 letters, digits, '_', '-' or '.'`},
	} {
		if _, err := Sign(&c.v, c.key); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestRequiredMinor(t *testing.T) {
	sum := make([]byte, 32)
	for _, c := range []struct {
		v    VBMeta
		want uint32
	}{
		{VBMeta{}, 0},
		{VBMeta{Descriptors: []Descriptor{&HashDescriptor{Partition: "a", Digest: sum}}}, 0},
		{VBMeta{Descriptors: []Descriptor{&HashDescriptor{Partition: "a", Digest: sum, Flags: 1}}}, 1},
		{VBMeta{Descriptors: []Descriptor{&HashtreeDescriptor{Partition: "a"}}}, 1},
		{VBMeta{RollbackIndexLocation: 1}, 2},
		{VBMeta{RequiredMinor: 2}, 2},
		{VBMeta{Descriptors: []Descriptor{&ChainDescriptor{Partition: "a", Flags: 1}}}, 3},
	} {
		v, err := Parse(sign(t, &c.v, nil))
		if err != nil || v.RequiredMinor != c.want {
			t.Errorf("%+v: minor %v (%v), want %d", c.v, v, err, c.want)
		}
	}
}

func TestPublicKey(t *testing.T) {
	for _, bits := range []int{2048, 4096, 8192} {
		k := &testKey(t, bits).PublicKey
		got, err := DecodePublicKey(EncodePublicKey(k))
		if err != nil || !got.Equal(k) {
			t.Errorf("%d bits: %v, %v", bits, got, err)
		}
	}
	good := EncodePublicKey(&testKey(t, 2048).PublicKey)
	for _, c := range []struct {
		edit func(b []byte) []byte
		want string
	}{
		{func(b []byte) []byte { return b[:7] }, "cannot read AVB public key: it is 7 bytes long, expected at least 8"},
		{func(b []byte) []byte { b[3] = 1; return b }, "cannot read AVB public key: key_num_bits at offset 0 is 2049, expected 2048, 4096 or 8192"},
		{func(b []byte) []byte { return b[:519] }, "cannot read AVB public key: it is 519 bytes long, expected 520 for 2048 bits"},
		{func(b []byte) []byte { b[8] = 0; return b }, "cannot read AVB public key: n at offset 8 is a number of 2040 bits, expected 2048 bits"},
		{func(b []byte) []byte { b[263] ^= 1; return b }, "cannot read AVB public key: n at offset 8 is even, expected an odd number"},
		{func(b []byte) []byte { copy(b[4:], "\x00\x00\x00\x01"); return b }, "cannot read AVB public key: n0inv at offset 4 is 0x1, expected " + fmt.Sprintf("0x%x", binary.BigEndian.Uint32(good[4:])) + " as n gives"},
		{func(b []byte) []byte { b[519] ^= 1; return b }, "cannot read AVB public key: rr at offset 264 is another number, expected 2^(2*key_num_bits) mod n"},
	} {
		if _, err := DecodePublicKey(c.edit(bytes.Clone(good))); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func TestAlgorithmNames(t *testing.T) {
	for a := None; a.known(); a++ {
		if got, err := ParseAlgorithm(a.String()); err != nil || got != a {
			t.Errorf("%s: %v, %v", a, got, err)
		}
	}
	if _, err := ParseAlgorithm("RSA"); err == nil || err.Error() != `cannot use algorithm "RSA": expected one of NONE, SHA256_RSA2048, SHA256_RSA4096, SHA256_RSA8192, SHA512_RSA2048, SHA512_RSA4096, SHA512_RSA8192` {
		t.Error(err)
	}
}

func TestDigestLeavesTailOut(t *testing.T) {
	b := sign(t, &VBMeta{}, nil)
	if len(b) != headerSize {
		t.Fatalf("an empty struct has %d bytes", len(b))
	}
	if Digest(b, b) != Digest(append(bytes.Clone(b), make([]byte, 999)...), b) {
		t.Error("the tail is in the digest")
	}
	sum := Digest(b)
	if want := hex.EncodeToString(digest(SHA256RSA2048.Hash(), b)); hex.EncodeToString(sum[:]) != want {
		t.Errorf("digest %x, want %s", sum, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sign(f, sample(f), testKey(f, 2048)))
	f.Add(sign(f, sample(f), nil))
	f.Add(sign(f, &VBMeta{}, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Parse(b)
		if err != nil {
			return
		}
		if _, err := Verify(b); err == nil && v.Algorithm == None {
			t.Fatal("an unsigned struct verifies")
		}
		again, err := Sign(v, nil)
		if err != nil {
			return // the largest structs leave no room for another layout
		}
		w, err := Parse(again)
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		w.Algorithm, w.PublicKey, w.RequiredMinor = v.Algorithm, v.PublicKey, v.RequiredMinor
		if !reflect.DeepEqual(v, w) {
			t.Fatalf("written and read again %+v, want %+v", w, v)
		}
	})
}

func FuzzDecodePublicKey(f *testing.F) {
	f.Add(EncodePublicKey(&testKey(f, 2048).PublicKey))
	f.Add(EncodePublicKey(&testKey(f, 4096).PublicKey))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := DecodePublicKey(b); err == nil && !bytes.Equal(EncodePublicKey(k), b) {
			t.Fatal("encoded again differs")
		}
	})
}
