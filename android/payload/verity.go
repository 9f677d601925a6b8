package payload

import (
	"context"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/avb"
)

// Computes says whether the phone computes block of the partition itself: as part
// of its hash tree or of its error-correcting codes.
func (p *Partition) Computes(block uint64) bool {
	in := func(e Extent) bool { return block >= e.Start && block-e.Start < e.Count }
	return p.HashTree != nil && in(p.HashTree.Tree) || p.FEC != nil && in(p.FEC.Parity)
}

// WriteVerity computes what the payload leaves to the phone, a partition's hash
// tree and after it its error-correcting codes, from what the operations made of
// dst, and writes it there. Apply does so; who does operation by operation
// asks for it after the last, before VerifyNew. Where the payload holds all, it
// does nothing. Doing it again does no harm.
func (p *Payload) WriteVerity(ctx context.Context, part string, dst Disk) error {
	q, err := p.partition(part)
	if err != nil {
		return err
	}
	if err := q.checkVerity(); err != nil {
		return fmt.Errorf("cannot apply partition %q: %w", part, err)
	}
	if t := q.HashTree; t != nil {
		r, w, room := within(dst, t.Data), io.NewOffsetWriter(dst, int64(t.Tree.Start)*blockSize), int64(t.Tree.Count)*blockSize
		if _, err := avb.BuildHashtree(ctx, r, r.Size(), t.Algorithm, t.Salt, w, room); err != nil {
			return fmt.Errorf("cannot apply partition %q: %w", part, err)
		}
	}
	if f := q.FEC; f != nil {
		r, w, room := within(dst, f.Data), io.NewOffsetWriter(dst, int64(f.Parity.Start)*blockSize), int64(f.Parity.Count)*blockSize
		if err := avb.BuildFEC(ctx, r, r.Size(), int(f.Roots), w, room); err != nil {
			return fmt.Errorf("cannot apply partition %q: %w", part, err)
		}
	}
	return nil
}

func within(r io.ReaderAt, e Extent) *io.SectionReader {
	return io.NewSectionReader(r, int64(e.Start)*blockSize, int64(e.Count)*blockSize)
}

// checkVerity says whether the phone can compute what it is told to.
func (p *Partition) checkVerity() error {
	if t := p.HashTree; t != nil {
		n, err := avb.HashtreeSize(int64(t.Data.Count)*blockSize, t.Algorithm)
		if err == nil && n != int64(t.Tree.Count)*blockSize {
			err = fmt.Errorf("hash tree of %d blocks takes %d, there is room for %d", t.Data.Count, n/blockSize, t.Tree.Count)
		}
		if err != nil {
			return fmt.Errorf("the phone is to compute its hash tree at block %d: %w", t.Tree.Start, err)
		}
	}
	if f := p.FEC; f != nil {
		n, err := avb.FECSize(int64(f.Data.Count)*blockSize, int(min(f.Roots, 1<<16)))
		if err == nil && n != int64(f.Parity.Count)*blockSize {
			err = fmt.Errorf("codes for %d blocks take %d, there is room for %d", f.Data.Count, n/blockSize, f.Parity.Count)
		}
		if err != nil {
			return fmt.Errorf("the phone is to compute its error-correcting codes at block %d: %w", f.Parity.Start, err)
		}
	}
	return nil
}

// computed gives the extents that the phone computes; each must lie in the
// partition, and none may be made of itself.
func (p *Partition) computed() ([]Extent, error) {
	var out []Extent
	add := func(what string, data, made Extent) error {
		for _, e := range []Extent{data, made} {
			if _, err := blocks([]Extent{e}, uint64(p.NewSize)/blockSize); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		if made.Start < data.Start+data.Count && data.Start < made.Start+made.Count {
			return fmt.Errorf("%s at block %d lies in what it is computed of, blocks %d+%d", what, made.Start, data.Start, data.Count)
		}
		out = append(out, made)
		return nil
	}
	if t := p.HashTree; t != nil {
		if err := add("hash tree", t.Data, t.Tree); err != nil {
			return nil, err
		}
	}
	if f := p.FEC; f != nil {
		if err := add("error-correcting codes", f.Data, f.Parity); err != nil {
			return nil, err
		}
	}
	return out, nil
}
