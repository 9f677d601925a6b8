// Package stocktest makes realistic stock firmware for tests and the demo, in the
// packaging of five vendors: an A/B OTA zip as a phone's vendor publishes it, with
// system (erofs, laid out as system-as-root), boot (header version 4) and vbmeta,
// signed by the vendor's own keys; and, by Spec.Maker, a fastboot .tgz, Odin's
// .tar.md5 files, an .ftf, a RUU.
//
// The firmware is made of nothing but its Spec: the same one gives the same
// bytes on every machine, and two that differ in Version alone differ in few
// files. Names, owners, modes, labels, capabilities and sizes follow those of
// Android images; the programs inside do not run. It is no substitute for a
// vendor's firmware where it matters what is in the files: lay real ones over
// it with Spec.Extra.
package stocktest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// Spec says what firmware to make. Zero values are replaced by those of
// Default.
type Spec struct {
	Maker      Maker // "": Xiaomi
	Seed       uint64
	Device     string // codename: ro.product.device
	Brand      string // ro.product.brand
	Model      string // ro.product.model
	Version    string // ro.build.version.incremental
	PatchLevel string // ro.build.version.security_patch, YYYY-MM-DD
	Timestamp  int64  // ro.build.date.utc
	Files      int    // regular files in system, about
	Bytes      int64  // size of all files in system, about
	FECRoots   int    // of hash trees; 0: they have no error correction
	Verity     Verity // of phones with one slot and ext4; "": as the maker's has it
	LZ4        int    // blocks of a cluster of erofs; 0: its content is not compressed
	Frames     bool   // Samsung's images lie in LZ4 frames, as since Android 8
	Vendor     bool   // a partition vendor beside system, also where the maker's phone has none
	Modem      bool   // a partition modem, which is the firmware's own: no file system, and no vbmeta describes it
	// Extra is laid over system's root: what it has wins. Nodes without a label
	// get the one that their place has.
	Extra *tree.Node

	of *phone // what the maker's firmware is for
}

// Default is the firmware that the demo starts from.
func Default() Spec {
	return Spec{
		Seed: 1, Device: "umi", Brand: "Xiaomi", Model: "Mi 10", Version: "V14.0.4.0.TJBMIXM",
		PatchLevel: "2026-09-01", Timestamp: 1788220800, Files: 3000, Bytes: 72 << 20,
	}
}

// Verity is what a phone has of Verified Boot 1.
type Verity string

const (
	VerityNone Verity = "none"
	Verity6    Verity = "6" // metadata before the hash tree, as Android 4.4 to 6 have it
	Verity7    Verity = "7" // behind it, as Android 7 does, and then error correction
)

// Limits of a Spec.
const (
	minFiles = 200
	maxFiles = 100_000
	maxBytes = 8 << 30
)

func (s Spec) filled() (Spec, error) {
	p, err := s.phone()
	if err != nil {
		return s, err
	}
	d := Default()
	d.Device, d.Brand, d.Model, d.Version, d.PatchLevel, d.Timestamp = p.device, p.brand, p.model, p.version, p.patch, p.timestamp
	if s.Vendor && !slices.Contains(p.more, "vendor") {
		p.more = append(slices.Clone(p.more), "vendor")
	}
	s.of = &p
	for _, f := range []struct {
		to   *string
		from string
	}{{&s.Device, d.Device}, {&s.Brand, d.Brand}, {&s.Model, d.Model}, {&s.Version, d.Version}, {&s.PatchLevel, d.PatchLevel}} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if s.Timestamp == 0 {
		s.Timestamp = d.Timestamp
	}
	if s.Files == 0 {
		s.Files = d.Files
	}
	if s.Bytes == 0 {
		s.Bytes = int64(s.Files) * (d.Bytes / int64(d.Files))
	}
	if s.Files < minFiles || s.Files > maxFiles || s.Bytes > maxBytes {
		return s, fmt.Errorf("%d files of %d bytes are asked for, expected %d to %d files and at most %d bytes", s.Files, s.Bytes, minFiles, maxFiles, int64(maxBytes))
	}
	s.Verity = cmp.Or(s.Verity, p.verity, VerityNone)
	if one := p.fs == "ext4" && !p.avb; !slices.Contains([]Verity{VerityNone, Verity6, Verity7}, s.Verity) || !one && s.Verity != VerityNone || s.Verity == Verity6 && s.FECRoots > 0 {
		return s, fmt.Errorf("verity is %q with %d roots, expected %q, %q or, without error correction, %q, of a maker of phones with one slot", s.Verity, s.FECRoots, VerityNone, Verity7, Verity6)
	}
	if _, err := time.Parse(time.DateOnly, s.PatchLevel); err != nil && (s.PatchLevel != "" || p.patch != "") {
		return s, fmt.Errorf("patch level: %w", err)
	}
	return s, nil
}

