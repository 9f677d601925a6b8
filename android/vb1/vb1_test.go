package vb1

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

type pair struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

var newPair = sync.OnceValue(func() pair {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a test's"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return pair{key, cert}
})

func boot() []byte { return bytes.Repeat([]byte("ANDROID! kernel "), 1024) }

func signed(t testing.TB) []byte {
	t.Helper()
	b, err := SignBoot(bytes.NewReader(boot()), int64(len(boot())), "/boot", newPair().key, newPair().cert)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// openssl reads the certificate out of the signature, and verifies the value over
// the image and the attributes behind it.
func TestBootByOpenSSL(t *testing.T) {
	judge.Need(t, "openssl")
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	b := signed(t)
	sig := file("sig.der", b)
	text := judge.Run(t, "openssl", "asn1parse", "-inform", "DER", "-in", sig)
	for _, want := range []string{"PRINTABLESTRING   :/boot", "INTEGER           :4000", "sha256WithRSAEncryption"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	s, err := ParseSignature(append(b, "and more"...))
	if err != nil {
		t.Fatal(err)
	}
	if s.Target != "/boot" || s.Length != int64(len(boot())) || s.Size != int64(len(b)) || !s.Certificate.Equal(newPair().cert) {
		t.Errorf("%+v", s)
	}
	pub, err := x509.MarshalPKIXPublicKey(newPair().key.Public())
	if err != nil {
		t.Fatal(err)
	}
	key := file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}))
	out := judge.Run(t, "openssl", "dgst", "-sha256", "-verify", key, "-signature", file("value", s.value), file("content", append(boot(), s.attributes...)))
	if !strings.Contains(out, "Verified OK") {
		t.Error(out)
	}
}

func TestBoot(t *testing.T) {
	img, b := boot(), signed(t)
	if again := signed(t); !bytes.Equal(b, again) {
		t.Error("the same image is signed in two ways")
	}
	s, err := ParseSignature(b)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(img))
	if err := s.Verify(bytes.NewReader(img), n, "/boot"); err != nil {
		t.Error(err)
	}
	flipped := bytes.Clone(img)
	flipped[5000] ^= 1
	for want, err := range map[string]error{
		`is for 16384 bytes of "/boot", expected 16384 of "/recovery"`: s.Verify(bytes.NewReader(img), n, "/recovery"),
		`expected 16383 of "/boot"`:                                    s.Verify(bytes.NewReader(img), n-1, "/boot"),
		"the signature does not match the image":                       s.Verify(bytes.NewReader(flipped), n, "/boot"),
		"byte 100 of 16384":                                            s.Verify(bytes.NewReader(img[:100]), n, "/boot"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("found %v, expected %q", err, want)
		}
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		if s, err := ParseSignature(bad); err == nil && s.Verify(bytes.NewReader(img), n, "/boot") == nil && s.Certificate.Equal(newPair().cert) && !harmless(b, i) {
			t.Errorf("byte %d changed, and it holds", i)
		}
	}
	other, _ := rsa.GenerateKey(rand.Reader, 2048)
	if _, err := SignBoot(bytes.NewReader(img), n, "/boot", other, newPair().cert); err == nil {
		t.Error("another's certificate was taken")
	}
}

// harmless are the parameters of the algorithm: NULL or whatever.
func harmless(b []byte, i int) bool {
	at := bytes.LastIndex(b, []byte{0x01, 0x0b, 0x05, 0x00})
	return i == at+2
}

