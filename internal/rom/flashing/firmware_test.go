package flashing_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestFirmware updates phones whose modem builds leave alone, or ship: after an update it
// is the phone's own in both slots, or the stock's.
func TestFirmware(t *testing.T) {
	judge.Need(t, "fastboot", "unzip")
	boot := "  trust: custom-key\n" + strings.Replace(slotted, "payload_minor: 6", "payload_minor: 7", 1)
	for name, c := range map[string]struct {
		firmware string
		own      bool // the modem of the other slot is the phone's
	}{
		"shipped": {"", false}, "shipped, and it is said": {"firmware:\n  modem: shipped\n", false}, "copied": {"firmware:\n  modem: copied\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShopOf(t, stocktest.Spec{Maker: stocktest.OnePlus, Modem: true}, boot+c.firmware)
			first := s.build("26.11.20")
			dir := unpacked(t, s.outputs(first)["fastboot"])
			p := s.phone(nil)
			fastbooted(t, p, func(serial string) { script(t, serial, filepath.Join(dir, "flash-all.sh")) })
			own := bytes.Repeat([]byte("the phone's own "), 1<<16)
			write := func(slot string) {
				if err := os.WriteFile(s.modem(slot), own, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			write("a")
			boots(t, p, "26.11.20")
			from := &first
			if !c.own {
				from = nil // an incremental one is of the modem that it starts from, and this is another
			}
			for i, zip := range []string{s.pack(from, s.build("26.11.27")), s.pack(nil, s.build("26.11.28"))} {
				if _, err := p.Sideload(t.Context(), zip); err != nil {
					t.Fatal(err)
				}
				boots(t, p, []string{"26.11.27", "26.11.28"}[i])
				b, err := os.ReadFile(s.modem([]string{"b", "a"}[i]))
				if err != nil || bytes.Equal(b, own) != c.own || !c.own && !bytes.Equal(b, s.stockImage("modem")) {
					t.Errorf("update %d: the modem of the slot that started is the phone's: %t, %v", i+1, bytes.Equal(b, own), err)
				}
			}
		})
	}
}

// modem is the file of a phone's firmware.
func (s *shop) modem(slot string) string { return filepath.Join(s.folder, "slots", slot, "modem.img") }

// TestFirmwareForgotten: a package that lacks the modem and does not say that it is a
// partial update is not proven, and leaves in the other slot what was there.
func TestFirmwareForgotten(t *testing.T) {
	judge.Need(t, "fastboot", "unzip", "protoc")
	boot := "  trust: custom-key\n" + strings.Replace(slotted, "payload_minor: 6", "payload_minor: 7", 1) + "firmware:\n  modem: copied\n"
	s := newShopOf(t, stocktest.Spec{Maker: stocktest.OnePlus, Modem: true}, boot)
	first, second := s.build("26.11.20"), s.build("26.11.27")
	if m := s.manifest(s.pack(nil, second)); !m.Partial || m.MinorVersion != 7 || !m.Full() || m.Partition("modem") != nil || m.Partition("system").Version != "1633780800" || !m.Partition("boot").HasVersion {
		t.Errorf("manifest: partial %t, minor version %d, full %t, system of %q", m.Partial, m.MinorVersion, m.Full(), m.Partition("system").Version)
	}
	key, cert := ourKeys()
	target, done, err := ota.Open(s.blobs, second)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	zip, err := os.Create(filepath.Join(t.TempDir(), "package.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer zip.Close()
	made, err := ota.Full(t.Context(), zip, target, ota.Options{Signer: key, Cert: cert, TempDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := ota.ProveWith(t.Context(), zip, made.Size, nil, target, cert, ota.ProveOptions{Partial: true}); err == nil || !strings.Contains(err.Error(), "the payload is no partial update") {
		t.Errorf("it is proven: %v", err)
	}
	if err := ota.Prove(t.Context(), zip, made.Size, nil, target, cert); err != nil {
		t.Errorf("as one for phones without such firmware it is not: %v", err)
	}
	p := s.phone(nil)
	dir := unpacked(t, s.outputs(first)["fastboot"])
	fastbooted(t, p, func(serial string) { script(t, serial, filepath.Join(dir, "flash-all.sh")) })
	if err := os.WriteFile(s.modem("a"), []byte("the phone's own"), 0o644); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.20")
	if _, err := p.Sideload(t.Context(), zip.Name()); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.27")
	if _, err := os.Stat(s.modem("b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the phone copied what no partial update asked it to: %v", err)
	}
	older, err := handset.Open(s.folder)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := older.Boot(t.Context()); err != nil {
		t.Error(err)
	}
}

func (s *shop) manifest(zip string) *payload.Manifest {
	s.t.Helper()
	f, err := os.Open(zip)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	z, err := otazip.Open(f, fi.Size())
	if err != nil {
		s.t.Fatal(err)
	}
	content, err := z.Payload()
	if err != nil {
		s.t.Fatal(err)
	}
	p, err := payload.Open(content, content.Size())
	if err != nil {
		s.t.Fatal(err)
	}
	return p.Manifest()
}

// TestFirmwareOneSlot: on a phone with one slot what is left to it is not written.
func TestFirmwareOneSlot(t *testing.T) {
	s := newShopOf(t, stocktest.Spec{Maker: stocktest.Sony, Modem: true}, phones[stocktest.Sony].boot+"firmware:\n  modem: copied\n")
	b := s.build("26.11.20")
	if _, ok := b.Image("modem"); ok {
		t.Error("the modem is in the build")
	}
	all := s.build("26.11.20")
	if all.ID != b.ID || len(b.Images) != len(catalog.Build{Images: s.stock.Partitions}.Images)-1 {
		t.Errorf("%d images of %d partitions", len(b.Images), len(s.stock.Partitions))
	}
	s.pack(nil, b)
}
