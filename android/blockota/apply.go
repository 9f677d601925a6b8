package blockota

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // the format's own sum
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/tree"
)

// Device is a partition, or a file that stands for one.
type Device interface {
	io.ReaderAt
	io.WriterAt
}

// Package is what a list works with.
type Package struct {
	New     io.Reader // .new.dat, uncompressed; nil if there is none
	Patches io.ReaderAt
	// PatchSize is the size of .patch.dat in bytes.
	PatchSize int64
}

// maxPatch is the largest patch that is held in memory.
const maxPatch = 64 << 20

// Apply carries the list out on dev, which has size bytes. Stashes and results
// that overlap their sources wait in scratch. From version 3 each source is
// compared with its SHA-1 before anything of its target is written, and a
// command whose target holds its result already is passed over. A list that was
// cut off between a stash and its use cannot be finished on the same partition
// (recovery keeps its stashes for that): apply incremental lists to a copy.
func (l *List) Apply(ctx context.Context, dev Device, size int64, p Package, scratch Device) error {
	if end := l.End() * BlockSize; end > size {
		return fmt.Errorf("cannot apply transfer list: it writes up to byte %d, the partition has %d", end, size)
	}
	a := &applier{ctx: ctx, dev: dev, size: size, pkg: p, scratch: scratch, list: l, stashes: map[string]span{}, buf: make([]byte, 1<<20)}
	for i := range l.Commands {
		c := &l.Commands[i]
		err := ctx.Err()
		if err == nil {
			err = a.run(c)
		}
		if err != nil {
			return fmt.Errorf("cannot apply transfer list: line %d: %s: %w", c.Line, c.Kind, err)
		}
	}
	if p.New != nil {
		if n, err := io.ReadFull(p.New, a.buf[:1]); n > 0 {
			return errors.New("cannot apply transfer list: .new.dat holds more than the list takes")
		} else if !errors.Is(err, io.EOF) {
			return fmt.Errorf("cannot apply transfer list: after the end of .new.dat: %w", err)
		}
	}
	return nil
}

// span is where something lies in scratch, in bytes.
type span struct{ at, size int64 }

type applier struct {
	ctx     context.Context
	dev     Device
	size    int64
	pkg     Package
	scratch Device
	list    *List
	stashes map[string]span
	buf     []byte
}

func (a *applier) run(c *Command) error {
	switch c.Kind {
	case New:
		if a.pkg.New == nil {
			return errors.New("there is no .new.dat")
		}
		return a.fill(c.Target, a.pkg.New)
	case Zero, Erase:
		return a.zero(c.Target)
	case Move, BSDiff, IMGDiff:
		return a.change(c)
	case Stash:
		return a.stash(c)
	case Free:
		if _, ok := a.stashes[c.Stash]; !ok && a.list.Version < 3 {
			return fmt.Errorf("there is no stash %.60q", c.Stash)
		}
		delete(a.stashes, c.Stash)
		return nil
	case HashTree:
		return a.hashTree(c)
	case Abort:
		return errors.New("the list says so")
	}
	return fmt.Errorf("there is no such command")
}

// fill writes the next bytes of r to a set.
func (a *applier) fill(s RangeSet, r io.Reader) error {
	w := &setWriter{dev: a.dev, set: s}
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.LimitReader(r, s.Blocks()*BlockSize)}, a.buf)
	if err == nil && n != s.Blocks()*BlockSize {
		err = fmt.Errorf("its data end after %d bytes, expected %d", n, s.Blocks()*BlockSize)
	}
	return err
}

// zero leaves alone what is zero, so that a file with holes keeps them.
func (a *applier) zero(s RangeSet) error {
	zeros := make([]byte, len(a.buf))
	for _, r := range s {
		for at, end := r.Start*BlockSize, r.End*BlockSize; at < end; {
			n := min(end-at, int64(len(a.buf)))
			if err := a.ctx.Err(); err != nil {
				return err
			}
			if err := tree.ReadFull(a.dev, a.buf[:n], at); err != nil || !isZero(a.buf[:n]) {
				if _, err := a.dev.WriteAt(zeros[:n], at); err != nil {
					return err
				}
			}
			at += n
		}
	}
	return nil
}

// image shows a set of the partition as one.
func (a *applier) image(s RangeSet) (*tree.Image, error) {
	if end := s.last() * BlockSize; end > a.size {
		return nil, fmt.Errorf("it reads up to byte %d, the partition has %d", end, a.size)
	}
	im := &tree.Image{}
	for _, r := range s {
		im.AppendRange(a.dev, r.Start*BlockSize, (r.End-r.Start)*BlockSize)
	}
	return im, nil
}

