package htc_test

import (
	"archive/zip"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/htc"
)

// rom is a zip of stored members with size bytes or a little more.
func rom(t testing.TB, seed uint64, size int) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	var w bytes.Buffer
	z := zip.NewWriter(&w)
	for _, name := range []string{"android-info.txt", "boot.img", "system.img"} {
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		b := []byte("modelid: PN0710000\ncidnum: HTC__001\ncidnum: 11111111\nmainver: 1.29.401.12\nbtype: 1\naareport: 1\n")
		if name != "android-info.txt" {
			b = make([]byte, size/2)
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

var (
	keyFile = []byte("the key file of a device that nobody made: ninety-six bytes, which is all that HTC gave each one")[:96]
	keyMaps = func() []byte {
		b := make([]byte, 3*htc.KeyMapEntry)
		for i := range b {
			b[i] = byte(i * 7 % 96)
		}
		return b
	}()
)

// encrypt does it chunk by chunk, as the description has it.
func encrypt(t testing.TB, plain []byte, number, chunks int) []byte {
	t.Helper()
	k, err := htc.KeyFrom(keyFile, keyMaps, number)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(k.AES[:])
	if err != nil {
		t.Fatal(err)
	}
	body := bytes.Clone(plain)
	for b, chunk := body, chunks<<20; len(b) >= chunk; b = b[chunk:] {
		cipher.NewCBCEncrypter(block, k.IV[:]).CryptBlocks(b[:1<<20], b[:1<<20])
	}
	head := append([]byte(htc.MagicEncrypted), 0, byte(number), byte(chunks))
	head = append(head, bytes.Repeat([]byte{0xff}, 9)...)
	head = append(head, "1.29.401.12"...)
	head = append(head, bytes.Repeat([]byte{0xff}, 128-len(head))...)
	return append(head, body...)
}

func large(parts ...[]byte) []byte {
	head := make([]byte, 256)
	copy(head, htc.MagicLarge)
	binary.LittleEndian.PutUint32(head[8+64:], uint32(len(parts)))
	var body []byte
	for i, p := range parts {
		binary.LittleEndian.PutUint32(head[8+4*i:], uint32(256+len(body)))
		binary.LittleEndian.PutUint32(head[40+4*i:], uint32(len(p)))
		body = append(body, p...)
	}
	return append(head, body...)
}

func open(t testing.TB, b []byte) *htc.Firmware {
	t.Helper()
	f, err := htc.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEncrypted(t *testing.T) {
	const seed = 3
	plain := rom(t, seed, 5<<20) // two whole chunks of 2 MiB, and a rest
	b := append(make([]byte, 256), encrypt(t, plain, 2, 2)...)
	f := open(t, b)
	if f.Kind != htc.Encrypted || !f.Signed || f.KeyMap != 2 || f.ChunkMiB != 2 || f.MainVersion != "1.29.401.12" {
		t.Fatalf("it is %+v", f)
	}
	k, err := htc.KeyFrom(keyFile, keyMaps, f.KeyMap)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Decrypt(k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, plain) {
		t.Errorf("read %d bytes, %v; not the zip", len(got), err)
	}
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		off := rnd.IntN(len(plain))
		p := make([]byte, min(rnd.IntN(70_000), len(plain)-off))
		if _, err := r.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, plain[off:off+len(p)]) {
			t.Fatalf("%d bytes at %d: %v", len(p), off, err)
		}
	}
	z, err := zip.NewReader(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	m, err := z.Open("android-info.txt")
	if err != nil {
		t.Fatal(err)
	}
	info, err := htc.ReadInfo(m)
	if err != nil || fmt.Sprint(*info) != "{[PN0710000] [HTC__001 11111111] 1.29.401.12 [btype: 1 aareport: 1]}" {
		t.Errorf("android-info.txt is %v, %v", info, err)
	}
	k.AES[0]++
	if _, err := f.Decrypt(k); err == nil || !strings.Contains(err.Error(), "is it the device's key, for key map 2?") {
		t.Errorf("a wrong key gives %v", err)
	}
}

func TestLarge(t *testing.T) {
	a, b := rom(t, 1, 1000), encrypt(t, rom(t, 2, 3<<20), 1, 1)
	f := open(t, large(a, b))
	if f.Kind != htc.Large || len(f.Parts) != 2 || f.Parts[0].Kind != htc.Zip || f.Parts[1].Kind != htc.Encrypted {
		t.Fatalf("it is %+v", f)
	}
	if got, err := io.ReadAll(f.Parts[0].Section()); err != nil || !bytes.Equal(got, a) {
		t.Errorf("the first part has %d bytes, %v", len(got), err)
	}
	k, err := htc.KeyFrom(keyFile, keyMaps, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Parts[1].Decrypt(k); err != nil {
		t.Error(err)
	}
	if _, err := f.Parts[0].Decrypt(k); err == nil {
		t.Error("a plain zip is decrypted")
	}
}

func TestFind(t *testing.T) {
	exe := append([]byte("MZ"), bytes.Repeat([]byte("Hello, Lost "), 100_000)...)
	at := 1<<20 - 3 // across two windows
	copy(exe[at:], htc.MagicEncrypted)
	exe = append(exe, htc.MagicLarge...)
	got, err := htc.Find(bytes.NewReader(exe), int64(len(exe)))
	if err != nil || len(got) != 2 || got[0] != int64(at) || got[1] != int64(len(exe)-8) {
		t.Errorf("found %v, %v; expected %d and %d", got, err, at, len(exe)-8)
	}
	many := bytes.Repeat([]byte(htc.MagicLarge), 65)
	if _, err := htc.Find(bytes.NewReader(many), int64(len(many))); err == nil {
		t.Error("65 places are taken")
	}
}

func TestBad(t *testing.T) {
	sealed := encrypt(t, []byte("PK\x03\x04 a small zip"), 1, 1)
	number := bytes.Clone(sealed)
	number[9] = 0
	parts := large([]byte("PK\x03\x04----"))
	nine, outside := bytes.Clone(parts), bytes.Clone(parts)
	nine[72], outside[40] = 9, 0xff
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "offset 0:"},
		{"other", bytes.Repeat([]byte("x"), 400), `found "xxxxxxxx", expected a zip`},
		{"cut header", sealed[:100], "its header has 128"},
		{"no key map", number, "key map 0"},
		{"nine parts", nine, "it has 9 parts, expected 1 to 8"},
		{"outside", outside, "part 0 has 255 bytes at 256"},
		{"nested", large(large([]byte("PK\x03\x04----"))), "part 0: offset 256: found"},
	} {
		if _, err := htc.Open(bytes.NewReader(c.b), int64(len(c.b))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", c.name, err, c.want)
		}
	}
	for name, err := range map[string]error{
		"short key file": second(htc.KeyFrom(keyFile[:95], keyMaps, 1)),
		"number":         second(htc.KeyFrom(keyFile, keyMaps, 4)),
		"place":          second(htc.KeyFrom(keyFile, bytes.Repeat([]byte{96}, 32), 1)),
		"long info":      second(htc.ReadInfo(strings.NewReader(strings.Repeat("x", 70_000)))),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func FuzzOpen(f *testing.F) {
	f.Add(encrypt(f, rom(f, 1, 100), 1, 1))
	f.Add(large(rom(f, 1, 100), encrypt(f, rom(f, 1, 100), 2, 1)))
	f.Add(append(make([]byte, 256), rom(f, 1, 10)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = htc.Find(bytes.NewReader(b), int64(len(b)))
		fw, err := htc.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, p := range append(fw.Parts, *fw) {
			if r, err := p.Decrypt(htc.Key{}); err == nil {
				_, _ = io.Copy(io.Discard, r)
			}
			if _, err := io.Copy(io.Discard, p.Section()); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzReadInfo(f *testing.F) {
	f.Add("modelid: PN0710000\ncidnum: HTC__001\n")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = htc.ReadInfo(strings.NewReader(s)) })
}

func Example() {
	info, err := htc.ReadInfo(strings.NewReader("modelid: PN0710000\ncidnum: HTC__001\nmainver: 1.29.401.12\n"))
	fmt.Println(info.Models, info.CIDs, info.MainVersion, err)
	// Output: [PN0710000] [HTC__001] 1.29.401.12 <nil>
}
