package rom

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/tree"
)

// vouch notes who vouches for a partition.
func (b *builder) vouch(partition, by, why string) {
	for i := range b.report.Partitions {
		if p := &b.report.Partitions[i]; p.Name == partition && !p.Rebuilt {
			p.VerifiedBy, p.Why = by, why
		}
	}
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
	text, err := avb.Sign(v, b.in.AVB)
	if err != nil {
		return err
	}
	im := &tree.Image{}
	im.AppendBytes(text)
	im.AppendZeros(max(p.Size, (int64(len(text))+4095)/4096*4096) - int64(len(text)))
	b.report.Partitions = append(b.report.Partitions, ReportPartition{Name: "vbmeta", Rebuilt: true, VerifiedBy: Friday, Why: "signed with the OS's AVB key"})
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
		return ours
	}
	b.vouch(partition, Friday, "the stock's image, listed in the OS's vbmeta")
	return d
}

// chained keeps a delegation to the vendor's key as long as nothing behind it
// was rebuilt. If something was, what the chained struct lists is listed in the
// top one.
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
		b.vouch(d.Partition, Stock, "the vendor signed it with a key of its own, and no layer changes it")
		for _, below := range below.Descriptors {
			b.vouch(partitionOf(below), Stock, "listed in the vendor's "+d.Partition+", and no layer changes it")
		}
		return []avb.Descriptor{d}, nil
	}
	if depth > 4 {
		return nil, fmt.Errorf("it is chained more than 4 deep")
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
		if d != nil && !slices.ContainsFunc(have, func(h avb.Descriptor) bool { return partitionOf(h) == p.Name }) {
			out = append(out, d)
		}
	}
	return out
}
