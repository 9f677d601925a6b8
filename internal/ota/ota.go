// Package ota makes packages of images, full and incremental, and proves them.
//
// A package is an OTA zip (android/otazip) with a payload (android/payload). A
// full one carries every block; an incremental one says how the new blocks come
// from those of one other build: copied from where they lay, or patched. What
// goes into it follows from the images alone, so the same images and key give
// the same zip, byte for byte, whatever the machine and the number of workers.
//
// Nothing made here is trusted for having been made here: Prove verifies a
// finished zip as a phone would, applies it, and compares every partition. Only
// then may a package be published.
//
// A package for a phone that keeps firmware of its own (Options.Partial) is a partial
// update: its updater copies to the other slot what the payload lacks.
//
// The package does not build images (rom does) and decides nothing about who is
// offered what (fleet does).
package ota

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
)

const blockSize = 4096

// Image is a partition of a build.
type Image struct {
	Partition string
	FS        string      // "erofs", "ext4", or empty; a hint: what does not read as erofs is taken as bytes
	Content   io.ReaderAt // safe for use by many goroutines
	Size      int64       // whole blocks of 4096 bytes
	SHA256    [32]byte
}

// Side is one end of an update: a build and its images.
type Side struct {
	Build  catalog.Build
	Images []Image
	// Partial and Dynamic are what a package says that the images were taken out of: what
	// Options say of its phone.
	Partial bool
	Dynamic *payload.Dynamic
}

func (s *Side) image(partition string) *Image {
	for i := range s.Images {
		if s.Images[i].Partition == partition {
			return &s.Images[i]
		}
	}
	return nil
}

// Open makes a Side of a build whose images lie in blobs. Close closes them.
func Open(blobs *blob.Store, b catalog.Build) (side Side, close func(), err error) {
	var opened []*blob.Blob
	close = func() {
		for _, b := range opened {
			b.Close()
		}
	}
	side.Build = b
	for _, p := range b.Images {
		content, err := blobs.OpenRef(blob.Ref{Digest: p.Digest, Size: p.Size})
		if err != nil {
			close()
			return Side{}, nil, fmt.Errorf("cannot open image %s of %s %s: %w", p.Name, b.Device, b.Version, err)
		}
		opened = append(opened, content)
		side.Images = append(side.Images, Image{Partition: p.Name, FS: p.FS, Content: content, Size: p.Size, SHA256: p.Digest})
	}
	return side, close, nil
}

// Options of Full and Incremental.
type Options struct {
	Signer   crypto.Signer     // signs payload and zip
	Cert     *x509.Certificate // Signer's
	Blobs    *blob.Store       // keeps compressed chunks and patches by content; nil: nothing is kept
	Workers  int               // at once; 0: GOMAXPROCS
	Memory   int64             // bytes that patches being made may take together; 0: 1 GiB
	TempDir  string            // for the payload's data while it is made; "": the system's
	Dynamic  *payload.Dynamic  // of the super partition, as DynamicOf has it; nil: none
	OneSlot  *OneSlot          // the phone has one slot: a block-based package for recovery; nil: one with a payload
	Partial  bool              // the phone has firmware that builds leave to it: its updater copies what the payload lacks
	Progress func(done, total int)
}

// Full writes a full package to f, which must be empty.
func Full(ctx context.Context, f otazip.File, to Side, o Options) (catalog.Package, error) {
	if err := to.check("to", o.OneSlot != nil); err != nil {
		return catalog.Package{}, err
	}
	m := newMaker(o)
	if m.OneSlot != nil {
		p, err := m.oneSlot(ctx, f, nil, to)
		if err != nil {
			return catalog.Package{}, fmt.Errorf("cannot make full package of %s %s: %w", to.Build.Device, to.Build.Version, err)
		}
		return p, nil
	}
	var parts []payload.PlanPart
	for i := range to.Images {
		img := &to.Images[i]
		part := newPart(img)
		part.Ops = m.fullOps(ctx, img)
		parts = append(parts, part)
	}
	p, err := m.write(ctx, f, nil, to, payload.Plan{MinorVersion: 0, Parts: parts})
	if err != nil {
		return catalog.Package{}, fmt.Errorf("cannot make full package of %s %s: %w", to.Build.Device, to.Build.Version, err)
	}
	return p, nil
}

