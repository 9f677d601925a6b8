package ota

import (
	"context"
	"crypto/sha256"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/fridayos/friday/android/payload"
)

// blockHash names a block's content; half of SHA-256 keeps the table of a large
// image small, and what it finds is hashed again by whoever proves the package.
type blockHash [16]byte

var zeroHash = hashOf(make([]byte, blockSize))

func hashOf(block []byte) blockHash {
	sum := sha256.Sum256(block)
	return blockHash(sum[:16])
}

// hashBlocks hashes every block of an image.
func hashBlocks(ctx context.Context, img *Image, workers int) ([]blockHash, error) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	const chunk = 256 // blocks read at once
	hashes := make([]blockHash, img.Size/blockSize)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for first := 0; first < len(hashes); first += chunk {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			part := hashes[first:min(first+chunk, len(hashes))]
			b := make([]byte, len(part)*blockSize)
			if err := readAt(img, b, int64(first)*blockSize); err != nil {
				return err
			}
			for i := range part {
				part[i] = hashOf(b[i*blockSize : (i+1)*blockSize])
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return hashes, ctx.Err()
}

// none marks a block that is not found in the old image.
const none = -1

// sources says for every new block where the old image has the same one: where the
// block before it was found, else in the same place if it can, else at the first
// place. Blocks of zeros are left out.
func sources(old, next []blockHash, inPlace bool) []int32 {
	first := make(map[blockHash]int32, len(old))
	for i := len(old) - 1; i >= 0; i-- {
		first[old[i]] = int32(i)
	}
	from := make([]int32, len(next))
	for i, h := range next {
		from[i] = none
		if h == zeroHash {
			continue
		}
		if inPlace && i < len(old) && old[i] == h {
			from[i] = int32(i)
			continue
		}
		if i > 0 && from[i-1] != none {
			if j := from[i-1] + 1; int(j) < len(old) && old[j] == h {
				from[i] = j
				continue
			}
		}
		if i < len(old) && old[i] == h {
			from[i] = int32(i)
			continue
		}
		if j, ok := first[h]; ok {
			from[i] = j
		}
	}
	return from
}

const (
	copyBlocks  = 2 << 20 / blockSize   // of one SOURCE_COPY
	zeroBlocks  = 128 << 20 / blockSize // of one ZERO
	maxExtents  = 128                   // of one operation
	chunkBlocks = 2 << 20 / blockSize
)

// plainOps makes the operations of blocks that need no data: copies and zeros.
func plainOps(next []blockHash, from []int32) []payload.PlannedOp {
	var ops []payload.PlannedOp
	var copies, zeros payload.PlannedOp
	flush := func(op *payload.PlannedOp) {
		if len(op.Dst) > 0 {
			ops = append(ops, *op)
		}
		*op = payload.PlannedOp{}
	}
	for i := range next {
		switch {
		case next[i] == zeroHash:
			zeros.Type = payload.Zero
			zeros.Dst = extend(zeros.Dst, i)
			if count(zeros.Dst) >= zeroBlocks || len(zeros.Dst) >= maxExtents {
				flush(&zeros)
			}
		case from[i] != none:
			copies.Type = payload.SourceCopy
			copies.Src, copies.Dst = extend(copies.Src, int(from[i])), extend(copies.Dst, i)
			if count(copies.Dst) >= copyBlocks || len(copies.Src) >= maxExtents || len(copies.Dst) >= maxExtents {
				flush(&copies)
			}
		}
	}
	flush(&copies)
	flush(&zeros)
	return ops
}

// extend adds a block to extents.
func extend(extents []payload.Extent, block int) []payload.Extent {
	if n := len(extents); n > 0 && extents[n-1].Start+extents[n-1].Count == uint64(block) {
		extents[n-1].Count++
		return extents
	}
	return append(extents, payload.Extent{Start: uint64(block), Count: 1})
}

// extentsOf makes extents of blocks, in their order.
func extentsOf(blocks []int32) []payload.Extent {
	var extents []payload.Extent
	for _, b := range blocks {
		extents = extend(extents, int(b))
	}
	return extents
}
