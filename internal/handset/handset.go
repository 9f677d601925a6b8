// Package handset is a virtual phone whose whole state lies in a folder.
//
// It stands in for real hardware where a proof is wanted: it has two slots, an
// AVB key fused in, stored rollback indexes, user data, a boot loader that
// tries a new slot three times, and an update agent. Or it has super once, with
// copy-on-write snapshots over it while it updates (virtual A/B). Or it has one
// slot, and a recovery that runs block-based packages over the system, and what
// Verified Boot 1 checks where it has that. It imports only the
// android packages and package wire, so it can know of a build only what a
// phone would: bytes that came over the wire and signatures over them.
//
// What it is not: an emulator. "Android" here is the part of a start that can
// be decided from the images: the vbmeta chain, every block of every hash
// tree, an init that is there, labelled and executable, and properties that
// name this device.
//
// The rules are those of AOSP: libavb (avb_slot_verify.c) for the chain,
// libboot_control for slots, update_engine's delta_performer and
// payload_metadata for packages, and the boot profile of the device
// (package bootprofile). Where the phone's own checks are weaker than one
// hopes (an older patch level installs and wipes the data on a phone
// with a key of its owner's), Sideload behaves like the phone, and the agent's
// round (Run) refuses.
//
// Every step is durable before the next begins. A handset whose process is
// killed at any moment boots a whole, verified system and goes on with its
// update where it was.
package handset

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/wire"
)

// Identity is what does not change about a phone: its hardware, and what its
// owner chose once.
type Identity struct {
	Device  string              `json:"device"` // codename
	Variant string              `json:"variant,omitempty"`
	Profile bootprofile.Profile `json:"profile"`
	Channel string              `json:"channel"`
	Region  string              `json:"region,omitempty"`
	Carrier string              `json:"carrier,omitempty"`
	Bucket  int                 `json:"bucket"` // 0 to wire.Buckets-1, drawn once
	// Partitions are the sizes in bytes of those that the phone has; none: whatever
	// is flashed fits.
	Partitions map[string]int64 `json:"partitions,omitempty"`
	Super      *Super           `json:"super,omitempty"` // of a phone with virtual A/B
}

// Phone is one handset. It is not safe for concurrent use, and one process at
// a time may open its folder.
type Phone struct {
	dir string
	id  Identity
	st  state
	now func() time.Time
	log func(string)
}

// New makes a phone in dir, which must not hold one yet. key is the public key fused
// into it, as AVB encodes it; for Verified Boot 1 the certificate, in DER, of whose boot
// images it starts; nil for a phone that checks no key.
func New(dir string, id Identity, key []byte) (*Phone, error) {
	if err := id.check(key); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(filepath.Join(dir, "phone.json")); err == nil {
		return nil, fmt.Errorf("cannot make handset: %s already holds one", dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot make handset: %w", err)
	}
	for _, d := range []string{"slots/a", "slots/b", "super", "update", "outbox", "userdata"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fmt.Errorf("cannot make handset: %w", err)
		}
	}
	if key != nil {
		file := "avb_public_key.bin"
		if id.Profile.Trust == bootprofile.VerifiedBoot1 {
			file = certificateFile
		}
		if err := writeDurably(filepath.Join(dir, file), key); err != nil {
			return nil, err
		}
	}
	p := &Phone{dir: dir, id: id, st: newState(), now: time.Now, log: func(string) {}}
	if err := p.save(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("cannot make handset: %w", err)
	}
	// The identity is written last: a folder without it holds no phone.
	return p, writeDurably(filepath.Join(dir, "phone.json"), b)
}

