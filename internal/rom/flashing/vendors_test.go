package flashing_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/internal/handset/bootloader"
	"github.com/fridayos/friday/internal/handset/download"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestFastbootPhones: a zip for fastboot is flashed by its script and Debian's
// fastboot, and the phone takes its next update.
func TestFastbootPhones(t *testing.T) {
	judge.Need(t, "fastboot", "unzip")
	for _, m := range []stocktest.Maker{stocktest.Xiaomi, stocktest.OnePlus, stocktest.Sony} {
		t.Run(string(m), func(t *testing.T) {
			s := newShop(t, m)
			first := s.build("26.11.20")
			dir := unpacked(t, s.outputs(first)["fastboot"])
			judge.Run(t, "sh", "-n", filepath.Join(dir, "flash-all.sh"))
			p := s.phone(nil)
			fastbooted(t, p, func(serial string) { script(t, serial, filepath.Join(dir, "flash-all.sh")) })
			boots(t, p, "26.11.20")
			second := s.build("26.11.27")
			if _, err := p.Sideload(t.Context(), s.pack(&first, second)); err != nil {
				t.Fatal(err)
			}
			boots(t, p, "26.11.27")
		})
	}
}

// TestXiaomiFastboot: the .tgz is flashed by the script in it, super included.
func TestXiaomiFastboot(t *testing.T) {
	judge.Need(t, "fastboot", "tar")
	s := newShop(t, stocktest.XiaomiFastboot)
	b := s.build("26.11.27")
	out := s.outputs(b)
	dir := t.TempDir()
	judge.Run(t, "tar", "-xzf", out["xiaomi"], "-C", dir)
	scripts, err := filepath.Glob(filepath.Join(dir, "*", "flash_all.sh"))
	if err != nil || len(scripts) != 1 {
		t.Fatalf("scripts %q, %v", scripts, err)
	}
	judge.Run(t, "sh", "-n", scripts[0])
	f, err := os.Open(out["xiaomi"])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, filepath.Base(h.Name))
	}
	if !slices.Contains(names, "super.img") || slices.Contains(names, "system.img") {
		t.Errorf("the package holds %q, expected super.img and no system.img", names)
	}
	p := s.phone(nil)
	fastbooted(t, p, func(serial string) { script(t, serial, scripts[0]) })
	boots(t, p, "26.11.27")
	if _, err := p.Sideload(t.Context(), s.pack(&b, s.build("26.11.28"))); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.28")
}

// TestOdin: the .tar.md5 goes onto the phone by its partition table.
func TestOdin(t *testing.T) {
	judge.Need(t, "md5sum", "tar")
	s := newShop(t, stocktest.Samsung)
	first := s.build("26.11.20")
	file := s.outputs(first)["odin"]
	if base := filepath.Base(file); base != "AP_HLTE_26.11.20.tar.md5" {
		t.Errorf("it is called %s", base)
	}
	packaging, err := intake.PackagingOf(s.blobs, s.stock)
	if err != nil {
		t.Fatal(err)
	}
	sizes, err := download.Sizes(packaging.PIT)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("md5sum", func(t *testing.T) {
		dir := t.TempDir()
		at := bytes.LastIndexByte(b[:len(b)-1], 0) + 1
		if err := os.WriteFile(filepath.Join(dir, "AP_HLTE_26.11.20.tar"), b[:at], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "sum"), b[at:], 0o644); err != nil {
			t.Fatal(err)
		}
		judge.In(t, dir, "md5sum", "-c", "sum")
		judge.In(t, dir, "tar", "-tf", "AP_HLTE_26.11.20.tar")
	})
	p := s.phone(sizes)
	mode := &download.Mode{Handset: p, PIT: packaging.PIT, Log: func(line string) { t.Log(line) }}
	bad := bytes.Clone(b)
	bad[1000] ^= 1
	if err := mode.Flash(t.Context(), bytes.NewReader(bad), int64(len(bad))); err == nil || !strings.Contains(err.Error(), "MD5") {
		t.Errorf("a changed package: %v", err)
	}
	if err := mode.Flash(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.20")
	second := s.build("26.11.27")
	if _, err := p.Sideload(t.Context(), s.pack(&first, second)); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.27")

	small := map[string]int64{}
	for name := range sizes {
		small[name] = 4096
	}
	tight := &download.Mode{Handset: s.phone(small), PIT: packaging.PIT}
	if err := tight.Flash(t.Context(), bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "the partition 4096") {
		t.Errorf("onto small partitions: %v", err)
	}
}

