package rom

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/editing"
	"github.com/fridayos/friday/internal/rom/report"
)

const (
	verityKey = "verity_key" // in the ramdisk: by it init believes tables
)

// older is what a stock without vbmeta has of Verified Boot 1.
type older struct {
	verity map[string]*vb1.Metadata  // behind file systems, by partition
	signed map[string]*vb1.Signature // behind boot images
	keyed  map[string]bool           // boot images with /verity_key
	listed map[string]bool           // boot images with /res/keys
	mounts map[string]vb1.Mount      // that the fstab in boot names, by partition
}

// has says whether there is anything that a phone checks.
func (o older) has() bool { return len(o.verity)+len(o.signed)+len(o.keyed) > 0 }

// anew says whether a boot image has keys or signatures that must be the OS's.
func (o older) anew(partition string) bool {
	return o.keyed[partition] || o.listed[partition] || o.signed[partition] != nil
}

// readOlder looks for it.
func (b *builder) readOlder() error {
	b.older = older{map[string]*vb1.Metadata{}, map[string]*vb1.Signature{}, map[string]bool{}, map[string]bool{}, map[string]vb1.Mount{}}
	if b.verified() {
		return nil
	}
	for _, p := range b.in.Stock.Partitions {
		r, err := b.source(p)
		if err != nil {
			return err
		}
		switch p.FS {
		case "ext4":
			err = b.older.fileSystem(p.Name, r, r.Size())
		case "":
			err = b.older.bootImage(p.Name, r, r.Size())
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return nil
}

func (o older) fileSystem(name string, r io.ReaderAt, size int64) error {
	im, err := ext4.Open(r, size)
	if err != nil {
		return err
	}
	m, err := vb1.Find(r, im.Info().Size, size)
	if m != nil {
		o.verity[name] = m
	}
	return err
}

func (o older) bootImage(name string, r io.ReaderAt, size int64) error {
	var first [8]byte
	if _, err := r.ReadAt(first[:], 0); err != nil || string(first[:]) != "ANDROID!" {
		return nil // modems and the like
	}
	im, err := bootimg.Parse(r, size)
	if err != nil {
		return nil // a boot image that is changed says so itself
	}
	if s := signatureOf(im); s != nil {
		o.signed[name] = s
	}
	root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil {
		return nil // some have none
	}
	if isFile(root, verityKey) {
		o.keyed[name] = true
	}
	if isFile(root, editing.RecoveryKeys) {
		o.listed[name] = true
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
			if have, ok := o.mounts[m.Partition()]; !ok || m.Verify && !have.Verify {
				o.mounts[m.Partition()] = m
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
	case t == bootprofile.VerifiedBoot1 && !b.older.has():
		return wrong(fmt.Sprintf("expected %s or %s", bootprofile.Unlocked, bootprofile.None),
			"trust is %s, but the stock has no verity metadata behind a file system, no signature behind a boot image and no /verity_key in a ramdisk", t)
	}
	if b.older.has() {
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
	for name, m := range b.older.verity {
		if mount := b.older.mounts[name]; mount.Verify && !m.Disabled && !b.older.keyed["boot"] {
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
	for name := range b.older.listed {
		ps.Add(doc.File, doc.Pos("boot.update_certificates"), "sign updates with a key of 2048 bits (ota.pem), which all recoveries know",
			"the update key has %d bits; %s of Android %s has whom it trusts in /res/keys, and knows keys of 2048 bits alone", key.N.BitLen(), name, b.in.Stock.Release)
	}
	return ps.Err()
}

// keysOfRamdisk puts the OS's keys in the place of the vendor's.
func (b *builder) keysOfRamdisk(partition string, root *tree.Node) error {
	if b.older.keyed[partition] {
		key, err := vb1.EncodeKey(&b.in.Verity.PublicKey)
		if err != nil {
			return err
		}
		b.edit.Rewrite(root, verityKey, key)
		b.report.Owners[partition+":"+verityKey] = report.Friday
	}
	if b.older.listed[partition] && !slices.Contains(b.edit.Places[partition], editing.RecoveryKeys) {
		if err := b.edit.Certificates(root, editing.RecoveryKeys); err != nil {
			return err
		}
		b.report.Owners[partition+":"+editing.RecoveryKeys] = report.Friday
	}
	return nil
}

// keepBoot keeps a boot image, with the OS's signature behind it if the vendor's was
// there.
func (b *builder) keepBoot(p catalog.Partition, im *tree.Image) error {
	was := b.older.signed[p.Name]
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
	if was := b.older.verity[p.Name]; was != nil {
		return vb1.Params{FECRoots: was.FEC.Roots}.Largest(room)
	}
	return room / 4096 * 4096
}

// resized says whether the verity of a partition must lie elsewhere than in the stock:
// Android 7 looks for it at the end of a partition that has another size by device.yaml.
func (b *builder) resized(p catalog.Partition) bool {
	was := b.older.verity[p.Name]
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
	switch mount := b.older.mounts[name]; {
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
	if b.older.has() {
		return "no layer changes it; Verified Boot 1 does not cover it, and its own signature, if it has one, is the vendor's"
	}
	return "no layer changes it"
}

// proveOlder verifies what a phone with Verified Boot 1 does, of all that was made.
func (b *builder) proveOlder() error {
	known := b.proofs()
	for _, p := range b.images {
		var err error
		if was := b.older.verity[p.Name]; was != nil {
			err = b.proveVerity(p, was, known)
		} else if p.FS == "" && b.older.anew(p.Name) {
			err = b.proveBoot(p)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p.Name, err)
		}
	}
	return known.keep()
}

func (b *builder) proveVerity(p catalog.Partition, was *vb1.Metadata, known *proofs) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
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
	if err := m.SignedBy(&b.in.Verity.PublicKey); err != nil {
		return err
	}
	if known.remembers(fmt.Sprintf("vb1 verified 1 %s", p.Digest)) {
		return nil
	}
	if m.FEC.Roots > 0 {
		if err := m.VerifyFEC(b.ctx, r); err != nil {
			return err
		}
	}
	return m.VerifyTree(b.ctx, r, r.Size())
}

func (b *builder) proveBoot(p catalog.Partition) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
	im, err := bootimg.Parse(r, r.Size())
	if err != nil {
		return err
	}
	if was := b.older.signed[p.Name]; was != nil {
		s := signatureOf(im)
		if s == nil || !s.Certificate.Equal(b.in.VerityCert) {
			return errors.New("there is no signature of ours behind it")
		}
		if err := s.Verify(r, r.Size()-im.Tail.Size(), was.Target); err != nil {
			return err
		}
	}
	if !b.older.keyed[p.Name] {
		return nil
	}
	root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil {
		return err
	}
	n := root.Lookup(verityKey)
	have := make([]byte, n.Size)
	if err := tree.ReadFull(n.Content, have, 0); err != nil {
		return err
	}
	if want, err := vb1.EncodeKey(&b.in.Verity.PublicKey); err != nil || !bytes.Equal(have, want) {
		return errors.Join(errors.New("/verity_key is not the OS's"), err)
	}
	return nil
}
