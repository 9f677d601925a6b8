package rom

import (
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/editing"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/rom/verified1"
)

// readOlder looks for what a stock without vbmeta has.
func (b *builder) readOlder() (err error) {
	if !b.verified() {
		b.older, err = verified1.Read(b.in.Stock.Partitions, b.source)
	}
	return err
}

// trust says whether images can be made that the phone starts: whether the stock has
// what the boot profile says that the phone checks, and there are keys for it.
func (b *builder) trust() error {
	doc, t := b.plan.Device.Document(), b.plan.Device.Boot.Trust
	wrong := func(hint, format string, args ...any) error {
		var ps osrepo.Problems
		ps.Add(doc.File, doc.Pos("boot.trust"), hint, format, args...)
		return ps.Err()
	}
	switch {
	case t == bootprofile.CustomKey && !b.verified():
		return wrong(fmt.Sprintf("expected %s, %s or %s", bootprofile.Unlocked, bootprofile.VerifiedBoot1, bootprofile.None),
			"trust is %s, but the stock has no partition vbmeta: phones of that age cannot hold an owner's AVB key", t)
	case t == bootprofile.VerifiedBoot1 && b.verified():
		return wrong(fmt.Sprintf("expected %s or %s", bootprofile.CustomKey, bootprofile.Unlocked), "trust is %s, but the stock has a partition vbmeta, of Verified Boot 2.0", t)
	case t == bootprofile.VerifiedBoot1 && !b.older.Has():
		return wrong(fmt.Sprintf("expected %s or %s", bootprofile.Unlocked, bootprofile.None),
			"trust is %s, but the stock has no verity metadata behind a file system, no signature behind a boot image and no /verity_key in a ramdisk", t)
	}
	if b.older.Has() {
		key := b.in.Verity
		switch {
		case key == nil || b.in.VerityCert == nil:
			return wrong("make one in the folder of the release keys: "+makeVerity, "the stock has Verified Boot 1, and there is no verity key to sign its boot images and file systems with")
		case key.N.BitLen() != vb1.KeyBits || key.E != 3 && key.E != 65537:
			return wrong("make another: "+makeVerity, "the verity key has %d bits and the exponent %d; phones with Verified Boot 1 know %d and 3 or 65537", key.N.BitLen(), key.E, vb1.KeyBits)
		case !key.PublicKey.Equal(b.in.VerityCert.PublicKey):
			return wrong("", "the verity key and its certificate do not belong together")
		}
	}
	for name, m := range b.older.Verity {
		if mount := b.older.Mounts[name]; mount.Verify && !m.Disabled && !b.older.Keyed["boot"] {
			return wrong("", "not supported: the stock's init verifies %s, but there is no /verity_key in the ramdisk of boot: its kernel holds the vendor's key, which no build can change", name)
		}
	}
	return b.updateKey()
}

// makeVerity makes a verity key.
const makeVerity = `openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 36500 -subj "/CN=verity" -keyout verity.pem -out verity.x509.pem && chmod 600 verity.pem verity.x509.pem`

// sdkRSA4096 is the first Android whose recovery knows larger keys in /res/keys than
// 2048 bits: 7.0, which took BoringSSL for mincrypt.
const sdkRSA4096 = 24

// updateKey says whether the recovery of the stock can hold the update key.
func (b *builder) updateKey() error {
	if b.in.Stock.SDK >= sdkRSA4096 {
		return nil
	}
	key, ok := b.in.UpdateCert.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() == 2048 {
		return nil
	}
	doc := b.plan.Device.Document()
	var ps osrepo.Problems
	for name := range b.older.Listed {
		ps.Add(doc.File, doc.Pos("boot.update_certificates"), "sign updates with a key of 2048 bits (ota.pem), which all recoveries know",
			"the update key has %d bits; %s of Android %s has whom it trusts in /res/keys, and knows keys of 2048 bits alone", key.N.BitLen(), name, b.in.Stock.Release)
	}
	return ps.Err()
}

// keysOfRamdisk puts the OS's keys in the place of the vendor's.
func (b *builder) keysOfRamdisk(partition string, disks *editing.Ramdisks) error {
	if b.older.Keyed[partition] {
		key, err := vb1.EncodeKey(&b.in.Verity.PublicKey)
		if err != nil {
			return err
		}
		roots, err := disks.For(verified1.VerityKey)
		if err != nil {
			return err
		}
		for _, root := range roots {
			b.edit.Rewrite(root, verified1.VerityKey, key)
		}
		b.report.Owners[partition+":"+verified1.VerityKey] = report.Friday
	}
	if b.older.Listed[partition] && !slices.Contains(b.edit.Places[partition], editing.RecoveryKeys) {
		if err := b.edit.CertificatesIn(disks, editing.RecoveryKeys); err != nil {
			return err
		}
		b.report.Owners[partition+":"+editing.RecoveryKeys] = report.Friday
	}
	return nil
}

