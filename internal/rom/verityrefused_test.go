package rom

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

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
	if m := b.older.Mounts["system"]; !m.Verify || b.older.Mounts["userdata"].Verify || len(b.older.Signed) != 2 || len(b.older.Keyed) != 2 || len(b.older.Listed) != 1 {
		t.Errorf("%+v", b.older)
	}
	p := partitionNamed(t, w.stock.Partitions, "system")
	r, err := b.source(p)
	if err != nil {
		t.Fatal(err)
	}
	im := &tree.Image{}
	im.AppendRange(r, 0, r.Size())
	was := b.older.Verity["system"]
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
	prove := func(p catalog.Partition) error {
		r, err := b.source(p)
		if err != nil {
			return err
		}
		return b.older.ProveVerity(t.Context(), p.Name, r, &key.PublicKey, func() bool { return false })
	}
	if err := prove(resigned); err != nil {
		t.Error(err)
	}
	if err := prove(p); err == nil || !strings.Contains(err.Error(), "the signature of the table") {
		t.Errorf("the vendor's own is proven: %v", err)
	}
	for want, edit := range map[string]func(){
		"; verity was switched off in the stock, and stays off":           func() { was.Disabled = true },
		"; the stock's fstab does not have it verified, and that is kept": func() { was.Disabled = false; delete(b.older.Mounts, "system") },
	} {
		edit()
		b.report.Partitions = []report.Partition{{Name: "system"}}
		b.verityReport("system", was, "made")
		if got := b.report.Partitions[0]; got.Why != "made"+want || got.VerifiedBy != "" {
			t.Errorf("%+v, expected %q", got, want)
		}
	}
}