func TestKey(t *testing.T) {
	b, err := EncodeKey(&newPair().key.PublicKey)
	if err != nil || len(b) != 524 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	key, err := ParseKey(b)
	if err != nil || !key.Equal(newPair().key.Public()) {
		t.Error(key, err)
	}
	for _, at := range []int{0, 4, 8, 264, 520} {
		bad := bytes.Clone(b)
		bad[at] ^= 0x10
		if _, err := ParseKey(bad); err == nil || !strings.HasPrefix(err.Error(), "cannot read verity key: ") {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	// n0inv is what Montgomery's multiplication needs: -1/n modulo 2^32.
	n0 := uint32(new(big.Int).Mod(key.N, big.NewInt(1<<32)).Uint64())
	if inv := uint32(b[4]) | uint32(b[5])<<8 | uint32(b[6])<<16 | uint32(b[7])<<24; n0*inv != 0xffffffff {
		t.Errorf("n0inv is %08x for %08x", inv, n0)
	}
	small, _ := rsa.GenerateKey(rand.Reader, 3072)
	if _, err := EncodeKey(&small.PublicKey); err == nil {
		t.Error("3072 bits were taken")
	}
}

func system(t testing.TB) *tree.Image {
	t.Helper()
	root := tree.NewDir(0o755, 0, 0)
	root.Set("build.prop", tree.NewFile(0o644, 0, 0, bytes.Repeat([]byte("ro.x=1\n"), 5000)))
	im, err := ext4.Build(root, ext4.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

const device = "/dev/block/platform/msm_sdcc.1/by-name/system"

func verified(t testing.TB) ([]byte, int64, Table) {
	t.Helper()
	im := system(t)
	out, table, err := AddVerity(context.Background(), im, Params{Device: device, Salt: []byte("salt of a partition"), Key: newPair().key})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := out.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if room, err := (Params{}).Room(im.Size()); err != nil || int64(b.Len()) != im.Size()+room {
		t.Errorf("%d bytes, expected %d and %d more, %v", b.Len(), im.Size(), room, err)
	}
	return b.Bytes(), im.Size(), table
}

// veritysetup computes the same tree, e2fsck finds the file system whole with what
// lies behind it, and openssl verifies the table's signature.
func TestVerityByOthers(t *testing.T) {
	judge.Need(t, "veritysetup", "e2fsck", "openssl")
	b, size, table := verified(t)
	image := filepath.Join(t.TempDir(), "system.img")
	if err := os.WriteFile(image, b, 0o600); err != nil {
		t.Fatal(err)
	}
	judge.Verity(t, image, judge.HashTree{Root: table.Root, Salt: table.Salt, ImageSize: uint64(size), TreeOffset: uint64(table.TreeOffset)})
	judge.Run(t, "e2fsck", "-fn", image)
	m, err := ReadMetadata(bytes.NewReader(b), size)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pub, _ := x509.MarshalPKIXPublicKey(newPair().key.Public())
	for name, c := range map[string][]byte{"key": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub}), "sig": m.value, "table": []byte(m.text)} {
		if err := os.WriteFile(filepath.Join(dir, name), c, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	judge.Run(t, "openssl", "dgst", "-sha256", "-verify", filepath.Join(dir, "key"), "-signature", filepath.Join(dir, "sig"), filepath.Join(dir, "table"))
}

func TestVerity(t *testing.T) {
	b, size, table := verified(t)
	ctx, n := context.Background(), int64(len(b))
	read := func(b []byte) error {
		m, err := ReadMetadata(bytes.NewReader(b), size)
		if err != nil {
			return err
		}
		return m.Verify(ctx, bytes.NewReader(b), n, &newPair().key.PublicKey)
	}
	if err := read(b); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("1 %s %s 4096 4096 %d %d sha256 %x %x", device, device, size/4096, size/4096+8, table.Root, table.Salt)
	if got := table.Text(); got != want {
		t.Errorf("the table is %q, expected %q", got, want)
	}
	for name, c := range map[string]struct {
		at   int64
		x    byte
		want string
	}{
		"data":      {5000, 1, "block 1 at offset 4096 does not match the hash tree"},
		"magic":     {size, 1, "magic is b001b000, expected b001b001"},
		"version":   {size + 4, 1, "version is 1, expected 0"},
		"signature": {size + 8, 1, "the signature of the table does not match"},
		"length":    {size + 264 + 3, 0x80, "its table has 214"},
		"table":     {size + 268 + 5, 1, "cannot read verity table"},
		"tail":      {size + MetadataSize - 1, 1, "that nothing accounts for"},
		"tree":      {size + MetadataSize + 3, 1, "the hash tree at offset"},
	} {
		bad := bytes.Clone(b)
		bad[c.at] ^= c.x
		if err := read(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: found %v, expected %q", name, err, c.want)
		}
	}
	off := bytes.Clone(b)
	copy(off[size:], "VOFF")
	if err := read(off); err == nil || !strings.Contains(err.Error(), "verity was switched off") {
		t.Error(err)
	}
	if err := read(b[:size+100]); err == nil {
		t.Error("half of it was read")
	}
	for _, text := range []string{"", "1 a b 4096 4096 1 1 sha256 00 00", "1 a a 4096 4096 1 1 sha1 00 00", "1 a a 4096 4096 x 1 sha256 " + hex.EncodeToString(table.Root) + " 00", "1 a a 4096 4096 1 99999999999999999999 sha256 00 00"} {
		if _, err := ParseTable(text); err == nil || !strings.HasPrefix(err.Error(), "cannot read verity table ") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, _, err := AddVerity(ctx, system(t), Params{Device: "a b", Key: newPair().key}); err == nil {
		t.Error("a device with a space was taken")
	}
}

func FuzzParseSignature(f *testing.F) {
	f.Add(signed(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := ParseSignature(b); err == nil {
			_ = s.Verify(bytes.NewReader(boot()), int64(len(boot())), "/boot")
		}
	})
}

func FuzzMetadata(f *testing.F) {
	b, size, _ := verified(f)
	f.Add(b[size : size+MetadataSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ReadMetadata(bytes.NewReader(b), 0)
		if err != nil {
			return
		}
		if again, err := ParseTable(m.Table.Text()); err != nil || again.Text() != m.Table.Text() {
			t.Errorf("%q is read as %+v, %v", m.Table.Text(), again, err)
		}
		_ = m.Verify(context.Background(), bytes.NewReader(b), int64(len(b)), &newPair().key.PublicKey)
	})
}

func FuzzParseKey(f *testing.F) {
	b, _ := EncodeKey(&newPair().key.PublicKey)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = ParseKey(b) })
}

func ExampleTable_Text() {
	fmt.Println(Table{Device: "/dev/block/bootdevice/by-name/system", Blocks: 1000, TreeOffset: 1008 * 4096, Root: []byte{1, 2}, Salt: []byte{3}}.Text())
	// Output: 1 /dev/block/bootdevice/by-name/system /dev/block/bootdevice/by-name/system 4096 4096 1000 1008 sha256 0102 03
}
