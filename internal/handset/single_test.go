package handset

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/mincrypt"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/wire"
)

var oneSlot = bootprofile.Profile{Trust: bootprofile.None, Slots: bootprofile.Single, Flash: bootprofile.Recovery,
	UpdateCertificates: []string{"system:system/etc/security/otacerts.zip", "recovery:res/keys"}}

// older makes the images of a phone with one slot: system in ext4, boot, recovery.
func (m *maker) older(t testing.TB, s spec) images {
	t.Helper()
	certs := must(otazip.WriteCerts([]*x509.Certificate{m.cert}))(t)
	root := tree.NewDir(0o755, 0, 0)
	props := fmt.Sprintf("ro.product.device=%s\nro.build.version.incremental=%s\nro.build.date.utc=%d\nro.build.version.release=5.0\nro.build.fingerprint=f\n", s.device, s.version, s.timestamp)
	put(root, "build.prop", file(0o644, "system_file", []byte(props)))
	put(root, "bin/sh", file(0o755, "shell_exec", noise("sh", 5000)))
	put(root, "etc/security/otacerts.zip", file(0o644, "system_file", certs))
	for i := range 60 { // names shift from week to week, and blocks with them
		put(root, fmt.Sprintf("app/%s%d.apk", s.version[6:], i*7%60), file(0o644, "system_file", noise(fmt.Sprint("app", i), 20_000+i*900)))
	}
	put(root, "app/Camera.apk", file(0o644, "system_file", noise("camera "+s.version, s.bytes)))
	im := must(ext4.Build(root, ext4.Options{Time: s.timestamp, Size: 8 << 20}))(t)
	out := images{"system": all(t, im)}
	for _, name := range []string{"boot", "recovery"} {
		ramdisk := tree.NewDir(0o755, 0, 0)
		put(ramdisk, "init", file(0o750, "rootfs", noise("init", 9000)))
		put(ramdisk, "default.prop", file(0o644, "rootfs", []byte("ro.product.device="+s.device+"\n")))
		put(ramdisk, "res/keys", file(0o644, "rootfs", must(mincrypt.WriteKeys([]mincrypt.Key{{Public: m.cert.PublicKey, Hash: crypto.SHA256}}))(t)))
		packed := must(bootimg.PackRamdisk(ramdisk, bootimg.Gzip))(t)
		kernel := noise("kernel "+name+s.version, 50_000)
		out[name] = all(t, must(bootimg.Build(&bootimg.Image{PageSize: 2048, Kernel: kernel, Ramdisk: packed}))(t))
	}
	return out
}

func sideOf(im images, s spec) ota.Side {
	side := ota.Side{Build: catalog.Build{Device: s.device, Version: s.version, Incremental: s.version, Timestamp: s.timestamp, Fingerprint: "f"}}
	for _, name := range []string{"boot", "recovery", "system"} {
		fs := map[string]string{"system": "ext4"}[name]
		sum := sha256.Sum256(im[name])
		side.Images = append(side.Images, ota.Image{Partition: name, FS: fs, Content: bytes.NewReader(im[name]), Size: int64(len(im[name])), SHA256: sum})
		side.Build.Images = append(side.Build.Images, catalog.Partition{Name: name, FS: fs, Digest: sum, Size: int64(len(im[name]))})
	}
	side.Build.ID = catalog.BuildID(s.device, s.version, side.Build.Images)
	return side
}

// packOlder makes an incremental package for recovery.
func (m *maker) packOlder(t testing.TB, from images, a spec, to images, b spec) string {
	t.Helper()
	f := must(os.Create(filepath.Join(t.TempDir(), "package.zip")))(t)
	defer f.Close()
	o := ota.Options{Signer: m.ota, Cert: m.cert, OneSlot: ota.OneSlotOf(oneSlot), TempDir: t.TempDir()}
	must(ota.Incremental(t.Context(), f, sideOf(from, a), sideOf(to, b), o))(t)
	return f.Name()
}

func olderWeek(n int) spec {
	s := week(n)
	s.patch, s.rollback, s.bytes = "", 0, 300_000
	return s
}

