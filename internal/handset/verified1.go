package handset

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/mincrypt"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
)

// Verified Boot 1, as phones up to Android 7 have it. The boot loader holds its owner's
// certificate, and starts boot and recovery signed by it; some would start others too,
// after a warning, which this one does not. Unlocked, it holds none. Then, whoever
// signed boot, init mounts through dm-verity what the fstab in its ramdisk says, by the
// key beside it.

// certificateFile is where a phone keeps whose boot images it starts.
const certificateFile = "boot_certificate.der"

// bootCertificate is whose boot images the boot loader starts; nil: anybody's.
func (p *Phone) bootCertificate() (*x509.Certificate, error) {
	b, err := os.ReadFile(p.path(certificateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read boot certificate: %w", err)
	}
	return x509.ParseCertificate(b)
}

// verifyBoot is what the boot loader checks of boot or recovery before it starts it.
func (p *Phone) verifyBoot(partition string) error {
	if p.id.Profile.Trust != bootprofile.VerifiedBoot1 {
		return nil
	}
	trusted, err := p.bootCertificate()
	if err != nil || trusted == nil {
		return err
	}
	fail := func(err error) error { return fmt.Errorf("cannot start %s (red): %w", partition, err) }
	f, err := os.Open(p.image("a", partition))
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	im, err := bootimg.Parse(f, fi.Size())
	if err != nil {
		return fail(err)
	}
	if im.Tail == nil {
		return fail(errors.New("there is no signature behind it"))
	}
	b := make([]byte, min(im.Tail.Size(), vb1.MaxSignature))
	if err := tree.ReadFull(im.Tail, b, 0); err != nil {
		return fail(err)
	}
	s, err := vb1.ParseSignature(b)
	if err != nil {
		return fail(err)
	}
	if key, ok := s.Certificate.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(trusted.PublicKey) {
		return fail(fmt.Errorf("it is signed by %s, this phone starts what %s signed", s.Certificate.Subject, trusted.Subject))
	}
	if err := s.Verify(f, fi.Size()-im.Tail.Size(), "/"+partition); err != nil {
		return fail(err)
	}
	return nil
}

// mount is what init checks of the partitions that it mounts: every block, as dm-verity
// does when it is read.
func (p *Phone) mount(ctx context.Context) error {
	ramdisk, err := p.ramdisk("boot")
	if err != nil {
		return nil // a phone whose root is in system may have none; who starts init says more
	}
	for _, e := range ramdisk.Entries {
		if !vb1.IsFstab(e.Name) || e.Node.Type != tree.Regular {
			continue
		}
		text, err := content(ramdisk, e.Name, 1<<20)
		if err != nil {
			return err
		}
		mounts, err := vb1.ParseFstab(text)
		if err != nil {
			return err
		}
		for _, m := range mounts {
			if !m.Verify {
				continue
			}
			if err := p.mountVerified(ctx, m, ramdisk); err != nil {
				return fmt.Errorf("cannot mount %s: %w", m.Point, err)
			}
		}
	}
	return nil
}

func (p *Phone) mountVerified(ctx context.Context, m vb1.Mount, ramdisk *tree.Node) error {
	if !bootprofile.IsPartition(m.Partition()) {
		return fmt.Errorf("there is no %s", m.Device)
	}
	f, err := os.Open(p.image("a", m.Partition()))
	if err != nil {
		return err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	im, err := ext4.Open(f, fi.Size())
	if err != nil {
		return err
	}
	meta, err := vb1.Find(f, im.Info().Size, fi.Size())
	if err != nil {
		return err
	}
	if meta == nil {
		return errors.New("there is no verity metadata behind its file system, and fstab has it verified")
	}
	if meta.Disabled {
		return nil
	}
	if meta.Table.Device != m.Device {
		return fmt.Errorf("its verity table is of %s, expected %s", meta.Table.Device, m.Device)
	}
	text, err := content(ramdisk, "verity_key", 1<<16)
	if err != nil {
		return err
	}
	key, err := vb1.ParseKey(text)
	if err != nil {
		return err
	}
	return meta.Verify(ctx, f, fi.Size(), key)
}

// trusted is whose packages are taken.
type trusted struct {
	certs []*x509.Certificate // of otacerts.zip
	keys  []crypto.PublicKey  // of /res/keys
}

// recoveryTrusts reads whose packages recovery takes: those of /res/keys, where it has
// that, as recoveries up to Android 9 do; else of the place that the boot profile names.
func (p *Phone) recoveryTrusts(ramdisk *tree.Node) (trusted, error) {
	const keys = "res/keys"
	where := ""
	for _, place := range p.id.Profile.UpdateCertificates {
		if partition, path, _ := strings.Cut(place, ":"); partition == "recovery" && where == "" {
			where = path
		}
	}
	if n := ramdisk.Lookup(keys); n != nil && n.Type == tree.Regular {
		where = keys
	}
	if where == "" {
		return trusted{}, fmt.Errorf("recovery trusts nobody: there is no /%s, and the boot profile names no place in recovery, only %q", keys, []string(p.id.Profile.UpdateCertificates))
	}
	b, err := content(ramdisk, where, 1<<20)
	if err != nil {
		return trusted{}, fmt.Errorf("recovery: %w", err)
	}
	if bytes.HasPrefix(b, []byte("PK")) {
		certs, err := otazip.ReadCerts(bytes.NewReader(b), int64(len(b)))
		return trusted{certs: certs}, err
	}
	list, err := mincrypt.ParseKeys(b)
	if err != nil {
		return trusted{}, fmt.Errorf("recovery: %w", err)
	}
	var t trusted
	for _, k := range list {
		if k.Hash == crypto.SHA256 { // packages have no other
			t.keys = append(t.keys, k.Public)
		}
	}
	if len(t.keys) == 0 {
		return t, fmt.Errorf("recovery trusts nobody: /%s has %d keys, none of them for SHA-256", where, len(list))
	}
	return t, nil
}
