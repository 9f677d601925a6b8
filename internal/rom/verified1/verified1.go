// Package verified1 says what a stock without vbmeta has of Verified Boot 1, and proves that
// what was built over it has the same, by the OS's key. It makes and signs nothing
// (package rom does); the formats are android/vb1's.
package verified1

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/editing"
)

// VerityKey is the file in a ramdisk by which init believes tables.
const VerityKey = "verity_key"

// Stock is what a stock without vbmeta has of Verified Boot 1.
type Stock struct {
	Verity map[string]*vb1.Metadata  // behind file systems, by partition
	Signed map[string]*vb1.Signature // behind boot images
	Keyed  map[string]bool           // boot images with /verity_key
	Listed map[string]bool           // boot images with /res/keys
	Mounts map[string]vb1.Mount      // that the fstab in boot names, by partition
}

// Has says whether there is anything that a phone checks.
func (s Stock) Has() bool { return len(s.Verity)+len(s.Signed)+len(s.Keyed) > 0 }

// Anew says whether a boot image has keys or signatures that must be the OS's.
func (s Stock) Anew(partition string) bool {
	return s.Keyed[partition] || s.Listed[partition] || s.Signed[partition] != nil
}

// Read looks for it in the partitions of a stock.
func Read(partitions []catalog.Partition, open func(catalog.Partition) (*blob.Blob, error)) (Stock, error) {
	s := Stock{map[string]*vb1.Metadata{}, map[string]*vb1.Signature{}, map[string]bool{}, map[string]bool{}, map[string]vb1.Mount{}}
	for _, p := range partitions {
		r, err := open(p)
		if err != nil {
			return s, err
		}
		switch p.FS {
		case "ext4":
			err = s.fileSystem(p.Name, r, r.Size())
		case "":
			err = s.bootImage(p.Name, r, r.Size())
		}
		if err != nil {
			return s, fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return s, nil
}

func (s Stock) fileSystem(name string, r io.ReaderAt, size int64) error {
	im, err := ext4.Open(r, size)
	if err != nil {
		return err
	}
	m, err := vb1.Find(r, im.Info().Size, size)
	if m != nil {
		s.Verity[name] = m
	}
	return err
}

func (s Stock) bootImage(name string, r io.ReaderAt, size int64) error {
	var first [8]byte
	if _, err := r.ReadAt(first[:], 0); err != nil || string(first[:]) != "ANDROID!" {
		return nil // modems and the like
	}
	im, err := bootimg.Parse(r, size)
	if err != nil {
		return nil // a boot image that is changed says so itself
	}
	if sig := signatureOf(im); sig != nil {
		s.Signed[name] = sig
	}
	root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil {
		return nil // some have none
	}
	if isFile(root, VerityKey) {
		s.Keyed[name] = true
	}
	if isFile(root, editing.RecoveryKeys) {
		s.Listed[name] = true
	}
	if name != "boot" {
		return nil
	}
	for _, e := range root.Entries {
		if !vb1.IsFstab(e.Name) || e.Node.Type != tree.Regular {
			continue
		}
		text := make([]byte, min(e.Node.Size, 1<<20))
		if len(text) > 0 {
			if err := tree.ReadFull(e.Node.Content, text, 0); err != nil {
				return err
			}
		}
		mounts, err := vb1.ParseFstab(text)
		if err != nil {
			return fmt.Errorf("ramdisk: %s: %w", e.Name, err)
		}
		for _, m := range mounts {
			if have, ok := s.Mounts[m.Partition()]; !ok || m.Verify && !have.Verify {
				s.Mounts[m.Partition()] = m
			}
		}
	}
	return nil
}

func isFile(root *tree.Node, path string) bool {
	n := root.Lookup(path)
	return n != nil && n.Type == tree.Regular
}

// signatureOf is what stands behind a boot image's sections; nil if it is none.
func signatureOf(im *bootimg.Image) *vb1.Signature {
	if im.Tail == nil {
		return nil
	}
	b := make([]byte, min(im.Tail.Size(), vb1.MaxSignature))
	if err := tree.ReadFull(im.Tail, b, 0); err != nil {
		return nil
	}
	s, err := vb1.ParseSignature(b)
	if err != nil {
		return nil // a vendor's own
	}
	return s
}

// ProveVerity verifies a file system of a build as a phone does, which trusts key, and that
// its verity has the shape of the stock's. known says, once the signature was checked,
// whether the rest has been verified before.
func (s Stock) ProveVerity(ctx context.Context, name string, r *blob.Blob, key *rsa.PublicKey, known func() bool) error {
	was := s.Verity[name]
	im, err := ext4.Open(r, r.Size())
	if err != nil {
		return err
	}
	m, err := vb1.Find(r, im.Info().Size, r.Size())
	switch {
	case err != nil:
		return err
	case m == nil:
		return errors.New("there is no verity metadata behind the file system")
	case m.TreeFirst() != was.TreeFirst() || m.FEC.Roots != was.FEC.Roots || m.Disabled != was.Disabled:
		return errors.New("its verity has another shape than the stock's")
	}
	if err := m.SignedBy(key); err != nil {
		return err
	}
	if known() {
		return nil
	}
	if m.FEC.Roots > 0 {
		if err := m.VerifyFEC(ctx, r); err != nil {
			return err
		}
	}
	return m.VerifyTree(ctx, r, r.Size())
}

// ProveBoot verifies a boot image of a build, whose signature is by cert and whose ramdisk
// has cert's key where the stock's has the vendor's.
func (s Stock) ProveBoot(name string, r *blob.Blob, cert *x509.Certificate) error {
	im, err := bootimg.Parse(r, r.Size())
	if err != nil {
		return err
	}
	if was := s.Signed[name]; was != nil {
		sig := signatureOf(im)
		if sig == nil || !sig.Certificate.Equal(cert) {
			return errors.New("there is no signature of ours behind it")
		}
		if err := sig.Verify(r, r.Size()-im.Tail.Size(), was.Target); err != nil {
			return err
		}
	}
	if !s.Keyed[name] {
		return nil
	}
	root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil {
		return err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	n := root.Lookup(VerityKey)
	if !ok || n == nil {
		return errors.New("there is no /verity_key in its ramdisk, or the OS's is none")
	}
	have := make([]byte, n.Size)
	if err := tree.ReadFull(n.Content, have, 0); err != nil {
		return err
	}
	if want, err := vb1.EncodeKey(key); err != nil || !bytes.Equal(have, want) {
		return errors.Join(errors.New("/verity_key is not the OS's"), err)
	}
	return nil
}
