package rom

import (
	"crypto/sha256"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/editing"
	"github.com/fridayos/friday/internal/rom/report"
)

// bootImage writes a boot image anew with what layers change, and our certificates
// in its ramdisk, where recovery looks for them.
func (b *builder) bootImage(p catalog.Partition) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
	size := r.Size()
	footer, signed, err := avb.ParseFooter(r, size)
	if err != nil {
		return err
	}
	if signed {
		size = int64(footer.OriginalImageSize)
	}
	im, err := bootimg.Parse(r, size)
	if err != nil {
		return err
	}
	disks := editing.OpenRamdisks(im)
	if err := b.edit.Boot(p.Name, im, disks); err != nil {
		return err
	}
	for _, path := range b.edit.Places[p.Name] {
		if err := b.edit.CertificatesIn(disks, path); err != nil {
			return fmt.Errorf("ramdisk: %w", err)
		}
		b.report.Owners[p.Name+":"+path] = report.Friday
	}
	if err := b.keysOfRamdisk(p.Name, disks); err != nil {
		return fmt.Errorf("ramdisk: %w", err)
	}
	if err := disks.Pack(b.packRamdisk); err != nil {
		return err
	}
	if b.older.Signed[p.Name] != nil {
		im.Tail = nil // the vendor's signature
	}
	out, err := bootimg.Build(im)
	if err != nil {
		return err
	}
	if !b.verified() {
		return b.keepBoot(p, out)
	}
	salt := derive("salt", b.in.Device, p.Name)
	params := avb.HashParams{Partition: p.Name, Salt: salt[:]}
	if signed {
		params.PartitionSize = p.Size // the footer lies at the partition's end
	}
	out, d, err := avb.AddHash(out, params)
	if err != nil {
		return err
	}
	return b.keep(p, out, d)
}

// packRamdisk compresses a ramdisk, once for all builds that have the same.
func (b *builder) packRamdisk(root *tree.Node, c bootimg.Compression) ([]byte, error) {
	plain, err := bootimg.PackRamdisk(root, bootimg.Plain)
	if err != nil || c == bootimg.Plain {
		return plain, err
	}
	const version = 2 // rises when the same ramdisk would be packed otherwise
	ref, err := b.in.Blobs.Cached(b.ctx, fmt.Sprintf("ramdisk %d %s %x", version, c, sha256.Sum256(plain)), func(w io.Writer) error {
		out, err := bootimg.PackRamdisk(root, c)
		if err == nil {
			_, err = w.Write(out)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.in.Blobs.Bytes(ref.Digest, 2*bootimg.MaxRamdisk)
}

// changesBoot says whether a layer changes the boot image.
func (b *builder) changesBoot(partition string) bool {
	return slices.ContainsFunc(b.plan.Boot, func(e osrepo.PlannedBoot) bool { return e.Partition == partition })
}
