// Package cow writes, reads and merges the copy-on-write files in which a phone
// with virtual A/B keeps an update beside the system that it runs: one for each
// partition in super, whose old blocks stay where they are until the new system has
// started.
//
// Three forms are known: the kernel's own (dm-snapshot with a persistent store, one
// chunk a block, nothing compressed), and versions 2 and 3 of libsnapshot's, whose
// blocks are copies of old ones, compressed new ones, or zeros. The kernel's is
// described in drivers/md/dm-snap-persistent.c, the others in AOSP's
// system/core/fs_mgr/libsnapshot (cow_format.h). What a phone keeps in the scratch
// space while it merges is its own affair, and here it is this package's.
//
// It maps no devices, finds no place in super or in user data, and knows no
// payload: which block comes from where is said by who writes.
package cow

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// BlockSize is that of everything in a copy-on-write file.
const BlockSize = 4096

// Form is how a file is laid out.
type Form int

// The forms that are known.
const (
	Kernel   Form = 1 // dm-snapshot
	Version2 Form = 2 // libsnapshot, Android 12 to 14
	Version3 Form = 3 // libsnapshot, Android 15 and later
)

// MaxBlocks is the most blocks of a partition: 16 TiB. Version 3 has 32 bits for one.
const MaxBlocks = 1 << 32

// Disk is where a file lies.
type Disk interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
}

// Base is the partition under a snapshot.
type Base interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// Options of Create.
type Options struct {
	Form        Form
	Compression string // of blocks: lz4, gz or none; "": none. The kernel's form has none.
	// Ops is how many blocks a file of version 3 has room to speak of
	// (estimate_op_count_max).
	Ops int
	// Room is how many bytes the file may have; 0: any number.
	Room int64
}

// ErrFull says that a file would outgrow its room.
var ErrFull = errors.New("the copy-on-write file is full")

// Kinds of operations.
const (
	opCopy    = 1
	opReplace = 2
	opZero    = 3
	opLabel   = 4
	opCluster = 5
	opFooter  = 0xff
)

// op is one operation of a file.
type op struct {
	kind   uint8
	packed bool
	length int
	block  uint64
	source uint64 // block copied, place of data in the file, label, length of a cluster's data
}

const (
	magic       = 0x436f77634f572121
	prefixSize  = 14
	headerSize2 = prefixSize + 24
	headerSize3 = headerSize2 + 28
	opSize2     = 20
	opSize3     = 15
	footerSize  = opSize2 + 64
	clusterOps  = 200
	resumeMax   = 4
	resumeSize  = 12
	scratch     = 2 << 20 // after the header

	mergedAt  = 26 // of the header: how many operations are merged
	opCountAt = headerSize2 + 16
	resumedAt = headerSize2 + 8
)

var le = binary.LittleEndian

// File is a snapshot of versions 2 or 3: a base and what is over it.
type File struct {
	disk  Disk
	base  io.ReaderAt
	form  Form
	codec codec
	room  int64
	max   int // operations of version 3

	ops      []op           // as they were written, without clusters
	index    map[uint64]int // the newest operation of a block
	tableAt  int64          // place of the table of operations
	opAt     int64          // place of the next operation
	dataAt   int64          // place of the next data
	inTable  int            // operations in the cluster, or in the table of version 3
	finished bool

	order  []int // operations as they are merged
	place  map[uint64]int
	merged int
	spare  map[uint64]int64 // blocks that lie in the scratch space, while it is valid
}

// Create starts a file over base. What disk holds is lost.
func Create(disk Disk, base io.ReaderAt, o Options) (Snapshot, error) {
	if o.Form == Kernel {
		return createKernel(disk, base, o)
	}
	f := &File{disk: disk, base: base, form: o.Form, room: o.Room, max: o.Ops, index: map[uint64]int{}}
	var err error
	if f.codec, err = codecOf(o.Compression); err != nil {
		return nil, fmt.Errorf("cannot make copy-on-write file: %w", err)
	}
	if o.Form != Version2 && o.Form != Version3 || o.Ops < 0 || o.Ops >= MaxBlocks {
		return nil, fmt.Errorf("cannot make copy-on-write file: form %d with %d operations is not known", o.Form, o.Ops)
	}
	if err := disk.Truncate(0); err != nil {
		return nil, fmt.Errorf("cannot make copy-on-write file: %w", err)
	}
	f.start()
	if err := f.fits(f.dataAt); err != nil {
		return nil, err
	}
	if err := f.write(f.header(), 0); err != nil {
		return nil, err
	}
	// All operations that are not there are zeros, whatever a reader meets first.
	return f, f.write([]byte{0}, f.dataAt-1)
}

