package oneplus

import (
	"archive/zip"
	"bytes"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestRounds: given AES's own round keys, the cipher is AES.
func TestRounds(t *testing.T) {
	key := []byte("sixteen byte key")
	table := roundTable()
	box := func(b byte) uint32 { return table[b] >> 8 & 0xff }
	words := make([]uint32, 44) // FIPS 197, key expansion, little-endian
	for i := range words {
		if i < 4 {
			words[i] = binary.LittleEndian.Uint32(key[4*i:])
			continue
		}
		v := words[i-1]
		if i%4 == 0 {
			v = v>>8 | v<<24
			v = box(byte(v)) | box(byte(v>>8))<<8 | box(byte(v>>16))<<16 | box(byte(v>>24))<<24
			v ^= []uint32{1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36}[i/4-1]
		}
		words[i] = words[i-4] ^ v
	}
	words[41], words[43] = words[43], words[41] // the last round's order
	s := &schedule{table: table, keys: words, rounds: 10}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var in, want, got [16]byte
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		block.Encrypt(want[:], in[:])
		for i, w := range s.encrypt(load(in[:])) {
			binary.LittleEndian.PutUint32(got[4*i:], w)
		}
		if got != want {
			t.Fatalf("%x becomes %x, AES makes %x", in, got, want)
		}
	}
	// The doubled table as the description prints it begins so.
	first := s.short().keys[:12]
	if fmt.Sprintf("%02x", first) != "[c6 63 63 a5 c6 63 63 a5 f8 7c 7c 84]" || s.short().rounds != 0x91 {
		t.Errorf("the short schedule's keys begin %02x, %d rounds", first, s.short().rounds)
	}
}

type file struct {
	section, name string
	data          []byte
}

// ops makes an .ops from the description.
func ops(t testing.TB, set int, change func(list string) string, files ...file) []byte {
	t.Helper()
	keys := keySets()[set].keys
	var b []byte
	list := `<?xml version="1.0"?><Setting><BasicInfo Project="18801" Version="fajita_41"/>`
	for _, f := range files {
		data := bytes.Clone(f.data)
		if f.section == "SAHARA" {
			k := keys
			if len(data) < blockSize {
				k = k.short()
			}
			k.open(data, opsIV(), true)
		}
		sum := sha256.Sum256(append(bytes.Clone(f.data), make([]byte, (4096-len(f.data)%4096)%4096)...))
		element, name := "File", "Path"
		if strings.HasPrefix(f.section, "Program") {
			element, name = "program", "filename"
		}
		list += fmt.Sprintf("\n<%s><%s %s=%q FileOffsetInSrc=\"%d\" SizeInByteInSrc=\"%d\" SizeInSectorInSrc=\"%d\" Sha256=\"%x\" sparse=\"false\" label=\"x\"/></%[1]s>",
			f.section, element, name, f.name, len(b)/sector, len(data), (len(data)+511)/512, sum)
		b = append(b, data...)
		b = append(b, make([]byte, (sector-len(b)%sector)%sector)...)
	}
	list += "</Setting>"
	if change != nil {
		list = change(list)
	}
	sealed := append([]byte(list), make([]byte, sector-len(list)%sector)...)
	keys.open(sealed, opsIV(), true)
	foot := make([]byte, sector)
	for i, v := range []int{2, 1, 0, 0, opsMagic, len(b) / sector, len(list)} {
		binary.LittleEndian.PutUint32(foot[4*i:], uint32(v))
	}
	return append(append(b, sealed...), foot...)
}

func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func example(t testing.TB, set int) []byte {
	return ops(t, set, nil, file{"SAHARA", "prog.elf", random(1, 200_003)}, file{"SAHARA", "tiny", random(5, 11)}, file{"UFS_PROVISION", "ufs.xml", random(2, 700)}, file{"Program0", "system.img", random(3, 9000)})
}

func TestOps(t *testing.T) {
	for set, name := range []string{"5", "6", "4"} {
		b := example(t, set)
		o, err := OpenOps(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if o.KeySet != name || o.Project != "18801" || o.Version != "fajita_41" || len(o.Items) != 4 {
			t.Errorf("it is %+v", o)
		}
		for i, want := range [][]byte{random(1, 200_003), random(5, 11), random(2, 700), random(3, 9000)} {
			r := o.Open(o.Items[i])
			got, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s reads as %d bytes, %v; not what went in", o.Items[i].Name, len(got), err)
			}
			rnd := rand.New(rand.NewPCG(9, uint64(i)))
			for range 30 {
				off := rnd.IntN(len(want))
				p := make([]byte, rnd.IntN(len(want)-off)+1)
				if _, err := r.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, want[off:off+len(p)]) {
					t.Fatalf("%s: %d bytes at %d differ, %v", o.Items[i].Name, len(p), off, err)
				}
			}
			if err := o.Verify(t.Context(), o.Items[i]); err != nil {
				t.Error(err)
			}
		}
		b[5]++
		if err := o.Verify(t.Context(), o.Items[0]); err == nil || !strings.Contains(err.Error(), "its list says") {
			t.Errorf("a flipped byte gives %v", err)
		}
	}
}

