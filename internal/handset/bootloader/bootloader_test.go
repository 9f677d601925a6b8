package bootloader_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/handset/bootloader"
	"github.com/fridayos/friday/internal/judge"
)

func serve(t *testing.T, p *handset.Phone) (program func(want string, ok bool, args ...string)) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	s := &fastboot.Server{Phone: &bootloader.Mode{Handset: p, Log: func(line string) { t.Log(line) }}, MaxDownload: 2 << 20, Temp: t.TempDir()}
	go func() {
		defer close(done)
		_, _ = s.Serve(ctx, l)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func(want string, ok bool, args ...string) {
		t.Helper()
		out, err := exec.Command("fastboot", append([]string{"-s", "tcp:" + l.Addr().String()}, args...)...).CombinedOutput()
		if (err == nil) != ok || !strings.Contains(string(out), want) {
			t.Errorf("fastboot %q: %v\n%s\nexpected %q, success %v", args, err, out, want, ok)
		}
	}
}

func newPhone(t *testing.T, trust bootprofile.Trust) (*handset.Phone, string) {
	t.Helper()
	dir := t.TempDir()
	var key []byte
	if trust == bootprofile.CustomKey {
		key = bytes.Repeat([]byte{1}, 520)
	}
	p, err := handset.New(dir, handset.Identity{Device: "umi", Profile: bootprofile.Profile{Trust: trust, Slots: bootprofile.AB, Flash: bootprofile.Fastboot, PayloadMinor: 6, UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"}}, Channel: "weekly"}, key)
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// TestFastboot lets Debian's fastboot flash the handset.
func TestFastboot(t *testing.T) {
	judge.Need(t, "fastboot")
	p, dir := newPhone(t, bootprofile.Unlocked)
	fb := serve(t, p)
	r := rand.New(rand.NewPCG(4, 0))
	image := make([]byte, 7<<20)
	for i := range image {
		if i>>16%4 != 0 {
			image[i] = byte(r.Uint32())
		}
	}
	file := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(file, image, 0o644); err != nil {
		t.Fatal(err)
	}
	holds := func(slot, partition string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(dir, "slots", slot, partition+".img"))
		if err != nil || !bytes.Equal(got, image) {
			t.Errorf("%s_%s has %d bytes, %v; not what was flashed", partition, slot, len(got), err)
		}
	}
	fb("product: umi", true, "getvar", "product")
	fb("unlocked: yes", true, "getvar", "unlocked")
	fb("OKAY", true, "flash", "system", file) // in four sparse files
	holds("a", "system")
	fb("OKAY", true, "set_active", "b")
	fb("OKAY", true, "flash", "system", file)
	holds("b", "system")
	if p.Active() != "b" {
		t.Error("slot b is not active")
	}
	fb("OKAY", true, "erase", "system_b")
	if _, err := os.Stat(filepath.Join(dir, "slots", "b", "system.img")); !os.IsNotExist(err) {
		t.Errorf("system_b is still there: %v", err)
	}
	fb("there is no partition", false, "flash", "../x_a", file)
	again, err := handset.Open(dir)
	if err != nil || again.Active() != "b" {
		t.Errorf("opened again, %v", err)
	}
}

// TestRefusals are answered by the mode itself.
func TestRefusals(t *testing.T) {
	p, _ := newPhone(t, bootprofile.CustomKey)
	m := &bootloader.Mode{Handset: p}
	if err := m.Flash(t.Context(), "boot", bytes.NewReader(nil), 0); err == nil {
		t.Error("a partition without a slot is flashed")
	}
	if err := m.SetActive("c"); err == nil {
		t.Error("slot c is active")
	}
	if _, ok := m.Var("has-slot:../x"); ok {
		t.Error("../x may have a slot")
	}
}
