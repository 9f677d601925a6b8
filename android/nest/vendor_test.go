package nest_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/xiaomi"
	"github.com/fridayos/friday/internal/judge"
)

// A block package shows the image that its list makes, unpacked or not.
func TestBlockPackage(t *testing.T) {
	image := superImage(t)
	var data, list bytes.Buffer
	l, err := blockota.Write(bytes.NewReader(image), int64(len(image)), &data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.WriteTo(&list); err != nil {
		t.Fatal(err)
	}
	br := packed(t, data.Bytes(), func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 1) })
	for _, e := range []entry{{"super.new.dat", data.Bytes()}, {"super.new.dat.br", br}} {
		n := newNest(t, nest.Options{})
		path := onDisk(t, "ota.zip", zipOf(t, zip.Deflate, e, entry{"super.transfer.list", list.Bytes()}))
		o, err := n.Open(ctx, path+"//super.img//system_a//")
		if err != nil {
			t.Fatal(err)
		}
		judge.Same(t, system(), o.Node)
	}
	n := newNest(t, nest.Options{})
	path := onDisk(t, "ota.zip", zipOf(t, zip.Deflate, entry{"super.transfer.list", list.Bytes()}))
	if _, err := n.Open(ctx, path+"//super.img//system_a"); err == nil || !strings.Contains(err.Error(), "there is neither super.new.dat nor super.new.dat.br") {
		t.Error(err)
	}
}

