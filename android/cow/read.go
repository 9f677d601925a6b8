package cow

import (
	"errors"
	"fmt"
	"io"
)

// maxOps bounds what is read of a file: a block more than the largest partition.
const maxOps = 1 << 26

// Open goes on with a file of size bytes over base. Of one that was not finished,
// what came after its last label is dropped.
func Open(disk Disk, size int64, base io.ReaderAt) (Snapshot, error) {
	s, err := open(disk, size, base)
	if err != nil {
		return nil, fmt.Errorf("cannot read copy-on-write file: %w", err)
	}
	return s, nil
}

func open(disk Disk, size int64, base io.ReaderAt) (Snapshot, error) {
	var b [headerSize3]byte
	if n, err := disk.ReadAt(b[:], 0); n < headerSize2 {
		return nil, fmt.Errorf("it has %d bytes, expected a header of %d: %w", n, headerSize2, errors.Join(err, io.ErrUnexpectedEOF))
	}
	if le.Uint32(b[:]) == kernelMagic {
		return openKernel(disk, size, base)
	}
	if got := le.Uint64(b[:]); got != magic {
		return nil, fmt.Errorf("it begins with %#x, expected %#x", got, uint64(magic))
	}
	f := &File{disk: disk, base: base, form: Form(le.Uint16(b[8:])), index: map[uint64]int{}, merged: int(le.Uint64(b[mergedAt:]))}
	header := map[Form]uint16{Version2: headerSize2, Version3: headerSize3}[f.form]
	if header == 0 || le.Uint16(b[12:]) != header || le.Uint32(b[18:]) != BlockSize || le.Uint32(b[34:]) != scratch {
		return nil, fmt.Errorf("version %d with a header of %d bytes, blocks of %d and %d bytes of scratch space is not known", f.form, le.Uint16(b[12:]), le.Uint32(b[18:]), le.Uint32(b[34:]))
	}
	var err error
	if f.form == Version3 {
		err = f.read3(b[:], size)
	} else {
		err = f.read2(size)
	}
	if err != nil {
		return nil, err
	}
	if f.finished {
		f.arrange()
		if f.merged < 0 || f.merged > len(f.order) {
			return nil, fmt.Errorf("%d operations are merged of %d", f.merged, len(f.order))
		}
		return f, f.openScratch()
	}
	if f.merged != 0 {
		return nil, fmt.Errorf("%d operations are merged of a file that is not finished", f.merged)
	}
	return f, f.rewind()
}

// read2 reads the tables of version 2, up to the footer or to where writing ended:
// what cannot be was cut off there, and no label comes after it.
func (f *File) read2(size int64) error {
	f.start()
	table := make([]byte, clusterOps*opSize2)
	for {
		if f.opAt+int64(len(table)) > size {
			return nil
		}
		if err := f.read(table, f.opAt); err != nil {
			return err
		}
		start := f.tableAt
		next := false
		for i := 0; i < clusterOps && !next; i++ {
			b := table[i*opSize2:]
			o := op{kind: b[0], packed: b[1] != 0, length: int(le.Uint16(b[2:])), block: le.Uint64(b[4:]), source: le.Uint64(b[12:])}
			switch o.kind {
			case 0:
				return nil
			case opFooter:
				f.finished = le.Uint64(b[12:]) == uint64(len(f.ops))
				return nil
			case opCluster:
				end := start + int64(len(table))
				if o.source > uint64(max(size-end, 0)) {
					return nil
				}
				f.startTable(end + int64(o.source))
				next = true
			default:
				if err := f.take(o, size); err != nil {
					return nil //nolint:nilerr // as above
				}
				if o.packed && f.codec.number == 0 {
					var err error
					if f.codec, err = codecByNumber(b[1]); err != nil {
						return err
					}
				}
				f.opAt += opSize2
				f.inTable++
			}
		}
		if !next {
			return nil
		}
	}
}

