package vb1

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const fstab = `# Android fstab file.
/dev/block/bootdevice/by-name/system	/system	ext4	ro,barrier=1,discard	wait,verify
/dev/block/bootdevice/by-name/oem	/oem	ext4	ro	wait,verify=/dev/block/bootdevice/by-name/metadata
/dev/block/bootdevice/by-name/vendor	/vendor	ext4	ro	wait,verifyatboot

/devices/soc.0/*	auto	vfat	defaults	voldmanaged=sdcard:auto # a card
`

func TestParseFstab(t *testing.T) {
	got, err := ParseFstab([]byte(fstab))
	want := []Mount{
		{"/dev/block/bootdevice/by-name/system", "/system", "ext4", true}, {"/dev/block/bootdevice/by-name/oem", "/oem", "ext4", true},
		{"/dev/block/bootdevice/by-name/vendor", "/vendor", "ext4", false}, {"/devices/soc.0/*", "auto", "vfat", false},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got[1].Partition() != "oem" {
		t.Errorf("the partition is %q", got[1].Partition())
	}
	for text, want := range map[string]string{"\n/dev/x /x ext4 ro\n": "line 2 has 4 words, expected 5", strings.Repeat("#", maxFstab+1): "it has 65537 bytes"} {
		if _, err := ParseFstab([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
	if !IsFstab("fstab.qcom") || IsFstab("recovery.fstab") {
		t.Error("names of fstabs")
	}
}

func FuzzParseFstab(f *testing.F) {
	f.Add([]byte(fstab))
	f.Fuzz(func(t *testing.T, b []byte) {
		mounts, err := ParseFstab(b)
		for _, m := range mounts {
			if err != nil || m.Device == "" || m.Point == "" {
				t.Errorf("%+v, %v", m, err)
			}
		}
	})
}

func ExampleParseFstab() {
	mounts, err := ParseFstab([]byte("/dev/block/bootdevice/by-name/system /system ext4 ro wait,verify\n"))
	fmt.Println(mounts[0].Partition(), mounts[0].Verify, err)
	// Output: system true <nil>
}
