package flashing_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/handset/bootloader"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/rom"
	"github.com/fridayos/friday/internal/rom/flashing"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

const slotted = "  slots: ab\n  flash: fastboot\n  payload_minor: 6\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"boot:system/etc/security/otacerts.zip\"]\n"
const oneSlot = "  slots: single\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"recovery:res/keys\"]\n"

// phones are one of each vendor: what its device.yaml says.
var phones = map[stocktest.Maker]struct{ device, boot string }{
	stocktest.Xiaomi:         {"umi", "  trust: custom-key\n" + slotted},
	stocktest.XiaomiFastboot: {"umi", "  trust: unlocked\n" + slotted + "outputs: [xiaomi, ota]\n"},
	stocktest.Samsung:        {"hlte", "  trust: none\n  flash: odin\n" + oneSlot},
	stocktest.Sony:           {"sumire", "  trust: unlocked\n  flash: fastboot\n" + oneSlot + "outputs: [fastboot, recovery]\n"},
	stocktest.HTC:            {"m8", "  trust: unlocked\n  flash: recovery\n" + oneSlot + "outputs: [recovery, htc]\n"},
	stocktest.OnePlus:        {"instantnoodle", "  trust: custom-key\n" + slotted},
}

var vendorKeys = sync.OnceValues(func() (*rsa.PrivateKey, *x509.Certificate) {
	key, cert, err := stocktest.VendorKeys(1)
	if err != nil {
		panic(err)
	}
	return key, cert
})

var ourKeys = sync.OnceValues(func() (*rsa.PrivateKey, *x509.Certificate) {
	key, cert, err := stocktest.VendorKeys(99)
	if err != nil {
		panic(err)
	}
	return key, cert
})

// shop is where builds of one phone are made.
type shop struct {
	parts  []float64 // of steps, as a flashing told of them
	t      *testing.T
	device string
	store  string // folder of blobs
	blobs  *blob.Store
	stock  catalog.Stock
	in     rom.Input
	folder string // of the newest phone
}

func newShop(t *testing.T, m stocktest.Maker) *shop {
	t.Helper()
	return newShopAs(t, m, phones[m].boot)
}

// newShopAs is newShop for a phone whose device.yaml says boot.
func newShopAs(t *testing.T, m stocktest.Maker, boot string) *shop {
	t.Helper()
	return newShopOf(t, stocktest.Spec{Maker: m}, boot)
}

