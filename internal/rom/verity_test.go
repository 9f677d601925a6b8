package rom

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/mincrypt"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

const lockedSumire = `codename: sumire
vendor: Sony
name: a phone
boot:
  trust: verified-boot-1
  slots: single
  flash: fastboot
  update_certificates: ["system:system/etc/security/otacerts.zip", "recovery:res/keys"]
layers: [mine]
`

// older7 is a workshop with a stock of Verified Boot 1, whose device trusts the OS's
// verity key and has a layer.
func older7(t *testing.T, s stocktest.Spec) *workshop {
	t.Helper()
	w := newWorkshop(t, smallStock())
	w.commit(time.Hour, map[string]string{
		"devices/sumire/device.yaml":             lockedSumire,
		"os.yaml":                                "name: Friday OS\nupdate_url: https://ota.example.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: []\n",
		"layers/mine/layer.yaml":                 "why: a test\nadd:\n  - {from: files, to: \"system:system\"}\n",
		"layers/mine/files/etc/friday/hello.txt": "hello\n",
	})
	s.Maker, s.Seed, s.Files, s.Bytes = stocktest.Sony, 3, 250, 3<<20
	w.stock = w.addStock(stockZip(t, s), "sumire")
	return w
}

func (w *workshop) olderInput(version string) Input {
	in := w.input(version)
	in.Device = "sumire"
	in.Verity, in.VerityCert = verityPair(w.t)
	return in
}

var madeVerity = sync.OnceValues(func() (*rsa.PrivateKey, *x509.Certificate) {
	key, cert, err := stocktest.VendorKeys(77)
	if err != nil {
		panic(err)
	}
	return key, cert
})

func verityPair(t testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	return madeVerity()
}

