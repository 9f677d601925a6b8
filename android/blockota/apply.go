package blockota

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha1" //nolint:gosec // the format's own sum
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/imgdiff"
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
	// Keep holds stashes across power cuts; nil: they are lost with the power, and
	// an incremental list that was cut off cannot be finished on the same partition.
	// Lists of versions 1 and 2 do not name their stashes by content, and need nil.
	Keep Keeper
	// HashTree makes the trees that a list asks for: package avb's BuildHashtree. With
	// nil, lists that ask for one are refused.
	HashTree func(ctx context.Context, r io.ReaderAt, imageSize int64, algorithm string, salt []byte, w io.WriterAt, room int64) ([]byte, error)
	// Progress, if any, is told how many commands are done.
	Progress func(done, total int)
}

// maxPatch is the largest patch that is held in memory.
const maxPatch = 64 << 20

// Apply carries the list out on dev, which has size bytes. Stashes and results
// that overlap their sources wait in scratch. From version 3 each source is
// compared with its SHA-1 before anything of its target is written, and a
// command whose target holds its result already is passed over. With
// Package.Keep, and a dev that is a Syncer, a list that was cut off anywhere is
// finished by applying it again; without, apply incremental lists to a copy.
func (l *List) Apply(ctx context.Context, dev Device, size int64, p Package, scratch Device) error {
	if end := l.End() * BlockSize; end > size {
		return fmt.Errorf("cannot apply transfer list: it writes up to byte %d, the partition has %d", end, size)
	}
	if p.Keep != nil && l.Version < 3 {
		return fmt.Errorf("cannot apply transfer list: it is of version %d, which does not name stashes by content; they cannot be kept", l.Version)
	}
	a := &applier{ctx: ctx, dev: dev, size: size, pkg: p, scratch: scratch, list: l, stashes: map[string]span{}, buf: make([]byte, 1<<20)}
	defer a.close()
	for i := range l.Commands {
		c := &l.Commands[i]
		err := ctx.Err()
		if err == nil {
			err = a.run(c)
		}
		if err != nil {
			return fmt.Errorf("cannot apply transfer list: line %d: %s: %w", c.Line, c.Kind, err)
		}
		if p.Progress != nil {
			p.Progress(i+1, len(l.Commands))
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

type applier struct {
	ctx     context.Context
	dev     Device
	size    int64
	pkg     Package
	scratch Device
	list    *List
	stashes map[string]span
	buf     []byte
	dry     bool // nothing is written: Check
}

// Check reads what Apply would start from and writes nothing: each command's
// source must be there, or its result. It says whether a partition can take the
// list, also one on which the list was cut off before. A full list takes any.
func (l *List) Check(ctx context.Context, dev Device, size int64, keep Keeper) error {
	if end := l.End() * BlockSize; end > size {
		return fmt.Errorf("cannot check transfer list: it writes up to byte %d, the partition has %d", end, size)
	}
	a := &applier{ctx: ctx, dev: dev, size: size, pkg: Package{Keep: keep}, list: l, stashes: map[string]span{}, buf: make([]byte, 1<<20), dry: true}
	defer a.close()
	for i := range l.Commands {
		c := &l.Commands[i]
		err := ctx.Err()
		switch c.Kind {
		case Move, BSDiff, IMGDiff, Stash, Free:
			if err == nil {
				err = a.run(c)
			}
		}
		if err != nil {
			return fmt.Errorf("cannot check transfer list: line %d: %s: %w", c.Line, c.Kind, err)
		}
	}
	return nil
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
		return a.free(c)
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
		if held.kept != nil {
			place(held.kept, s.At)
		} else {
			place(io.NewSectionReader(a.scratch, held.at, held.size), s.At)
		}
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
		return a.resume(c, err)
	}
	if a.dry {
		return nil
	}
	if !c.Target.overlaps(c.Source) {
		if err := a.produce(c, src, &setWriter{dev: a.dev, set: c.Target}); err != nil {
			return err
		}
		return a.sync()
	}
	// Writing would overwrite what is still to be read.
	if a.pkg.Keep != nil {
		if err := a.pkg.Keep.Put(c.own(), io.NewSectionReader(src, 0, src.Size()), src.Size()); err != nil {
			return err
		}
		return a.fromKept(c)
	}
	n := c.Target.Blocks() * BlockSize
	room := a.room(n)
	w := io.NewOffsetWriter(a.scratch, room)
	if err := a.produce(c, src, w); err != nil {
		return err
	}
	return a.fill(c.Target, io.NewSectionReader(a.scratch, room, n))
}

// resume looks whether a command whose source is gone was done before, or was cut
// off while it wrote over its own source. cause is why the source does not do.
func (a *applier) resume(c *Command, cause error) error {
	if c.TargetHash == "" {
		return cause
	}
	if ok, err := a.done(c); err != nil {
		return err
	} else if ok {
		return a.drop(c.own())
	}
	if a.pkg.Keep == nil || !c.Target.overlaps(c.Source) {
		return cause
	}
	if err := a.fromKept(c); errors.Is(err, fs.ErrNotExist) {
		return cause
	} else if err != nil {
		return err
	}
	return nil
}

// fromKept does a command whose source the keeper has.
func (a *applier) fromKept(c *Command) error {
	kept, err := a.pkg.Keep.Open(c.own())
	if err != nil {
		return err
	}
	defer kept.Close()
	im := &tree.Image{}
	im.AppendRange(kept, 0, kept.Size())
	if sum, err := a.sum(im); err != nil || sum != c.SourceHash {
		return errors.Join(err, fmt.Errorf("what was kept as %s has another SHA-1", c.SourceHash))
	}
	if a.dry {
		return nil
	}
	if err := a.produce(c, im, &setWriter{dev: a.dev, set: c.Target}); err != nil {
		return err
	}
	if err := a.sync(); err != nil {
		return err
	}
	return a.drop(c.own())
}

// own is under which name the source of a command that writes over it is kept. It
// is no stash's, which other commands drop.
func (c *Command) own() string {
	sum := sha1.Sum([]byte(c.SourceHash + " " + c.Target.String())) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
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
		return imgdiff.Patch(src, src.Size(), patch, w, want)
	}
	return bsdiff.Patch(src, src.Size(), patch, w, want)
}

func (a *applier) hashTree(c *Command) error {
	if a.pkg.HashTree == nil {
		return errors.New("not supported here: a list that makes a hash tree on the phone")
	}
	im, err := a.image(c.Source)
	if err != nil {
		return err
	}
	r := c.Target[0]
	w := io.NewOffsetWriter(a.dev, r.Start*BlockSize)
	root, err := a.pkg.HashTree(a.ctx, im, im.Size(), c.Algorithm, c.Salt, w, (r.End-r.Start)*BlockSize)
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