func TestBadOps(t *testing.T) {
	good := example(t, 0)
	at := len(good) - sector
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	list := func(old, new string) []byte {
		return ops(t, 0, func(l string) string { return strings.Replace(l, old, new, 1) }, file{"Program0", "system.img", random(3, 900)})
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "it has 0 bytes"},
		{"magic", change(at+0x10, 0), "magic is 0x7c00, expected 0x7cef"},
		{"length", change(at+0x1b, 0xff), "its list has"},
		{"key", change(at-sector*3, random(1, sector*3)...), "no known key set opens its list"},
		{"xml", list("</Setting>", "</Other>"), "its list: XML syntax error"},
		{"offset", list(`FileOffsetInSrc="0"`, `FileOffsetInSrc="9"`), "line 2: Setting/Program0/program: \"system.img\" has \"900\" bytes at sector \"9\""},
		{"negative", list(`SizeInByteInSrc="900"`, `SizeInByteInSrc="-1"`), `has "-1" bytes`},
		{"path", list("system.img", "../x"), `"../x" is no file name`},
	} {
		if _, err := OpenOps(bytes.NewReader(c.b), int64(len(c.b))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", c.name, err, c.want)
		}
	}
}

var ozipKey = [16]byte([]byte("a key of no OPPO"))

func ozipOf(t testing.TB, plain []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(ozipKey[:])
	if err != nil {
		t.Fatal(err)
	}
	b := bytes.Clone(plain)
	for at := 0; at+16 <= len(b); at += ozipRun {
		block.Encrypt(b[at:], b[at:at+16])
	}
	head := make([]byte, ozipStart)
	copy(head, OzipMagic)
	return append(head, b...)
}

func TestOzip(t *testing.T) {
	var w bytes.Buffer
	z := zip.NewWriter(&w)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "system.new.dat.br", Method: zip.Store})
	if err == nil {
		_, err = f.Write(random(4, 100_000))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	b := ozipOf(t, w.Bytes())
	r, err := OpenOzip(bytes.NewReader(b), int64(len(b)), ozipKey)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, w.Bytes()) {
		t.Errorf("read %d bytes, %v; not the zip", len(got), err)
	}
	if _, err := zip.NewReader(r, r.Size()); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		b    []byte
		key  [16]byte
		want string
	}{
		"key":   {b, [16]byte{}, "with this key it begins with"},
		"magic": {b[1:], ozipKey, `offset 0: found "PPOENCRYPT!\x00"`},
		"short": {b[:100], ozipKey, "it has 100 bytes"},
	} {
		if _, err := OpenOzip(bytes.NewReader(c.b), int64(len(c.b)), c.key); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", name, err, c.want)
		}
	}
}

func FuzzOpenOps(f *testing.F) {
	f.Add(ops(f, 0, nil, file{"SAHARA", "a", []byte("abc")}, file{"Program0", "b", []byte("defg")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := OpenOps(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, it := range o.Items {
			if _, err := io.Copy(io.Discard, o.Open(it)); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzList reads lists that were encrypted right.
func FuzzList(f *testing.F) {
	f.Add(`<?xml version="1.0"?><S><Program0><program filename="a" FileOffsetInSrc="0" SizeInByteInSrc="3"/></Program0></S>`)
	f.Fuzz(func(t *testing.T, list string) {
		b := ops(t, 1, func(string) string { return list })
		o, err := OpenOps(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, it := range o.Items {
			if it.Offset < 0 || it.Size < 0 || it.Offset+it.Size > int64(len(b)) {
				t.Errorf("item %+v lies outside", it)
			}
		}
	})
}

func FuzzOpenOzip(f *testing.F) {
	f.Add(ozipOf(f, []byte("PK\x03\x04 and what else a zip has")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := OpenOzip(bytes.NewReader(b), int64(len(b)), ozipKey); err == nil {
			if _, err := io.Copy(io.Discard, r); err != nil {
				t.Error(err)
			}
		}
	})
}

// An .ozip opens with the key that the user brings.
func ExampleOpenOzip() {
	key := []byte("the device's key")
	block, _ := aes.NewCipher(key)
	zip := append([]byte("PK\x03\x04"), "and so on, up to the end"...)
	block.Encrypt(zip, zip) // the first 16 bytes of every 16,400
	file := append([]byte(OzipMagic), make([]byte, 0x1050-len(OzipMagic))...)
	file = append(file, zip...)

	r, err := OpenOzip(bytes.NewReader(file), int64(len(file)), OzipKeys(key)[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := io.ReadAll(r)
	fmt.Printf("%q %v\n", b, err)
	// Output: "PK\x03\x04and so on, up to the end" <nil>
}
