package osrepo

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/go-git/go-git/v5/plumbing"
)

// Problems are all the mistakes found in a repository; it is an error.
type Problems = strict.Problems

// Problem is one of them.
type Problem = strict.Problem

// Commit is one commit of the repository.
type Commit struct {
	Hash    string    // 40 hex digits
	Time    time.Time // of the committer, in UTC, to the second
	Subject string
}

// Snapshot is what one commit says. It is read only.
type Snapshot struct {
	Commit  Commit
	OS      OS
	Devices map[string]*Device // by codename
	Layers  map[string]*Layer  // by name
}

// OS is os.yaml.
type OS struct {
	Name          string   `yaml:"name"`            // as people know it
	VersionScheme string   `yaml:"version_scheme"`  // how releases are named; the only one is "date": 26.11.27, and 26.11.27.1 for a respin
	UpdateURL     string   `yaml:"update_url"`      // where handsets check in
	Channels      []string `yaml:"channels"`        // those that there are
	Channel       string   `yaml:"default_channel"` // the one a new handset follows
	Keys          string   `yaml:"keys"`            // folder of the signing keys, relative to the repository or from /; where there is none, that of the installation
	Layers        []string `yaml:"layers"`          // of every device, in order

	doc *strict.Document
}

// Device is devices/<codename>/device.yaml.
type Device struct {
	Codename string   `yaml:"codename"` // ro.product.device
	Vendor   string   `yaml:"vendor"`   // who made it
	Name     string   `yaml:"name"`     // as people call it
	Variants []string `yaml:"variants"` // models that differ in name alone, as the phone says them
	Features []string `yaml:"features"` // that layers may require, in the team's own words: "nfc"
	// Stock is the SHA-256 of the vendor's firmware that builds start from, in
	// hex; empty: the newest that was taken in.
	Stock      string               `yaml:"stock"`
	Boot       bootprofile.Profile  `yaml:"boot"`       // what the phone checks when it boots and when it takes an update
	Partitions map[string]Partition `yaml:"partitions"` // those of which more is to be said, by name
	Groups     map[string]Group     `yaml:"groups"`     // of dynamic partitions; none: as in stock
	Firmware   map[string]Firmware  `yaml:"firmware"`   // what runs below Android, by partition; what is not named is shipped
	Outputs    []string             `yaml:"outputs"`    // files to flash that a build puts out; none: what boot.flash takes
	Rollback   Rollback             `yaml:"rollback"`   // which builds the phone refuses to go back to
	Offer      Offer                `yaml:"offer"`      // who is offered its builds; without it, every handset
	Layers     []string             `yaml:"layers"`     // after those of the OS, in order

	doc *strict.Document
}

// Offer narrows which handsets of the device are offered its builds.
type Offer struct {
	Regions  []string `yaml:"regions"`     // two capital letters such as IN, or GLOBAL; none: all
	Carriers []string `yaml:"carriers"`    // as builds name them; none: all
	Base     string   `yaml:"base,scalar"` // least Android version that the handset runs, such as 13; empty: any
}

// Partition is what a build must keep to.
type Partition struct {
	FS   string `yaml:"fs"`   // "erofs", "ext4" or "raw"; empty: as in stock
	Size int64  `yaml:"size"` // bytes that the slot has; 0: as in stock
}

// Group is a group of dynamic partitions: they share a size in super.
type Group struct {
	Size       int64    `yaml:"size"`       // bytes that its partitions may have together
	Partitions []string `yaml:"partitions"` // that share it, without a slot's suffix
}

// Outputs are the kinds of files that a build can put out.
var Outputs = []string{"fastboot", "odin", "htc", "xiaomi", "recovery", "ota"}

// Rollback says which rollback index a build carries.
type Rollback struct {
	// Index is the number itself; 0: the security patch level's day as seconds
	// since 1970, as AOSP has it.
	Index    uint64 `yaml:"index"`
	Location uint32 `yaml:"location"` // where the phone keeps the index: 0 to 31
}