// TestHTC: an S-ON phone takes boot and recovery by fastboot, and the rest from
// recovery; the zip for S-OFF phones holds what they ask for.
func TestHTC(t *testing.T) {
	judge.Need(t, "fastboot", "unzip")
	s := newShop(t, stocktest.HTC)
	b := s.build("26.11.20")
	out := s.outputs(b)
	p := s.phone(map[string]int64{"boot": 32 << 20, "recovery": 32 << 20, "system": 1 << 30})
	fastbooted(t, p, func(serial string) {
		for _, name := range []string{"boot", "recovery"} {
			img, _ := b.Image(name)
			r, err := s.blobs.Open(img.Digest)
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
			r.Close()
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), name+".img")
			if err := os.WriteFile(file, content, 0o644); err != nil {
				t.Fatal(err)
			}
			judge.Run(t, "fastboot", "-s", serial, "flash", name, file)
		}
	})
	if _, err := p.Boot(t.Context()); err == nil {
		t.Fatal("it starts without a system")
	}
	if err := p.Recover(t.Context(), out["recovery"]); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.20")
	second := s.build("26.11.27")
	if _, err := p.Sideload(t.Context(), s.pack(&b, second)); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.27")

	z, err := zip.OpenReader(out["htc"])
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	r, err := z.Open(htc.NameInfo)
	if err != nil {
		t.Fatal(err)
	}
	info, err := htc.ReadInfo(r)
	if err != nil || !slices.Equal(info.Models, []string{"0P6B10000"}) || !slices.Contains(info.CIDs, "HTC__001") {
		t.Errorf("android-info.txt is %+v, %v", info, err)
	}
	judge.Run(t, "unzip", "-tq", out["htc"])
	rebootRUU(t, s, out["htc"])
}

// rebootRUU flashes the zip the way of S-OFF phones, with Debian's fastboot, onto an
// empty phone; an S-ON one, another model and another carrier's refuse it, and so
// does a phone that is not in RUU mode.
func rebootRUU(t *testing.T, s *shop, zip string) {
	t.Helper()
	room := map[string]int64{"boot": 32 << 20, "recovery": 32 << 20, "system": 1 << 30}
	m8 := bootloader.HTC{Model: "0P6B10000", CID: "HTC__001", SOff: true}
	for want, edit := range map[string]func(m *bootloader.Mode){
		"":                                    func(*bootloader.Mode) {},
		"12 signature verify fail":            func(m *bootloader.Mode) { m.HTC.SOff = false },
		"41 model id check fail":              func(m *bootloader.Mode) { m.HTC.Model = "0P6B20000" },
		"42 custom id check fail":             func(m *bootloader.Mode) { m.HTC.CID = "O2___001" },
		"99 unknown fail: boot.img":           func(m *bootloader.Mode) { m.Handset = s.phone(map[string]int64{"boot": 4096}) },
		"this phone has no partition \"zip\"": func(m *bootloader.Mode) { m.HTC = nil },
	} {
		kind := m8
		mode := &bootloader.Mode{Handset: s.phone(room), HTC: &kind, Log: func(line string) { t.Log(line) }}
		edit(mode)
		fastboot := func(args ...string) (string, error) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				target, _ := (&fastboot.Server{Phone: mode, Temp: t.TempDir()}).Serve(ctx, l)
				if target != nil && *target == bootloader.RestartRUU {
					mode.RUU = true
				}
			}()
			defer func() { cancel(); <-done }()
			out, err := exec.Command("fastboot", append([]string{"-s", "tcp:" + l.Addr().String()}, args...)...).CombinedOutput()
			return string(out), err
		}
		if mode.HTC != nil {
			if out, err := fastboot("flash", "zip", zip); err == nil || !strings.Contains(out, "a zip is flashed in RUU mode") {
				t.Errorf("outside RUU mode: %v\n%s", err, out)
			}
			if out, err := fastboot("oem", "rebootRUU"); err != nil || !mode.RUU {
				t.Errorf("oem rebootRUU: %v\n%s", err, out)
			}
			if out, err := fastboot("getvar", "boot-mode"); err != nil || !strings.Contains(out, "boot-mode: RUU") {
				t.Errorf("boot-mode: %v\n%s", err, out)
			}
		}
		out, err := fastboot("flash", "zip", zip)
		if (err == nil) != (want == "") || !strings.Contains(out, want) {
			t.Errorf("flash zip: %v\n%s\nexpected %q", err, out, want)
		}
		if want == "" {
			boots(t, mode.Handset, "26.11.20")
		}
	}
}
