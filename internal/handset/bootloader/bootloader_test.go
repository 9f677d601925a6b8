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
	"time"

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

// TestFastbootd: what lies in super is written from fastbootd alone, within the room that
// super has, and the phone tells Debian's fastboot so.
func TestFastbootd(t *testing.T) {
	judge.Need(t, "fastboot")
	profile := bootprofile.Profile{Trust: bootprofile.Unlocked, Slots: bootprofile.VirtualAB, Flash: bootprofile.Fastboot, PayloadMinor: 6, UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"}}
	dir := t.TempDir()
	p, err := handset.New(dir, handset.Identity{Device: "umi", Profile: profile, Channel: "weekly", Super: &handset.Super{Size: 1 << 20, Data: 1 << 20, Partitions: []string{"product", "system"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	file := func(n int) string {
		name := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(name, bytes.Repeat([]byte{1}, n), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	mode := &bootloader.Mode{Handset: p, Says: map[string]string{"anti": "3"}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done, temp := make(chan struct{}), t.TempDir()
	go func() {
		defer close(done)
		for {
			target, err := (&fastboot.Server{Phone: mode, Temp: temp}).Serve(ctx, l)
			if err != nil || !mode.Restarted(*target) {
				return
			}
			// Whoever asks meanwhile whether it is back may have been given its port.
			for l, err = net.Listen("tcp", address); err != nil && ctx.Err() == nil; l, err = net.Listen("tcp", address) {
				time.Sleep(20 * time.Millisecond)
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	run := func(want string, ok bool, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, "fastboot", append([]string{"-s", "tcp:" + address}, args...)...).CombinedOutput()
		if (err == nil) != ok || !strings.Contains(string(out), want) {
			t.Errorf("fastboot %q: %v\n%s\nexpected %q, success %v", args, err, out, want, ok)
		}
	}
	run("anti: 3", true, "getvar", "anti")
	run("is-userspace: no", true, "getvar", "is-userspace")
	run("it lies in super; run 'fastboot reboot fastboot'", false, "flash", "system_a", file(4096))
	run("", true, "reboot", "fastboot")
	run("is-userspace: yes", true, "getvar", "is-userspace")
	run("is-logical:system_a: yes", true, "getvar", "is-logical:system_a")
	run("is-logical:boot_a: no", true, "getvar", "is-logical:boot_a")
	run("Resizing 'system_a'", true, "flash", "system_a", file(600<<10))
	run("super has room for 434176", false, "flash", "product_a", file(500<<10))
	run("Resizing 'product_a'", true, "flash", "product_a", file(400<<10))
	run("OKAY", true, "flash", "boot_a", file(4096))
	if err := mode.Resize(t.Context(), "boot_a", 1); err == nil {
		t.Error("boot is resized")
	}
	run("", true, "reboot", "bootloader")
	run("is-userspace: no", true, "getvar", "is-userspace")
	if mode.Userspace || mode.Resize(t.Context(), "system_a", 1) == nil {
		t.Error("its boot loader resizes what lies in super")
	}
	run("this phone keeps none", false, "flash", "avb_custom_key", file(520))
}

// TestCustomKey: what is no key is not stored, and the phone keeps the one it has.
func TestCustomKey(t *testing.T) {
	p, dir := newPhone(t, bootprofile.CustomKey)
	m := &bootloader.Mode{Handset: p}
	for want, key := range map[string][]byte{"cannot store key": {1, 2, 3}, "more than 4096 bytes": make([]byte, 5000)} {
		if err := m.Flash(t.Context(), "avb_custom_key", bytes.NewReader(key), int64(len(key))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes: %v, expected %q", len(key), err, want)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "avb_public_key.bin")); err != nil || !bytes.Equal(b, bytes.Repeat([]byte{1}, 520)) {
		t.Errorf("it keeps %d bytes, %v", len(b), err)
	}
	if v, _ := m.Var("has-slot:avb_custom_key"); v != "no" {
		t.Errorf("the key has slots: %s", v)
	}
}