// Write makes the firmware of s and writes it, packed as its maker does, to w,
// which must be empty. An OTA zip and its payload are signed by signer, whose
// certificate is cert; an RSA signer signs vbmeta too, any other leaves it
// unsigned. It signs boot images and verity tables of Verified Boot 1, for which it must
// be RSA of 2048 bits. Temporary files lie beside w.
func Write(ctx context.Context, w *os.File, s Spec, signer crypto.Signer, cert *x509.Certificate) error {
	if err := write(ctx, w, s, signer, cert); err != nil {
		return fmt.Errorf("cannot make stock firmware: %w", err)
	}
	return nil
}

func write(ctx context.Context, w *os.File, s Spec, signer crypto.Signer, cert *x509.Certificate) error {
	s, err := s.filled()
	if err != nil {
		return err
	}
	certs, err := otazip.WriteCerts([]*x509.Certificate{cert})
	if err != nil {
		return err
	}
	key, _ := signer.(*rsa.PrivateKey)
	parts, err := partitions(ctx, s, vendor{key, cert, certs})
	if err != nil {
		return err
	}
	switch s.Maker {
	case XiaomiFastboot:
		return writeFastboot(ctx, w, s, parts)
	case Samsung:
		return writeOdin(ctx, w, s, parts)
	case Sony:
		return writeFTF(w, s, parts)
	case HTC:
		return writeRUU(w, s, parts)
	}
	return writeOTA(ctx, w, s, parts, signer, cert)
}

// writeOTA packs an A/B OTA zip.
func writeOTA(ctx context.Context, w *os.File, s Spec, parts []partition, signer crypto.Signer, cert *x509.Certificate) error {
	plan := payload.Plan{MaxTimestamp: s.Timestamp, SecurityPatchLevel: s.PatchLevel, TempDir: filepath.Dir(w.Name())}
	for _, p := range parts {
		plan.Parts = append(plan.Parts, payload.PlanPart{
			Name: p.name, New: p.image, NewSize: p.image.Size(),
			Ops: payload.FullOps(p.image, p.image.Size(), quickly),
		})
	}
	_, err := otazip.Write(ctx, w, otazip.Contents{
		Metadata: otazip.Metadata{
			PreDevice: []string{s.Device}, PostBuild: s.Fingerprint(), PostBuildIncremental: s.Version,
			PostTimestamp: s.Timestamp, PostSecurityPatch: s.PatchLevel, PostSDKLevel: strconv.Itoa(s.of.sdk),
		},
		Payload: func(w io.Writer) (string, error) {
			p, err := payload.Write(ctx, w, plan, signer)
			if err != nil {
				return "", err
			}
			return p.Text(), nil
		},
	}, signer, cert)
	return err
}

// quickly packs only chunks that are mostly zeros: a vendor packs all, but nobody
// downloads this firmware, and xz takes most of a second for a chunk.
func quickly(chunk []byte) (payload.OpType, []byte, error) {
	zeros := 0
	for i := 0; i < len(chunk); i += 512 {
		if chunk[i] == 0 {
			zeros++
		}
	}
	if zeros > len(chunk)/1024 {
		return payload.Compress(chunk)
	}
	return payload.Replace, chunk, nil
}

// System is the tree of s's partition system, to lay a part of it over another's.
func System(s Spec) (*tree.Node, error) {
	s, err := s.filled()
	if err != nil {
		return nil, err
	}
	return s.systemTree(nil)
}
