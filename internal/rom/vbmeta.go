package rom

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/fridayos/friday/internal/rom/report"
)

// vouch notes who vouches for a partition.
func (b *builder) vouch(partition, by, why string) {
	for i := range b.report.Partitions {
		if p := &b.report.Partitions[i]; p.Name == partition && !p.Rebuilt {
			p.VerifiedBy, p.Why = by, why
		}
	}
}

// left is why a partition of firmware is in no image of the build.
func (b *builder) left() string {
	if b.plan.Device.Copies() {
		return "firmware that builds leave to the phone: it keeps its own, and copies it to the other slot at each update"
	}
	return "firmware that builds leave to the phone: it keeps its own"
}

// checkLeft refuses to leave to the phone what the stock's vbmeta describes: with another
// one the phone would not start.
func (b *builder) checkLeft() error {
	if !b.verified() || !slices.ContainsFunc(b.in.Stock.Partitions, func(p catalog.Partition) bool { return b.plan.Device.Left(p.Name) }) {
		return nil
	}
	doc := b.plan.Device.Document()
	var ps osrepo.Problems
	structs := []string{"vbmeta"}
	for i := 0; i < len(structs) && i < 32; i++ {
		s, ok := b.stock[structs[i]]
		if !ok {
			continue
		}
		r, err := b.source(s)
		if err != nil {
			return err
		}
		v, err := readVBMeta(r, r.Size())
		if err != nil {
			continue // the chain's own error says more
		}
		for _, d := range v.Descriptors {
			name := partitionOf(d)
			if b.plan.Device.Left(name) {
				ps.Add(doc.File, doc.Pos(strict.Join("firmware", name)), "ship it", "firmware %s is copied, but the stock's %s describes it: the phone starts with that of the stock alone", name, s.Name)
			}
			if _, chain := d.(*avb.ChainDescriptor); chain {
				structs = append(structs, name)
			}
		}
	}
	return ps.Err()
}

// vbmeta makes the top struct anew, signed by the OS's key.
func (b *builder) vbmeta() error {
	p, ok := b.stock["vbmeta"]
	if !ok {
		return fmt.Errorf("stock has no such partition; images are made for Verified Boot 2.0 with one")
	}
	r, err := b.source(p)
	if err != nil {
		return err
	}
	was, err := readVBMeta(r, r.Size())
	if err != nil {
		return err
	}
	v := &avb.VBMeta{ReleaseString: "friday", RollbackIndexLocation: b.plan.Device.Rollback.Location}
	if v.RollbackIndex, err = b.rollbackIndex(); err != nil {
		return err
	}
	if v.Descriptors, err = b.descriptors(was.Descriptors, 0); err != nil {
		return err
	}
	v.Descriptors = append(v.Descriptors, b.undescribed(v.Descriptors)...)
	// What is proved is the chain as a phone reads it that verifies everything.
	if b.strict, err = avb.Sign(v, b.in.AVB); err != nil {
		return err
	}
	why := "signed with the OS's AVB key"
	if v.Flags = vbmetaFlags(b.plan.Device.Boot); v.Flags != 0 {
		why += "; its flags tell the unlocked phone what not to verify: " + strings.Join(b.plan.Device.Boot.VBMetaFlags, ", ")
	}
	text, err := avb.Sign(v, b.in.AVB)
	if err != nil {
		return err
	}
	im := structImage(text, p.Size)
	b.report.Partitions = append(b.report.Partitions, report.Partition{Name: "vbmeta", Rebuilt: true, VerifiedBy: report.Friday, Why: why})
	return b.keep(p, im, nil)
}

func readVBMeta(r io.ReaderAt, size int64) (*avb.VBMeta, error) {
	text, err := avb.ReadStruct(r, size)
	if err != nil {
		return nil, err
	}
	return avb.Parse(text)
}

// rollbackIndex is device.yaml's, or the patch level's day.
func (b *builder) rollbackIndex() (uint64, error) {
	if i := b.plan.Device.Rollback.Index; i > 0 {
		return i, nil
	}
	day, err := time.Parse(time.DateOnly, b.patchLevel)
	if err != nil || day.Unix() < 0 {
		return 0, fmt.Errorf("the patch level is %q, expected a day such as 2026-09-01; or give rollback.index in devices/%s/device.yaml", b.patchLevel, b.in.Device)
	}
	return uint64(day.Unix()), nil
}

// descriptors are the stock's, with ours for what was rebuilt.
func (b *builder) descriptors(was []avb.Descriptor, depth int) ([]avb.Descriptor, error) {
	var out []avb.Descriptor
	for _, d := range was {
		switch d := d.(type) {
		case *avb.HashtreeDescriptor:
			out = append(out, b.described(d.Partition, d))
		case *avb.HashDescriptor:
			out = append(out, b.described(d.Partition, d))
		case *avb.ChainDescriptor:
			more, err := b.chained(d, depth)
			if err != nil {
				return nil, fmt.Errorf("chained partition %s: %w", d.Partition, err)
			}
			out = append(out, more...)
		default:
			out = append(out, d)
		}
	}
	return out, nil
}

