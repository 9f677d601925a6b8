package cow

import (
	"context"
	"slices"
)

// Move is a block of the new partition that is a block of the old one.
type Move struct{ Block, Source uint64 }

// Order puts moves in an order in which each is merged before its source is
// overwritten by another. Where moves go in a circle, one of each is in none of
// them: its block has to be carried. Blocks that stay where they are are in neither.
// No block may be the Block of two moves.
func Order(moves []Move) (ordered, carried []Move) {
	moves = slices.DeleteFunc(slices.Clone(moves), func(m Move) bool { return m.Block == m.Source })
	slices.SortFunc(moves, func(a, b Move) int { return compare(a.Block, b.Block) })
	at := make(map[uint64]int, len(moves)) // the move that writes a block
	for i, m := range moves {
		at[m.Block] = i
	}
	readers := make([]int, len(moves)) // of a move's block that are not yet merged
	for _, m := range moves {
		if i, ok := at[m.Source]; ok {
			readers[i]++
		}
	}
	done := make([]bool, len(moves))
	// follow takes a move whose block nobody reads any more, then the one that was
	// only waiting for it.
	follow := func(i int) {
		for readers[i] == 0 && !done[i] {
			done[i] = true
			ordered = append(ordered, moves[i])
			next, ok := at[moves[i].Source]
			if !ok {
				return
			}
			readers[next]--
			i = next
		}
	}
	for i := range moves {
		follow(i)
	}
	for i := range moves { // what is left are circles
		if done[i] {
			continue
		}
		done[i] = true
		carried = append(carried, moves[i])
		if next, ok := at[moves[i].Source]; ok {
			readers[next]--
			follow(next)
		}
	}
	return ordered, carried
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Need is how large a file becomes.
type Need struct {
	Bytes int64 // of the file
	Ops   int   // blocks that it speaks of
}

// Estimate is what a file of a form needs for moves that are ordered, zeros and
// blocks with new content, which content gives one by one until it gives none.
func Estimate(ctx context.Context, o Options, moves, zeros int, content func(yield func(block []byte) error) error) (Need, error) {
	c, err := codecOf(o.Compression)
	if err != nil {
		return Need{}, err
	}
	n := Need{Ops: moves + zeros}
	data := int64(0)
	err = content(func(b []byte) error {
		if n.Ops%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		n.Ops++
		size := int64(len(b))
		if c.pack != nil {
			packed, err := c.pack(b)
			if err != nil {
				return err
			}
			if packed != nil {
				size = int64(len(packed))
			}
		}
		data += size
		return nil
	})
	if err != nil {
		return Need{}, err
	}
	switch o.Form {
	case Kernel:
		n.Bytes = KernelSize(int64(n.Ops))
	case Version3:
		n.Bytes = headerSize3 + scratch + resumeMax*resumeSize + int64(n.Ops)*opSize3 + data
	default:
		clusters := int64(n.Ops)/(clusterOps-1) + 2 // the last for the footer
		n.Bytes = headerSize2 + scratch + clusters*clusterOps*opSize2 + data
	}
	return n, nil
}
