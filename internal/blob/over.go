package blob

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/tree"
)

// A blob that differs little from another is kept as what differs. Its folder has
// the file of the other as a hard link, called "0", so that neither is copied and each
// can be removed without the other's leave; then the patches of which that one was
// made itself, linked too; then its own. Where the folder has files "from0", "from1"
// and so on, "0" says of which parts of them the blob is made: see PutImage. A patch is
//
//	"friday over 1\n", the size, the number of ranges, offset and length of each
//	(little-endian, 64 bits), then the bytes of all ranges
const (
	overMagic  = "friday over 1\n"
	overHead   = len(overMagic) + 16
	maxLayers  = 16      // patches and a file below; one more, and it is written whole
	overShare  = 4       // and so is what differs in more than one byte of so many
	maxRanges  = 1 << 20 // of a patch
	maxSources = 64      // files of which a blob has parts
	overPrefix = "over-" // of folders in tmp
	fromPrefix = "from"  // of sources in a folder
)

// Over stores size bytes of r, which are those of another blob but for the ranges
// named, in order and without overlap. Only those are read of r and written; what
// is stored is then read once, for its digest, and given to check, which may be nil,
// in order; its error ends it. Where nothing would be saved, r is stored whole.
func (s *Store) Over(ctx context.Context, base Ref, r io.ReaderAt, size int64, changed []tree.Range, check io.Writer) (Ref, error) {
	ref, err := s.over(ctx, base, r, size, changed, check)
	if err != nil {
		return Ref{}, fmt.Errorf("cannot store blob over %s: %w", base.Digest, full(err))
	}
	return ref, nil
}

func (s *Store) over(ctx context.Context, base Ref, r io.ReaderAt, size int64, changed []tree.Range, check io.Writer) (Ref, error) {
	if err := s.writable(); err != nil {
		return Ref{}, err
	}
	layers, sources, err := s.layers(base.Digest)
	if err != nil {
		return Ref{}, err
	}
	total, next := int64(0), int64(0)
	for _, c := range changed {
		if c.Offset < next || c.Length < 0 || c.Length > size-c.Offset {
			return Ref{}, fmt.Errorf("range of %d bytes at %d: expected one from %d on, within %d", c.Length, c.Offset, next, size)
		}
		total, next = total+c.Length, c.Offset+c.Length
	}
	if total > size/overShare || len(layers) >= maxLayers || len(changed) > maxRanges {
		return s.putWhole(ctx, r, size, check)
	}
	dir, err := os.MkdirTemp(s.tmp(), overPrefix)
	if err != nil {
		return Ref{}, err
	}
	defer os.RemoveAll(dir) // gone already if it was renamed
	if err := linkAll(layers, sources, dir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return Ref{}, err
		}
		return s.putWhole(ctx, r, size, check) // a disk without hard links
	}
	if err := writePatch(ctx, filepath.Join(dir, strconv.Itoa(len(layers))), r, size, changed); err != nil {
		return Ref{}, err
	}
	return s.commitOver(ctx, dir, check)
}

// linkAll links layers and sources into a folder.
func linkAll(layers, sources []string, dir string) error {
	for i, name := range layers {
		if err := os.Link(name, filepath.Join(dir, strconv.Itoa(i))); err != nil {
			return err
		}
	}
	for i, name := range sources {
		if err := os.Link(name, filepath.Join(dir, fromPrefix+strconv.Itoa(i))); err != nil {
			return err
		}
	}
	return nil
}

// putWhole stores a blob as a file, and reads it for check.
func (s *Store) putWhole(ctx context.Context, r io.ReaderAt, size int64, check io.Writer) (Ref, error) {
	ref, err := s.Put(ctx, io.NewSectionReader(r, 0, size))
	if err != nil || check == nil {
		return ref, err
	}
	b, err := s.OpenRef(ref)
	if err != nil {
		return Ref{}, err
	}
	defer b.Close()
	d, err := readThrough(ctx, b, size, check)
	if err == nil && d != ref.Digest {
		err = fmt.Errorf("%w: what was just written has digest %s, expected %s", ErrDamaged, d, ref.Digest)
	}
	return ref, err
}

// readThrough finds the digest of size bytes of r, and gives them to check.
func readThrough(ctx context.Context, r io.ReaderAt, size int64, check io.Writer) (d Digest, err error) {
	sum, buf := sha256.New(), make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return d, err
		}
		buf = buf[:min(int64(len(buf)), size-off)]
		if err := tree.ReadFull(r, buf, off); err != nil {
			return d, err
		}
		summed := make(chan struct{})
		go func() {
			sum.Write(buf)
			close(summed)
		}()
		if check != nil {
			_, err = check.Write(buf)
		}
		<-summed
		if err != nil {
			return d, err
		}
	}
	return Digest(sum.Sum(nil)), nil
}

