package osrepo

import "github.com/fridayos/friday/android/bootprofile"

// Device is devices/<codename>/device.yaml.
type Device struct {
	Codename string
	Vendor   string
	Name     string
	Variants []string
	Boot     bootprofile.Profile
	Layers   []string
}

// Layer is layers/<name>/layer.yaml and the files beside it.
type Layer struct {
	Name string
	Why  string
}
