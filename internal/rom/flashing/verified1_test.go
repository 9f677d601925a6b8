package flashing_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/stocktest"
)

const locked1 = "  trust: verified-boot-1\n  flash: fastboot\n" + oneSlot + "outputs: [fastboot, recovery]\n"

// older makes the phone of Verified Boot 1, its partitions as large as the images, and
// flashes a build by the vendor's way.
func (s *shop) older(b catalog.Build, cert []byte) *handset.Phone {
	s.t.Helper()
	sizes := map[string]int64{"userdata": 1 << 20}
	for _, im := range b.Images {
		sizes[im.Name] = im.Size
		if im.FS == "" {
			sizes[im.Name] = 16 << 20
		}
	}
	s.folder = filepath.Join(s.t.TempDir(), "phone")
	p, err := handset.New(s.folder, handset.Identity{Device: s.device, Profile: s.profile(), Channel: "weekly", Partitions: sizes}, cert)
	if err != nil {
		s.t.Fatal(err)
	}
	dir := unpacked(s.t, s.outputs(b)["fastboot"])
	fastbooted(s.t, p, func(serial string) { script(s.t, serial, filepath.Join(dir, "flash-all.sh")) })
	return p
}

// TestVerifiedBoot1 flashes a phone whose boot loader starts what the OS's verity key
// signed, updates it through its recovery, and damages what each of them checks.
func TestVerifiedBoot1(t *testing.T) {
	judge.Need(t, "fastboot", "unzip")
	s := newShopAs(t, stocktest.Sony, locked1)
	if s.profile().Trust != bootprofile.VerifiedBoot1 {
		t.Fatal("the profile is another")
	}
	first := s.build("26.11.20")
	p := s.older(first, s.in.VerityCert.Raw)
	started, err := p.Boot(t.Context())
	if err != nil || started.State != "yellow" || started.System.Incremental != "26.11.20" || len(started.Failures) > 0 {
		t.Fatalf("%+v, %v", started, err)
	}
	if !p.Locked() {
		t.Error("a phone that holds a certificate is not locked")
	}
	second := s.build("26.11.27")
	if _, err := p.Sideload(t.Context(), s.pack(&first, second)); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.27")

	image := func(name string) string { return filepath.Join(s.folder, "slots", "a", name+".img") }
	for name, c := range map[string]struct {
		file string
		at   int64 // of a byte that is changed; less than 0: from the end
		want string
	}{
		"kernel":          {"boot", 1 << 20, "cannot start boot (red): cannot verify boot image: the signature does not match"},
		"system":          {"system", 2 << 20, "cannot mount /system: cannot verify by verity metadata"},
		"table signature": {"system", metadataAt(t, image("system")) + 9, "cannot mount /system: cannot verify by verity metadata: the signature of the table"},
		"metadata":        {"system", metadataAt(t, image("system")), "cannot mount /system: there is no verity metadata behind its file system"},
	} {
		t.Run(name, func(t *testing.T) {
			good, err := os.ReadFile(image(c.file))
			if err != nil {
				t.Fatal(err)
			}
			bad := bytes.Clone(good)
			bad[c.at] ^= 0x40
			state, err := os.ReadFile(filepath.Join(s.folder, "state.json"))
			if err != nil {
				t.Fatal(err)
			}
			write := func(path string, b []byte) {
				if err := os.WriteFile(path, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write(image(c.file), bad)
			p, err := handset.Open(s.folder)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Boot(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
			write(image(c.file), good)
			write(filepath.Join(s.folder, "state.json"), state)
		})
	}
	t.Run("recovery of others", func(t *testing.T) {
		theirs := s.stockImage("recovery")
		if err := os.WriteFile(image("recovery"), theirs, 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := handset.Open(s.folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Recover(t.Context(), s.pack(nil, second)); err == nil || !strings.Contains(err.Error(), "cannot start recovery (red): it is signed by") {
			t.Errorf("the vendor's recovery starts: %v", err)
		}
	})
}

// TestVerifiedBoot1Vendor flashes and updates a phone whose init verifies two file systems,
// one of which no layer changes: it refuses either when a block of it is damaged, or when
// it is still signed by the vendor.
func TestVerifiedBoot1Vendor(t *testing.T) {
	judge.Need(t, "fastboot", "unzip")
	s := newShopOf(t, stocktest.Spec{Maker: stocktest.Sony, Vendor: true}, locked1)
	first := s.build("26.11.20")
	p := s.older(first, s.in.VerityCert.Raw)
	boots(t, p, "26.11.20")
	second := s.build("26.11.27")
	if _, err := p.Sideload(t.Context(), s.pack(&first, second)); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.27")
	for name, c := range map[string]struct {
		partition string
		edit      func(b []byte) []byte
		want      string
	}{
		"damaged system":      {"system", func(b []byte) []byte { b[2<<20] ^= 1; return b }, "cannot mount /system: cannot verify by verity metadata"},
		"damaged vendor":      {"vendor", func(b []byte) []byte { b[1<<20] ^= 1; return b }, "cannot mount /vendor: cannot verify by verity metadata"},
		"vendor of the stock": {"vendor", func([]byte) []byte { return s.stockImage("vendor") }, "cannot mount /vendor: cannot verify by verity metadata: the signature of the table"},
	} {
		t.Run(name, func(t *testing.T) {
			image, state := filepath.Join(s.folder, "slots", "a", c.partition+".img"), filepath.Join(s.folder, "state.json")
			good, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			was, err := os.ReadFile(state)
			if err != nil {
				t.Fatal(err)
			}
			write := func(path string, b []byte) {
				if err := os.WriteFile(path, b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write(image, c.edit(bytes.Clone(good)))
			p, err := handset.Open(s.folder)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Boot(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, expected %q", err, c.want)
			}
			write(image, good)
			write(state, was)
		})
	}
}

// TestVerifiedBoot1OfOthers: what the vendor's key signed is red for a phone that holds
// another certificate, and starts orange where the boot loader is unlocked; then init
// still verifies system.
func TestVerifiedBoot1OfOthers(t *testing.T) {
	judge.Need(t, "fastboot", "unzip")
	s := newShopAs(t, stocktest.Sony, locked1)
	b := s.build("26.11.20")
	_, vendor := vendorKeys()
	if _, err := s.older(b, vendor.Raw).Boot(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot start boot (red): it is signed by") {
		t.Errorf("signed by another, it starts: %v", err)
	}
	p := s.older(b, nil)
	if started, err := p.Boot(t.Context()); err != nil || started.State != "orange" || p.Locked() {
		t.Errorf("unlocked: %+v, %v", started, err)
	}
	system := filepath.Join(s.folder, "slots", "a", "system.img")
	img, err := os.ReadFile(system)
	if err != nil {
		t.Fatal(err)
	}
	img[1<<20] ^= 1
	if err := os.WriteFile(system, img, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Boot(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot mount /system") {
		t.Errorf("unlocked, with a damaged system: %v", err)
	}
	if _, err := handset.New(t.TempDir(), handset.Identity{Device: s.device, Profile: s.profile()}, []byte("no certificate")); err == nil || !strings.Contains(err.Error(), "expected a certificate in DER or none") {
		t.Error(err)
	}
}

// TestRecoveryKeys: recovery takes packages by /res/keys of its ramdisk alone.
func TestRecoveryKeys(t *testing.T) {
	s := newShop(t, stocktest.HTC)
	b := s.build("26.11.20")
	zip := s.pack(nil, b)
	for name, c := range map[string]struct{ recovery, want string }{
		"the vendor's": {string(s.stockImage("recovery")), "is by none of the 1 keys trusted"},
		"ours":         {string(s.image(b, "recovery")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.phone(map[string]int64{"boot": 32 << 20, "recovery": 32 << 20, "system": 1 << 30})
			if err := p.Flash("recovery", strings.NewReader(c.recovery)); err != nil {
				t.Fatal(err)
			}
			if err := p.Recover(t.Context(), zip); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, expected %q", err, c.want)
			}
		})
	}
}

// stockImage is a partition of the vendor's.
func (s *shop) stockImage(name string) []byte {
	s.t.Helper()
	return s.image(catalog.Build{Images: s.stock.Partitions}, name)
}

func (s *shop) image(b catalog.Build, name string) []byte {
	s.t.Helper()
	im, ok := b.Image(name)
	if !ok {
		s.t.Fatalf("there is no %s", name)
	}
	text, err := s.blobs.Bytes(im.Digest, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// metadataAt finds the magic number of the metadata.
func metadataAt(t *testing.T, path string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte("\x01\xb0\x01\xb0\x00\x00\x00\x00"))
	if at < 0 {
		t.Fatal("there is no metadata")
	}
	return int64(at)
}