// incrementalMinor suits Android 10 and later.
const incrementalMinor = 6

// Incremental writes to f, which must be empty, a package that makes to out of
// from. It refuses what a phone would refuse or would wipe its data for.
func Incremental(ctx context.Context, f otazip.File, from, to Side, o Options) (catalog.Package, error) {
	if err := checkPair(from, to, o.OneSlot != nil); err != nil {
		return catalog.Package{}, err
	}
	m := newMaker(o)
	if m.OneSlot != nil {
		p, err := m.oneSlot(ctx, f, &from, to)
		if err != nil {
			return catalog.Package{}, fmt.Errorf("cannot make incremental package of %s from %s to %s: %w", to.Build.Device, from.Build.Version, to.Build.Version, err)
		}
		return p, nil
	}
	var parts []payload.PlanPart
	for i := range to.Images {
		img := &to.Images[i]
		part := newPart(img)
		var err error
		if old := from.image(img.Partition); old == nil {
			part.Ops = m.fullOps(ctx, img)
		} else {
			part.Old, part.OldSize, part.OldSHA256 = old.Content, old.Size, old.SHA256[:]
			part.Ops, part.Extra, err = m.delta(ctx, old, img)
		}
		if err != nil {
			return catalog.Package{}, fmt.Errorf("cannot make incremental package: partition %q: %w", img.Partition, err)
		}
		parts = append(parts, part)
	}
	p, err := m.write(ctx, f, &from, to, payload.Plan{MinorVersion: incrementalMinor, Parts: parts})
	if err != nil {
		return catalog.Package{}, fmt.Errorf("cannot make incremental package of %s from %s to %s: %w", to.Build.Device, from.Build.Version, to.Build.Version, err)
	}
	return p, nil
}

func newPart(img *Image) payload.PlanPart {
	return payload.PlanPart{Name: img.Partition, New: img.Content, NewSize: img.Size, NewSHA256: img.SHA256[:]}
}

// check says what is missing for a package.
func (s *Side) check(name string, oneSlot bool) error {
	b := &s.Build
	switch {
	case b.Device == "" || b.Incremental == "" || b.Timestamp <= 0:
		return fmt.Errorf("cannot make package: %s: device %q, incremental %q and timestamp %d must all be known", name, b.Device, b.Incremental, b.Timestamp)
	case len(s.Images) == 0:
		return fmt.Errorf("cannot make package: %s: %s %s has no images", name, b.Device, b.Version)
	}
	seen := map[string]bool{}
	for _, img := range s.Images {
		if seen[img.Partition] {
			return fmt.Errorf("cannot make package: %s: partition %q is there twice", name, img.Partition)
		}
		seen[img.Partition] = true
		if img.Size <= 0 || img.Size%blockSize != 0 && !(oneSlot && img.FS == "") {
			return fmt.Errorf("cannot make package: %s: partition %q has %d bytes, expected whole blocks of %d", name, img.Partition, img.Size, blockSize)
		}
	}
	return nil
}

