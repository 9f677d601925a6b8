package cow

import (
	"errors"
	"fmt"
)

// Snapshot is what Create and Open give: a partition with what an update makes of
// it. It is written in one go or from label to label, finished, and merged.
type Snapshot interface {
	// ReadAt reads the partition as it is with the snapshot.
	ReadAt(p []byte, off int64) (int, error)
	// Copy, Replace and Zero say what becomes of a block.
	Copy(block, source uint64) error
	Replace(block uint64, content []byte) error
	Zero(block uint64) error
	// Label makes all that was written durable. What was written after the last
	// label is lost when the file is opened without having been finished.
	Label(n uint64) error
	// Labelled is the last label; false: there is none.
	Labelled() (uint64, bool)
	// Finish makes the file whole.
	Finish() error
	// Finished says whether it is.
	Finished() bool
	// Size is how many bytes the file needs.
	Size() int64
	// Ops is how many blocks it speaks of.
	Ops() int
	// Merge moves the snapshot into base, from wherever an earlier call was cut
	// off; step, if not nil, is told after each durable step and may stop it.
	Merge(base Base, step func(done, total int) error) error
}

// Copy makes a block that of another place in the base.
func (f *File) Copy(block, source uint64) error {
	if source >= MaxBlocks {
		return fmt.Errorf("cannot write copy-on-write file: block %d is copied from %d, expected less than %d", block, source, uint64(MaxBlocks))
	}
	return f.add(op{kind: opCopy, block: block, source: source}, nil)
}

// Zero makes a block zeros.
func (f *File) Zero(block uint64) error { return f.add(op{kind: opZero, block: block}, nil) }

// Replace gives a block new content, of BlockSize bytes.
func (f *File) Replace(block uint64, content []byte) error {
	if len(content) != BlockSize {
		return fmt.Errorf("cannot write copy-on-write file: a block has %d bytes, expected %d", len(content), BlockSize)
	}
	o := op{kind: opReplace, block: block, length: BlockSize}
	if f.codec.pack != nil {
		packed, err := f.codec.pack(content)
		if err != nil {
			return fmt.Errorf("cannot write copy-on-write file: %w", err)
		}
		if packed != nil {
			o.packed, o.length, content = true, len(packed), packed
		}
	}
	return f.add(o, content)
}

// Label marks a place from which writing can go on, and makes it durable.
func (f *File) Label(n uint64) error {
	if f.form == Version2 {
		if err := f.add(op{kind: opLabel, source: n}, nil); err != nil {
			return err
		}
		return f.sync()
	}
	if f.finished {
		return errFinished
	}
	f.ops = append(f.ops, op{kind: opLabel, source: n})
	return f.count(n)
}

// count writes how many operations of version 3 are valid, with a resume point.
func (f *File) count(label uint64) error {
	if err := f.sync(); err != nil { // what is counted must be there
		return err
	}
	point := le.AppendUint32(le.AppendUint64(nil, label), uint32(f.inTable))
	if err := f.write(point, headerSize3+scratch); err != nil {
		return err
	}
	if err := f.write(le.AppendUint32(nil, 1), resumedAt); err != nil {
		return err
	}
	if err := f.write(le.AppendUint32(nil, uint32(f.inTable)), opCountAt); err != nil {
		return err
	}
	return f.sync()
}

// Labelled is the last label.
func (f *File) Labelled() (uint64, bool) {
	for i := len(f.ops) - 1; i >= 0; i-- {
		if f.ops[i].kind == opLabel {
			return f.ops[i].source, true
		}
	}
	return 0, false
}

var errFinished = errors.New("cannot write copy-on-write file: it is finished")

// add writes an operation and its data.
func (f *File) add(o op, data []byte) error {
	if f.finished {
		return errFinished
	}
	if o.block >= MaxBlocks {
		return fmt.Errorf("cannot write copy-on-write file: block %d, expected less than %d", o.block, uint64(MaxBlocks))
	}
	if f.form == Version3 && f.inTable >= f.max {
		return fmt.Errorf("cannot write copy-on-write file: %w: it has %d operations, and was made for %d", ErrFull, f.inTable, f.max)
	}
	if err := f.fits(f.dataAt + int64(len(data))); err != nil {
		return err
	}
	if data != nil {
		o.source = uint64(f.dataAt)
		if err := f.write(data, f.dataAt); err != nil {
			return err
		}
		f.dataAt += int64(len(data))
	}
	if err := f.write(f.encode(&o), f.opAt); err != nil {
		return err
	}
	f.note(o)
	if f.form == Version3 {
		f.opAt += opSize3
		f.inTable++
		return nil
	}
	f.opAt += opSize2
	if f.inTable++; f.inTable == clusterOps-1 {
		return f.nextCluster()
	}
	return nil
}

// nextCluster ends a table of operations and starts the next behind its data.
func (f *File) nextCluster() error {
	next := op{kind: opCluster, source: uint64(f.dataAt - f.tableAt - clusterOps*opSize2)}
	if err := f.fits(f.dataAt + clusterOps*opSize2); err != nil {
		return err
	}
	// The next table is zeros before this one leads to it.
	if err := f.write(make([]byte, clusterOps*opSize2), f.dataAt); err != nil {
		return err
	}
	if err := f.write(f.encode(&next), f.opAt); err != nil {
		return err
	}
	f.startTable(f.dataAt)
	return nil
}

func (f *File) note(o op) {
	if o.kind != opLabel {
		f.index[o.block] = len(f.ops)
	}
	f.ops = append(f.ops, o)
}

func (f *File) encode(o *op) []byte {
	if f.form == Version3 {
		b := le.AppendUint16([]byte{o.kind}, uint16(o.length))
		return le.AppendUint64(le.AppendUint32(b, uint32(o.block)), o.source)
	}
	b := []byte{o.kind, 0}
	if o.packed {
		b[1] = f.codec.number
	}
	return le.AppendUint64(le.AppendUint64(le.AppendUint16(b, uint16(o.length)), o.block), o.source)
}

// Finish writes the footer, or how many operations there are, and makes all durable.
func (f *File) Finish() error {
	if f.finished {
		return nil
	}
	if f.form == Version2 {
		// The footer is longer than an operation: it goes into a table of its own.
		if f.inTable > 0 {
			if err := f.nextCluster(); err != nil {
				return err
			}
		}
		if err := f.sync(); err != nil {
			return err
		}
		foot := le.AppendUint16([]byte{opFooter, 0}, footerSize-opSize2)
		foot = le.AppendUint64(foot, uint64(len(f.ops))*opSize2)
		foot = le.AppendUint64(foot, uint64(len(f.ops)))
		foot = append(foot, make([]byte, footerSize-opSize2)...)
		if err := f.write(foot, f.opAt); err != nil {
			return err
		}
		if err := f.sync(); err != nil {
			return err
		}
	} else {
		if err := f.count(finalLabel); err != nil {
			return err
		}
	}
	f.finished = true
	f.arrange()
	return nil
}

// finalLabel is the resume point of a finished file of version 3.
const finalLabel = 1<<64 - 1

// Finished says whether the file is whole.
func (f *File) Finished() bool { return f.finished }
