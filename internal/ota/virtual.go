package ota

import (
	"context"
	"fmt"
	"slices"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/cow"
	"github.com/fridayos/friday/android/payload"
)

// DynamicOf is what packages say of super: its groups, without a slot's suffix, and
// what the phone's boot profile says of snapshots. Nil where there are no groups.
func DynamicOf(p bootprofile.Profile, groups []payload.Group) (*payload.Dynamic, error) {
	virtual := p.Slots == bootprofile.VirtualAB || p.Slots == bootprofile.VirtualABCompressed
	if len(groups) == 0 {
		if virtual {
			return nil, fmt.Errorf("cannot make package: the phone has slots %s, but neither its device.yaml nor its stock says which partitions lie in super; give groups in device.yaml", p.Slots)
		}
		return nil, nil
	}
	d := &payload.Dynamic{Groups: groups, SnapshotEnabled: virtual}
	if p.Slots == bootprofile.VirtualABCompressed {
		d.VABCEnabled, d.COWVersion, d.VABCCompression = true, uint32(p.COWVersion), p.Compression()
	}
	return d, nil
}

// inSuper says whether a partition is in one of the groups.
func inSuper(d *payload.Dynamic, partition string) bool {
	return d != nil && slices.ContainsFunc(d.Groups, func(g payload.Group) bool { return slices.Contains(g.Partitions, partition) })
}

// snapshots adds to a plan what a phone with virtual A/B must know of each partition
// in super: in which order blocks that move are merged, without which it carries
// them all, and what the compressed snapshot needs, without which it takes nothing.
func (m *maker) snapshots(ctx context.Context, plan *payload.Plan, from *Side, to Side) error {
	if m.Dynamic == nil {
		return nil
	}
	// Groups speak of partitions that the build has.
	d := *m.Dynamic
	d.Groups = nil
	for _, g := range m.Dynamic.Groups {
		g.Partitions = slices.DeleteFunc(slices.Clone(g.Partitions), func(name string) bool { return to.image(name) == nil })
		d.Groups = append(d.Groups, g)
	}
	m.Dynamic = &d
	if !d.VABCEnabled {
		return nil
	}
	for i := range plan.Parts {
		part := &plan.Parts[i]
		if !inSuper(&d, part.Name) {
			continue
		}
		blocks := blocksOf(part.Ops, part.Extra.HashTree, part.Extra.FEC)
		var carried []cow.Move
		blocks.moves, carried = cow.Order(blocks.moves)
		for _, c := range carried {
			blocks.content = append(blocks.content, c.Block)
		}
		part.Extra.Merge = mergeOps(blocks.moves)
		need, err := blocks.need(ctx, &d, to.image(part.Name))
		if err != nil {
			return fmt.Errorf("partition %q: %w", part.Name, err)
		}
		part.Extra.EstimateCowSize, part.Extra.EstimateOpCountMax = uint64(need.Bytes), uint64(need.Ops)
	}
	return nil
}

// snapshotBlocks is what becomes of the blocks of a partition.
type snapshotBlocks struct {
	moves   []cow.Move
	zeros   int
	content []uint64
}

func blocksOf(ops []payload.PlannedOp, tree *payload.HashTree, fec *payload.FEC) (s snapshotBlocks) {
	for i := range ops {
		op := &ops[i]
		s.add(op.Type, op.Src, op.Dst)
	}
	if tree != nil {
		s.content = append(s.content, blockNumbers([]payload.Extent{tree.Tree})...)
	}
	if fec != nil {
		s.content = append(s.content, blockNumbers([]payload.Extent{fec.Parity})...)
	}
	return s
}

func (s *snapshotBlocks) add(kind payload.OpType, src, dst []payload.Extent) {
	switch kind {
	case payload.SourceCopy:
		sources := blockNumbers(src)
		for i, b := range blockNumbers(dst) {
			if i < len(sources) {
				s.moves = append(s.moves, cow.Move{Block: b, Source: sources[i]})
			}
		}
	case payload.Zero, payload.Discard:
		s.zeros += int(count(dst))
	default:
		s.content = append(s.content, blockNumbers(dst)...)
	}
}

