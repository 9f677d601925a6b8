package cable

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/firmware"
	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
)

func slotted() Build {
	return Build{Device: "umi", Version: "26.11.27", Products: []string{"umi", "umi_in"}, Anti: 2, Profile: bootprofile.Profile{Trust: bootprofile.Unlocked, Slots: bootprofile.AB, Flash: bootprofile.Fastboot},
		Images: []Image{{Partition: "boot", Size: 10}, {Partition: "vbmeta", Size: 1}, {Partition: "modem", Size: 5, Firmware: true}, {Partition: "cust", Size: 7, Unslotted: true}, {Partition: "system", Size: 100, Logical: true}, {Partition: "vendor", Size: 50, Logical: true}},
		Wipes:  []report.Wipe{{From: "stock V14", Wipes: true, Why: "unlocking wipes"}}}
}

func lines(p Plan) (out []string) {
	for _, s := range p.Steps {
		out = append(out, strings.Join(s.Args, " "))
	}
	return out
}

// TestDecide: the steps of every way that fastboot has.
func TestDecide(t *testing.T) {
	good := map[string]string{"product": "umi", "unlocked": "yes", "current-slot": "b", "slot-count": "2"}
	with := func(more map[string]string) map[string]string {
		vars := map[string]string{}
		for _, m := range []map[string]string{good, more} {
			for k, v := range m {
				vars[k] = v
			}
		}
		return vars
	}
	for _, c := range []struct {
		name string
		edit func(b *Build)
		vars map[string]string
		o    Options
		want string
		also []string // in the text
	}{
		{"fastbootd", nil, good, Options{}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; erase userdata; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot",
			[]string{"WIPES userdata: all of the owner's data (from stock V14: unlocking wipes)", "Stays: modem: the vendor's firmware", ", slot b\n"}},
		{"super", func(b *Build) { b.Super = true }, good, Options{}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; erase userdata; flash super super.img; reboot",
			[]string{"WIPES the other slot's partitions in super: it can no longer start"}},
		{"from fastbootd", func(b *Build) { b.Super = true }, with(map[string]string{"is-userspace": "yes"}), Options{Slot: "a"}, "reboot bootloader; set_active a; flash boot_a boot.img; flash cust cust.img; flash vbmeta_a vbmeta.img; erase userdata; flash super super.img; reboot", nil},
		{"keeping data, with firmware", nil, with(map[string]string{"anti": "2"}), Options{KeepData: true, Firmware: true}, "set_active b; flash boot_b boot.img; flash modem_b modem.img; flash cust cust.img; flash vbmeta_b vbmeta.img; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot",
			[]string{"Stays: userdata: the owner's data stay, as --keep-data asks", "Note: data of another system"}},
		{"metadata and cache", nil, with(map[string]string{"partition-type:metadata": "ext4", "partition-type:cache": "ext4"}), Options{}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; erase userdata; erase metadata; erase cache; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot", nil},
		{"a key to trust", func(b *Build) { b.Profile.Trust = bootprofile.CustomKey }, with(map[string]string{"product": "umi_in"}), Options{}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; flash avb_custom_key avb_custom_key.bin; erase userdata; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot",
			[]string{"Then: once it has started: 'fastboot flashing lock'"}},
		{"a phone of few words", nil, map[string]string{"product": "umi"}, Options{}, "set_active a; flash boot_a boot.img; flash cust cust.img; flash vbmeta_a vbmeta.img; erase userdata; reboot fastboot; flash system_a system.img; flash vendor_a vendor.img; reboot",
			[]string{"Note: the phone does not say whether its boot loader is unlocked", "Note: the phone does not say which slot it starts; slot a"}},
		{"old names of slots", nil, with(map[string]string{"current-slot": "_b", "anti": "nonsense"}), Options{}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; erase userdata; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot",
			[]string{`Note: the phone's anti-rollback number is "nonsense", which is no number`}},
		{"a stock that says no number", func(b *Build) { b.Anti = 0 }, with(map[string]string{"anti": "4"}), Options{}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; erase userdata; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot",
			[]string{"Note: the phone's anti-rollback number is 4; the build's stock says none"}},
		{"called by its chip", nil, with(map[string]string{"product": "kona"}), Options{Product: "kona", KeepData: true}, "set_active b; flash boot_b boot.img; flash cust cust.img; flash vbmeta_b vbmeta.img; reboot fastboot; flash system_b system.img; flash vendor_b vendor.img; reboot",
			[]string{`Note: the phone calls itself "kona", which many do; that it is umi is your word`}},
		{"one slot", func(b *Build) {
			b.Profile.Slots = bootprofile.Single
			b.Images = []Image{{Partition: "boot"}, {Partition: "system"}}
		}, map[string]string{"product": "umi", "slot-count": "0"}, Options{}, "flash boot boot.img; flash system system.img; erase userdata; reboot", nil},
		{"by recovery", func(b *Build) {
			b.Profile.Slots, b.Profile.Flash = bootprofile.Single, bootprofile.Recovery
			b.Images = []Image{{Partition: "boot"}, {Partition: "recovery"}, {Partition: "system"}}
		}, map[string]string{"product": "umi"}, Options{}, "flash boot boot.img; flash recovery recovery.img; erase userdata; reboot bootloader", []string{"adb sideload umi.zip", "friday ota full --to umi/26.11.27 -o umi.zip"}},
		{"HTC, S-OFF", func(b *Build) {
			b.Profile.Slots, b.Profile.Flash = bootprofile.Single, bootprofile.Recovery
			b.Models, b.CIDs = []string{"0P6B10000"}, []string{"HTC__001"}
			b.Images = []Image{{Partition: "boot"}, {Partition: "radio", Firmware: true}}
		}, map[string]string{"product": "m8_ul", "modelid": "0P6B10000", "cidnum": "11111111", "security": "off"}, Options{}, "oem rebootRUU; flash zip umi-26.11.27-htc.zip; reboot bootloader; erase userdata; reboot", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := slotted()
			if c.edit != nil {
				c.edit(&b)
			}
			p, err := Decide(b, Phone{Vars: c.vars}, c.o)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(lines(p), "; "); got != c.want {
				t.Errorf("the steps are\n%s\nexpected\n%s", got, c.want)
			}
			var text strings.Builder
			if err := p.Text(&text); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.also {
				if !strings.Contains(text.String(), want) {
					t.Errorf("the plan lacks %q:\n%s", want, text.String())
				}
			}
			named := map[string]bool{}
			for _, f := range p.Files {
				named[f.Name] = true
			}
			for _, s := range p.Steps {
				if s.Args[0] == "flash" && !named[s.Args[2]] {
					t.Errorf("nobody makes %s", s.Args[2])
				}
			}
		})
	}
}