// checkPair refuses updates that must never be offered.
func checkPair(from, to Side, oneSlot bool) error {
	if err := from.check("from", oneSlot); err != nil {
		return err
	}
	if err := to.check("to", oneSlot); err != nil {
		return err
	}
	a, b := &from.Build, &to.Build
	fail := func(format string, args ...any) error {
		return fmt.Errorf("cannot make incremental package from %s to %s: %w", a.Version, b.Version, fmt.Errorf(format, args...))
	}
	switch {
	case a.Device != b.Device:
		return fail("one is for device %q, the other for %q", a.Device, b.Device)
	case a.Variant != b.Variant:
		return fail("one is for variant %q, the other for %q", a.Variant, b.Variant)
	case b.Timestamp < a.Timestamp:
		return fail("the timestamp falls from %d to %d; phones refuse an older build", a.Timestamp, b.Timestamp)
	case b.PatchLevel < a.PatchLevel:
		return fail("the security patch level falls from %s to %s; unlocked phones would install it and wipe the data", a.PatchLevel, b.PatchLevel)
	case b.RollbackIndex < a.RollbackIndex:
		return fail("the rollback index falls from %d to %d; a locked phone would not boot it", a.RollbackIndex, b.RollbackIndex)
	}
	return nil
}

// metadata is what a zip between two builds must say.
func metadata(from *Side, to Side) otazip.Metadata {
	b := &to.Build
	m := otazip.Metadata{
		OTAType:              "AB",
		PreDevice:            []string{b.Device},
		PostBuild:            fingerprint(b),
		PostBuildIncremental: b.Incremental,
		PostTimestamp:        b.Timestamp,
		PostSecurityPatch:    b.PatchLevel,
	}
	if b.SDK > 0 {
		m.PostSDKLevel = strconv.Itoa(b.SDK)
	}
	if from != nil {
		m.PreBuild, m.PreBuildIncremental = fingerprint(&from.Build), from.Build.Incremental
	}
	return m
}

// fingerprint names the build where it has no fingerprint of its own.
func fingerprint(b *catalog.Build) string {
	if b.Fingerprint != "" {
		return b.Fingerprint
	}
	return b.Device + ":" + b.Incremental
}

// write writes the zip and fills in all that catalog wants to know but
// ProvenAt, which is for whoever proved it.
func (m *maker) write(ctx context.Context, f otazip.File, from *Side, to Side, plan payload.Plan) (catalog.Package, error) {
	if m.Signer == nil || m.Cert == nil {
		return catalog.Package{}, errors.New("it needs a key and its certificate; no phone takes an unsigned one")
	}
	if err := m.snapshots(ctx, &plan, from, to); err != nil {
		return catalog.Package{}, err
	}
	if err := m.leaveOut(&plan, to); err != nil {
		return catalog.Package{}, err
	}
	plan.MaxTimestamp = to.Build.Timestamp
	plan.SecurityPatchLevel = to.Build.PatchLevel
	plan.Dynamic = m.Dynamic
	plan.TempDir, plan.Workers, plan.Progress = m.TempDir, m.Workers, m.Progress
	info, err := otazip.Write(ctx, f, otazip.Contents{
		Metadata: metadata(from, to),
		Payload: func(w io.Writer) (string, error) {
			p, err := payload.Write(ctx, w, plan, m.Signer)
			return p.Text(), err
		},
	}, m.Signer, m.Cert)
	if err != nil {
		return catalog.Package{}, err
	}
	p := catalog.Package{
		Digest:        info.SHA256,
		Size:          info.Size,
		Kind:          catalog.Full,
		Device:        to.Build.Device,
		To:            to.Build.ID,
		File:          fileName(from, to),
		PayloadOffset: info.PayloadOffset,
		PayloadSize:   info.PayloadSize,
		Properties:    info.Properties,
		PropertyFiles: info.PropertyFiles,
		ProvenAt:      time.Time{},
	}
	if from != nil {
		p.Kind, p.From = catalog.Incremental, from.Build.ID
	}
	return p, nil
}

// fileName is the name under which a package is offered: letters that every
// file system and URL takes.
func fileName(from *Side, to Side) string {
	parts := []string{"friday", to.Build.Device, to.Build.Incremental, "full"}
	if from != nil {
		parts = []string{"friday", to.Build.Device, from.Build.Incremental, "to", to.Build.Incremental}
	}
	clean := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}
	return strings.Map(clean, strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "-")) + ".zip"
}