func (w *workshop) bytes(p catalog.Partition) []byte {
	w.t.Helper()
	b, err := os.ReadFile(w.file(p))
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// TestVerifiedBoot1 builds over stocks as Android 6 and 7 have it, with one verified
// file system and with two, of which a layer changes one or both.
func TestVerifiedBoot1(t *testing.T) {
	both := map[string]string{
		"layers/mine/layer.yaml":      "why: a test\nadd:\n  - {from: files, to: \"system:system\"}\n  - {from: more, to: \"vendor:\"}\n",
		"layers/mine/more/etc/hi.txt": "hi\n",
	}
	for name, c := range map[string]struct {
		spec  stocktest.Spec
		files map[string]string
	}{
		"6":                 {spec: stocktest.Spec{Verity: stocktest.Verity6}},
		"6, vendor changed": {stocktest.Spec{Verity: stocktest.Verity6, Vendor: true}, both},
		"7, four roots":     {spec: stocktest.Spec{Verity: stocktest.Verity7, FECRoots: 4}},
		"7, vendor":         {spec: stocktest.Spec{Verity: stocktest.Verity7, Vendor: true}},
		"7, vendor changed": {stocktest.Spec{Verity: stocktest.Verity7, Vendor: true}, both},
	} {
		t.Run(name, func(t *testing.T) {
			w := older7(t, c.spec)
			if c.files != nil {
				w.commit(time.Hour, c.files)
			}
			b, said, err := Build(t.Context(), w.olderInput("26.11.20"))
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := Build(t.Context(), w.olderInput("26.11.20"))
			if err != nil || again.ID != b.ID {
				t.Errorf("the same input gives another build, %v", err)
			}
			key, cert := verityPair(t)
			for _, name := range []string{"boot", "recovery"} {
				signedByOpenSSL(t, w.bytes(partitionNamed(t, b.Images, name)), "/"+name, cert)
			}
			verified := []string{"system"}
			if c.spec.Vendor {
				verified = append(verified, "vendor")
			}
			keysOfBuild(t, w, b, key, len(verified))
			for _, name := range verified {
				verifiedBy(t, w, b, name, key)
			}
			for _, p := range said.Partitions {
				if p.VerifiedBy != report.Friday || !p.Rebuilt || !strings.Contains(p.Why, "verity key") && !strings.Contains(p.Why, "no layer changes them, and the table is signed anew") {
					t.Errorf("%+v", p)
				}
			}
			if owner := said.Owners["vendor:etc/hi.txt"]; (owner == "mine") != (c.files != nil) {
				t.Errorf("what the layer adds to vendor is owned by %q", owner)
			}
			if len(said.Wipes) != 3 || !said.Wipes[0].Wipes || !strings.Contains(said.Wipes[0].Why, "locking it again") || said.Wipes[1].Wipes {
				t.Errorf("wipes %+v", said.Wipes)
			}
			nextWeek(t, w, b)
		})
	}
}

// verifiedBy asks others about a verified file system of a build, and compares its
// verity with the stock's.
func verifiedBy(t *testing.T, w *workshop, b catalog.Build, name string, key *rsa.PrivateKey) {
	t.Helper()
	was, is := partitionNamed(t, w.stock.Partitions, name), partitionNamed(t, b.Images, name)
	if was.Size != is.Size {
		t.Errorf("%s has %d bytes, the stock's %d", name, is.Size, was.Size)
	}
	m := verityByOthers(t, w.file(is))
	if err := m.SignedBy(&key.PublicKey); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	stock := metadataOf(t, w.file(was))
	if err := stock.SignedBy(&key.PublicKey); err == nil {
		t.Errorf("%s: the stock's table is signed by the OS's key", name)
	}
	if m.TreeFirst() != stock.TreeFirst() || m.FEC.Roots != stock.FEC.Roots || m.Table.Device != stock.Table.Device || m.Table.Device != "/dev/block/bootdevice/by-name/"+name {
		t.Errorf("%s: verity %+v, the stock's %+v", name, m, stock)
	}
	t.Run("mount "+name, func(t *testing.T) {
		judge.Same(t, w.tree(is), judge.Folder(t, judge.Mount(t, is.FS, "ro", w.file(is))))
	})
}

// TestVerifiedBoot1Size: a verified file system goes into the partition that device.yaml
// says: a larger one for more files, a smaller one, and one that no layer changes, whose
// metadata move with the partition's end.
func TestVerifiedBoot1Size(t *testing.T) {
	const mib = 1 << 20
	size := func(w *workshop, name string, more int64) int64 {
		return partitionNamed(t, w.stock.Partitions, name).Size + more
	}
	for name, c := range map[string]struct {
		verity       stocktest.Verity
		more, vendor int64 // bytes more than the stock's images
		add          int   // MiB that a layer adds to system
		exact        bool
	}{
		"6, larger":           {stocktest.Verity6, 24*mib + 4096, 0, 12, false},
		"6, smaller":          {stocktest.Verity6, -mib, 0, 0, false},
		"7, larger":           {stocktest.Verity7, 24*mib + 3*4096, 0, 12, true},
		"7, larger, not used": {stocktest.Verity7, 24 * mib, 5 * 4096, 0, true},
		"7, smaller":          {stocktest.Verity7, -mib, -mib, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := older7(t, stocktest.Spec{Verity: c.verity, Vendor: true})
			files := map[string]string{"devices/sumire/device.yaml": lockedSumire + fmt.Sprintf("partitions:\n  system:\n    size: %d\n  vendor:\n    size: %d\n", size(w, "system", c.more), size(w, "vendor", c.vendor))}
			if c.add > 0 {
				var sound strings.Builder
				for i := range c.add {
					sound.WriteString(megabyte(byte(i)))
				}
				files["layers/mine/files/media/sound.ogg"] = sound.String()
			}
			w.commit(time.Hour, files)
			in := w.olderInput("26.11.20")
			b, said, err := Build(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			key, _ := verityPair(t)
			for name, more := range map[string]int64{"system": c.more, "vendor": c.vendor} {
				is := partitionNamed(t, b.Images, name)
				m := verityByOthers(t, w.file(is))
				if err := m.SignedBy(&key.PublicKey); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if want := size(w, name, more); is.Size > want || c.exact && (is.Size != want || m.At+vb1.MetadataSize+m.FEC.Size+m.FEC.Pad+4096 != want) {
					t.Errorf("%s has %d bytes, the partition %d; %+v", name, is.Size, want, m)
				}
				if c.add > 0 && name == "system" && is.Size <= size(w, name, int64(c.add-4)*mib) {
					t.Errorf("with %d MiB more, system has %d bytes, the stock's %d", c.add, is.Size, size(w, name, 0))
				}
				if m.FEC.Roots > 0 {
					if err := m.VerifyFEC(t.Context(), bytes.NewReader(w.bytes(is))); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				judge.Same(t, w.tree(is), judge.Folder(t, judge.Mount(t, is.FS, "ro", w.file(is))))
			}
			if owner := said.Owners["system:media/sound.ogg"]; (owner == "mine") != (c.add > 0) {
				t.Errorf("the added file is owned by %q", owner)
			}
			// A week later the phone's partition is said to be as the stock's after all.
			w.commit(2*time.Hour, map[string]string{"devices/sumire/device.yaml": lockedSumire})
			in = w.olderInput("26.11.27")
			in.Before = &b
			back, _, err := Build(t.Context(), in)
			if c.add > 0 {
				if err == nil || !strings.Contains(err.Error(), "there is no room; of the partition's ") || !strings.Contains(err.Error(), "; if the phone has more room, say so as partitions.system.size in devices/sumire/device.yaml") {
					t.Errorf("without room: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			verifiedBy(t, w, back, "system", key)
			verifiedBy(t, w, back, "vendor", key)
		})
	}
}

// nextWeek: what is brought up to date is as if all had been computed.
func nextWeek(t *testing.T, w *workshop, before catalog.Build) {
	t.Helper()
	w.commit(2*time.Hour, map[string]string{"layers/mine/files/etc/friday/hello.txt": "hello again\n"})
	in := w.olderInput("26.11.27")
	in.Before = &before
	var note Written
	in.Note = func(n Written) {
		if n.Partition == "system" {
			note = n
		}
	}
	b, _, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !note.Over || note.Changed == 0 || note.Changed > note.Blocks/8 {
		t.Errorf("written: %+v", note)
	}
	is := partitionNamed(t, b.Images, "system")
	m := verityByOthers(t, w.file(is))
	if m.FEC.Roots > 0 {
		img := w.bytes(is)
		if err := m.VerifyFEC(t.Context(), bytes.NewReader(img)); err != nil {
			t.Error(err)
		}
	}
	if boot := partitionNamed(t, b.Images, "boot"); boot.Digest != partitionNamed(t, before.Images, "boot").Digest {
		t.Error("nothing of boot changed, and it is another")
	}
}

func metadataOf(t *testing.T, file string) *vb1.Metadata {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	im, err := ext4.Open(f, fi.Size())
	if err != nil {
		t.Fatal(err)
	}
	m, err := vb1.Find(f, im.Info().Size, fi.Size())
	if err != nil || m == nil {
		t.Fatalf("%s: metadata %v, %v", file, m, err)
	}
	return m
}

// verityByOthers has veritysetup compute the tree, and with it the error correction, and
// e2fsck look at the file system.
func verityByOthers(t *testing.T, file string) *vb1.Metadata {
	t.Helper()
	m := metadataOf(t, file)
	judge.Verity(t, file, judge.HashTree{Root: m.Table.Root, Salt: m.Table.Salt, ImageSize: uint64(m.Table.Blocks) * 4096, TreeOffset: uint64(m.Table.TreeOffset)})
	if m.FEC.Roots > 0 {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		clear(b[9*4096 : 10*4096]) // which the error correction mends
		damaged := filepath.Join(t.TempDir(), "damaged.img")
		if err := os.WriteFile(damaged, b, 0o600); err != nil {
			t.Fatal(err)
		}
		judge.Run(t, "veritysetup", "verify", damaged, damaged, fmt.Sprintf("%x", m.Table.Root), "--no-superblock", fmt.Sprintf("--hash-offset=%d", m.Table.TreeOffset),
			"--salt", fmt.Sprintf("%x", m.Table.Salt), fmt.Sprintf("--data-blocks=%d", m.Table.Blocks), "--data-block-size=4096", "--hash-block-size=4096",
			"--hash=sha256", "--format=1", "--fec-device", damaged, fmt.Sprintf("--fec-offset=%d", m.FEC.At), fmt.Sprintf("--fec-roots=%d", m.FEC.Roots))
	}
	judge.Run(t, "e2fsck", "-fn", file)
	return m
}

// signedByOpenSSL: behind the image stands a signature that openssl verifies.
func signedByOpenSSL(t *testing.T, b []byte, target string, cert *x509.Certificate) {
	t.Helper()
	judge.Need(t, "openssl")
	im, err := bootimg.Parse(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(b)) - im.Tail.Size()
	s, err := vb1.ParseSignature(b[n:])
	if err != nil {
		t.Fatal(err)
	}
	if s.Target != target || s.Length != n || s.Size != im.Tail.Size() || !s.Certificate.Equal(cert) {
		t.Errorf("%s: signature of %d bytes for %d of %s by %s", target, s.Size, s.Length, s.Target, s.Certificate.Subject)
	}
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	attributes := judge.Run(t, "openssl", "asn1parse", "-inform", "DER", "-in", file("sig", b[n:]))
	if !strings.Contains(attributes, "PRINTABLESTRING   :"+target) {
		t.Errorf("openssl reads\n%s", attributes)
	}
	pub, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	// The inner sequence stands before the last 4+256 bytes: the octet string.
	value := b[len(b)-256:]
	seq := b[n : len(b)-260]
	inner := seq[bytes.LastIndex(seq, append([]byte{0x13, byte(len(target))}, target...))-2:]
	out := judge.Run(t, "openssl", "dgst", "-sha256", "-verify", file("key", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		"-signature", file("value", value), file("content", append(b[:n:n], inner...)))
	if !strings.Contains(out, "Verified OK") {
		t.Error(out)
	}
}

// keysOfBuild: the ramdisks have the OS's keys, and the fstab that the stock has, by
// which init verifies so many file systems.
func keysOfBuild(t *testing.T, w *workshop, b catalog.Build, key *rsa.PrivateKey, verified int) {
	t.Helper()
	ramdisk := func(p catalog.Partition) *tree.Node {
		text := w.bytes(p)
		im, err := bootimg.Parse(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
		if err != nil {
			t.Fatal(err)
		}
		return root
	}
	for _, name := range []string{"boot", "recovery"} {
		is, was := ramdisk(partitionNamed(t, b.Images, name)), ramdisk(partitionNamed(t, w.stock.Partitions, name))
		if got, err := vb1.ParseKey(content(t, is.Lookup("verity_key"))); err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: verity_key is %v, %v", name, got, err)
		}
		if got := content(t, is.Lookup("fstab.qcom")); !bytes.Equal(got, content(t, was.Lookup("fstab.qcom"))) || strings.Count(string(got), "wait,verify\n") != verified {
			t.Errorf("%s: fstab is %s", name, got)
		}
		if name == "boot" {
			if is.Lookup("res/keys") != nil {
				t.Error("boot has keys of recovery")
			}
			continue
		}
		keys, err := mincrypt.ParseKeys(content(t, is.Lookup("res/keys")))
		if err != nil || len(keys) != 1 || !w.key.PublicKey.Equal(keys[0].Public) || keys[0].Hash != crypto.SHA256 {
			t.Errorf("recovery trusts %+v, %v", keys, err)
		}
		if n := is.Lookup("res/keys"); n.MTime != 0 || n.Perm != 0o644 {
			t.Errorf("res/keys is %+v", n)
		}
	}
}