// TestPowerCutsOneSlot kills a phone with one slot while its recovery writes over
// its system, and at every other time. After each, a copy of the phone must end
// with a whole system; the phone itself must finish its update.
func TestPowerCutsOneSlot(t *testing.T) {
	const kills = 40
	m, one, two := ours(t), olderWeek(1), olderWeek(2)
	first, second := m.older(t, one), m.older(t, two)
	base := memory(t)
	fresh := m.phoneIn(t, filepath.Join(base, "fresh"), oneSlot, first).dir
	zip := m.packOlder(t, first, one, second, two)
	offer := offerOf(t, zip, two)
	offer.Kind = wire.Incremental
	s := newServer(t, zip, offer)

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	at := []struct {
		line  string
		delay time.Duration
	}{
		{"starting slot a", 20 * time.Millisecond}, {": downloading", 40 * time.Millisecond}, {": downloaded", 20 * time.Millisecond},
		{"recovery: installing", 60 * time.Millisecond}, {"recovery: Checking", 60 * time.Millisecond}, {"recovery: Writing boot", 20 * time.Millisecond},
		{"recovery: Writing system", 150 * time.Millisecond}, {"recovery: installed", 10 * time.Millisecond},
	}
	dir := filepath.Join(base, "phone")
	copyPhone(t, dir, fresh)
	inRecovery, finished := 0, 0
	for n := 0; n < kills; {
		moment := at[n%len(at)]
		dead, _ := runAndKill(t, dir, s.URL, moment.line, time.Duration(rnd.Int64N(int64(moment.delay))))
		if dead {
			n++
			if strings.HasPrefix(moment.line, "recovery") {
				inRecovery++
			}
			checkCopy(t, dir, one.version, two.version)
			if rnd.IntN(2) == 0 {
				continue
			}
		}
		for range 3 {
			if done, _ := runAndKill(t, dir, s.URL, "never", 0); !done {
				break
			}
		}
		if st := must(must(Open(dir))(t).Boot(ctx))(t); st.System.Incremental != two.version {
			t.Fatalf("after %d kills (seed %d) the phone left alone runs %s, want %s", n, seed, st.System.Incremental, two.version)
		}
		for name, b := range second {
			got := must(os.ReadFile(filepath.Join(dir, "slots", "a", name+".img")))(t)
			if !bytes.Equal(got[:len(b)], b) {
				t.Fatalf("after %d kills (seed %d) %s is not the new image", n, seed, name)
			}
		}
		finished++
		copyPhone(t, dir, fresh)
	}
	t.Logf("%d kills, %d of them in recovery; %d updates finished", kills, inRecovery, finished)
	if finished == 0 || inRecovery < kills/4 {
		t.Error("too few kills in recovery, or no update was finished")
	}
}

// TestOneSlotRefuses: what recovery and the agent of such a phone do not take.
func TestOneSlotRefuses(t *testing.T) {
	m, one, two := ours(t), olderWeek(1), olderWeek(2)
	first, second := m.older(t, one), m.older(t, two)
	p := m.phoneIn(t, memory(t), oneSlot, first)
	zip := m.packOlder(t, first, one, second, two)

	b := must(os.ReadFile(zip))(t)
	b[len(b)/2] ^= 1
	bad := filepath.Join(t.TempDir(), "bad.zip")
	if err := os.WriteFile(bad, b, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, take := range []func(string) error{
		func(zip string) error { _, err := p.Sideload(ctx, zip); return err },
		func(zip string) error { return p.Recover(ctx, zip) },
	} {
		if err := take(bad); err == nil || !strings.Contains(err.Error(), "signature") && !strings.Contains(err.Error(), "verify") {
			t.Errorf("a changed package: %v", err)
		}
		if st := must(p.Boot(ctx))(t); st.System.Incremental != one.version {
			t.Errorf("it runs %s", st.System.Incremental)
		}
	}
	// Its owner changed the system: an incremental package is refused before it
	// writes, and the phone goes on.
	image := p.image("a", "system")
	changed := must(os.ReadFile(image))(t)
	for i := range 60 {
		at := bytes.Index(changed, noise(fmt.Sprint("app", i), 64))
		if at < 0 {
			t.Fatalf("app %d is not found", i)
		}
		changed[at] ^= 0x5a
	}
	if err := os.WriteFile(image, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := p.Sideload(ctx, zip)
	if err == nil || !strings.Contains(err.Error(), "E1004: The system partition has unexpected contents") {
		t.Errorf("a changed system: %v", err)
	}
	if !bytes.Equal(must(os.ReadFile(image))(t), changed) {
		t.Error("what was refused has written")
	}
	ab := m.phone(t, customKey, m.build(t, week(1)))
	if err := ab.Recover(ctx, zip); err == nil || !strings.Contains(err.Error(), "two slots") {
		t.Errorf("recovery on a phone with two slots: %v", err)
	}
	if _, err := ab.Sideload(ctx, zip); err == nil {
		t.Error("a phone with two slots takes a package for recovery")
	}
}
