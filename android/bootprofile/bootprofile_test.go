package bootprofile_test

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
)

var good = bootprofile.Profile{Trust: bootprofile.CustomKey, Slots: bootprofile.AB, Flash: bootprofile.Fastboot, PayloadMinor: 6,
	UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"}}

func TestCheck(t *testing.T) {
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, edit := range map[string]func(*bootprofile.Profile){
		`trust is ""`:                                 func(p *bootprofile.Profile) { p.Trust = "" },
		`trust is verified-boot-1 with slots ab`:      func(p *bootprofile.Profile) { p.Trust = bootprofile.VerifiedBoot1 },
		`slots is "abc"`:                              func(p *bootprofile.Profile) { p.Slots = "abc" },
		`flash is "usb"`:                              func(p *bootprofile.Profile) { p.Flash = "usb" },
		`cow_version is 2 with slots ab`:              func(p *bootprofile.Profile) { p.COWVersion = 2 },
		`cow_version is 0 with slots virtual-ab-comp`: func(p *bootprofile.Profile) { p.Slots = bootprofile.VirtualABCompressed },
		`cow_version is 4`:                            func(p *bootprofile.Profile) { p.Slots, p.COWVersion = bootprofile.VirtualABCompressed, 4 },
		`cow_compression is "lz4" with slots ab`:      func(p *bootprofile.Profile) { p.COWCompression = "lz4" },
		`payload_minor is 2`:                          func(p *bootprofile.Profile) { p.PayloadMinor = 2 },
		`payload_minor is 11`:                         func(p *bootprofile.Profile) { p.PayloadMinor = 11 },
		`update_certificates is empty`:                func(p *bootprofile.Profile) { p.UpdateCertificates = nil },
		`update_certificates has "system"`:            func(p *bootprofile.Profile) { p.UpdateCertificates = []string{"system"} },
		`update_certificates has "system:/etc/x.zip"`: func(p *bootprofile.Profile) { p.UpdateCertificates = []string{"system:/etc/x.zip"} },
		`update_certificates has "../x:etc/x.zip"`:    func(p *bootprofile.Profile) { p.UpdateCertificates = []string{"../x:etc/x.zip"} },
	} {
		p := good
		edit(&p)
		if err := p.Check(); err == nil || !strings.HasPrefix(err.Error(), "cannot use boot profile: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	single := good
	single.Slots, single.PayloadMinor = bootprofile.Single, 0
	if err := single.Check(); err != nil {
		t.Errorf("one slot needs no payload: %v", err)
	}
}

func TestIsPartition(t *testing.T) {
	for s, want := range map[string]bool{
		"system": true, "vbmeta_system": true, "dtbo": true, "x": true, strings.Repeat("a", 36): true, "tz2": true,
		"": false, "2tz": false, "_a": false, "System": false, "a-b": false, "a/b": false, "..": false, "a\n": false, strings.Repeat("a", 37): false,
	} {
		if bootprofile.IsPartition(s) != want {
			t.Errorf("IsPartition(%q) is %v", s, !want)
		}
	}
}