// newShopOf is newShopAs over a stock that is otherwise than the maker's.
func newShopOf(t *testing.T, spec stocktest.Spec, boot string) *shop {
	t.Helper()
	m := spec.Maker
	key, cert := vendorKeys()
	s := &shop{t: t, device: phones[m].device, store: t.TempDir()}
	var err error
	if s.blobs, err = blob.Open(s.store); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "stock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spec.Seed, spec.Files, spec.Bytes = 3, 250, 3<<20
	if err := stocktest.Write(t.Context(), f, spec, key, cert); err != nil {
		t.Fatal(err)
	}
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if s.stock, err = intake.Add(t.Context(), s.blobs, nest.File{Name: "stock", R: f, Size: fi.Size()}, s.device, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	files := map[string]*osrepo.File{}
	for name, text := range map[string]string{
		"os.yaml":                                "name: Friday OS\nupdate_url: https://ota.example.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: [mine]\n",
		"layers/mine/layer.yaml":                 "why: a test\nadd:\n  - from: files\n    to: system:system\n",
		"layers/mine/files/etc/friday/hello.txt": "hello\n",
		"devices/" + s.device + "/device.yaml":   fmt.Sprintf("codename: %s\nvendor: %s\nname: a phone\nboot:\n%slayers: []\n", s.device, m, boot),
	} {
		files[name] = osrepo.NewFile(name, []byte(text))
	}
	snapshot, err := osrepo.Read(files)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Commit = osrepo.Commit{Hash: strings.Repeat("1", 40), Time: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
	avbKey, update := ourKeys()
	s.in = rom.Input{Snapshot: snapshot, Device: s.device, Stock: s.stock, Blobs: s.blobs, AVB: avbKey, AppKey: avbKey, Verity: avbKey, VerityCert: update, UpdateCert: update}
	return s
}

func (s *shop) profile() bootprofile.Profile { return s.in.Snapshot.Devices[s.device].Boot }

func (s *shop) build(version string) catalog.Build {
	s.t.Helper()
	in := s.in
	in.Version = version
	b, _, err := rom.Build(s.t.Context(), in)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// outputs are the files of a build, by kind.
func (s *shop) outputs(b catalog.Build) map[string]string {
	s.t.Helper()
	packaging, err := intake.PackagingOf(s.blobs, s.stock)
	if err != nil {
		s.t.Fatal(err)
	}
	dir, out := s.t.TempDir(), map[string]string{}
	in := flashing.Input{Build: b, Profile: s.profile(), Packaging: packaging, Release: s.stock.Release, Blobs: s.blobs, TempDir: dir}
	for _, kind := range s.in.Snapshot.Devices[s.device].Files() {
		if !slices.Contains(flashing.Kinds, kind) {
			out[kind] = s.pack(nil, b)
			continue
		}
		paths, err := flashing.Files(s.t.Context(), dir, []string{kind}, in)
		if err != nil {
			s.t.Fatal(err)
		}
		out[kind] = paths[0]
		var again bytes.Buffer
		if err := flashing.Write(s.t.Context(), &again, kind, in); err != nil {
			s.t.Fatal(err)
		}
		if b, err := os.ReadFile(paths[0]); err != nil || !bytes.Equal(b, again.Bytes()) {
			s.t.Errorf("%s: the same build gives other bytes, %v", kind, err)
		}
	}
	return out
}

// pack makes and proves a package for a phone that runs.
func (s *shop) pack(from *catalog.Build, to catalog.Build) string {
	s.t.Helper()
	key, cert := ourKeys()
	o := ota.Options{Signer: key, Cert: cert, TempDir: s.t.TempDir(), OneSlot: ota.OneSlotOf(s.profile()), Partial: s.in.Snapshot.Devices[s.device].Copies()}
	target, done, err := ota.Open(s.blobs, to)
	if err != nil {
		s.t.Fatal(err)
	}
	defer done()
	f, err := os.Create(filepath.Join(s.t.TempDir(), "package.zip"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	var p catalog.Package
	var source *ota.Side
	if from == nil {
		p, err = ota.Full(s.t.Context(), f, target, o)
	} else {
		side, done, openErr := ota.Open(s.blobs, *from)
		if openErr != nil {
			s.t.Fatal(openErr)
		}
		defer done()
		source = &side
		p, err = ota.Incremental(s.t.Context(), f, side, target, o)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if err := ota.ProveWith(s.t.Context(), f, p.Size, source, target, cert, ota.ProveOptions{Partial: o.Partial}); err != nil {
		s.t.Fatal(err)
	}
	return f.Name()
}

func (s *shop) phone(partitions map[string]int64) *handset.Phone {
	s.t.Helper()
	var key []byte
	if s.profile().KeyEnforced() {
		key = avb.EncodePublicKey(&s.in.AVB.PublicKey)
	}
	s.folder = filepath.Join(s.t.TempDir(), "phone")
	p, err := handset.New(s.folder, handset.Identity{Device: s.device, Profile: s.profile(), Channel: "weekly", Partitions: partitions}, key)
	if err != nil {
		s.t.Fatal(err)
	}
	p.SetLog(func(line string) { s.t.Log(line) })
	return p
}

// boots starts the phone, which must run a version.
func boots(t *testing.T, p *handset.Phone, version string) {
	t.Helper()
	started, err := p.Boot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if started.System.Incremental != version || len(started.Failures) > 0 {
		t.Fatalf("it runs %q, %q", started.System.Incremental, started.Failures)
	}
}

// fastbooted holds the phone in its boot loader while fn runs with its address.
func fastbooted(t *testing.T, p *handset.Phone, fn func(serial string)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	server := &fastboot.Server{Phone: &bootloader.Mode{Handset: p, Log: func(line string) { t.Log(line) }}, Temp: t.TempDir()}
	go func() {
		defer close(done)
		_, _ = server.Serve(ctx, l)
	}()
	defer func() { cancel(); <-done }()
	fn("tcp:" + l.Addr().String())
}

func script(t *testing.T, serial, path string) {
	t.Helper()
	if out, err := exec.Command("sh", path, "-s", serial).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(path), err, out)
	}
}

// unpacked unpacks a zip with unzip, which judges it too.
func unpacked(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	judge.Run(t, "unzip", "-q", file, "-d", dir)
	return dir
}
