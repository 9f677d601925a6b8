package payload

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
)

// partitionName bounds what a partition is called: callers make files of it.
var partitionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,71}$`)

// maxBlocks bounds a partition (64 TiB), so that sizes in bytes never overflow.
const maxBlocks = 1 << 34

// check refuses a manifest whose operations read or write where nothing is, or
// write one block twice. What an operation's type asks of it is checked too;
// whether the type can be done is asked later, for the partition at hand.
func (m *Manifest) check(blobs uint64) error {
	if m.BlockSize != blockSize {
		return fmt.Errorf("block size is %d, expected %d", m.BlockSize, blockSize)
	}
	seen := map[string]bool{}
	var total int64
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if !partitionName.MatchString(p.Name) {
			return fmt.Errorf("partition %d is named %.80q, expected letters, digits and . _ -", i, p.Name)
		}
		if seen[p.Name] {
			return fmt.Errorf("partition %q is there twice", p.Name)
		}
		seen[p.Name] = true
		if err := p.check(blobs); err != nil {
			return fmt.Errorf("partition %q: %w", p.Name, err)
		}
		if total += p.NewSize; total > MaxNewSize {
			return fmt.Errorf("partition %q: with it, the new partitions have %d bytes, expected at most %d: no phone has as much", p.Name, total, int64(MaxNewSize))
		}
	}
	return nil
}

func (p *Partition) check(blobs uint64) error {
	if err := checkSide("new", p.NewSize, p.NewSHA256); err != nil {
		return err
	}
	if p.NewSHA256 == nil {
		return fmt.Errorf("hash of the new partition is missing")
	}
	if err := checkSide("old", p.OldSize, p.OldSHA256); err != nil {
		return err
	}
	type owned struct {
		Extent
		op int
	}
	var written []owned
	for i := range p.Operations {
		op := &p.Operations[i]
		if err := op.check(p, blobs); err != nil {
			return fmt.Errorf("operation %d (%v): %w", i, op.Type, err)
		}
		for _, e := range op.Dst {
			written = append(written, owned{e, i})
		}
	}
	made, err := p.computed()
	if err != nil {
		return err
	}
	for i, e := range made { // their numbers follow the operations'
		written = append(written, owned{e, len(p.Operations) + i})
	}
	slices.SortFunc(written, func(a, b owned) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.op, b.op)) })
	for i := 1; i < len(written); i++ {
		a, b := written[i-1], written[i]
		if a.Start+a.Count > b.Start {
			if n := len(p.Operations); min(a.op, b.op) >= n {
				return fmt.Errorf("hash tree and error-correcting codes both take block %d", b.Start)
			} else if max(a.op, b.op) >= n {
				return fmt.Errorf("operation %d writes block %d, which the phone is to compute", min(a.op, b.op), b.Start)
			}
			return fmt.Errorf("operations %d and %d both write block %d", a.op, b.op, b.Start)
		}
	}
	return nil
}

func checkSide(side string, size int64, sum []byte) error {
	if size < 0 || size > maxBlocks*blockSize || size%blockSize != 0 {
		return fmt.Errorf("size of the %s partition is %d, expected whole blocks of %d", side, size, blockSize)
	}
	if sum != nil && len(sum) != 32 {
		return fmt.Errorf("hash of the %s partition has %d bytes, expected 32", side, len(sum))
	}
	return nil
}

// needs says what an operation of type t has beside destination extents.
func (t OpType) needs() (data, source bool) {
	switch t {
	case Replace, ReplaceBZ, ReplaceXZ, ReplaceZstd:
		return true, false
	case SourceCopy:
		return false, true
	case SourceBsdiff, BrotliBsdiff, Puffdiff, Zucchini, LZ4DiffBsdiff, LZ4DiffPuffdiff:
		return true, true
	}
	return false, false
}

func (op *Operation) check(p *Partition, blobs uint64) error {
	dst, err := blocks(op.Dst, uint64(p.NewSize)/blockSize)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	if dst == 0 {
		return fmt.Errorf("destination is empty")
	}
	src, err := blocks(op.Src, uint64(p.OldSize)/blockSize)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	data, source := op.Type.needs()
	if source && src == 0 {
		return fmt.Errorf("source is empty")
	}
	if op.Type == SourceCopy && src != dst {
		return fmt.Errorf("source has %d blocks, destination %d", src, dst)
	}
	if op.SrcSHA256 != nil && len(op.SrcSHA256) != 32 {
		return fmt.Errorf("source hash has %d bytes, expected 32", len(op.SrcSHA256))
	}
	if data {
		if op.DataLength == 0 {
			return fmt.Errorf("data is missing")
		}
		if op.DataOffset > blobs || op.DataLength > blobs-op.DataOffset {
			return fmt.Errorf("data of %d bytes at %d is outside of the payload's %d", op.DataLength, op.DataOffset, blobs)
		}
		if len(op.DataSHA256) != 32 {
			return fmt.Errorf("data hash has %d bytes, expected 32", len(op.DataSHA256))
		}
	}
	return nil
}

// blocks counts the blocks of extents, all of which must be below limit.
func blocks(extents []Extent, limit uint64) (uint64, error) {
	var n uint64
	for _, e := range extents {
		if e.Count == 0 {
			return 0, fmt.Errorf("extent at block %d is empty", e.Start)
		}
		if e.Start > limit || e.Count > limit-e.Start {
			return 0, fmt.Errorf("blocks %d+%d are outside of the partition's %d", e.Start, e.Count, limit)
		}
		if n += e.Count; n > maxBlocks {
			return 0, fmt.Errorf("more than %d blocks", uint64(maxBlocks))
		}
	}
	return n, nil
}
