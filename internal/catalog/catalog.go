// Package catalog holds what exists: stock firmware, builds, packages and
// releases. All of it is immutable: a fact is put in once, and putting the same
// fact in again changes nothing; putting in another one under the same name is
// an error. The only thing that grows is a release, which gains the builds of
// its devices one by one, each once.
//
// The package is not where bytes lie (blob does that) and decides nothing about
// who is offered what (fleet does). The words are those of the design: a build
// is named by itself, since a fingerprint is often the stock's and a vbmeta
// digest does not exist on old phones.
package catalog

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/blob"
)

// Kinds of package.
const (
	Full        = "full"
	Incremental = "incremental"
)

// Partition is one image: of a stock firmware or of a build.
type Partition struct {
	Name   string      `json:"name"`         // "system"
	FS     string      `json:"fs,omitempty"` // "erofs", "ext4"; empty: none that is known
	Digest blob.Digest `json:"digest"`       // SHA-256 of the whole image, footer included
	Size   int64       `json:"size"`
}

// Stock is a vendor's firmware package for a device, taken in once.
type Stock struct {
	Digest      blob.Digest // of the package as the vendor gave it
	Device      string
	Fingerprint string
	Incremental string
	PatchLevel  string // YYYY-MM-DD
	Release     string // Android version: "15"
	SDK         int
	Timestamp   int64 // ro.build.date.utc
	Partitions  []Partition
	Index       blob.Digest // tree.Index of all files, as JSON
	AddedAt     time.Time
}

// Build is the images of one device at one version.
type Build struct {
	ID            string // BuildID of the fields below
	Device        string
	Variant       string // the only one it may be offered to; empty: all
	Version       string // of the release: "26.11.27"
	Commit        string // of the OS repository
	Fingerprint   string
	Incremental   string // ro.build.version.incremental
	PatchLevel    string // YYYY-MM-DD
	SDK           int
	Timestamp     int64 // ro.build.date.utc: the commit's time
	RollbackIndex uint64
	VBMetaDigest  string // hex; empty where there is none
	Stock         blob.Digest
	Images        []Partition
	Report        blob.Digest // which layer owns each path, as JSON
	CreatedAt     time.Time
}

// Image returns the image of the partition called name.
func (b *Build) Image(name string) (Partition, bool) {
	i := slices.IndexFunc(b.Images, func(p Partition) bool { return p.Name == name })
	if i < 0 {
		return Partition{}, false
	}
	return b.Images[i], true
}

// BuildID names a build by what it is: a digest over device, version and the
// digests of its images, whatever their order.
func BuildID(device, version string, images []Partition) string {
	sorted := slices.Clone(images)
	slices.SortFunc(sorted, func(a, b Partition) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	field := func(s string) { // lengths first, so that no two lists read alike
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	field("friday build 1")
	field(device)
	field(version)
	for _, p := range sorted {
		field(p.Name)
		field(p.Digest.String())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Package is an OTA zip that was proven: applied, and the result compared.
type Package struct {
	Digest        blob.Digest // of the whole zip
	Size          int64
	Kind          string // Full or Incremental
	Device        string
	From, To      string // build IDs; From is empty for a full package
	File          string // name under which it is offered
	PayloadOffset int64  // of payload.bin inside the zip
	PayloadSize   int64
	Properties    string // payload_properties.txt
	PropertyFiles string // ota-property-files of the metadata
	ProvenAt      time.Time
}

// Release is the week's edition over all devices.
type Release struct {
	Name   string // "26.11.27", a respin "26.11.27.1"
	Commit string // of the OS repository
	Fixes  []int64
	Notes  string
	CutAt  time.Time
	Builds map[string]string // device to build ID; grows
}

// check says what of b is missing.
func (b *Build) check() error {
	switch want := BuildID(b.Device, b.Version, b.Images); {
	case b.Device == "" || b.Version == "" || b.Incremental == "":
		return fmt.Errorf("cannot put build %q %q: device, version and incremental must not be empty", b.Device, b.Version)
	case len(b.Images) == 0:
		return fmt.Errorf("cannot put build %s %s: it has no images", b.Device, b.Version)
	case b.ID != want:
		return fmt.Errorf("cannot put build %s %s: its ID is %q, expected %s, which its images give", b.Device, b.Version, b.ID, want)
	}
	return nil
}

// check says what of p is missing.
func (p *Package) check() error {
	switch {
	case p.Kind != Full && p.Kind != Incremental:
		return fmt.Errorf("cannot put package %s: kind is %q, expected full or incremental", p.Digest, p.Kind)
	case (p.Kind == Full) != (p.From == ""):
		return fmt.Errorf("cannot put package %s: it is %s and starts from build %q", p.Digest, p.Kind, p.From)
	case p.ProvenAt.IsZero():
		return fmt.Errorf("cannot put package %s: it was not proven; apply it and compare the result first", p.Digest)
	case p.File == "" || strings.ContainsAny(p.File, "/\\\x00"):
		return fmt.Errorf("cannot put package %s: its file name is %q, expected a plain name", p.Digest, p.File)
	case p.Size <= 0 || p.PayloadOffset < 0 || p.PayloadSize < 0 || p.PayloadOffset > p.Size-p.PayloadSize:
		return fmt.Errorf("cannot put package %s: payload at %d of %d bytes does not lie in a zip of %d bytes", p.Digest, p.PayloadOffset, p.PayloadSize, p.Size)
	}
	return nil
}