// TestDecideNot: what may not be flashed, all of it said at once.
func TestDecideNot(t *testing.T) {
	for want, c := range map[string]struct {
		edit func(b *Build)
		vars map[string]string
		o    Options
	}{
		"the phone does not say which it is (getvar product); expected umi or umi_in":                                                                              {vars: map[string]string{}},
		`the phone on the cable is "cmi", the build is for umi, umi_in: connect that one; if it is this one, whose boot loader calls itself so, add --product cmi`: {vars: map[string]string{"product": "cmi"}},
		"the boot loader is locked and writes nothing: unlock it":                                                                                                  {vars: map[string]string{"product": "umi", "unlocked": "no"}},
		"the battery is too low for flashing: charge the phone first":                                                                                              {vars: map[string]string{"product": "umi", "battery-soc-ok": "no"}},
		"an update waits on the phone to be started (snapshotted)":                                                                                                 {vars: map[string]string{"product": "umi", "snapshot-update-status": "snapshotted"}},
		"the phone's anti-rollback number is 3, the build's stock has 2: it would never start again":                                                               {vars: map[string]string{"product": "umi", "anti": "3"}},
		"leave --firmware out": {edit: func(b *Build) { b.Anti = 0 }, vars: map[string]string{"product": "umi", "anti": "3"}, o: Options{Firmware: true}},
		"the phone says that it has 0 slots, its device.yaml says slots ab":     {vars: map[string]string{"product": "umi", "slot-count": "0"}},
		"the phone says that it has 2 slots, its device.yaml says slots single": {edit: func(b *Build) { b.Profile.Slots = bootprofile.Single }, vars: map[string]string{"product": "umi", "slot-count": "2"}},
		"the phone has no slot b":                         {edit: func(b *Build) { b.Profile.Slots = bootprofile.Single }, vars: map[string]string{"product": "umi"}, o: Options{Slot: "b"}},
		"the build has no image of one":                   {edit: func(b *Build) { b.Profile.Flash = bootprofile.Recovery }, vars: map[string]string{"product": "umi"}},
		"the build has no image that a phone starts from": {edit: func(b *Build) { b.Images = b.Images[2:3] }, vars: map[string]string{"product": "umi"}},
	} {
		b := slotted()
		if c.edit != nil {
			c.edit(&b)
		}
		p, err := Decide(b, Phone{Vars: c.vars}, c.o)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot flash umi 26.11.27: ") || !strings.Contains(err.Error(), want) || len(p.Steps) > 0 {
			t.Errorf("%v, %d steps; expected %q", err, len(p.Steps), want)
		}
	}
	_, err := Decide(slotted(), Phone{Vars: map[string]string{"product": "cmi", "unlocked": "no"}}, Options{})
	if err == nil || !strings.Contains(err.Error(), "is locked") || !strings.Contains(err.Error(), `is "cmi"`) {
		t.Errorf("not both are said: %v", err)
	}
}