func writePatch(ctx context.Context, name string, r io.ReaderAt, size int64, changed []tree.Range) error {
	le := binary.LittleEndian
	head := []byte(overMagic)
	head = le.AppendUint64(le.AppendUint64(head, uint64(size)), uint64(len(changed)))
	for _, c := range changed {
		head = le.AppendUint64(le.AppendUint64(head, uint64(c.Offset)), uint64(c.Length))
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(head); err != nil {
		return err
	}
	for _, c := range changed {
		if _, err := io.Copy(f, ctxio.Reader(ctx, io.NewSectionReader(r, c.Offset, c.Length))); err != nil {
			return err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	want := int64(len(head))
	for _, c := range changed {
		want += c.Length
	}
	if info.Size() != want {
		return fmt.Errorf("the source has ended: %w", io.ErrUnexpectedEOF)
	}
	return errors.Join(f.Sync(), f.Close())
}

// commitOver gives a folder its name.
func (s *Store) commitOver(ctx context.Context, dir string, check io.Writer) (Ref, error) {
	b, err := openOver(dir)
	if err != nil {
		return Ref{}, err
	}
	defer b.Close()
	ref := Ref{Size: b.size}
	if ref.Digest, err = readThrough(ctx, b, b.size, check); err != nil {
		return Ref{}, err
	}
	if s.Has(ref) {
		return ref, nil
	}
	if err := errors.Join(os.Chmod(dir, 0o755), syncDir(dir)); err != nil {
		return Ref{}, err
	}
	to := s.overPath(ref.Digest)
	if err := makeDirs(s.dir, filepath.Dir(to)); err != nil {
		return Ref{}, err
	}
	if err := os.Rename(dir, to); err != nil {
		if s.Has(ref) { // another was first
			return ref, nil
		}
		return Ref{}, err
	}
	return ref, syncDir(filepath.Dir(to))
}

func (s *Store) overPath(d Digest) string {
	name := d.String()
	return filepath.Join(s.dir, "over", name[:2], name)
}

// layers are the files of which a blob is made, the whole one first; and those of
// which that has parts.
func (s *Store) layers(d Digest) (layers, sources []string, err error) {
	if _, err := os.Stat(s.path(d)); err == nil {
		return []string{s.path(d)}, nil, nil
	}
	layers, sources, err = layersIn(s.overPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("blob %s: %w", d, ErrNotFound)
	}
	return layers, sources, err
}

func layersIn(dir string) (layers, sources []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fromPrefix) {
			sources = append(sources, filepath.Join(dir, fromPrefix+strconv.Itoa(len(sources))))
		} else {
			layers = append(layers, filepath.Join(dir, strconv.Itoa(len(layers))))
		}
	}
	if len(entries) < 2 || len(layers) == 0 || len(layers) > maxLayers+1 || len(sources) > maxSources {
		return nil, nil, fmt.Errorf("%w: it is made of %d files and parts of %d", ErrDamaged, len(layers), len(sources))
	}
	return layers, sources, nil
}

// statOver tells the size of a blob that is kept over another.
func (s *Store) statOver(d Digest) (int64, time.Time, bool) {
	names, _, err := layersIn(s.overPath(d))
	if err != nil {
		return 0, time.Time{}, false
	}
	f, err := os.Open(names[len(names)-1])
	if err != nil {
		return 0, time.Time{}, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, time.Time{}, false
	}
	var size int64
	if len(names) == 1 {
		size, _, err = readParts(f, info.Size())
	} else {
		size, _, err = patchHead(f, info.Size())
	}
	return size, info.ModTime(), err == nil
}

// walkOver calls fn for every blob that is kept over another, in the order of
// digests, up to the one before the limit; it returns those that are left.
func (s *Store) walkOver(over []Digest, before Digest, fn func(Ref, time.Time) error) ([]Digest, error) {
	for len(over) > 0 && (before.IsZero() || strings.Compare(over[0].String(), before.String()) < 0) {
		d := over[0]
		over = over[1:]
		size, when, ok := s.statOver(d)
		if !ok {
			continue // removed meanwhile, or damaged: Open says
		}
		if err := fn(Ref{d, size}, when); err != nil {
			return nil, err
		}
	}
	return over, nil
}

func (s *Store) listOver() ([]Digest, error) {
	var out []Digest
	dirs, err := filepath.Glob(filepath.Join(s.dir, "over", "??", "*"))
	for _, dir := range dirs {
		if d, err := Parse(filepath.Base(dir)); err == nil {
			out = append(out, d)
		}
	}
	return out, err
}

// removeOver removes what is kept over another; the folder leaves its name first,
// so that no half of it is found.
func (s *Store) removeOver(d Digest) error {
	if _, err := os.Lstat(s.overPath(d)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	gone, err := os.MkdirTemp(s.tmp(), overPrefix)
	if err != nil {
		return err
	}
	err = os.Rename(s.overPath(d), filepath.Join(gone, "gone"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(gone))
}

// patchHead reads the head of a patch: the size of the blob and the ranges.
func patchHead(r io.ReaderAt, fileSize int64) (size int64, ranges []tree.Range, err error) {
	le := binary.LittleEndian
	head := make([]byte, overHead)
	if _, err := r.ReadAt(head, 0); err != nil || string(head[:len(overMagic)]) != overMagic {
		return 0, nil, fmt.Errorf("%w: a patch does not begin as one", ErrDamaged)
	}
	size = int64(le.Uint64(head[len(overMagic):]))
	n := le.Uint64(head[len(overMagic)+8:])
	if size < 0 || n > maxRanges || int64(n)*16 > fileSize-int64(overHead) {
		return 0, nil, fmt.Errorf("%w: a patch of %d ranges has %d bytes", ErrDamaged, n, fileSize)
	}
	b := make([]byte, n*16)
	if _, err := r.ReadAt(b, int64(overHead)); err != nil && n > 0 {
		return 0, nil, fmt.Errorf("%w: a patch has ended", ErrDamaged)
	}
	at, next := int64(overHead)+int64(len(b)), int64(0)
	for ; len(b) > 0; b = b[16:] {
		x := tree.Range{Offset: int64(le.Uint64(b)), Length: int64(le.Uint64(b[8:]))}
		if x.Offset < next || x.Length < 0 || x.Length > size-x.Offset {
			return 0, nil, fmt.Errorf("%w: a range of a patch lies outside of the blob", ErrDamaged)
		}
		next, at = x.Offset+x.Length, at+x.Length
		ranges = append(ranges, x)
	}
	if at != fileSize {
		return 0, nil, fmt.Errorf("%w: a patch has %d bytes, expected %d", ErrDamaged, fileSize, at)
	}
	return size, ranges, nil
}

// overlay reads a blob that is kept over another.
type overlay struct {
	*tree.Image
	files []*os.File
	size  int64
}

func (o *overlay) Close() error {
	var err error
	for _, f := range o.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// openOver opens the files in a folder as one blob.
func openOver(dir string) (*overlay, error) {
	layers, sources, err := layersIn(dir)
	if err != nil {
		return nil, err
	}
	o := &overlay{Image: new(tree.Image)}
	for _, name := range slices.Concat(sources, layers) {
		f, err := os.Open(name)
		if err != nil {
			o.Close()
			return nil, err
		}
		o.files = append(o.files, f)
	}
	for i, f := range o.files[len(sources):] {
		if i == 0 && len(sources) > 0 {
			err = o.join(f, o.files[:len(sources)])
		} else {
			err = o.put(f, i > 0)
		}
		if err != nil {
			o.Close()
			return nil, err
		}
	}
	return o, nil
}

// put lays one file over those before.
func (o *overlay) put(f *os.File, patch bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !patch {
		o.size = info.Size()
		o.AppendRange(f, 0, o.size)
		return nil
	}
	size, ranges, err := patchHead(f, info.Size())
	if err != nil {
		return err
	}
	at := int64(overHead) + 16*int64(len(ranges))
	below := o.Image
	o.Image, o.size = new(tree.Image), size
	segments := below.Segments()
	take := func(from, to int64) { // of what lies below
		for len(segments) > 0 && from < to {
			s := &segments[0]
			end := s.Offset + s.Length
			if end <= from {
				segments = segments[1:]
				continue
			}
			n := min(end, to) - from
			if s.Source == nil {
				o.AppendZeros(n)
			} else {
				o.AppendRange(s.Source, s.SourceOffset+from-s.Offset, n)
			}
			from += n
		}
	}
	for _, x := range ranges {
		take(o.Size(), x.Offset)
		if o.Size() != x.Offset {
			break
		}
		o.AppendRange(f, at, x.Length)
		at += x.Length
	}
	take(o.Size(), size)
	if o.Size() != size {
		return fmt.Errorf("%w: below a patch lie %d bytes, expected %d", ErrDamaged, o.Size(), size)
	}
	return nil
}
