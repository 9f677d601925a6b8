package rom

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
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

// TestVerifiedBoot1Refused: what cannot be made is said with its place.
func TestVerifiedBoot1Refused(t *testing.T) {
	w := older7(t, stocktest.Spec{})
	stock := w.stock
	large, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "large"}, NotAfter: time.Unix(1<<32, 0), SignatureAlgorithm: x509.SHA256WithRSA}
	der, err := x509.CreateCertificate(nil, tmpl, tmpl, &large.PublicKey, large)
	if err != nil {
		t.Fatal(err)
	}
	largeCert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	none := w.addStock(stockZip(t, stocktest.Spec{Maker: stocktest.Sony, Verity: stocktest.VerityNone, Seed: 3, Files: 250, Bytes: 3 << 20, Version: "2"}), "sumire")
	huge := map[string]string{"layers/mine/files/media/sound.ogg": strings.Repeat(megabyte(1), 9)}
	for _, c := range []struct {
		name  string
		files map[string]string
		edit  func(*Input)
		want  string
	}{
		{"no key", nil, func(in *Input) { in.Verity = nil }, "devices/sumire/device.yaml:5:10: the stock has Verified Boot 1, and there is no verity key to sign its boot images and file systems with; make one in the folder of the release keys: openssl req -x509 -newkey rsa:2048 -nodes"},
		{"a large key", nil, func(in *Input) { in.Verity, in.VerityCert = large, largeCert }, "devices/sumire/device.yaml:5:10: the verity key has 4096 bits and the exponent 65537; phones with Verified Boot 1 know 2048 and 3 or 65537; make another: openssl req"},
		{"another certificate", nil, func(in *Input) { in.VerityCert = largeCert }, "devices/sumire/device.yaml:5:10: the verity key and its certificate do not belong together"},
		{"unlocked, no key", map[string]string{"devices/sumire/device.yaml": strings.Replace(lockedSumire, "verified-boot-1", "unlocked", 1)}, func(in *Input) { in.Verity = nil }, "devices/sumire/device.yaml:5:10: the stock has Verified Boot 1, and there is no verity key"},
		{"custom key", map[string]string{"devices/sumire/device.yaml": strings.Replace(lockedSumire, "verified-boot-1", "custom-key", 1)}, nil, "devices/sumire/device.yaml:5:10: trust is custom-key, but the stock has no partition vbmeta: phones of that age cannot hold an owner's AVB key; expected unlocked, verified-boot-1 or none"},
		{"nothing to verify", nil, func(in *Input) { in.Stock = none }, "devices/sumire/device.yaml:5:10: trust is verified-boot-1, but the stock has no verity metadata behind a file system, no signature behind a boot image and no /verity_key in a ramdisk; expected unlocked or none"},
		{"no room", huge, nil, "there is no room; of the partition's "},
		{"no room for verity", map[string]string{"devices/sumire/device.yaml": lockedSumire + "partitions:\n  system:\n    size: 4096000\n"}, nil, "partition system needs at least "},
		{"an old recovery", nil, func(in *Input) { in.UpdateCert, in.Stock.SDK = largeCert, 23 }, "devices/sumire/device.yaml:8:24: the update key has 4096 bits; recovery of Android 7.1.1 has whom it trusts in /res/keys, and knows keys of 2048 bits alone; sign updates with a key of 2048 bits (ota.pem), which all recoveries know"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t, w.stock = t, stock
			files := map[string]string{"devices/sumire/device.yaml": lockedSumire, "x": c.name}
			for name, text := range c.files {
				files[name] = text
			}
			w.commit(time.Hour, files)
			in := w.olderInput("26.11.27")
			if c.edit != nil {
				c.edit(&in)
			}
			_, _, err := Build(t.Context(), in)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.HasPrefix(c.want, "devices/") && !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v\nexpected %s", err, c.want)
			}
			if c.files != nil && files["layers/mine/files/media/sound.ogg"] != "" {
				w.commit(time.Hour, map[string]string{"layers/mine/files/media/sound.ogg": ""})
			}
		})
	}
	t.Run("a newer recovery", func(t *testing.T) {
		w.t = t
		w.commit(time.Hour, map[string]string{"devices/sumire/device.yaml": lockedSumire, "x": "again"})
		in := w.olderInput("26.11.27")
		in.UpdateCert = largeCert
		if _, _, err := Build(t.Context(), in); err != nil {
			t.Error(err)
		}
	})
}

// TestVerityOfOthers: what no layer changes is signed anew, what fstab does not have
// verified is said, and a key that is no RSA is written too.
func TestVerityOfOthers(t *testing.T) {
	w := older7(t, stocktest.Spec{})
	in := w.olderInput("26.11.27")
	b := &builder{ctx: t.Context(), in: in, stock: map[string]catalog.Partition{}, report: &report.Report{Owners: map[string]string{}}}
	defer b.close()
	for _, p := range w.stock.Partitions {
		b.stock[p.Name] = p
	}
	if err := b.readOlder(); err != nil {
		t.Fatal(err)
	}
	if m := b.older.mounts["system"]; !m.Verify || b.older.mounts["userdata"].Verify || len(b.older.signed) != 2 || len(b.older.keyed) != 2 || len(b.older.listed) != 1 {
		t.Errorf("%+v", b.older)
	}
	p := partitionNamed(t, w.stock.Partitions, "system")
	r, err := b.source(p)
	if err != nil {
		t.Fatal(err)
	}
	im := &tree.Image{}
	im.AppendRange(r, 0, r.Size())
	was := b.older.verity["system"]
	key, _ := verityPair(t)
	out, err := vb1.Resign(t.Context(), im, was, key)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := w.blobs.Put(t.Context(), io.NewSectionReader(out, 0, out.Size()))
	if err != nil {
		t.Fatal(err)
	}
	resigned := p
	resigned.Digest = ref.Digest
	if err := b.proveVerity(resigned, was, b.proofs()); err != nil {
		t.Error(err)
	}
	if err := b.proveVerity(p, was, b.proofs()); err == nil || !strings.Contains(err.Error(), "the signature of the table") {
		t.Errorf("the vendor's own is proven: %v", err)
	}
	for want, edit := range map[string]func(){
		"; verity was switched off in the stock, and stays off":           func() { was.Disabled = true },
		"; the stock's fstab does not have it verified, and that is kept": func() { was.Disabled = false; delete(b.older.mounts, "system") },
	} {
		edit()
		b.report.Partitions = []report.Partition{{Name: "system"}}
		b.verityReport("system", was, "made")
		if got := b.report.Partitions[0]; got.Why != "made"+want || got.VerifiedBy != "" {
			t.Errorf("%+v, expected %q", got, want)
		}
	}
}