// keepBoot keeps a boot image, with the OS's signature behind it if the vendor's was
// there.
func (b *builder) keepBoot(p catalog.Partition, im *tree.Image) error {
	was := b.older.Signed[p.Name]
	if was == nil {
		return b.keep(p, im, nil)
	}
	sig, err := vb1.SignBoot(im, im.Size(), was.Target, b.in.Verity, b.in.VerityCert)
	if err != nil {
		return err
	}
	out := &tree.Image{}
	out.AppendImage(im)
	out.AppendBytes(sig)
	if err := b.keep(p, out, nil); err != nil {
		return err
	}
	made := &b.report.Partitions[len(b.report.Partitions)-1]
	made.VerifiedBy = report.Friday
	made.Why = fmt.Sprintf("made anew, signed with the OS's verity key as %s in place of %s", was.Target, was.Certificate.Subject)
	if b.plan.Device.Boot.Trust != bootprofile.VerifiedBoot1 {
		made.Why += "; the boot loader of this phone does not look at it"
	}
	return nil
}

// hashOlder puts hash tree and metadata behind a file system as the stock has them.
func (b *builder) hashOlder(p catalog.Partition, l *laid, was *vb1.Metadata) error {
	b.in.progress("hash "+p.Name, 0, l.fs)
	salt := derive("salt", b.in.Device, p.Name)
	params := vb1.Params{Device: was.Table.Device, Salt: salt[:], Key: b.in.Verity, TreeFirst: was.TreeFirst(), FECRoots: was.FEC.Roots, Disabled: was.Disabled}
	if was.TreeFirst() { // Android 7 looks at the partition's end
		params.Size = b.roomOf(p)
	}
	if l.base != nil {
		if m, err := vb1.Find(l.base, l.was.Blocks*4096, l.base.Size()); err == nil && m != nil {
			params.Since = &vb1.Since{Image: l.base, Metadata: m, Changed: l.changed}
		}
	}
	var err error
	l.im, _, err = vb1.AddVerity(b.ctx, l.im, params)
	return err
}

// roomOf is how many bytes the phone's partition has, on a phone without vbmeta: as
// device.yaml says, else as many as the stock's image has.
func (b *builder) roomOf(p catalog.Partition) int64 {
	return cmp.Or(b.plan.Device.Partitions[p.Name].Size, p.Size)
}

// mostOf is how many bytes a file system may have there at most, with its verity behind it.
func (b *builder) mostOf(p catalog.Partition) int64 {
	room := b.roomOf(p)
	if was := b.older.Verity[p.Name]; was != nil {
		return vb1.Params{FECRoots: was.FEC.Roots}.Largest(room)
	}
	return room / 4096 * 4096
}

// resized says whether the verity of a partition must lie elsewhere than in the stock:
// Android 7 looks for it at the end of a partition that has another size by device.yaml.
func (b *builder) resized(p catalog.Partition) bool {
	was := b.older.Verity[p.Name]
	return was != nil && was.TreeFirst() && b.roomOf(p) != p.Size
}

// noRoom says, of a file system that has no room, what there is for it; most 0: the
// error says enough.
func (b *builder) noRoom(p catalog.Partition, most int64, err error) error {
	if most == 0 || !errors.Is(err, ext4.ErrNoRoom) {
		return err
	}
	verity, room := "", b.roomOf(p)
	if room-most >= 4096 {
		verity = fmt.Sprintf(", and verity the other %d", room-most)
	}
	return fmt.Errorf("%w; of the partition's %d bytes the file system can have %d%s; if the phone has more room, say so as partitions.%s.size in devices/%s/device.yaml",
		err, room, most, verity, p.Name, b.in.Device)
}

// resign keeps a file system that no layer changes: its table is signed anew, as the
// ramdisk has one key for all.
func (b *builder) resign(p catalog.Partition, was *vb1.Metadata) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
	im := &tree.Image{}
	im.AppendRange(r, 0, r.Size())
	if im, err = vb1.Resign(b.ctx, im, was, b.in.Verity); err != nil {
		return err
	}
	if err := b.keep(p, im, nil); err != nil {
		return err
	}
	b.verityReport(p.Name, was, "the stock's files and hash tree; no layer changes them, and the table is signed anew, as /verity_key is one key for all")
	return nil
}

// verityReport says of the partition kept last who vouches for it.
func (b *builder) verityReport(name string, was *vb1.Metadata, why string) {
	made := &b.report.Partitions[len(b.report.Partitions)-1]
	switch mount := b.older.Mounts[name]; {
	case was.Disabled:
		why += "; verity was switched off in the stock, and stays off"
	case !mount.Verify:
		why += "; the stock's fstab does not have it verified, and that is kept"
	default:
		made.VerifiedBy = report.Friday
	}
	made.Why = why
}

// untouched is why a partition stays the stock's.
func (b *builder) untouched() string {
	if b.older.Has() {
		return "no layer changes it; Verified Boot 1 does not cover it, and its own signature, if it has one, is the vendor's"
	}
	return "no layer changes it"
}

// proveOlder verifies what a phone with Verified Boot 1 does, of all that was made.
func (b *builder) proveOlder() error {
	known := b.proofs()
	for _, p := range b.images {
		if b.older.Verity[p.Name] == nil && (p.FS != "" || !b.older.Anew(p.Name)) {
			continue
		}
		r, err := b.source(p)
		if err == nil && p.FS != "" {
			err = b.older.ProveVerity(b.ctx, p.Name, r, &b.in.Verity.PublicKey, func() bool { return known.remembers(fmt.Sprintf("vb1 verified 1 %s", p.Digest)) })
		} else if err == nil {
			err = b.older.ProveBoot(p.Name, r, b.in.VerityCert)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return known.keep()
}