// Open opens the phone in dir.
func Open(dir string) (*Phone, error) {
	p := &Phone{dir: dir, now: time.Now, log: func(string) {}}
	if err := readJSON(filepath.Join(dir, "phone.json"), &p.id); err != nil {
		return nil, fmt.Errorf("cannot open handset: %w", err)
	}
	if err := readJSON(filepath.Join(dir, "state.json"), &p.st); err != nil {
		return nil, fmt.Errorf("cannot open handset: %w", err)
	}
	key, err := p.fusedKey()
	if err != nil {
		return nil, err
	}
	if p.id.Profile.Trust == bootprofile.VerifiedBoot1 {
		cert, err := p.bootCertificate()
		if err != nil {
			return nil, fmt.Errorf("cannot open handset in %s: %w", dir, err)
		}
		if cert != nil {
			key = cert.Raw
		}
	}
	if err := p.id.check(key); err != nil {
		return nil, fmt.Errorf("cannot open handset in %s: %w", dir, err)
	}
	if err := p.st.check(); err != nil {
		return nil, err
	}
	return p, p.sweep()
}

// sweep removes what a kill in the middle of a write has left aside.
func (p *Phone) sweep() error {
	for _, dir := range []string{".", "slots/a", "slots/b", "super", "update", "outbox", "userdata"} {
		left, err := filepath.Glob(p.path(dir, ".new-*"))
		if err != nil {
			return fmt.Errorf("cannot open handset: %w", err)
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("cannot open handset: %w", err)
			}
		}
	}
	return nil
}

// SetClock replaces the phone's clock, which decides when a day has passed.
func (p *Phone) SetClock(now func() time.Time) { p.now = now }

// SetLog makes the phone tell fn, in one line each, what it does.
func (p *Phone) SetLog(fn func(line string)) { p.log = fn }

// Identity returns what does not change about the phone.
func (p *Phone) Identity() Identity { return p.id }

func (p *Phone) logf(format string, args ...any) { p.log(fmt.Sprintf(format, args...)) }

func (p *Phone) path(elem ...string) string {
	return filepath.Join(append([]string{p.dir}, elem...)...)
}

// image is the file of a partition; of one in super, whatever the slot, what lies
// under the snapshots.
func (p *Phone) image(slot, partition string) string {
	if p.logical(partition) {
		return p.path("super", partition+".img")
	}
	return p.path("slots", slot, partition+".img")
}

func (p *Phone) fusedKey() ([]byte, error) {
	b, err := os.ReadFile(p.path("avb_public_key.bin"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read fused key: %w", err)
	}
	return b, nil
}

func (id Identity) check(avbKey []byte) error {
	if !wire.IsCodename(id.Device) {
		return fmt.Errorf("cannot make handset: its device is %q, expected a codename such as \"umi\"", id.Device)
	}
	if id.Bucket < 0 || id.Bucket >= wire.Buckets {
		return fmt.Errorf("cannot make handset: bucket is %d, expected 0 to %d", id.Bucket, wire.Buckets-1)
	}
	if err := id.Profile.Check(); err != nil {
		return err
	}
	if err := id.Super.check(id.Profile.Slots); err != nil {
		return err
	}
	for name, size := range id.Partitions {
		if !bootprofile.IsPartition(name) || size <= 0 || size > maxPartition {
			return fmt.Errorf("cannot make handset: partition %q has %d bytes, expected a name and 1 to %d", name, size, int64(maxPartition))
		}
	}
	switch id.Profile.Trust {
	case bootprofile.CustomKey:
		if len(avbKey) == 0 {
			return errors.New("cannot make handset: its boot profile trusts a custom key, and no AVB public key was given")
		}
	case bootprofile.Unlocked:
		if len(avbKey) != 0 {
			return errors.New("cannot make handset: an unlocked phone checks no AVB key, but one was given")
		}
	case bootprofile.None:
		if id.Profile.Slots != bootprofile.Single || len(avbKey) != 0 {
			return fmt.Errorf("cannot make handset: trust %s is that of phones with one slot and without an AVB key", id.Profile.Trust)
		}
	case bootprofile.VerifiedBoot1:
		if avbKey == nil {
			break // unlocked
		}
		cert, err := x509.ParseCertificate(avbKey)
		if err != nil {
			return fmt.Errorf("cannot make handset: its boot profile has trust %s, expected a certificate in DER or none: %w", id.Profile.Trust, err)
		}
		if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
			return fmt.Errorf("cannot make handset: the certificate %s has a key of %v, expected RSA", cert.Subject, cert.PublicKeyAlgorithm)
		}
	}
	return nil
}