// start puts the places to the beginning of an empty file.
func (f *File) start() {
	f.inTable = 0
	if f.form == Version3 {
		f.opAt = headerSize3 + scratch + resumeMax*resumeSize
		f.tableAt, f.dataAt = f.opAt, f.opAt+int64(f.max)*opSize3
		return
	}
	f.startTable(headerSize2 + scratch)
}

// startTable starts a table of operations of version 2, with its data behind it.
func (f *File) startTable(at int64) {
	f.tableAt, f.opAt, f.inTable = at, at, 0
	f.dataAt = at + clusterOps*opSize2
}

func (f *File) header() []byte {
	b := le.AppendUint64(nil, magic)
	size := headerSize2
	if f.form == Version3 {
		size = headerSize3
	}
	b = le.AppendUint16(b, uint16(f.form))
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, uint16(size))
	opSize, cluster := opSize2, clusterOps
	if f.form == Version3 {
		opSize, cluster = opSize3, 0
	}
	b = le.AppendUint16(b, footerSize)
	b = le.AppendUint16(b, uint16(opSize))
	b = le.AppendUint32(b, BlockSize)
	b = le.AppendUint32(b, uint32(cluster))
	b = le.AppendUint64(b, uint64(f.merged))
	b = le.AppendUint32(b, scratch)
	if f.form == Version3 {
		b = le.AppendUint64(b, 0) // no order of merging beside that of the operations
		b = le.AppendUint32(b, 0) // resume points
		b = le.AppendUint32(b, resumeMax)
		b = le.AppendUint32(b, 0) // operations
		b = le.AppendUint32(b, uint32(f.max))
		b = le.AppendUint32(b, uint32(f.codec.number))
	}
	return b
}

func (f *File) fits(end int64) error {
	if f.room > 0 && end > f.room {
		return fmt.Errorf("cannot write copy-on-write file: %w: it would have %d bytes, its room is %d", ErrFull, end, f.room)
	}
	return nil
}

func (f *File) write(b []byte, at int64) error {
	if _, err := f.disk.WriteAt(b, at); err != nil {
		return fmt.Errorf("cannot write copy-on-write file: %w", err)
	}
	return nil
}

func (f *File) sync() error {
	if err := f.disk.Sync(); err != nil {
		return fmt.Errorf("cannot write copy-on-write file: %w", err)
	}
	return nil
}

// Size is how many bytes the file needs, its footer included.
func (f *File) Size() int64 {
	if f.form == Version2 && !f.finished && f.inTable > 0 {
		return f.dataAt + clusterOps*opSize2
	}
	return f.dataAt
}

// Ops is how many operations are in the file.
func (f *File) Ops() int { return len(f.ops) }

// ReadAt reads the partition as it is with the snapshot. What lies behind the end of
// the base reads as zeros.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return readBlocks(p, off, f.block) }

// readBlocks reads bytes of a partition that is known by its blocks.
func readBlocks(p []byte, off int64, block func(n uint64, b []byte) error) (n int, err error) {
	if off < 0 {
		return 0, errors.New("cannot read snapshot: the offset is negative")
	}
	var b [BlockSize]byte
	for n < len(p) {
		at := uint64(off) + uint64(n)
		if err := block(at/BlockSize, b[:]); err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%BlockSize:])
	}
	return n, nil
}

// block reads one block of the partition into b.
func (f *File) block(n uint64, b []byte) error {
	i, ok := f.index[n]
	if !ok {
		return readBase(f.base, n, b)
	}
	if f.place != nil {
		if at, ok := f.spare[n]; ok {
			return f.read(b, at)
		}
		if f.place[n] < f.merged {
			return readBase(f.base, n, b)
		}
	}
	return f.content(&f.ops[i], b)
}

// content is what an operation that is not merged makes of its block.
func (f *File) content(o *op, b []byte) error {
	switch o.kind {
	case opCopy:
		return readBase(f.base, o.source, b)
	case opZero:
		clear(b)
		return nil
	}
	if !o.packed {
		return f.read(b, int64(o.source))
	}
	packed := make([]byte, o.length)
	if err := f.read(packed, int64(o.source)); err != nil {
		return err
	}
	return f.codec.unpack(b, packed)
}

func (f *File) read(b []byte, at int64) error {
	if n, err := f.disk.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("cannot read copy-on-write file at %d: %w", at, err)
	}
	return nil
}

// readBase reads a block; what lies behind the end is zeros.
func readBase(base io.ReaderAt, n uint64, b []byte) error {
	got, err := base.ReadAt(b, int64(n)*BlockSize)
	if got < len(b) && !errors.Is(err, io.EOF) {
		return fmt.Errorf("cannot read the partition under the snapshot at block %d: %w", n, err)
	}
	clear(b[got:])
	return nil
}