// source shows what a command reads: blocks of the partition and of stashes,
// each at its place.
func (a *applier) source(c *Command) (*tree.Image, error) {
	if c.SourceAt == nil && len(c.Stashes) == 0 {
		return a.image(c.Source)
	}
	type piece struct {
		Range
		r  io.ReaderAt
		at int64
	}
	var pieces []piece
	place := func(from io.ReaderAt, at RangeSet) {
		off := int64(0)
		for _, r := range at {
			pieces = append(pieces, piece{r, from, off})
			off += (r.End - r.Start) * BlockSize
		}
	}
	if c.Source != nil {
		im, err := a.image(c.Source)
		if err != nil {
			return nil, err
		}
		place(im, c.SourceAt)
	}
	for _, s := range c.Stashes {
		held, ok := a.stashes[s.Stash]
		if !ok {
			return nil, fmt.Errorf("there is no stash %.60q", s.Stash)
		}
		if n := s.At.Blocks() * BlockSize; n != held.size {
			return nil, fmt.Errorf("stash %.60q has %d bytes, their places %d", s.Stash, held.size, n)
		}
		place(io.NewSectionReader(a.scratch, held.at, held.size), s.At)
	}
	slices.SortStableFunc(pieces, func(x, y piece) int { return cmp.Compare(x.Start, y.Start) })
	im, block := &tree.Image{}, int64(0)
	for _, p := range pieces {
		if p.Start != block {
			return nil, fmt.Errorf("block %d of the source comes from nowhere or twice", min(block, p.Start))
		}
		im.AppendRange(p.r, p.at, (p.End-p.Start)*BlockSize)
		block = p.End
	}
	if block != c.SourceSize {
		return nil, fmt.Errorf("the source has %d blocks, its size says %d", block, c.SourceSize)
	}
	return im, nil
}

func (a *applier) sum(im *tree.Image) (string, error) {
	h := sha1.New() //nolint:gosec // as above
	for at := int64(0); at < im.Size(); {
		n := min(im.Size()-at, int64(len(a.buf)))
		if err := errors.Join(a.ctx.Err(), tree.ReadFull(im, a.buf[:n], at)); err != nil {
			return "", err
		}
		h.Write(a.buf[:n])
		at += n
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// done says whether the target holds its result already.
func (a *applier) done(c *Command) (bool, error) {
	im, err := a.image(c.Target)
	if err != nil {
		return false, err
	}
	sum, err := a.sum(im)
	return sum == c.TargetHash, err
}

func (a *applier) change(c *Command) error {
	src, err := a.source(c)
	if err == nil && c.SourceHash != "" {
		var sum string
		if sum, err = a.sum(src); err == nil && sum != c.SourceHash {
			err = fmt.Errorf("the source's SHA-1 is %s, expected %s: this partition is not what the package starts from", sum, c.SourceHash)
		}
	}
	if err != nil {
		if c.TargetHash != "" {
			if ok, e := a.done(c); e == nil && ok {
				return nil
			}
		}
		return err
	}
	if !c.Target.overlaps(c.Source) {
		return a.produce(c, src, &setWriter{dev: a.dev, set: c.Target})
	}
	// Writing would overwrite what is still to be read.
	n := c.Target.Blocks() * BlockSize
	room := a.room(n)
	w := io.NewOffsetWriter(a.scratch, room)
	if err := a.produce(c, src, w); err != nil {
		return err
	}
	return a.fill(c.Target, io.NewSectionReader(a.scratch, room, n))
}

// produce writes the result of a command, which fills its target exactly.
func (a *applier) produce(c *Command, src *tree.Image, w io.Writer) error {
	want := c.Target.Blocks() * BlockSize
	h := sha1.New() //nolint:gosec // as above
	out := &counter{w: io.MultiWriter(w, h)}
	if err := a.compute(c, src, out, want); err != nil {
		return err
	}
	if out.n != want {
		return fmt.Errorf("the result has %d bytes, the target %d", out.n, want)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); c.TargetHash != "" && sum != c.TargetHash {
		return fmt.Errorf("the result's SHA-1 is %s, expected %s", sum, c.TargetHash)
	}
	return nil
}

func (a *applier) compute(c *Command, src *tree.Image, w io.Writer, want int64) error {
	if c.Kind == Move {
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.NewSectionReader(src, 0, src.Size())}, a.buf)
		return err
	}
	if c.PatchOffset+c.PatchSize > a.pkg.PatchSize || c.PatchSize > maxPatch {
		return fmt.Errorf("its patch has %d bytes at %d, .patch.dat has %d and a patch at most %d", c.PatchSize, c.PatchOffset, a.pkg.PatchSize, maxPatch)
	}
	patch := make([]byte, c.PatchSize)
	if err := tree.ReadFull(a.pkg.Patches, patch, c.PatchOffset); err != nil {
		return fmt.Errorf("its patch: %w", err)
	}
	if c.Kind == IMGDiff {
		return imgpatch(src, patch, w, want)
	}
	return bsdiff.Patch(src, src.Size(), patch, w, want)
}

