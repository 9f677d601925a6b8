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
	// Layout is the map of where its files lie, which the next build of the device
	// keeps to; zero where there is none.
	Layout blob.Digest `json:"layout,omitzero"`
}

// Stock is a vendor's firmware package for a device, taken in once.
type Stock struct {
	Digest      blob.Digest `json:"digest"` // of the package as the vendor gave it
	Device      string      `json:"device"`
	Fingerprint string      `json:"fingerprint"`
	Incremental string      `json:"incremental"`
	PatchLevel  string      `json:"patch_level"` // YYYY-MM-DD
	Release     string      `json:"release"`     // Android version: "15"
	SDK         int         `json:"sdk"`
	Timestamp   int64       `json:"timestamp"` // ro.build.date.utc
	Partitions  []Partition `json:"partitions"`
	Index       blob.Digest `json:"index"` // tree.Index of all files, as JSON
	AddedAt     time.Time   `json:"added_at"`
}

// Build is the images of one device at one version.
type Build struct {
	ID            string      `json:"id"` // BuildID of the fields below
	Device        string      `json:"device"`
	Variant       string      `json:"variant"` // the only one it may be offered to; empty: all
	Version       string      `json:"version"` // of the release: "26.11.27"
	Commit        string      `json:"commit"`  // of the OS repository
	Fingerprint   string      `json:"fingerprint"`
	Incremental   string      `json:"incremental"` // ro.build.version.incremental
	PatchLevel    string      `json:"patch_level"` // YYYY-MM-DD
	SDK           int         `json:"sdk"`
	Timestamp     int64       `json:"timestamp"` // ro.build.date.utc: the commit's time
	RollbackIndex uint64      `json:"rollback_index"`
	VBMetaDigest  string      `json:"vbmeta_digest"` // hex; empty where there is none
	Stock         blob.Digest `json:"stock"`
	Images        []Partition `json:"images"`
	Report        blob.Digest `json:"report"` // which layer owns each path, as JSON
	CreatedAt     time.Time   `json:"created_at"`
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
	Digest        blob.Digest `json:"digest"` // of the whole zip
	Size          int64       `json:"size"`
	Kind          string      `json:"kind"` // Full or Incremental
	Device        string      `json:"device"`
	From          string      `json:"from"`
	To            string      `json:"to"`             // build IDs; From is empty for a full package
	File          string      `json:"file"`           // name under which it is offered
	PayloadOffset int64       `json:"payload_offset"` // of payload.bin inside the zip
	PayloadSize   int64       `json:"payload_size"`
	Properties    string      `json:"properties"`     // payload_properties.txt
	PropertyFiles string      `json:"property_files"` // ota-property-files of the metadata
	ProvenAt      time.Time   `json:"proven_at"`
}

// Release is the week's edition over all devices.
type Release struct {
	Name   string            `json:"name"`   // "26.11.27", a respin "26.11.27.1"
	Commit string            `json:"commit"` // of the OS repository
	Fixes  []int64           `json:"fixes"`
	Notes  string            `json:"notes"`
	CutAt  time.Time         `json:"cut_at"`
	Builds map[string]string `json:"builds"` // device to build ID; grows
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
