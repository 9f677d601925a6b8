// Package rom turns stock firmware and the layers of an OS repository into the
// images of a build.
//
// Build reads the stock's partitions from the blob store, applies what
// osrepo.Plan says, writes each file system anew, hashes it, and signs a vbmeta
// over the whole with the OS's AVB key. It does not make packages (package ota
// does), and it decides nothing about who gets a build. A Report says which layer
// owns each path, what stays the vendor's, and what wipes a phone.
//
// # The same bytes every time
//
// The images depend on nothing but the stock's bytes, the commit, the version,
// the AVB key, the update certificate and the layout maps of the build before: not
// on the time, the machine, the folder or the number of cores.
//
//   - Files of stock keep their times. What a layer or Friday itself writes,
//     build.prop and otacerts.zip included, has the time of the commit that is
//     built, which is ro.build.date.utc too. A folder keeps its time. In ramdisks,
//     of which Linux keeps no times, it is 0.
//   - The salt of a hash tree is the same everywhere, so that a block's digest is
//     computed once for all devices; the UUID of a file system is derived from
//     the device and the partition. AOSP takes the fingerprint as salt, and with
//     it every block of the tree changes every week.
//   - Folders that lose their last file stay.
//
// # What Friday writes by itself
//
// In build.prop of system, edited in place: ro.build.version.incremental (the
// version: it is what names the build on the phone), ro.build.date.utc and
// ro.build.date, ro.friday.version, ro.friday.channel and ro.friday.update_url.
// The fingerprint stays the stock's. otacerts.zip, in each place that the boot
// profile names, holds the OS's certificate and no other, so that a phone takes
// the OS's updates and the vendor's no more.
//
// vbmeta lists what the stock's listed, with our descriptors for the partitions
// that were written anew. A partition that the vendor's vbmeta delegates to a key
// of its own stays delegated while it is untouched. Once one of its partitions is
// rebuilt, a vbmeta_system or vbmeta_vendor is made anew and delegated to by our
// key, at the vendor's rollback location and with no lower index; what a boot or
// system partition listed in its own footer moves into the top vbmeta. The flags
// that boot.vbmeta_flags names go into the top vbmeta of an unlocked phone.
//
// A partition of firmware that device.yaml has the phone keep is in no build, unless the
// stock's vbmeta describes it: then there is none.
//
// # Verified Boot 1
//
// Where the stock has no vbmeta, what Android 7 and older check is made anew wherever
// the stock has it, whatever the boot loader looks at: the hash tree and the signed table
// behind file systems, in the stock's order and with its error correction; the signature
// behind boot images; /verity_key in ramdisks. All by the OS's verity key, so that a
// partition whose files stay the stock's has its table signed anew. Whether init
// verifies a file system is said by the stock's fstab, which stays. A file system keeps
// the stock's size while its files fit, and grows within the partition that device.yaml
// says; what Android 7 looks for at the partition's end goes there. A recovery that has
// whose updates it takes in /res/keys (Android 9 and older) gets the OS's key there.
//
// # Limits
//
// Stock comes in any packaging that package firmware reads. File systems are
// EROFS, plain or with LZ4, and ext4; they keep the features of the stock's, and
// hash trees their error correction (FEC). What is written otherwise, as LZ4 for
// LZMA, is in the report. Images are made for Verified Boot 2.0 and 1, and for phones
// whose boot loader verifies nothing. Of Verified Boot 1 on phones with two slots, whose
// kernel has the key, nothing is made.
package rom

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
)

// Input is all that a build depends on.
type Input struct {
	Snapshot *osrepo.Snapshot
	Device   string // codename
	Stock    catalog.Stock
	Version  string // "26.11.27"
	Blobs    *blob.Store
	AVB      *rsa.PrivateKey
	// Verity is the key for phones with Verified Boot 1, RSA of 2048 bits, and its
	// certificate; nil where there is none, which stocks without it do not mind.
	Verity     *rsa.PrivateKey
	VerityCert *x509.Certificate
	UpdateCert *x509.Certificate
	// AppKey is the key of UpdateCert; RSA; it signs the overlays that layers bring, and
	// may be nil where none does.
	AppKey crypto.Signer
	// Before is the build of the same device whose layout maps this one keeps to, so
	// that the way from the one to the other is short; nil: files are laid afresh.
	// Only the maps count: without the images of that build the same bytes are made,
	// more slowly.
	Before *catalog.Build
	// Note may be nil. It is told what was written of each partition made anew.
	Note func(Written)
	// Progress may be nil. It is called by one goroutine at a time with what is
	// being done and how many bytes of it are.
	Progress func(step string, done, total int64)
}

func (in *Input) check() error {
	switch {
	case in.Snapshot == nil || in.Blobs == nil:
		return fmt.Errorf("input: snapshot and blobs must be given")
	case in.AVB == nil:
		return fmt.Errorf("input: the AVB key is missing")
	case in.UpdateCert == nil:
		return fmt.Errorf("input: the update certificate is missing; without it the next update would not be trusted")
	case in.Version == "" || len(in.Version) > 64:
		return fmt.Errorf("input: version %q has %d bytes, expected 1 to 64", in.Version, len(in.Version))
	case in.Before != nil && in.Before.Device != in.Device:
		return fmt.Errorf("input: the build before is of device %q, expected %q", in.Before.Device, in.Device)
	case in.Stock.Device != in.Device:
		return fmt.Errorf("input: the stock is for device %q, expected %q", in.Stock.Device, in.Device)
	}
	if d := in.Snapshot.Devices[in.Device]; d != nil && d.Stock != "" && d.Stock != in.Stock.Digest.String() {
		return fmt.Errorf("input: devices/%s/device.yaml asks for stock %s, the stock given is %s", in.Device, d.Stock, in.Stock.Digest)
	}
	return nil
}

// derive makes bytes that stay the same from build to build.
func derive(what, device, partition string) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "friday %s\n%s\n%s\n", what, device, partition))
}

func (in *Input) progress(step string, done, total int64) {
	if in.Progress != nil {
		in.Progress(step, done, total)
	}
}
