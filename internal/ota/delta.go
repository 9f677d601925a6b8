package ota

import (
	"cmp"
	"context"
	"path"
	"slices"

	"github.com/fridayos/friday/android/payload"
)

// Bounds of one patch, in blocks. They bound Diff's memory: about 250 MB.
const (
	fileWhole = 16 << 20 / blockSize // an old file up to here is a source as a whole
	filePart  = 8 << 20 / blockSize  // of a new file, in one operation
	fileSlack = 4 << 20 / blockSize  // around the same place of a larger old file
	restSlack = 1 << 20 / blockSize  // around the same place of an image
)

// deltaOps plans a partition that exists in the old build. As AOSP's generator
// does: blocks that the old image has anywhere are copied, zeros are zeroed,
// what changed inside a file is made from the old file, and all the rest
// (inodes, directories, kernels) from the same place. What v names is left out.
func (m *maker) deltaOps(ctx context.Context, old, next *Image, v verity) ([]payload.PlannedOp, error) {
	oldHashes, err := hashBlocks(ctx, old, m.Workers)
	if err != nil {
		return nil, err
	}
	newHashes, err := hashBlocks(ctx, next, m.Workers)
	if err != nil {
		return nil, err
	}
	v.mark(newHashes)
	from := sources(oldHashes, newHashes, m.inPlace)
	changed := func(b int32) bool { return from[b] == none && newHashes[b] != zeroHash && newHashes[b] != computed }
	newFiles, newOwner := files(next)
	oldFiles, oldOwner := files(old)
	match := newMatcher(oldFiles, oldOwner)
	matches := make([]int32, len(newFiles))
	for i := range newFiles {
		matches[i] = match.find(&newFiles[i], from)
	}
	for i := range newFiles { // after all matches, which look at from
		if f := &newFiles[i]; matches[i] != none && f.archive() && f.share(changed) >= archiveShare {
			for _, b := range f.blocks {
				from[b] = none
			}
		}
	}
	ops := plainOps(newHashes, from)
	for i := range newFiles {
		f := &newFiles[i]
		var source *file
		if j := matches[i]; j != none {
			source = &oldFiles[j]
		}
		for _, part := range fileParts(f, changed) {
			var src []payload.Extent
			if source != nil {
				src = part.window(source, len(f.blocks))
			}
			ops = append(ops, m.deltaOp(old, next, src, extentsOf(part.blocks), f.archive()))
		}
	}
	for _, run := range restRuns(newOwner, changed) {
		src := restWindow(run, len(oldHashes), len(newHashes))
		ops = append(ops, m.deltaOp(old, next, src, extentsOf(run), false))
	}
	// In the order of the image, so that what a phone writes is mostly in order.
	slices.SortStableFunc(ops, func(a, b payload.PlannedOp) int { return cmp.Compare(a.Dst[0].Start, b.Dst[0].Start) })
	return ops, nil
}

// archiveShare is how much of an archive must have changed for all of it to be
// patched at once, so that its deflate streams lie whole in the operation.
const archiveShare = 0.25

// archive says whether a file most likely holds deflate streams.
func (f *file) archive() bool {
	switch path.Ext(f.path) {
	case ".apk", ".jar", ".zip", ".gz":
		return true
	}
	return false
}

// share is how much of the file changed, 0 to 1.
func (f *file) share(changed func(int32) bool) float64 {
	n := 0
	for _, b := range f.blocks {
		if changed(b) {
			n++
		}
	}
	return float64(n) / float64(len(f.blocks))
}

// part is what changed within a stretch of a file.
type part struct {
	blocks      []int32 // of the image
	first, last int     // place of the first and the last of them in the file
}

// fileParts cuts what changed in a file into operations.
func fileParts(f *file, changed func(int32) bool) []part {
	var parts []part
	extents := 0
	for i, b := range f.blocks {
		if !changed(b) {
			continue
		}
		n := len(parts) - 1
		jump := n >= 0 && parts[n].blocks[len(parts[n].blocks)-1]+1 != b
		if n < 0 || i-parts[n].first >= filePart || jump && extents >= maxExtents {
			parts = append(parts, part{first: i})
			n, extents = n+1, 0
		} else if jump {
			extents++
		}
		parts[n].blocks = append(parts[n].blocks, b)
		parts[n].last = i
	}
	return parts
}

// window gives the blocks of the old file that a part may come from: all of
// them, or those around the same place and as far as the lengths differ.
func (p *part) window(old *file, newLen int) []payload.Extent {
	blocks := old.blocks
	if len(blocks) > fileWhole {
		grown := newLen - len(blocks)
		lo := max(0, min(p.first, p.first-grown)-fileSlack)
		hi := min(len(blocks), max(p.last, p.last-grown)+1+fileSlack)
		if hi-lo > fileWhole { // a file that grew or shrank by that much: the nearer half
			hi = lo + fileWhole
		}
		if lo >= hi {
			return nil
		}
		blocks = blocks[lo:hi]
	}
	return extentsOf(blocks)
}

// restRuns cuts the changed blocks of no file into chunks.
func restRuns(owner []int32, changed func(int32) bool) [][]int32 {
	var runs [][]int32
	extents := 0
	for i, o := range owner {
		b := int32(i)
		if o != none || !changed(b) {
			continue
		}
		n := len(runs) - 1
		jump := n >= 0 && runs[n][len(runs[n])-1]+1 != b
		if n < 0 || b-runs[n][0] >= chunkBlocks || jump && extents >= maxExtents {
			runs = append(runs, nil)
			n, extents = n+1, 0
		} else if jump {
			extents++
		}
		runs[n] = append(runs[n], b)
	}
	return runs
}

// restWindow is the same place of the old image, counted from the start and
// from the end: what lies behind content that grew has moved with the end.
func restWindow(run []int32, oldBlocks, newBlocks int) []payload.Extent {
	first, last := int(run[0]), int(run[len(run)-1])
	var lows, highs []int
	for _, shift := range []int{0, oldBlocks - newBlocks} {
		lo, hi := max(0, first+shift-restSlack), min(oldBlocks, last+1+shift+restSlack)
		if lo < hi {
			lows, highs = append(lows, lo), append(highs, hi)
		}
	}
	switch {
	case len(lows) == 0:
		return nil
	case len(lows) == 2 && lows[0] <= highs[1] && lows[1] <= highs[0]:
		lows[0], highs[0] = min(lows[0], lows[1]), max(highs[0], highs[1])
		lows, highs = lows[:1], highs[:1]
	}
	var src []payload.Extent
	for i := range lows {
		src = append(src, payload.Extent{Start: uint64(lows[i]), Count: uint64(highs[i] - lows[i])})
	}
	return src
}
