package rom

import (
	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/vb1"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/capacity"
)

// roomBefore refuses, before anything is read or made, what cannot fit however it
// is laid out: the content of the files alone, each once, and its verity. Partitions whose files
// are stored compressed are looked at once they are made.
func (b *builder) roomBefore(bs []capacity.Bound) error {
	sizes := map[string]int64{}
	for _, p := range b.in.Stock.Partitions {
		sizes[p.Name] = p.Size
		if p.FS == "" || !b.touches(p.Name) {
			continue
		}
		was, is := b.contentOf(p.Name)
		if was > p.Size { // compressed
			sizes[p.Name] = 0
			continue
		}
		sizes[p.Name] = is
		behind, err := b.roomBehind(p, (is+4095)/4096*4096)
		if err != nil {
			return err
		}
		sizes[p.Name] += behind
	}
	return capacity.Overflow(bs, sizes, true)
}

// roomBehind is what stands behind a file system of so many bytes: hash tree, error
// correction and what describes them.
func (b *builder) roomBehind(p catalog.Partition, size int64) (int64, error) {
	if was := b.older.Verity[p.Name]; was != nil {
		return vb1.Params{FECRoots: was.FEC.Roots}.Room(size)
	}
	d, err := b.stockTree(p)
	if err != nil || d == nil {
		return 0, err
	}
	hashes, err := avb.HashtreeSize(size, d.HashAlgorithm)
	if err != nil || d.FECRoots == 0 {
		return hashes, err
	}
	parity, err := avb.FECSize(size+hashes, int(d.FECRoots))
	return hashes + parity, err
}

// contentOf sums the content of a partition's files in the stock, and with the
// layers.
func (b *builder) contentOf(partition string) (was, is int64) {
	gone := map[string]bool{}
	for _, r := range b.plan.Removed {
		gone[r.Partition+":"+r.Path] = true
	}
	for _, w := range b.plan.Placed {
		if w.Partition != partition {
			continue
		}
		gone[partition+":"+w.Path] = true
		if w.Type == tree.Regular && w.File != nil {
			is += w.File.Size
		}
	}
	before, after := map[string]bool{}, map[string]bool{}
	for _, e := range b.edit.View.Index.Files {
		if e.Partition != partition || e.Type != tree.Regular {
			continue
		}
		if !before[e.Digest] {
			before[e.Digest] = true
			was += e.Size
		}
		if !gone[partition+":"+e.Path] && !after[e.Digest] {
			after[e.Digest] = true
			is += e.Size
		}
	}
	return was, is
}

// roomAfter compares the images that were made, to the byte.
func (b *builder) roomAfter(bs []capacity.Bound) error {
	sizes := map[string]int64{}
	for _, p := range b.images {
		sizes[p.Name] = p.Size
	}
	return capacity.Overflow(bs, sizes, false)
}
