package blob

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/tree"
)

// Placed is a reader of bytes that lie in a blob, and says where its first one does.
// ok is false for as long as they lie nowhere.
type Placed interface {
	io.ReaderAt
	Place() (d Digest, off int64, ok bool)
}

// A blob of which much lies in others already is kept as a list of its parts. Its
// folder has those others as hard links, called "from0", "from1" and so on, and in "0"
//
//	"friday parts1\n", the size, the number of parts; of each its length, where it
//	lies (0: below, one after the other; 1: nowhere, it is zeros; 2 and more: in from0
//	and so on), and from which byte on (little-endian, 64 bits); then what lies below
const (
	partsMagic = "friday parts1\n" // as long as overMagic
	partSize   = 24
	ownPart    = 0
	zeroPart   = 1
	fromPart   = 2
	smallPart  = 4096 // what is smaller is copied
)

type part struct {
	length int64
	from   uint64
	off    int64
}

// PutImage stores an image. What of it is Placed in other blobs is linked, not
// copied. What is stored is then read once, for its digest, and given to check, which
// may be nil, in order; its error ends it. Where little would be saved, the image is
// stored whole.
func (s *Store) PutImage(ctx context.Context, im *tree.Image, check io.Writer) (Ref, error) {
	ref, err := s.putImage(ctx, im, check)
	if err != nil {
		return Ref{}, fmt.Errorf("cannot store blob: %w", full(err))
	}
	return ref, nil
}

func (s *Store) putImage(ctx context.Context, im *tree.Image, check io.Writer) (Ref, error) {
	if err := s.writable(); err != nil {
		return Ref{}, err
	}
	parts, sources, linked := s.parts(im)
	if linked < im.Size()/overShare || len(sources) == 0 || len(sources) > maxSources || len(parts) > maxRanges {
		return s.putWhole(ctx, im, im.Size(), check)
	}
	dir, err := os.MkdirTemp(s.tmp(), overPrefix)
	if err != nil {
		return Ref{}, err
	}
	defer os.RemoveAll(dir) // gone already if it was renamed
	if err := linkAll(nil, sources, dir); err != nil {
		return s.putWhole(ctx, im, im.Size(), check) // one was removed, or the disk has no hard links
	}
	if err := writeParts(ctx, filepath.Join(dir, strconv.Itoa(0)), im, parts); err != nil {
		return Ref{}, err
	}
	return s.commitOver(ctx, dir, check)
}

// parts says of which parts an image is made, in which files those lie that lie in
// blobs, and how many bytes those have.
func (s *Store) parts(im *tree.Image) (parts []part, sources []string, linked int64) {
	known := map[Digest]uint64{}
	source := func(d Digest) uint64 { // ownPart: none
		i, ok := known[d]
		if !ok {
			i = ownPart
			if info, err := os.Stat(s.path(d)); err == nil && info.Mode().IsRegular() {
				i = fromPart + uint64(len(sources))
				sources = append(sources, s.path(d))
			}
			known[d] = i
		}
		return i
	}
	for _, x := range im.Segments() {
		p := part{length: x.Length}
		if x.Source == nil && x.Data == nil {
			p.from = zeroPart
		} else if placed, ok := x.Source.(Placed); ok && x.Length >= smallPart {
			if d, off, ok := placed.Place(); ok {
				if p.from = source(d); p.from != ownPart {
					p.off = off + x.SourceOffset
					linked += x.Length
				}
			}
		}
		if i := len(parts) - 1; i >= 0 && parts[i].from == p.from && (p.from < fromPart || parts[i].off+parts[i].length == p.off) {
			parts[i].length += p.length
		} else {
			parts = append(parts, p)
		}
	}
	return parts, sources, linked
}

func writeParts(ctx context.Context, name string, im *tree.Image, parts []part) error {
	le := binary.LittleEndian
	head := []byte(partsMagic)
	head = le.AppendUint64(le.AppendUint64(head, uint64(im.Size())), uint64(len(parts)))
	for _, p := range parts {
		head = le.AppendUint64(le.AppendUint64(le.AppendUint64(head, uint64(p.length)), p.from), uint64(p.off))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		return err
	}
	at, buf := int64(0), make([]byte, 256<<10)
	for _, p := range parts {
		if p.from == ownPart {
			if _, err := io.CopyBuffer(struct{ io.Writer }{f}, ctxio.Reader(ctx, io.NewSectionReader(im, at, p.length)), buf); err != nil {
				return err
			}
		}
		at += p.length
	}
	return errors.Join(f.Sync(), f.Close())
}

// readParts reads what writeParts wrote, but for the bytes behind it.
func readParts(r io.ReaderAt, fileSize int64) (size int64, parts []part, err error) {
	le := binary.LittleEndian
	head := make([]byte, overHead)
	if _, err := r.ReadAt(head, 0); err != nil || string(head[:len(partsMagic)]) != partsMagic {
		return 0, nil, fmt.Errorf("%w: a list of parts does not begin as one", ErrDamaged)
	}
	size = int64(le.Uint64(head[len(partsMagic):]))
	n := le.Uint64(head[len(partsMagic)+8:])
	if size < 0 || n > maxRanges || int64(n)*partSize > fileSize-int64(overHead) {
		return 0, nil, fmt.Errorf("%w: a list of %d parts has %d bytes", ErrDamaged, n, fileSize)
	}
	b := make([]byte, n*partSize)
	if _, err := r.ReadAt(b, int64(overHead)); err != nil && n > 0 {
		return 0, nil, fmt.Errorf("%w: a list of parts has ended", ErrDamaged)
	}
	total, own := int64(0), int64(overHead)+int64(len(b))
	for ; len(b) > 0; b = b[partSize:] {
		p := part{int64(le.Uint64(b)), le.Uint64(b[8:]), int64(le.Uint64(b[16:]))}
		if p.length < 0 || p.length > size-total || p.from >= fromPart+maxSources || p.off < 0 {
			return 0, nil, fmt.Errorf("%w: a part lies outside of the blob", ErrDamaged)
		}
		if total += p.length; p.from == ownPart {
			p.off = own
			own += p.length
		}
		parts = append(parts, p)
	}
	if own != fileSize || total != size {
		return 0, nil, fmt.Errorf("%w: a list of parts of %d bytes has %d, and %d bytes, expected %d", ErrDamaged, size, total, fileSize, own)
	}
	return size, parts, nil
}

// join makes of f and its sources the blob.
func (o *overlay) join(f *os.File, sources []*os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size, parts, err := readParts(f, info.Size())
	if err != nil {
		return err
	}
	room := make([]int64, len(sources))
	for i, s := range sources {
		info, err := s.Stat()
		if err != nil {
			return err
		}
		room[i] = info.Size()
	}
	for _, p := range parts {
		switch {
		case p.from == ownPart:
			o.AppendRange(f, p.off, p.length)
		case p.from == zeroPart:
			o.AppendZeros(p.length)
		case p.from-fromPart >= uint64(len(sources)) || p.length > room[p.from-fromPart]-p.off:
			return fmt.Errorf("%w: a part lies outside of the files that it is made of", ErrDamaged)
		default:
			o.AppendRange(sources[p.from-fromPart], p.off, p.length)
		}
	}
	o.size = size
	return nil
}