// Layer is layers/<name>/layer.yaml and the files beside it.
type Layer struct {
	Name   string               `yaml:"-"`
	Why    string               `yaml:"why"`    // for people: what the layer is for
	Add    []Add                `yaml:"add"`    // folders and files laid over the system
	Remove []string             `yaml:"remove"` // "partition:path" of what goes, folders with all below; with * ? [] and **
	Props  map[string]PropEdits `yaml:"props"`  // changes of build.prop, by partition

	Apps     []App     `yaml:"apps"`     // apps, each into its folder; what was compiled of the one there goes
	Overlays []Overlay `yaml:"overlays"` // resources laid over those of other apps; made and signed at the build

	// Files of the layer whose place Friday knows:

	Init          []string            `yaml:"init"`          // .rc files, for system/etc/init
	BootAnimation string              `yaml:"bootanimation"` // a .zip, where the phone looks first
	Fonts         []string            `yaml:"fonts"`         // each in the place of stock's of the same name
	Wallpaper     string              `yaml:"wallpaper"`     // a picture, that ro.config.wallpaper then names
	SEPolicy      []string            `yaml:"sepolicy"`      // .cil files, added to the system's policy
	Boot          map[string]BootEdit `yaml:"boot"`          // by partition: boot, init_boot, vendor_boot, recovery

	Requires  Requires `yaml:"requires"`  // on what phones and stocks the layer fits
	Conflicts []string `yaml:"conflicts"` // layers that must not be laid on the same device
	Over      []string `yaml:"over"`      // layers whose files and properties this one may replace

	doc   *strict.Document
	files map[string]*File // what is committed in the layer's folder, by path in it
}

// Add lays a folder of the layer over a place of a partition.
type Add struct {
	From  string `yaml:"from"`  // folder beside layer.yaml, or one file
	To    string `yaml:"to"`    // "partition:path", such as "system:system/app"
	Rules []Rule `yaml:"rules"` // what is to be otherwise than usual
}

// Rule gives what is added owners and modes other than the usual ones.
type Rule struct {
	Path         string   `yaml:"path"`         // of what is added, in the partition, with * ? [] and **
	Mode         string   `yaml:"mode,scalar"`  // octal, such as 0755
	Owner        string   `yaml:"owner,scalar"` // Android's name or a number
	Group        string   `yaml:"group,scalar"` // Android's name or a number
	Label        string   `yaml:"label"`        // for SELinux, such as u:object_r:system_file:s0
	Capabilities []string `yaml:"capabilities"` // of a program: "net_raw", "sys_nice", …
}

// PropEdits changes the build.prop of a partition. Values may use ${version}
// and the other Variables.
type PropEdits struct {
	Set    map[string]string `yaml:"set"`    // values by key, there already or not
	Append map[string]string `yaml:"append"` // what comes behind the value that stock has
	Delete []string          `yaml:"delete"` // keys that go
}

// File is a committed file.
type File struct {
	Path       string // in the repository
	Digest     string // git's, in hex: names the content
	Executable bool
	Symlink    bool
	Submodule  bool
	Size       int64
	open       func() (io.ReadCloser, error)
}

// Open reads the file as it is committed; a symlink reads as its target.
func (f *File) Open() (io.ReadCloser, error) { return f.open() }

// ReadLink returns where a committed symlink leads.
func (f *File) ReadLink() (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 4097))
	if err != nil {
		return "", fmt.Errorf("cannot read symlink %s: %w", f.Path, err)
	}
	if len(b) == 0 || len(b) > 4096 {
		return "", fmt.Errorf("cannot read symlink %s: its target has %d bytes, expected 1 to 4096", f.Path, len(b))
	}
	if slices.Contains(b, 0) {
		return "", fmt.Errorf("cannot read symlink %s: its target holds a NUL", f.Path)
	}
	return string(b), nil
}

// Bytes reads a file of at most that many bytes.
func (f *File) Bytes(most int64) ([]byte, error) {
	if f.Size > most {
		return nil, fmt.Errorf("it has %d bytes, expected at most %d", f.Size, most)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, most+1))
}

// NewFile is a file with content that no repository holds; Read takes it like one
// that is committed. Its digest is that of git.
func NewFile(path string, content []byte) *File {
	return &File{
		Path: path, Size: int64(len(content)), Digest: plumbing.ComputeHash(plumbing.BlobObject, content).String(),
		open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

// Document is device.yaml, with the place of every value in it.
func (d *Device) Document() *strict.Document { return d.doc }

// Document is layer.yaml, with the place of every value in it.
func (l *Layer) Document() *strict.Document { return l.doc }

// File is the one that is committed at a path in the layer's folder; nil: there is
// none.
func (l *Layer) File(name string) *File { return l.files[name] }

// Under lists what is committed at a folder of the layer, or the one file; "." is
// the layer's own folder.
func (l *Layer) Under(from string) []*File {
	if f, ok := l.files[from]; ok {
		return []*File{f}
	}
	var fs []*File
	for _, p := range slices.Sorted(maps.Keys(l.files)) {
		if strings.HasPrefix(p, from+"/") || from == "." {
			fs = append(fs, l.files[p])
		}
	}
	return fs
}
