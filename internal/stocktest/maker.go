package stocktest

import (
	"cmp"
	"fmt"
)

// Maker is one of the vendors whose firmware can be made, with a phone of theirs
// and the way they pack what is on it.
type Maker string

const (
	// Xiaomi's Mi 10 as an A/B OTA zip: system (erofs, system-as-root), boot, vbmeta.
	Xiaomi Maker = "xiaomi"
	// XiaomiFastboot is the same phone's fastboot .tgz: a sparse super, boot, vbmeta.
	XiaomiFastboot Maker = "xiaomi-fastboot"
	// Samsung's Galaxy Note 3 as Odin's zip: .tar.md5 with sparse ext4 images and a
	// PIT, one slot, no Verified Boot, no security patch level.
	Samsung Maker = "samsung"
	// Sony's Xperia Z5 as an .ftf of .sin files (unsigned), one slot, ext4, Verified
	// Boot 1 as Android 7 has it.
	Sony Maker = "sony"
	// HTC's One M8 as a plain RUU zip, one slot, ext4.
	HTC Maker = "htc"
	// OnePlus's 8 as an A/B OTA zip: system, vendor and product in ext4, boot, vbmeta,
	// which delegates to vbmeta_system and vbmeta_vendor, each with a key of its own.
	OnePlus Maker = "oneplus"
)

// Makers are all of them.
func Makers() []Maker { return []Maker{Xiaomi, XiaomiFastboot, Samsung, Sony, HTC, OnePlus} }

// phone is what a maker's firmware is for.
type phone struct {
	device, brand, model    string
	version, patch, release string
	sdk                     int
	buildID                 string
	timestamp               int64
	fs                      string // of system
	asRoot                  bool   // system holds the root folder, with system/ in it
	avb                     bool   // Verified Boot 2.0
	verity                  Verity // Verified Boot 1
	more                    []string
	models                  []string // as android-info.txt has them
	chains                  []chain  // of vbmeta, to structs that describe some of the partitions
}

// chain is a partition to which vbmeta delegates.
type chain struct {
	name     string
	location uint32 // where a phone stores its rollback index
	of       []string
}

var phones = map[Maker]phone{
	Xiaomi: {
		device: "umi", brand: "Xiaomi", model: "Mi 10", version: "V14.0.4.0.TJBMIXM", patch: "2026-09-01", release: "13", sdk: 33,
		buildID: "TKQ1.221114.001", timestamp: 1788220800, fs: "erofs", asRoot: true, avb: true,
	},
	Samsung: {
		device: "hlte", brand: "samsung", model: "SM-N9005", version: "N9005XXUGBOK6", release: "5.0", sdk: 21,
		buildID: "LRX21V", timestamp: 1447660800, fs: "ext4",
	},
	Sony: {
		device: "sumire", brand: "Sony", model: "E6653", version: "2875604171", patch: "2017-12-01", release: "7.1.1", sdk: 25,
		buildID: "32.4.A.1.54", timestamp: 1512086400, fs: "ext4", verity: Verity7,
	},
	HTC: {
		device: "m8", brand: "htc", model: "HTC One_M8", version: "708002.3", patch: "2016-01-01", release: "6.0", sdk: 23,
		buildID: "MRA58K", timestamp: 1451606400, fs: "ext4", models: []string{"0P6B10000"},
	},
	OnePlus: {
		device: "instantnoodle", brand: "OnePlus", model: "IN2013", version: "2110091915", patch: "2021-10-01", release: "11", sdk: 30,
		buildID: "RP1A.201005.001", timestamp: 1633780800, fs: "ext4", asRoot: true, avb: true, more: []string{"product", "vendor"},
		chains: []chain{{"vbmeta_system", 2, []string{"system", "product"}}, {"vbmeta_vendor", 3, []string{"vendor"}}},
	},
}

// phone returns what the firmware is for.
func (s Spec) phone() (phone, error) {
	m := cmp.Or(s.Maker, Xiaomi)
	if m == XiaomiFastboot {
		m = Xiaomi
	}
	p, ok := phones[m]
	if !ok {
		return p, fmt.Errorf("maker is %q, expected one of %q", s.Maker, Makers())
	}
	return p, nil
}