// TestOf: what is the vendor's firmware, what lies in super, and who answers.
func TestOf(t *testing.T) {
	b := catalog.Build{Device: "umi", Images: []catalog.Partition{{Name: "boot"}, {Name: "modem"}, {Name: "tz"}, {Name: "dsp"}, {Name: "odm", FS: "ext4"}, {Name: "logo"}, {Name: "system", FS: "erofs"}, {Name: "vbmeta_system"}, {Name: "cust", FS: "ext4"}}}
	made := &report.Report{Partitions: []report.Partition{{Name: "logo", Rebuilt: true}, {Name: "tz", VerifiedBy: "stock"}, {Name: "modem"}, {Name: "xbl", Why: "it is left to the phone"}}}
	d := &osrepo.Device{Firmware: map[string]osrepo.Firmware{"dsp": osrepo.Shipped}, Variants: []string{"umi_in"}, Groups: map[string]osrepo.Group{"main": {Partitions: []string{"odm"}}}}
	packed := intake.Packaging{Packing: firmware.Packing{Products: []string{"umi"}, Unslotted: []string{"cust"}, HTC: &htc.Info{Models: []string{"m"}, CIDs: []string{"c"}},
		Dynamic: &payload.Dynamic{Groups: []payload.Group{{Name: "g", Partitions: []string{"system"}}}}}}
	names := func(b Build, is func(Image) bool) (out []string) {
		for _, im := range b.Images {
			if is(im) {
				out = append(out, im.Partition)
			}
		}
		return out
	}
	got := Of(b, made, d, packed)
	if f := names(got, func(im Image) bool { return im.Firmware }); !slices.Equal(f, []string{"modem"}) {
		t.Errorf("the vendor's firmware is %q, expected modem alone", f)
	}
	if !slices.Equal(got.Left, []string{"xbl: it is left to the phone"}) {
		t.Errorf("left to the phone are %q", got.Left)
	}
	if l := names(got, func(im Image) bool { return im.Logical }); !slices.Equal(l, []string{"odm", "system"}) || got.Super {
		t.Errorf("in super lie %q, %v", l, got.Super)
	}
	if u := names(got, func(im Image) bool { return im.Unslotted }); !slices.Equal(u, []string{"cust"}) {
		t.Errorf("without a slot there are %q", u)
	}
	if !slices.Equal(got.Products, []string{"umi", "umi_in"}) || !slices.Equal(got.Models, []string{"m"}) {
		t.Errorf("it is for %q, %q", got.Products, got.Models)
	}
	packed.Super = &firmware.Super{Devices: []super.Device{{}}, In: map[string]string{"system_a": "g_a", "system_b": "g_b"}}
	got = Of(b, made, d, packed)
	if l := names(got, func(im Image) bool { return im.Logical }); !slices.Equal(l, []string{"system"}) || !got.Super {
		t.Errorf("with a super there lie %q, %v", l, got.Super)
	}
	packed.Super.Devices = append(packed.Super.Devices, super.Device{})
	if got = Of(b, made, d, packed); got.Super {
		t.Error("a super on two devices is flashed as one image")
	}
}

