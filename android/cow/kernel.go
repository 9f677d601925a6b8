package cow

import (
	"errors"
	"fmt"
	"io"
)

const (
	kernelMagic   = 0x70416e53 // "SnAp"
	kernelVersion = 1
	chunkSectors  = BlockSize / 512
	perArea       = BlockSize / 16 // exceptions that one chunk of them names
)

// kernel is a snapshot in the form of dm-snapshot's persistent store: a chunk with
// the header, then areas of one chunk that says which blocks the 256 after it are.
// A chunk of 0 ends the list, since chunk 0 is the header.
type kernel struct {
	disk     Disk
	base     io.ReaderAt
	room     int64
	chunks   map[uint64]uint64 // chunk of a block
	blocks   []uint64          // in the order of the exceptions
	listed   int               // how many of them the lists name
	finished bool
}

func createKernel(disk Disk, base io.ReaderAt, o Options) (*kernel, error) {
	if o.Compression != "" && o.Compression != "none" {
		return nil, fmt.Errorf("cannot make copy-on-write file: the kernel's form has no compression, %q is asked for", o.Compression)
	}
	k := &kernel{disk: disk, base: base, room: o.Room, chunks: map[uint64]uint64{}}
	if o.Room > 0 && k.Size() > o.Room {
		return nil, fmt.Errorf("cannot make copy-on-write file: %w: it has at least %d bytes, its room is %d", ErrFull, k.Size(), o.Room)
	}
	if err := disk.Truncate(0); err != nil {
		return nil, fmt.Errorf("cannot make copy-on-write file: %w", err)
	}
	b := make([]byte, 2*BlockSize) // and the first list, empty
	for i, v := range []uint32{kernelMagic, 1, kernelVersion, chunkSectors} {
		le.PutUint32(b[4*i:], v)
	}
	return k, k.write(b, 0)
}

func openKernel(disk Disk, size int64, base io.ReaderAt) (*kernel, error) {
	var head [16]byte
	if _, err := io.ReadFull(io.NewSectionReader(disk, 0, size), head[:]); err != nil {
		return nil, err
	}
	if valid, version, chunk := le.Uint32(head[4:]), le.Uint32(head[8:]), le.Uint32(head[12:]); valid != 1 || version != kernelVersion || chunk != chunkSectors {
		return nil, fmt.Errorf("valid is %d, version %d, chunks of %d sectors; expected 1, %d, %d", valid, version, chunk, kernelVersion, chunkSectors)
	}
	k := &kernel{disk: disk, base: base, chunks: map[uint64]uint64{}}
	list := make([]byte, BlockSize)
	for area := int64(0); ; area++ {
		at := (1 + area*(perArea+1)) * BlockSize
		if at+BlockSize > size {
			k.listed = len(k.blocks)
			return k, nil
		}
		if n, err := disk.ReadAt(list, at); n < len(list) {
			return nil, fmt.Errorf("the list at %d: %w", at, err)
		}
		for i := range perArea {
			block, chunk := le.Uint64(list[16*i:]), le.Uint64(list[16*i+8:])
			if chunk == 0 {
				k.listed = len(k.blocks)
				return k, nil
			}
			if want := k.nextChunk(); chunk != want || block >= MaxBlocks || int64(chunk+1)*BlockSize > size {
				return nil, fmt.Errorf("block %d is in chunk %d, expected chunk %d of %d bytes", block, chunk, want, size)
			}
			if _, ok := k.chunks[block]; ok {
				return nil, fmt.Errorf("block %d is there twice", block)
			}
			k.chunks[block] = chunk
			k.blocks = append(k.blocks, block)
		}
	}
}

// nextChunk is where the next block lies.
func (k *kernel) nextChunk() uint64 {
	n := uint64(len(k.blocks))
	return n/perArea*(perArea+1) + 2 + n%perArea
}

func (k *kernel) write(b []byte, at int64) error {
	if _, err := k.disk.WriteAt(b, at); err != nil {
		return fmt.Errorf("cannot write copy-on-write file: %w", err)
	}
	return nil
}

// KernelSize is how many bytes a file of the kernel's form has for so many blocks.
func KernelSize(blocks int64) int64 {
	return (1 + blocks + blocks/perArea + 1) * BlockSize
}

func (k *kernel) Size() int64 { return KernelSize(int64(len(k.blocks))) }

