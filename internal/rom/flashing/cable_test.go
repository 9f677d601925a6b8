package flashing_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/handset/bootloader"
	"github.com/fridayos/friday/internal/handset/download"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/flashing"
	"github.com/fridayos/friday/internal/rom/flashing/cable"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

// cabled is what flashing a build from this computer depends on.
func (s *shop) cabled(b catalog.Build) (cable.Build, flashing.Input) {
	s.t.Helper()
	packaging, err := intake.PackagingOf(s.blobs, s.stock)
	if err != nil {
		s.t.Fatal(err)
	}
	made, err := report.Read(s.blobs, b)
	if err != nil {
		s.t.Fatal(err)
	}
	in := flashing.Input{Build: b, Profile: s.profile(), Packaging: packaging, Release: s.stock.Release, Blobs: s.blobs, TempDir: s.t.TempDir()}
	return cable.Of(b, made, s.in.Snapshot.Devices[s.device], packaging), in
}

// held keeps a phone in its boot loader, through restarts into its other modes, until
// the test ends or it starts its system.
func held(t *testing.T, mode *bootloader.Mode) (serial string) {
	t.Helper()
	return heldTaking(t, mode, 0)
}

// heldTaking is held for a phone that takes so many bytes at once.
func heldTaking(t *testing.T, mode *bootloader.Mode, most int64) (serial string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	mode.Log = func(line string) { t.Log(line) }
	temp := t.TempDir()
	go func() {
		defer close(done)
		for {
			target, err := (&fastboot.Server{Phone: mode, MaxDownload: most, Temp: temp}).Serve(ctx, l)
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
	return "tcp:" + address
}

// flash asks, decides, lays out the files and does the steps, as 'friday flash' does.
func (s *shop) flash(b catalog.Build, serial string, o cable.Options) (cable.Plan, error) {
	s.t.Helper()
	build, in := s.cabled(b)
	phone, err := cable.AskFastboot(s.t.Context(), serial, cable.Vars())
	if err != nil {
		return cable.Plan{}, err
	}
	plan, err := cable.Decide(build, phone, o)
	if err != nil {
		return plan, err
	}
	dir := s.t.TempDir()
	in.Slot = plan.Slot
	if err := flashing.WriteLoose(s.t.Context(), dir, plan.Files, in, nil); err != nil {
		return plan, err
	}
	if err := plan.Fits(dir); err != nil {
		return plan, err
	}
	return plan, cable.Run(s.t.Context(), plan, dir, func(at int, step cable.Step, done float64) {
		if s.parts = append(s.parts, done); done == 0 {
			s.t.Logf("step %d: %q", at+1, step.Args)
		}
	})
}

// steps are the arguments of a plan, a line each.
func steps(p cable.Plan) (lines []string) {
	for _, s := range p.Steps {
		lines = append(lines, strings.Join(s.Args, " "))
	}
	return lines
}

const virtualAB = "  trust: unlocked\n  slots: virtual-ab\n  flash: fastboot\n  payload_minor: 6\n  update_certificates: [\"system:system/etc/security/otacerts.zip\"]\n" +
	"groups:\n  main:\n    size: 33554432\n    partitions: [system]\n"

// TestCable: each phone whose way is fastboot is flashed by Debian's, boots what was
// flashed, and takes its next update.
func TestCable(t *testing.T) {
	judge.Need(t, "fastboot")
	for name, c := range map[string]struct {
		maker stocktest.Maker
		boot  string // "": that of phones
		slot  string // that the phone starts
		super *handset.Super
		// pieces is how many bytes it takes at once: what is larger is cut; 0: all
		pieces int64
		want   []string
	}{
		"Xiaomi, trusting a key": {maker: stocktest.Xiaomi, slot: "a", want: []string{"set_active a", "flash boot_a boot.img", "flash system_a system.img", "flash vbmeta_a vbmeta.img",
			"flash avb_custom_key avb_custom_key.bin", "erase userdata", "reboot"}},
		"Xiaomi, super":             {maker: stocktest.XiaomiFastboot, slot: "a", want: []string{"set_active a", "flash boot_a boot.img", "flash vbmeta_a vbmeta.img", "erase userdata", "flash super super.img", "reboot"}},
		"Xiaomi, super, slot b":     {maker: stocktest.XiaomiFastboot, slot: "b", want: []string{"set_active b", "flash boot_b boot.img", "flash vbmeta_b vbmeta.img", "erase userdata", "flash super super.img", "reboot"}},
		"Xiaomi, through fastbootd": {maker: stocktest.Xiaomi, boot: virtualAB, slot: "a", super: &handset.Super{Size: 32 << 20, Data: 64 << 20, Partitions: []string{"system"}}, want: []string{"set_active a", "flash boot_a boot.img", "flash vbmeta_a vbmeta.img", "erase userdata", "reboot fastboot", "flash system_a system.img", "reboot"}},
		"OnePlus, with chains":      {maker: stocktest.OnePlus, slot: "b"},
		"Sony, one slot":            {maker: stocktest.Sony, want: []string{"flash boot boot.img", "flash recovery recovery.img", "flash system system.img", "erase userdata", "reboot"}},
	} {
		t.Run(name, func(t *testing.T) {
			boot := c.boot
			if boot == "" {
				boot = phones[c.maker].boot
			}
			s := newShopAs(t, c.maker, boot)
			first := s.build("26.11.20")
			p := s.cablePhone(c.super)
			if c.slot != "" {
				if err := p.SetActive(c.slot); err != nil {
					t.Fatal(err)
				}
			}
			plan, err := s.flash(first, heldTaking(t, &bootloader.Mode{Handset: p}, c.pieces), cable.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if c.want != nil && !slices.Equal(steps(plan), c.want) {
				t.Errorf("the steps are %q, expected %q", steps(plan), c.want)
			}
			if in := slices.Max(s.parts); (in > 0) != (c.pieces > 0) || in >= 1 {
				t.Errorf("of the steps %v was done on the way", s.parts)
			}
			started, err := p.Boot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if started.System.Incremental != "26.11.20" || c.slot != "" && started.Slot != c.slot {
				t.Fatalf("it runs %+v", started)
			}
			if c.super != nil {
				return // its packages want groups, which package cmd/friday's scripts have
			}
			second := s.build("26.11.27")
			if _, err := p.Sideload(t.Context(), s.pack(&first, second)); err != nil {
				t.Fatal(err)
			}
			boots(t, p, "26.11.27")
		})
	}
}

// cablePhone is a phone as its vendor sold it: if it trusts a key of its owner's at all,
// it is not ours.
func (s *shop) cablePhone(super *handset.Super) *handset.Phone {
	s.t.Helper()
	var key []byte
	if s.profile().KeyEnforced() {
		other, _ := vendorKeys()
		key = avb.EncodePublicKey(&other.PublicKey)
	}
	p, err := handset.New(filepath.Join(s.t.TempDir(), "phone"), handset.Identity{Device: s.device, Profile: s.profile(), Channel: "weekly", Super: super}, key)
	if err != nil {
		s.t.Fatal(err)
	}
	p.SetLog(func(line string) { s.t.Log(line) })
	return p
}

// TestCableHTC: an S-OFF phone takes all in RUU mode; one that is S-ON boot and recovery,
// which takes the rest.
func TestCableHTC(t *testing.T) {
	judge.Need(t, "fastboot")
	s := newShop(t, stocktest.HTC)
	b := s.build("26.11.20")
	room := map[string]int64{"boot": 32 << 20, "recovery": 32 << 20, "system": 1 << 30}
	m8 := bootloader.HTC{Model: "0P6B10000", CID: "HTC__001", SOff: true}

	off := m8
	p := s.phone(room)
	plan, err := s.flash(b, held(t, &bootloader.Mode{Handset: p, HTC: &off}), cable.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"oem rebootRUU", "flash zip m8-26.11.20-htc.zip", "reboot bootloader", "erase userdata", "reboot"}; !slices.Equal(steps(plan), want) {
		t.Errorf("the steps are %q, expected %q", steps(plan), want)
	}
	boots(t, p, "26.11.20")

	on := m8
	on.SOff = false
	p = s.phone(room)
	plan, err = s.flash(b, held(t, &bootloader.Mode{Handset: p, HTC: &on}), cable.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"flash boot boot.img", "flash recovery recovery.img", "erase userdata", "reboot bootloader"}; !slices.Equal(steps(plan), want) || len(plan.After) != 2 {
		t.Errorf("the steps are %q, expected %q, and then %q", steps(plan), want, plan.After)
	}
	if err := p.Recover(t.Context(), s.outputs(b)["recovery"]); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.20")

	tight := m8
	if _, err := s.flash(b, heldTaking(t, &bootloader.Mode{Handset: s.phone(room), HTC: &tight}, 1<<20), cable.Options{}); err == nil || !strings.Contains(err.Error(), "bytes, the phone takes 1048576 at once") {
		t.Errorf("a zip larger than a download: %v", err)
	}

	for want, phone := range map[string]bootloader.HTC{
		"the phone on the cable is model 0P6B20000, the build is for 0P6B10000": {Model: "0P6B20000", CID: "HTC__001", SOff: true},
		`the phone is of carrier "O2___001" (cidnum), the stock's android-info`: {Model: "0P6B10000", CID: "O2___001", SOff: true},
	} {
		if _, err := s.flash(b, held(t, &bootloader.Mode{Handset: s.phone(room), HTC: &phone}), cable.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

// TestCableRefuses: what a real fastboot brings home from a phone that must not be
// flashed; nothing is written onto it.
func TestCableRefuses(t *testing.T) {
	judge.Need(t, "fastboot")
	s := newShop(t, stocktest.XiaomiFastboot)
	b := s.build("26.11.20")
	for want, says := range map[string]map[string]string{
		`the phone on the cable is "hlte", the build is for umi`:               {"product": "hlte"},
		"the boot loader is locked and writes nothing":                         {"unlocked": "no"},
		"the battery is too low for flashing (3.41 V): charge the phone first": {"battery-soc-ok": "no", "battery-voltage": "3410"},
		"the phone's anti-rollback number is 3, the build's stock has 2":       {"anti": "3"},
		"an update is being merged into the phone's system":                    {"snapshot-update-status": "merging"},
		"the phone says that it has 1 slots, its device.yaml says slots ab":    {"slot-count": "1"},
	} {
		p := s.phone(nil)
		if _, err := s.flash(b, held(t, &bootloader.Mode{Handset: p, Says: says}), cable.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
		if _, err := p.Boot(t.Context()); err == nil {
			t.Errorf("%q: it was flashed", want)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := cable.AskFastboot(t.Context(), "tcp:"+l.Addr().String(), cable.Vars()); err == nil || !strings.Contains(err.Error(), "cannot reach phone tcp:127.0.0.1") {
		t.Errorf("nobody there: %v", err)
	}
}

// TestCableStops: a phone that refuses in the midst, and a person who stops, are told
// where the phone is left.
func TestCableStops(t *testing.T) {
	judge.Need(t, "fastboot")
	s := newShop(t, stocktest.Sony)
	b := s.build("26.11.20")
	small := s.phone(map[string]int64{"boot": 32 << 20, "recovery": 4096, "system": 1 << 30})
	_, err := s.flash(b, held(t, &bootloader.Mode{Handset: small}), cable.Options{})
	var stopped *cable.Stopped
	if !errors.As(err, &stopped) || stopped.Done != 1 || !strings.Contains(err.Error(), "fastboot flash recovery recovery.img: FAILED (remote: 'cannot flash: the image for recovery has") ||
		!strings.Contains(err.Error(), "waits in its boot loader and does not start until all is flashed") {
		t.Errorf("%v", err)
	}

	p := s.phone(nil)
	serial := held(t, &bootloader.Mode{Handset: p})
	build, in := s.cabled(b)
	phone, err := cable.AskFastboot(t.Context(), serial, cable.Vars())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := cable.Decide(build, phone, cable.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := flashing.WriteLoose(t.Context(), dir, plan.Files, in, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = cable.Run(ctx, plan, dir, func(at int, _ cable.Step, _ float64) {
		if at == 1 {
			cancel() // while this one is done
		}
	})
	if err == nil || err.Error() != "stopped after step 2 of 5; the phone waits in its boot loader and does not start until all is flashed: run the same command again" {
		t.Errorf("%v", err)
	}
	if err := cable.Run(t.Context(), plan, dir, nil); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.20")
}

// TestCableDamaged: an image that is not what its digest says is found before anything
// is flashed.
func TestCableDamaged(t *testing.T) {
	judge.Need(t, "fastboot")
	for _, m := range []stocktest.Maker{stocktest.Sony, stocktest.XiaomiFastboot, stocktest.HTC} {
		s := newShop(t, m)
		b := s.build("26.11.20")
		im, _ := b.Image("boot")
		if m == stocktest.XiaomiFastboot {
			im, _ = b.Image("system")
		}
		s.damage(im)
		p := s.phone(nil)
		mode := &bootloader.Mode{Handset: p}
		if m == stocktest.HTC {
			mode.HTC = &bootloader.HTC{Model: "0P6B10000", CID: "HTC__001", SOff: true}
		}
		if _, err := s.flash(b, held(t, mode), cable.Options{}); !errors.Is(err, blob.ErrDamaged) {
			t.Errorf("%s: %v", m, err)
		}
		if _, err := p.Boot(t.Context()); err == nil {
			t.Errorf("%s: it was flashed", m)
		}
	}
}

// damage changes one byte of an image where its bytes lie, in a file of its own.
func (s *shop) damage(im catalog.Partition) {
	s.t.Helper()
	content, err := s.blobs.Bytes(im.Digest, im.Size)
	if err == nil {
		err = s.blobs.Remove(im.Digest)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if ref, err := s.blobs.Put(s.t.Context(), bytes.NewReader(content)); err != nil || ref.Digest != im.Digest {
		s.t.Fatalf("%s is not what it was, %v", im.Name, err)
	}
	content[len(content)/2] ^= 1
	name := im.Digest.String()
	path := filepath.Join(s.store, "sha256", name[:2], name[2:4], name)
	if err := errors.Join(os.Chmod(path, 0o644), os.WriteFile(path, content, 0o644)); err != nil {
		s.t.Fatal(err)
	}
}

// TestCableSamsung: heimdall reads the table and takes the arguments as far as it can
// without a phone on USB, and what they name goes onto the virtual one by that table.
func TestCableSamsung(t *testing.T) {
	s := newShop(t, stocktest.Samsung)
	b := s.build("26.11.20")
	build, in := s.cabled(b)
	plan, err := cable.Decide(build, cable.Phone{PIT: build.PIT}, cable.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"flash --resume --BOOT boot.img --RECOVERY recovery.img --SYSTEM system.img"}; plan.Program != "heimdall" || !slices.Equal(steps(plan), want) {
		t.Fatalf("the steps are %q, expected %q", steps(plan), want)
	}
	dir := t.TempDir()
	if err := flashing.WriteLoose(t.Context(), dir, plan.Files, in, nil); err != nil {
		t.Fatal(err)
	}
	t.Run("heimdall", func(t *testing.T) {
		judge.Need(t, "heimdall")
		pit := filepath.Join(dir, "phone.pit")
		if err := os.WriteFile(pit, build.PIT, 0o600); err != nil {
			t.Fatal(err)
		}
		table := judge.Run(t, "heimdall", "print-pit", "--file", pit)
		args := plan.Steps[0].Args
		for i := 2; i < len(args); i += 2 {
			if !strings.Contains(table, "Partition Name: "+strings.TrimPrefix(args[i], "--")+"\n") {
				t.Errorf("heimdall sees no partition %s", args[i])
			}
		}
		run := func(args ...string) string {
			c := exec.Command("heimdall", args...)
			c.Dir = dir
			out, err := c.CombinedOutput()
			if err == nil {
				t.Fatalf("heimdall %q did something:\n%s", args, out)
			}
			return string(out)
		}
		const noPhone = "Failed to detect compatible download-mode device"
		if out := run(args...); !strings.Contains(out, noPhone) && !strings.Contains(out, "libusb") {
			t.Errorf("heimdall does not take %q:\n%s", args, out)
		}
		if out := run("flash", "--resume", "--BOOT", "no.img"); strings.Contains(out, noPhone) {
			t.Errorf("heimdall looks for a phone before it looks at its files:\n%s", out)
		}
		if _, err := cable.AskHeimdall(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "cannot find a phone: heimdall says") {
			t.Errorf("without a phone: %v", err)
		}
	})
	sizes, err := download.Sizes(build.PIT)
	if err != nil {
		t.Fatal(err)
	}
	table, err := samsung.ReadPIT(bytes.NewReader(build.PIT))
	if err != nil {
		t.Fatal(err)
	}
	p := s.phone(sizes)
	for args := plan.Steps[0].Args[2:]; len(args) > 0; args = args[2:] {
		at := slices.IndexFunc(table.Partitions, func(x samsung.Partition) bool { return "--"+x.Name == args[0] })
		content, err := os.ReadFile(filepath.Join(dir, args[1]))
		if err != nil || at < 0 {
			t.Fatalf("%q: entry %d, %v", args[:2], at, err)
		}
		if err := p.FlashSlot(t.Context(), "a", strings.ToLower(table.Partitions[at].Name), bytes.NewReader(content), int64(len(content))); err != nil {
			t.Fatal(err)
		}
	}
	boots(t, p, "26.11.20")

	other := *table
	other.Partitions = slices.Clone(table.Partitions)
	other.Partitions[1].Name = "HIDDEN"
	var changed bytes.Buffer
	if _, err := other.WriteTo(&changed); err != nil {
		t.Fatal(err)
	}
	for want, pit := range map[string][]byte{
		"the phone's partition table is not that of hlte: entry 1 is HIDDEN": changed.Bytes(),
		"the phone's own partition table: cannot read PIT":                   build.PIT[:40],
	} {
		if _, err := cable.Decide(build, cable.Phone{PIT: pit}, cable.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	build.PIT = nil
	if _, err := cable.Decide(build, cable.Phone{PIT: changed.Bytes()}, cable.Options{Slot: "b"}); err == nil || !strings.Contains(err.Error(), "take in the whole Odin package") || !strings.Contains(err.Error(), "no slot b") {
		t.Errorf("%v", err)
	}
}

// TestCableFirmware: the modem's stays the phone's own, unless it is asked for or
// device.yaml has it shipped; of a build that leaves it alone the plan says so.
func TestCableFirmware(t *testing.T) {
	judge.Need(t, "fastboot")
	boot := "  trust: unlocked\n" + strings.Replace(slotted, "payload_minor: 6", "payload_minor: 7", 1)
	for name, c := range map[string]struct {
		yaml  string
		o     cable.Options
		wrote bool
		stays string // the beginning of what the plan says
	}{
		"its own":     {"", cable.Options{}, false, "modem: the vendor's firmware, the same as in the stock; --firmware writes it"},
		"asked for":   {"", cable.Options{Firmware: true}, true, ""},
		"always":      {"firmware:\n  modem: shipped\n", cable.Options{}, true, ""},
		"in no build": {"firmware:\n  modem: copied\n", cable.Options{Firmware: true}, false, "modem: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShopOf(t, stocktest.Spec{Maker: stocktest.OnePlus, Modem: true}, boot+c.yaml)
			p := s.phone(nil)
			plan, err := s.flash(s.build("26.11.20"), held(t, &bootloader.Mode{Handset: p}), c.o)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(plan.Untouched, func(line string) bool { return strings.HasPrefix(line, "modem: ") })
			if (at < 0) != (c.stays == "") || at >= 0 && !strings.HasPrefix(plan.Untouched[at], c.stays) {
				t.Errorf("what stays is %q", plan.Untouched)
			}
			got, err := os.ReadFile(s.modem("a"))
			if c.wrote && !bytes.Equal(got, s.stockImage("modem")) || !c.wrote && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the phone's modem has %d bytes, %v", len(got), err)
			}
			boots(t, p, "26.11.20")
		})
	}
}
