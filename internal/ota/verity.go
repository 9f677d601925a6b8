package ota

import (
	"context"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/payload"
)

// verity is what of an image the phone computes itself after the operations: its
// hash tree and behind it its error correction. A changed block changes a path of
// the tree, and every parity byte of its column: carried, they would outweigh a
// small change.
type verity struct {
	tree *payload.HashTree
	fec  *payload.FEC
}

// verityOf reads what the image's own footer describes and computes it once, so
// that nothing is left to phones that they would make otherwise. What it does not
// understand is carried like any other block.
func verityOf(ctx context.Context, img *Image) (verity, error) {
	d := hashtree(img)
	if d == nil || d.TreeSize == 0 || d.DataBlockSize != blockSize || d.HashBlockSize != blockSize ||
		d.ImageSize%blockSize != 0 || d.TreeOffset < d.ImageSize || d.TreeOffset%blockSize != 0 {
		return verity{}, nil
	}
	if avb.VerifyPartition(ctx, d, img.Content, img.Size) != nil {
		return verity{}, ctx.Err()
	}
	v := verity{tree: &payload.HashTree{
		Data:      payload.Extent{Count: d.ImageSize / blockSize},
		Tree:      payload.Extent{Start: d.TreeOffset / blockSize, Count: d.TreeSize / blockSize},
		Algorithm: d.HashAlgorithm, Salt: d.Salt,
	}}
	if d.FECSize == 0 || d.FECOffset%blockSize != 0 || d.FECOffset != d.TreeOffset+d.TreeSize || d.FECSize%blockSize != 0 ||
		avb.VerifyFEC(ctx, d, img.Content, img.Size) != nil {
		return v, ctx.Err()
	}
	v.fec = &payload.FEC{
		Data:   payload.Extent{Count: d.FECOffset / blockSize},
		Parity: payload.Extent{Start: d.FECOffset / blockSize, Count: d.FECSize / blockSize},
		Roots:  d.FECRoots,
	}
	return v, nil
}

// delta plans a partition that exists in the old build, and what of it the phone
// computes.
func (m *maker) delta(ctx context.Context, old, next *Image) ([]payload.PlannedOp, payload.Partition, error) {
	v, err := verityOf(ctx, next)
	if err != nil {
		return nil, payload.Partition{}, err
	}
	ops, err := m.deltaOps(ctx, old, next, v)
	return ops, payload.Partition{HashTree: v.tree, FEC: v.fec}, err
}

// hashtree is the descriptor in the image's footer; nil if there is none.
func hashtree(img *Image) *avb.HashtreeDescriptor {
	if _, ok, err := avb.ParseFooter(img.Content, img.Size); !ok || err != nil {
		return nil
	}
	b, err := avb.ReadStruct(img.Content, img.Size)
	if err != nil {
		return nil
	}
	v, err := avb.Parse(b)
	if err != nil {
		return nil
	}
	for _, d := range v.Descriptors {
		if d, ok := d.(*avb.HashtreeDescriptor); ok {
			return d
		}
	}
	return nil
}

// computed marks a block that the phone computes; no block has this hash.
var computed blockHash

// mark marks the blocks that the phone computes.
func (v verity) mark(hashes []blockHash) {
	var extents []payload.Extent
	if v.tree != nil {
		extents = append(extents, v.tree.Tree)
	}
	if v.fec != nil {
		extents = append(extents, v.fec.Parity)
	}
	for _, e := range extents {
		for b := e.Start; b < e.Start+e.Count && b < uint64(len(hashes)); b++ {
			hashes[b] = computed
		}
	}
}