func (k *kernel) Ops() int { return len(k.blocks) }

func (k *kernel) ReadAt(p []byte, off int64) (int, error) { return readBlocks(p, off, k.block) }

func (k *kernel) block(n uint64, b []byte) error {
	chunk, ok := k.chunks[n]
	if !ok {
		return readBase(k.base, n, b)
	}
	if got, err := k.disk.ReadAt(b, int64(chunk)*BlockSize); got < len(b) {
		return fmt.Errorf("cannot read copy-on-write file: block %d: %w", n, err)
	}
	return nil
}

func (k *kernel) Copy(block, source uint64) error {
	b := make([]byte, BlockSize)
	if err := readBase(k.base, source, b); err != nil {
		return err
	}
	return k.Replace(block, b)
}

func (k *kernel) Zero(block uint64) error { return k.Replace(block, make([]byte, BlockSize)) }

func (k *kernel) Replace(block uint64, content []byte) error {
	if k.finished {
		return errFinished
	}
	if len(content) != BlockSize || block >= MaxBlocks {
		return fmt.Errorf("cannot write copy-on-write file: block %d has %d bytes, expected %d", block, len(content), BlockSize)
	}
	if chunk, ok := k.chunks[block]; ok {
		return k.write(content, int64(chunk)*BlockSize)
	}
	n := int64(len(k.blocks))
	if size := KernelSize(n + 1); k.room > 0 && size > k.room {
		return fmt.Errorf("cannot write copy-on-write file: %w: it would have %d bytes, its room is %d", ErrFull, size, k.room)
	}
	chunk := k.nextChunk()
	if err := k.write(content, int64(chunk)*BlockSize); err != nil {
		return err
	}
	k.chunks[block] = chunk
	k.blocks = append(k.blocks, block)
	return nil
}

// Label names what was written in the lists, after it has become durable; the form
// keeps no labels, as writing a block again does no harm.
func (k *kernel) Label(uint64) error {
	if err := k.sync(); err != nil {
		return err
	}
	for area := k.listed / perArea; area <= len(k.blocks)/perArea; area++ {
		list := make([]byte, 0, BlockSize)
		for i := area * perArea; i < min(len(k.blocks), (area+1)*perArea); i++ {
			list = le.AppendUint64(le.AppendUint64(list, k.blocks[i]), k.chunks[k.blocks[i]])
		}
		if err := k.write(list[:BlockSize], int64(1+area*(perArea+1))*BlockSize); err != nil {
			return err
		}
	}
	k.listed = len(k.blocks)
	return k.sync()
}

func (k *kernel) sync() error {
	if err := k.disk.Sync(); err != nil {
		return fmt.Errorf("cannot write copy-on-write file: %w", err)
	}
	return nil
}

func (k *kernel) Labelled() (uint64, bool) { return 0, false }

func (k *kernel) Finish() error {
	if err := k.Label(0); err != nil {
		return err
	}
	k.finished = true
	return nil
}

// Finished is never true of a file that was opened: the form does not say.
func (k *kernel) Finished() bool { return k.finished }

// Merge writes the newest exceptions back and takes them off the list, as the
// kernel does; what a block becomes lies in the file, so that doing it again does no
// harm.
func (k *kernel) Merge(base Base, step func(done, total int) error) error {
	total := len(k.blocks)
	b := make([]byte, BlockSize)
	for len(k.blocks) > 0 {
		n := len(k.blocks)
		from := max(0, n-batch)
		for _, block := range k.blocks[from:] {
			if err := k.block(block, b); err != nil {
				return err
			}
			if err := writeBase(base, block, b); err != nil {
				return err
			}
		}
		if err := base.Sync(); err != nil {
			return fmt.Errorf("cannot merge snapshot: %w", err)
		}
		for i := n - 1; i >= from; i-- {
			list := int64(1+i/perArea*(perArea+1)) * BlockSize
			if err := k.write(make([]byte, 16), list+int64(i%perArea*16)); err != nil {
				return err
			}
			delete(k.chunks, k.blocks[i])
		}
		k.blocks = k.blocks[:from]
		if err := k.disk.Sync(); err != nil {
			return errors.Join(errors.New("cannot merge snapshot"), err)
		}
		if step != nil {
			if err := step(total-from, total); err != nil {
				return err
			}
		}
	}
	return nil
}