// TestLeft: where the phone is left after each step.
func TestLeft(t *testing.T) {
	p, err := Decide(slotted(), Phone{Vars: map[string]string{"product": "umi", "current-slot": "a"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		done  int
		begun bool
		want  string
	}{
		{0, false, "nothing was written: the phone waits in its boot loader"}, {1, false, "nothing was written"}, {1, true, "waits in its boot loader and does not start"},
		{2, false, "waits in its boot loader and does not start"}, {6, true, "waits in fastbootd and does not start"}, {len(p.Steps), false, "the phone restarts into what was flashed"},
	} {
		if got := p.Left(c.done, c.begun); !strings.Contains(got, c.want) {
			t.Errorf("after %d, %v: %s; expected %q", c.done, c.begun, got, c.want)
		}
	}
	if (&Stopped{p, 1, context.Canceled}).Unwrap() != nil || !errors.Is(&Stopped{p, 1, errLast}, errLast) {
		t.Error("what a person did is an error, or an error is not")
	}
	h := Plan{Program: "heimdall", Steps: []Step{{Writes: true, Mode: System}}}
	if got := h.Left(0, true); !strings.Contains(got, "waits in its download mode and does not start") {
		t.Error(got)
	}
}

var errLast = errors.New("last")

// TestSaid: what is read out of what the programs print.
func TestSaid(t *testing.T) {
	for _, c := range []struct{ out, name, want string }{
		{"product: umi\nFinished. Total time: 0.001s\n", "product", "umi"},
		{"(bootloader) anti: 3\n", "anti", "3"},
		{"current-slot: \r\n", "current-slot", ""},
		{"partition-type:metadata: ext4\n", "partition-type:metadata", "ext4"},
		{"getvar:anti FAILED (remote: 'no')\n", "anti", ""},
	} {
		if got, _ := answer(c.out, c.name); got != c.want {
			t.Errorf("%q: %s is %q, expected %q", c.out, c.name, got, c.want)
		}
	}
	for out, want := range map[string]string{
		"Sending 'boot' (1 KB) OKAY [0.1s]\nWriting 'boot'      FAILED (remote: 'no')\nfastboot: error: Command failed\n": "FAILED (remote: 'no')",
		"": "it says nothing", "a\nb\n": "b", "ERROR: Failed to detect\nusage\n": "ERROR: Failed to detect", "Finished. x\n": "it says nothing",
		strings.Repeat("x", 400): strings.Repeat("x", 300) + "…",
	} {
		if got := last(out); got != want {
			t.Errorf("%q: %q, expected %q", out, got, want)
		}
	}
	if got := devices("0123\tfastboot\nABC fastbootd\nno permissions\t; see\n\n"); !slices.Equal(got, []string{"0123", "ABC"}) {
		t.Errorf("devices %q", got)
	}
	for _, c := range []struct {
		there        []string
		serial, want string
		err          string
	}{
		{[]string{"1"}, "", "1", ""}, {[]string{"1", "2"}, "2", "2", ""}, {nil, "", "", "fastboot sees none; connect it"},
		{[]string{"1", "2"}, "", "", "fastboot sees 1, 2; name one with --serial"}, {[]string{"1"}, "3", "", "cannot find phone 3: fastboot sees 1"}, {nil, "3", "", "fastboot sees none"},
	} {
		got, err := pick(c.there, c.serial)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("of %q, %q: %q, %v", c.there, c.serial, got, err)
		}
	}
}