// described is our descriptor of a partition, or the stock's if it was not
// rebuilt.
func (b *builder) described(partition string, d avb.Descriptor) avb.Descriptor {
	if ours := b.made[partition]; ours != nil {
		b.listed = append(b.listed, partition)
		return ours
	}
	b.vouch(partition, report.Friday, "the stock's image, listed in the OS's vbmeta")
	return d
}

// vbmetaFlags are those that an unlocked phone expects.
func vbmetaFlags(p bootprofile.Profile) (flags uint32) {
	for _, f := range p.VBMetaFlags {
		switch f {
		case bootprofile.HashtreeDisabled:
			flags |= avb.FlagHashtreeDisabled
		case bootprofile.VerificationDisabled:
			flags |= avb.FlagVerificationDisabled
		}
	}
	return flags
}

// structImage is a partition that holds a vbmeta struct and nothing else.
func structImage(text []byte, size int64) *tree.Image {
	im := &tree.Image{}
	im.AppendBytes(text)
	im.AppendZeros(max(size, (int64(len(text))+4095)/4096*4096) - int64(len(text)))
	return im
}

// rechain makes a vbmeta partition anew that the stock delegates to, as
// vbmeta_system is: the OS's key signs it in the vendor's place, and its rollback
// index never falls below the vendor's, which locked phones have stored.
func (b *builder) rechain(d *avb.ChainDescriptor, p catalog.Partition, was *avb.VBMeta, depth int) ([]avb.Descriptor, error) {
	index, err := b.rollbackIndex()
	if err != nil {
		return nil, err
	}
	v := &avb.VBMeta{ReleaseString: "friday", RollbackIndex: max(index, was.RollbackIndex)}
	if v.Descriptors, err = b.descriptors(was.Descriptors, depth+1); err != nil {
		return nil, err
	}
	text, err := avb.Sign(v, b.in.AVB)
	if err != nil {
		return nil, err
	}
	same := func(name string) bool { return name == p.Name }
	b.images = slices.DeleteFunc(b.images, func(i catalog.Partition) bool { return same(i.Name) })
	b.report.Partitions = slices.DeleteFunc(b.report.Partitions, func(r report.Partition) bool { return same(r.Name) })
	ref, err := b.write(p, structImage(text, p.Size))
	if err != nil {
		return nil, err
	}
	b.images = append(b.images, catalog.Partition{Name: p.Name, Digest: ref.Digest, Size: ref.Size})
	b.report.Partitions = append(b.report.Partitions, report.Partition{Name: p.Name, Rebuilt: true, VerifiedBy: report.Friday,
		Why: fmt.Sprintf("signed with the OS's AVB key in place of the vendor's, at rollback location %d", d.RollbackIndexLocation)})
	ours := *d
	ours.PublicKey = avb.EncodePublicKey(&b.in.AVB.PublicKey)
	return []avb.Descriptor{&ours}, nil
}

// chained keeps a delegation to the vendor's key as long as nothing behind it
// was rebuilt. If something was, a vbmeta partition is made anew and delegated to
// by the OS's key; of any other partition, what it listed is listed in the top
// struct.
func (b *builder) chained(d *avb.ChainDescriptor, depth int) ([]avb.Descriptor, error) {
	if ours := b.made[d.Partition]; ours != nil {
		return []avb.Descriptor{ours}, nil
	}
	p, ok := b.stock[d.Partition]
	if !ok {
		return []avb.Descriptor{d}, nil
	}
	r, err := b.source(p)
	if err != nil {
		return nil, err
	}
	below, err := readVBMeta(r, r.Size())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(below.Descriptors, b.rebuilt) {
		b.vouch(d.Partition, report.Stock, "the vendor signed it with a key of its own, and no layer changes it")
		for _, below := range below.Descriptors {
			b.vouch(partitionOf(below), report.Stock, "listed in the vendor's "+d.Partition+", and no layer changes it")
		}
		return []avb.Descriptor{d}, nil
	}
	if depth > 4 {
		return nil, fmt.Errorf("it is chained more than 4 deep")
	}
	if p.FS == "" && strings.HasPrefix(p.Name, "vbmeta") && depth == 0 {
		return b.rechain(d, p, below, depth)
	}
	b.vouch(d.Partition, "", "what it listed is listed in the OS's vbmeta; phones no longer read it")
	return b.descriptors(below.Descriptors, depth+1)
}

func (b *builder) rebuilt(d avb.Descriptor) bool { return b.made[partitionOf(d)] != nil }

func partitionOf(d avb.Descriptor) string {
	switch d := d.(type) {
	case *avb.HashtreeDescriptor:
		return d.Partition
	case *avb.HashDescriptor:
		return d.Partition
	case *avb.ChainDescriptor:
		return d.Partition
	}
	return ""
}

// undescribed are our descriptors of partitions that the stock did not list.
func (b *builder) undescribed(have []avb.Descriptor) []avb.Descriptor {
	var out []avb.Descriptor
	for _, p := range b.in.Stock.Partitions {
		d := b.made[p.Name]
		if d != nil && !slices.Contains(b.listed, p.Name) && !slices.ContainsFunc(have, func(h avb.Descriptor) bool { return partitionOf(h) == p.Name }) {
			out = append(out, d)
		}
	}
	return out
}