// read3 reads the table of version 3.
func (f *File) read3(b []byte, size int64) error {
	room := int64(le.Uint32(b[opCountAt+4:]))
	var point [resumeSize]byte
	count := int64(0)
	if le.Uint32(b[resumedAt:]) > 0 {
		// The point says how many operations it is about; the header's own count may
		// be that of another moment.
		if err := f.read(point[:], headerSize3+scratch); err != nil {
			return err
		}
		count = int64(le.Uint32(point[8:]))
	}
	if count > room || room > maxOps || le.Uint32(b[resumedAt+4:]) != resumeMax {
		return fmt.Errorf("it has %d operations of %d at most, with %d resume points", count, room, le.Uint32(b[resumedAt+4:]))
	}
	var err error
	if f.codec, err = codecByNumber(uint8(le.Uint32(b[opCountAt+8:]))); err != nil {
		return err
	}
	f.max = int(room)
	f.start()
	if f.dataAt > size {
		return fmt.Errorf("its table of operations ends at %d, behind the file's %d bytes", f.dataAt, size)
	}
	table := make([]byte, count*opSize3)
	if err := f.read(table, f.opAt); err != nil {
		return err
	}
	for ; len(table) > 0; table = table[opSize3:] {
		o := op{kind: table[0], length: int(le.Uint16(table[1:])), block: uint64(le.Uint32(table[3:])), source: le.Uint64(table[7:])}
		o.packed = o.kind == opReplace && o.length < BlockSize
		if err := f.take(o, size); err != nil {
			return err
		}
		f.opAt += opSize3
		f.inTable++
	}
	if le.Uint32(b[resumedAt:]) == 0 {
		return nil
	}
	if label := le.Uint64(point[:]); label == finalLabel {
		f.finished = true
	} else {
		f.ops = append(f.ops, op{kind: opLabel, source: label})
	}
	return nil
}

// take notes an operation that was read.
func (f *File) take(o op, size int64) error {
	if len(f.ops) >= maxOps {
		return fmt.Errorf("it has more than %d operations", maxOps)
	}
	switch o.kind {
	case opReplace:
		if o.length == 0 || o.length > BlockSize || !o.packed && o.length != BlockSize {
			return fmt.Errorf("operation %d has %d bytes for a block", len(f.ops), o.length)
		}
		if o.source > uint64(size) || int64(o.source) < f.dataAt || int64(o.source)+int64(o.length) > size {
			return fmt.Errorf("operation %d has its data at %d, expected between %d and %d", len(f.ops), o.source, f.dataAt, size)
		}
		f.dataAt = int64(o.source) + int64(o.length)
	case opCopy:
		if o.source >= MaxBlocks {
			return fmt.Errorf("operation %d copies block %d", len(f.ops), o.source)
		}
	case opZero, opLabel:
	default:
		return fmt.Errorf("operation %d is of kind %d", len(f.ops), o.kind)
	}
	if o.block >= MaxBlocks {
		return fmt.Errorf("operation %d writes block %d", len(f.ops), o.block)
	}
	f.note(o)
	return nil
}

// rewind drops what was written after the last label, of which nothing is known to
// have reached the disk.
func (f *File) rewind() error {
	keep := 0
	for i, o := range f.ops {
		if o.kind == opLabel {
			keep = i + 1
		}
	}
	ops := f.ops[:keep]
	f.ops, f.index = nil, map[uint64]int{}
	f.start()
	for _, o := range ops {
		f.note(o)
		if o.kind == opReplace {
			f.dataAt = int64(o.source) + int64(o.length)
		}
		if o.kind == opLabel && f.form == Version3 {
			continue
		}
		f.inTable++
		if f.form == Version3 {
			f.opAt += opSize3
		} else if f.opAt += opSize2; f.inTable == clusterOps-1 {
			f.startTable(f.dataAt)
		}
	}
	if f.form == Version2 { // what stood in the rest of the table is none of the new
		if err := f.write(make([]byte, (clusterOps-f.inTable)*opSize2), f.opAt); err != nil {
			return err
		}
	}
	if err := f.disk.Truncate(f.dataAt); err != nil {
		return err
	}
	return f.sync()
}