func TestVendors(t *testing.T) {
	n := newNest(t, nest.Options{})
	info := func(name string, b []byte) *nest.Info {
		o, err := n.Open(ctx, onDisk(t, name, b))
		if err != nil {
			t.Fatal(err)
		}
		in, err := n.Info(ctx, o, -1)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	var pit bytes.Buffer
	table := samsung.PIT{Partitions: []samsung.Partition{{ID: 20, Name: "SYSTEM", FlashName: "system.img"}}}
	if _, err := table.WriteTo(&pit); err != nil {
		t.Fatal(err)
	}
	in := info("phone.pit", pit.Bytes())
	if parts, _ := in.Facts["partitions"].(map[string]any); in.Format != "pit" || parts["SYSTEM"] == nil {
		t.Errorf("%+v", in)
	}

	z := zipOf(t, zip.Store, entry{"android-info.txt", []byte("modelid: PN0710000\n")})
	head := make([]byte, 256)
	copy(head, htc.MagicLarge)
	binary.LittleEndian.PutUint32(head[8:], 256)
	binary.LittleEndian.PutUint32(head[40:], uint32(len(z)))
	binary.LittleEndian.PutUint32(head[72:], 1)
	o, err := n.Open(ctx, onDisk(t, "rom.zip", append(head, z...))+"//part-0.zip//android-info.txt")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(o.Node.Open()); err != nil || string(b) != "modelid: PN0710000\n" {
		t.Error(string(b), err)
	}

	in = info("a.ozip", append([]byte("OPPOENCRYPT!"), make([]byte, 8192)...))
	if in.Format != "ozip" || len(in.Problems) != 1 {
		t.Errorf("%+v", in)
	}
	for name, b := range map[string][]byte{"a.sin": append([]byte("\x03SIN"), make([]byte, 100)...), "a.ops": make([]byte, 2048)} {
		if in := info(name, b); len(in.Problems) != 1 || in.Format != name[2:] {
			t.Errorf("%s: %+v", name, in)
		}
	}
	if in := info("RUU.exe", append([]byte("MZ"), make([]byte, 3000)...)); in.Format != "ruu-exe" || len(in.Problems) != 1 {
		t.Errorf("%+v", in)
	}
}

// keyed is HTC's encrypted zip, made as the description has it.
func keyed(t testing.TB, plain []byte, k htc.Key) []byte {
	t.Helper()
	block := must[cipher.Block](t)(aes.NewCipher(k.AES[:]))
	body := bytes.Clone(plain)
	for b := body; len(b) >= 1<<20; b = b[1<<20:] {
		cipher.NewCBCEncrypter(block, k.IV[:]).CryptBlocks(b[:1<<20], b[:1<<20])
	}
	head := append([]byte(htc.MagicEncrypted), 0, 1, 1)
	head = append(head, bytes.Repeat([]byte{0xff}, 9)...)
	head = append(head, "1.29.401.12"...)
	head = append(head, bytes.Repeat([]byte{0xff}, 128-len(head))...)
	return append(head, body...)
}

// What is encrypted opens with the keys that the user brings, and says what is
// missing otherwise.
func TestKeys(t *testing.T) {
	plain := zipOf(t, zip.Store, entry{"android-info.txt", []byte("modelid: PN0710000\n")}, entry{"big", make([]byte, 3<<20)})
	both := bytes.Repeat([]byte("key and iv of 32"), 2)
	key := htc.Key{AES: [16]byte(both), IV: [16]byte(both[16:])}
	file := bytes.Repeat([]byte("key and iv of 32"), 6)
	maps := make([]byte, 64) // of which the first leads to the same key
	for i := range maps {
		maps[i] = byte(i % 96)
	}
	rom := keyed(t, plain, key)
	oz := ozip(t, plain)
	for name, c := range map[string]struct {
		file string
		b    []byte
		keys [][]byte
		want string // the problem; empty: it opens
	}{
		"rom, no key":         {"rom.zip", rom, nil, "it is encrypted; bring the device's key file"},
		"rom, another's":      {"rom.zip", rom, [][]byte{make([]byte, 32)}, "is it the device's key, for key map 1?"},
		"rom, no map":         {"rom.zip", rom, [][]byte{file}, "beside the key file bring the table of key maps"},
		"rom, key and IV":     {"rom.zip", rom, [][]byte{[]byte("useless"), both}, ""},
		"rom, in hex":         {"rom.zip", rom, [][]byte{fmt.Appendf(nil, "%x\n%x\n", both[:16], both[16:])}, ""},
		"rom, file and map":   {"rom.zip", rom, [][]byte{maps, file}, ""},
		"ozip, no key":        {"a.ozip", oz, nil, "it is encrypted; bring the device's key"},
		"ozip, another's":     {"a.ozip", oz, [][]byte{make([]byte, 16)}, "with this key it begins with"},
		"ozip, a key":         {"a.ozip", oz, [][]byte{ozipKey}, ""},
		"ozip, a list of hex": {"a.ozip", oz, [][]byte{fmt.Appendf(nil, "# keys\n%x\n%x\n", make([]byte, 16), ozipKey)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNest(t, nest.Options{Keys: c.keys})
			path := onDisk(t, c.file, c.b)
			in := must[*nest.Info](t)(n.Info(ctx, must[*nest.Object](t)(n.Open(ctx, path)), -1))
			if c.want != "" {
				if len(in.Problems) != 1 || !strings.Contains(in.Problems[0], c.want) || len(in.Children) > 0 {
					t.Errorf("expected %q, found %+v", c.want, in)
				}
				return
			}
			if len(in.Problems) > 0 {
				t.Errorf("%+v", in)
			}
			o := must[*nest.Object](t)(n.Open(ctx, path+"//android-info.txt"))
			if b, err := io.ReadAll(o.Node.Open()); err != nil || string(b) != "modelid: PN0710000\n" {
				t.Error(string(b), err)
			}
		})
	}
}

// A bugreport says what it is of, a zip within a zip too.
func TestBugreport(t *testing.T) {
	text := must[[]byte](t)(os.ReadFile("../bugreport/testdata/bugreport.txt"))
	inner := zipOf(t, zip.Deflate, entry{"main_entry.txt", []byte("bugreport-x.txt")}, entry{"bugreport-x.txt", text})
	n := newNest(t, nest.Options{})
	path := onDisk(t, "dial.zip", zipOf(t, zip.Deflate, entry{"bugreport-x.zip", inner}))
	in := must[*nest.Info](t)(n.Info(ctx, must[*nest.Object](t)(n.Open(ctx, path)), -1))
	if len(in.Children) != 1 || in.Children[0].Format != "bugreport" || in.Children[0].Facts["fingerprint"] == nil || in.Children[0].Facts["device"] == nil {
		t.Errorf("%+v", in.Children[0])
	}
	o := must[*nest.Object](t)(n.Open(ctx, path+"//bugreport-x.zip//bugreport-x.txt"))
	if b, err := io.ReadAll(o.Node.Open()); err != nil || !bytes.Equal(b, text) {
		t.Error(len(b), err)
	}
}

// Xiaomi's lists of CRCs are compared with the images that the script flashes.
func TestCRCLists(t *testing.T) {
	name, _ := xiaomi.ParseName("umi_images_V12.5.1.0.RJBCNXM_20210512.0000.00_11.0_cn.tgz")
	boot := bytes.Repeat([]byte("kernel"), 9000)
	write := func(im []byte) string {
		var w bytes.Buffer
		f := xiaomi.Firmware{Name: name, Product: "umi", Anti: -1, CRCLists: true, Images: []xiaomi.Image{{Partition: "boot", File: "boot-x.img", Size: int64(len(boot)), Content: bytes.NewReader(boot)}}}
		if err := xiaomi.Write(&w, &f); err != nil {
			t.Fatal(err)
		}
		tarred := must[[]byte](t)(io.ReadAll(must[*gzip.Reader](t)(gzip.NewReader(&w))))
		return onDisk(t, "umi.tar", bytes.Replace(tarred, boot[:600], im[:600], 1))
	}
	whats, failed := checks(t, write(boot), nest.Options{})
	if !slices.Contains(whats, "crclist.txt: CRC-32 of boot-x.img") || failed > 0 {
		t.Error(whats)
	}
	whats, failed = checks(t, write(bytes.Repeat([]byte("KERNEL"), 100)), nest.Options{})
	if !slices.ContainsFunc(whats, func(s string) bool {
		return strings.HasPrefix(s, "crclist.txt: CRC-32 of boot-x.img: cannot verify boot: its CRC-32 is")
	}) || failed != 1 {
		t.Error(whats)
	}
}
