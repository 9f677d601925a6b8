package cow

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Of the scratch space: how many blocks lie there and which operation is the first
// of them, and the blocks.
const (
	scratchState  = 0
	scratchHead   = 10
	scratchBlocks = 4096
	batch         = 256
)

// arrange puts the operations in the order in which they are merged: copies first,
// as they were written, since they read the base; only the newest of a block.
func (f *File) arrange() {
	f.order, f.place = nil, map[uint64]int{}
	for i, o := range f.ops {
		if o.kind != opLabel && f.index[o.block] == i {
			f.order = append(f.order, i)
		}
	}
	slices.SortStableFunc(f.order, func(a, b int) int {
		return cmp.Compare(min(f.ops[a].kind, opReplace), min(f.ops[b].kind, opReplace))
	})
	for at, i := range f.order {
		f.place[f.ops[i].block] = at
	}
}

func (f *File) scratchAt() int64 {
	if f.form == Version3 {
		return headerSize3
	}
	return headerSize2
}

// openScratch reads which blocks a merge that was cut off had put aside. A batch
// that was counted as merged is of no use any more.
func (f *File) openScratch() error {
	var head [scratchHead]byte
	if err := f.read(head[:], f.scratchAt()+scratchState); err != nil {
		return err
	}
	n, from := int(le.Uint16(head[:])), le.Uint64(head[2:])
	if n == 0 || from != uint64(f.merged) {
		return nil
	}
	if n > batch || f.merged+n > len(f.order) {
		return fmt.Errorf("%d blocks are being merged after %d of %d", n, f.merged, len(f.order))
	}
	f.setAside(n)
	return nil
}

// setAside notes that the next n blocks lie in the scratch space.
func (f *File) setAside(n int) {
	f.spare = map[uint64]int64{}
	for i := range n {
		f.spare[f.ops[f.order[f.merged+i]].block] = f.scratchAt() + scratchBlocks + int64(i)*BlockSize
	}
}

// Merge moves the snapshot into base. A copy may read what a later one of the same
// batch overwrites, so that the blocks of a batch are put aside and are durable
// before the first is written; cut off anywhere, Open and Merge go on.
func (f *File) Merge(base Base, step func(done, total int) error) error {
	if !f.finished {
		return errors.New("cannot merge snapshot: it is not finished")
	}
	for f.merged < len(f.order) {
		if f.spare == nil {
			if err := f.putAside(min(batch, len(f.order)-f.merged)); err != nil {
				return err
			}
		}
		if err := f.mergeBatch(base, len(f.spare)); err != nil {
			return err
		}
		if step != nil {
			if err := step(f.merged, len(f.order)); err != nil {
				return err
			}
		}
	}
	return nil
}

// putAside copies the next n blocks into the scratch space.
func (f *File) putAside(n int) error {
	blocks := make([]byte, n*BlockSize)
	for i := range n {
		if err := f.content(&f.ops[f.order[f.merged+i]], blocks[i*BlockSize:(i+1)*BlockSize]); err != nil {
			return err
		}
	}
	// What was there is of no use before it is overwritten, and what is new only
	// once it is whole.
	if err := f.setState(0, 0); err != nil {
		return err
	}
	if err := f.write(blocks, f.scratchAt()+scratchBlocks); err != nil {
		return err
	}
	if err := f.sync(); err != nil {
		return err
	}
	if err := f.setState(n, f.merged); err != nil {
		return err
	}
	f.setAside(n)
	return nil
}

func (f *File) setState(n, from int) error {
	if err := f.write(le.AppendUint64(le.AppendUint16(nil, uint16(n)), uint64(from)), f.scratchAt()+scratchState); err != nil {
		return err
	}
	return f.sync()
}

// mergeBatch writes the n blocks that are put aside into base, and counts them.
func (f *File) mergeBatch(base Base, n int) error {
	b := make([]byte, BlockSize)
	for i := range n {
		o := &f.ops[f.order[f.merged+i]]
		if err := f.read(b, f.spare[o.block]); err != nil {
			return err
		}
		if err := writeBase(base, o.block, b); err != nil {
			return err
		}
	}
	if err := base.Sync(); err != nil {
		return fmt.Errorf("cannot merge snapshot: %w", err)
	}
	if err := f.write(le.AppendUint64(nil, uint64(f.merged+n)), mergedAt); err != nil {
		return err
	}
	if err := f.sync(); err != nil {
		return err
	}
	f.merged += n
	f.spare = nil
	return nil
}

func writeBase(base Base, block uint64, b []byte) error {
	if _, err := base.WriteAt(b, int64(block)*BlockSize); err != nil {
		return fmt.Errorf("cannot merge snapshot: %w", err)
	}
	return nil
}