func blockNumbers(extents []payload.Extent) []uint64 {
	out := make([]uint64, 0, count(extents))
	for _, e := range extents {
		for b := range e.Count {
			out = append(out, e.Start+b)
		}
	}
	return out
}

// need is what the snapshot takes, whose content is that of the new image.
func (s *snapshotBlocks) need(ctx context.Context, d *payload.Dynamic, next *Image) (cow.Need, error) {
	o := cow.Options{Form: cow.Form(d.COWVersion), Compression: d.VABCCompression}
	b := make([]byte, blockSize)
	return cow.Estimate(ctx, o, len(s.moves), s.zeros, func(yield func([]byte) error) error {
		for _, n := range s.content {
			if err := readAt(next, b, int64(n)*blockSize); err != nil {
				return err
			}
			if err := yield(b); err != nil {
				return err
			}
		}
		return nil
	})
}

// mergeOps says moves, in their order, in runs that do not overlap themselves.
func mergeOps(moves []cow.Move) (out []payload.MergeOperation) {
	for _, m := range moves {
		if n := len(out); n > 0 {
			src, dst := &out[n-1].Src, &out[n-1].Dst
			apart := max(src.Start, dst.Start)-min(src.Start, dst.Start) > dst.Count
			if dst.Start+dst.Count == m.Block && src.Start+src.Count == m.Source && apart {
				src.Count++
				dst.Count++
				continue
			}
		}
		out = append(out, payload.MergeOperation{Type: payload.CowCopy,
			Src: payload.Extent{Start: m.Source, Count: 1}, Dst: payload.Extent{Start: m.Block, Count: 1}})
	}
	return out
}

// proveSnapshot follows what a payload says of a partition's snapshot: merging in its
// order reads nothing that it has overwritten, every block merged by copying is one
// that is copied, and the snapshot needs no more than is estimated.
func proveSnapshot(ctx context.Context, m *payload.Manifest, img *Image) error {
	d, part := m.Dynamic, m.Partition(img.Partition)
	if d == nil || !d.VABCEnabled || !inSuper(d, img.Partition) {
		return nil
	}
	var blocks snapshotBlocks
	for i := range part.Operations {
		op := &part.Operations[i]
		blocks.add(op.Type, op.Src, op.Dst)
	}
	if part.HashTree != nil {
		blocks.content = append(blocks.content, blockNumbers([]payload.Extent{part.HashTree.Tree})...)
	}
	if part.FEC != nil {
		blocks.content = append(blocks.content, blockNumbers([]payload.Extent{part.FEC.Parity})...)
	}
	source := map[uint64]uint64{}
	for _, x := range blocks.moves {
		source[x.Block] = x.Source
	}
	merged := map[uint64]bool{}
	var ordered []cow.Move
	for i, op := range part.Merge {
		if op.Type != payload.CowCopy || op.Src.Count != op.Dst.Count {
			return fmt.Errorf("merge operation %d is %v of %d blocks to %d", i, op.Type, op.Src.Count, op.Dst.Count)
		}
		for k := range op.Src.Count {
			from, to := op.Src.Start+k, op.Dst.Start+k
			if s, ok := source[to]; !ok || s != from {
				return fmt.Errorf("merge operation %d copies block %d to %d, which no operation does", i, from, to)
			}
			if merged[from] {
				return fmt.Errorf("merge operation %d copies block %d to %d after it was overwritten", i, from, to)
			}
			if merged[to] {
				return fmt.Errorf("merge operation %d writes block %d again", i, to)
			}
			merged[to] = true
			ordered = append(ordered, cow.Move{Block: to, Source: from})
		}
	}
	for _, x := range blocks.moves {
		if !merged[x.Block] && x.Block != x.Source {
			blocks.content = append(blocks.content, x.Block)
		}
	}
	blocks.moves = ordered
	need, err := blocks.need(ctx, d, img)
	if err != nil {
		return err
	}
	if uint64(need.Bytes) > part.EstimateCowSize || uint64(need.Ops) > part.EstimateOpCountMax {
		return fmt.Errorf("its snapshot needs %d bytes for %d blocks, the payload estimates %d for %d", need.Bytes, need.Ops, part.EstimateCowSize, part.EstimateOpCountMax)
	}
	return nil
}
