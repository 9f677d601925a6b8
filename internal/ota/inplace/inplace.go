// Package inplace orders the transfers that turn an image into its successor on
// the same partition, as phones with one slot need it.
//
// A transfer reads blocks of the old image and writes blocks of the new one. One
// that writes what another still has to read goes behind it; where transfers wait
// for each other in a circle, what would be overwritten is stashed before, and
// where that takes more room than the phone has, a transfer carries its blocks as
// data instead. What comes out is the commands of a transfer list (package
// blockota) of version 4. The package reads blocks only to name them by their
// sums, and makes no patches.
//
// The order is that of Eades, Lin and Smyth for the feedback arc set ("A fast and
// effective heuristic", 1993), which AOSP's blockimgdiff takes too.
package inplace

import (
	"context"
	"crypto/sha1" //nolint:gosec // the format's own sum
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/tree"
)

// Transfer makes blocks of the new image.
type Transfer struct {
	Kind   blockota.Kind     // New, Zero, Move, BSDiff
	Source blockota.RangeSet // of the old image: Move, BSDiff
	Target blockota.RangeSet // no other transfer's has a block of it

	PatchOffset, PatchSize int64 // BSDiff: in .patch.dat
}

// Plan is what Order makes.
type Plan struct {
	List *blockota.List
	// New are the blocks of the new image that .new.dat holds, in its order.
	New blockota.RangeSet
	// Turned is how many blocks are carried as data because there was no room to
	// stash what they come from.
	Turned int64
}

// Images are the two ends.
type Images struct {
	Old, New             io.ReaderAt
	OldBlocks, NewBlocks int64
}

// Order makes a list of transfers. maxStash is how many bytes may be stashed at a
// time. The same transfers give the same list.
func Order(ctx context.Context, im Images, transfers []Transfer, maxStash int64) (*Plan, error) {
	o := &order{ctx: ctx, im: im, t: slices.Clone(transfers), most: maxStash / blockota.BlockSize}
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("cannot order transfers: %w", err)
	}
	o.sequence()
	for o.revise() {
	}
	plan, err := o.commands()
	if err != nil {
		return nil, fmt.Errorf("cannot order transfers: %w", err)
	}
	return plan, nil
}

type order struct {
	ctx    context.Context
	im     Images
	t      []Transfer
	most   int64   // blocks stashed at a time
	writer []int32 // of a block; -1: none
	seq    []int32 // transfers in their order
	pos    []int32 // place in seq
	turned int64
}

// check refuses transfers that lie outside the images or write a block twice.
func (o *order) check() error {
	o.writer = make([]int32, max(o.im.OldBlocks, o.im.NewBlocks))
	for i := range o.writer {
		o.writer[i] = -1
	}
	for i, t := range o.t {
		for b := range blocks(t.Source) {
			if b < 0 || b >= o.im.OldBlocks {
				return fmt.Errorf("transfer %d reads block %d, the old image has %d", i, b, o.im.OldBlocks)
			}
		}
		for b := range blocks(t.Target) {
			if b < 0 || b >= o.im.NewBlocks {
				return fmt.Errorf("transfer %d writes block %d, the new image has %d", i, b, o.im.NewBlocks)
			}
			if o.writer[b] >= 0 {
				return fmt.Errorf("transfers %d and %d both write block %d", o.writer[b], i, b)
			}
			o.writer[b] = int32(i)
		}
	}
	return o.ctx.Err()
}

// blocks goes through a set.
func blocks(s blockota.RangeSet) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for _, r := range s {
			for b := r.Start; b < r.End; b++ {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// overwritten gives for each transfer that writes blocks of t's source, other than
// t itself, how many.
func (o *order) overwritten(t int32) map[int32]int64 {
	m := map[int32]int64{}
	for b := range blocks(o.t[t].Source) {
		if w := o.writer[b]; w >= 0 && w != t {
			m[w]++
		}
	}
	return m
}

// lost are the blocks of t's source, by their place in it, that transfers before t
// write; by the transfer that writes them.
func (o *order) lost(t int32) map[int32][]int64 {
	var m map[int32][]int64
	place := int64(0)
	for b := range blocks(o.t[t].Source) {
		if w := o.writer[b]; w >= 0 && w != t && o.pos[w] < o.pos[t] {
			if m == nil {
				m = map[int32][]int64{}
			}
			m[w] = append(m[w], place)
		}
		place++
	}
	return m
}

// overlaps says whether a transfer writes over its own source.
func (o *order) overlaps(t int32) bool {
	for b := range blocks(o.t[t].Source) {
		if o.writer[b] == t {
			return true
		}
	}
	return false
}

// revise counts what is stashed at each time, and turns transfers for which there
// is no room into data. It says whether it did: then stashes must be counted anew.
func (o *order) revise() bool {
	changed := false
	held := int64(0)
	wants := make([][]int32, len(o.seq)) // by place: transfers that stash before it
	sizes := make([]map[int32]int64, len(o.t))
	for i := range o.t {
		for w, places := range o.lost(int32(i)) {
			wants[o.pos[w]] = append(wants[o.pos[w]], int32(i))
			if sizes[i] == nil {
				sizes[i] = map[int32]int64{}
			}
			sizes[i][w] = int64(len(places))
		}
	}
	turn := func(t int32) {
		x := &o.t[t]
		o.turned += x.Target.Blocks()
		*x = Transfer{Kind: blockota.New, Target: x.Target}
		changed = true
	}
	holds := make([]int64, len(o.t)) // stashed for t
	for place, t := range o.seq {
		slices.Sort(wants[place])
		for _, reader := range wants[place] {
			n := sizes[reader][t]
			if o.t[reader].Kind == blockota.New {
				continue // turned on the way
			}
			if held+n > o.most {
				held -= holds[reader]
				holds[reader] = 0
				turn(reader)
				continue
			}
			held += n
			holds[reader] += n
		}
		if o.t[t].Kind != blockota.New && o.overlaps(t) && held+o.t[t].Source.Blocks() > o.most {
			turn(t)
		}
		held -= holds[t]
		holds[t] = 0
	}
	return changed
}

// sum names blocks by their content.
func sum(ctx context.Context, r io.ReaderAt, s blockota.RangeSet, buf []byte) (string, error) {
	h := sha1.New() //nolint:gosec // as above
	for _, x := range s {
		for at, end := x.Start*blockota.BlockSize, x.End*blockota.BlockSize; at < end; {
			if err := ctx.Err(); err != nil {
				return "", err
			}
			n := min(end-at, int64(len(buf)))
			if err := tree.ReadFull(r, buf[:n], at); err != nil {
				return "", err
			}
			h.Write(buf[:n])
			at += n
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