// imgpatch applies an IMGDIFF2 patch without deflate pieces.
func imgpatch(src *tree.Image, patch []byte, w io.Writer, want int64) error {
	const magic, head = "IMGDIFF2", 12
	if !bytes.HasPrefix(patch, []byte(magic)) || len(patch) < head {
		return fmt.Errorf("its patch begins with %.8q, expected %s", patch, magic)
	}
	n := int32(binary.LittleEndian.Uint32(patch[8:]))
	at, written := head, int64(0)
	need := func(k int) ([]byte, error) {
		if k < 0 || len(patch)-at < k {
			return nil, fmt.Errorf("its patch ends at byte %d", len(patch))
		}
		b := patch[at : at+k]
		at += k
		return b, nil
	}
	for i := range n {
		b, err := need(4)
		if err != nil {
			return err
		}
		switch kind := binary.LittleEndian.Uint32(b); kind {
		case 0: // a bsdiff patch of a range
			if b, err = need(24); err != nil {
				return err
			}
			start, length, off := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
			size := uint64(src.Size())
			if start > size || length > size-start || off > uint64(len(patch)) {
				return fmt.Errorf("piece %d of its patch reads %d bytes at %d of %d, its own at %d of %d", i, length, start, size, off, len(patch))
			}
			piece := &counter{w: w}
			if err := bsdiff.Patch(io.NewSectionReader(src, int64(start), int64(length)), int64(length), patch[off:], piece, want-written); err != nil {
				return fmt.Errorf("piece %d of its patch: %w", i, err)
			}
			written += piece.n
		case 3: // raw
			if b, err = need(4); err != nil {
				return err
			}
			length := int32(binary.LittleEndian.Uint32(b))
			if b, err = need(int(length)); err != nil {
				return err
			}
			if written += int64(length); written > want {
				return fmt.Errorf("piece %d of its patch leads past the target's %d bytes", i, want)
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		case 1, 2:
			return fmt.Errorf("not supported: piece %d of its imgdiff patch is deflate, which takes zlib's own bytes; use a full package", i)
		default:
			return fmt.Errorf("piece %d of its patch has the unknown kind %d", i, kind)
		}
	}
	return nil
}

func (a *applier) stash(c *Command) error {
	if _, ok := a.stashes[c.Stash]; ok {
		return nil // lists may stash the same blocks twice
	}
	im, err := a.image(c.Source)
	if err != nil {
		return err
	}
	if a.list.Version >= 3 {
		sum, err := a.sum(im)
		if err != nil {
			return err
		}
		if sum != c.Stash {
			// What it holds was overwritten: fine if the commands that use it are done,
			// and they say so themselves if they are not.
			return nil
		}
	}
	n := im.Size()
	held := int64(0)
	for _, s := range a.stashes {
		held += s.size
	}
	if most := a.list.StashBlocks * BlockSize; held+n > most {
		return fmt.Errorf("with it %d bytes are stashed, the header allows %d", held+n, most)
	}
	at := a.room(n)
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(a.scratch, at)}, struct{ io.Reader }{io.NewSectionReader(im, 0, n)}, a.buf); err != nil {
		return err
	}
	a.stashes[c.Stash] = span{at, n}
	return nil
}

// room finds n free bytes of scratch: the first gap that is wide enough.
func (a *applier) room(n int64) int64 {
	var held []span
	for _, s := range a.stashes {
		held = append(held, s)
	}
	slices.SortFunc(held, func(x, y span) int { return cmp.Compare(x.at, y.at) })
	at := int64(0)
	for _, s := range held {
		if s.at-at >= n {
			break
		}
		at = s.at + s.size
	}
	return at
}

func (a *applier) hashTree(c *Command) error {
	im, err := a.image(c.Source)
	if err != nil {
		return err
	}
	r := c.Target[0]
	w := io.NewOffsetWriter(a.dev, r.Start*BlockSize)
	root, err := avb.BuildHashtree(a.ctx, im, im.Size(), c.Algorithm, c.Salt, w, (r.End-r.Start)*BlockSize)
	if err != nil {
		return err
	}
	if !bytes.Equal(root, c.Root) {
		return fmt.Errorf("the root is %x, expected %x", root, c.Root)
	}
	return nil
}

// setWriter writes to the blocks of a set, in its order.
type setWriter struct {
	dev Device
	set RangeSet
	off int64 // bytes written of set[0]
}

func (w *setWriter) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if len(w.set) == 0 {
			return n, errors.New("the result is larger than its target")
		}
		r := w.set[0]
		left := (r.End-r.Start)*BlockSize - w.off
		if left == 0 {
			w.set, w.off = w.set[1:], 0
			continue
		}
		k := min(left, int64(len(p)))
		m, err := w.dev.WriteAt(p[:k], r.Start*BlockSize+w.off)
		n, w.off = n+m, w.off+int64(m)
		if err != nil {
			return n, err
		}
		p = p[k:]
	}
	return n, nil
}
