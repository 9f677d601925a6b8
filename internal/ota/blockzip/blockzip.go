// Package blockzip takes the images out of full packages for phones with one slot: zips
// that recovery runs, in which a file system is a transfer list (package blockota) with
// its new blocks, plain or packed by brotli, and what is no file system lies whole.
//
// It runs no script and checks no signature: package ota's Verify does. What the zip and
// brotli promise is compared. How the entries are called is described in AOSP's
// build/tools/releasetools (BlockDifference in common.py).
package blockzip

import (
	"archive/zip"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
)

// ErrOther says that a zip is no package of this kind.
var ErrOther = errors.New("it has no transfer list: it is no package for a phone with one slot")

// Package is a full package that was opened.
type Package struct {
	Images []Image // sorted by name
}

// Image is one partition's image in a package.
type Image struct {
	Partition string
	Size      int64 // bytes

	list    *blockota.List // nil: it lies whole
	content *zip.File      // new blocks, or the whole image; nil: the list needs none
	packed  bool           // by brotli
}

// Open reads which images a zip of size bytes has. The error wraps ErrOther for a zip
// without a list. An incremental package is refused, with what it starts from.
func Open(r io.ReaderAt, size int64) (*Package, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot open package: %w", err)
	}
	files := map[string]*zip.File{}
	isList := false
	for _, f := range z.File {
		files[f.Name] = f
		isList = isList || strings.HasSuffix(f.Name, lists)
	}
	if !isList {
		return nil, fmt.Errorf("cannot open package: %w", ErrOther)
	}
	from, err := startsFrom(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot open package: %w", err)
	}
	p := &Package{}
	total := int64(0)
	for _, f := range z.File {
		im, ok, err := image(f, files)
		if err == nil && ok && im.list != nil && from == "" && needsOld(im.list, files[im.Partition+".patch.dat"]) {
			from = "a build that its metadata do not name"
		}
		if err != nil {
			return nil, fmt.Errorf("cannot open package: %s: %w", f.Name, err)
		}
		if !ok {
			continue
		}
		if total += im.Size; im.Size < 0 || total > payload.MaxNewSize {
			return nil, fmt.Errorf("cannot open package: %s: with it, the images have more than %d bytes: no phone has as much", f.Name, int64(payload.MaxNewSize))
		}
		if slices.ContainsFunc(p.Images, func(o Image) bool { return o.Partition == im.Partition }) {
			return nil, fmt.Errorf("cannot open package: %s: there are two images of %s", f.Name, im.Partition)
		}
		p.Images = append(p.Images, im)
	}
	if from != "" {
		return nil, fmt.Errorf("it is an incremental package, which holds no whole images: it starts from %s; 'friday ota verify --from' applies it to that build", from)
	}
	slices.SortFunc(p.Images, func(a, b Image) int { return strings.Compare(a.Partition, b.Partition) })
	return p, nil
}

const (
	lists   = ".transfer.list"
	newData = ".new.dat"
)

// startsFrom is the build that a package is incremental from; "": it is full, or does not
// say. Old packages have no metadata.
func startsFrom(r io.ReaderAt, size int64) (string, error) {
	z, err := otazip.Open(r, size)
	if err != nil {
		return "", err
	}
	if _, ok := z.Lookup(otazip.NameMetadata); !ok {
		return "", nil
	}
	m, err := z.Metadata()
	if err != nil {
		return "", err
	}
	if m.PreBuildIncremental != "" && m.PreBuild != "" {
		return m.PreBuildIncremental + " (" + m.PreBuild + ")", nil
	}
	return cmp.Or(m.PreBuildIncremental, m.PreBuild), nil
}

// needsOld says whether a list changes what was there before.
func needsOld(l *blockota.List, patches *zip.File) bool {
	return l.Incremental() || patches != nil && patches.UncompressedSize64 > 0
}

// image reads what an entry is; ok is false for entries that are none of an image's own.
func image(f *zip.File, files map[string]*zip.File) (im Image, ok bool, err error) {
	if name, whole := strings.CutSuffix(f.Name, ".img"); whole && bootprofile.IsPartition(name) {
		return Image{Partition: name, Size: int64(f.UncompressedSize64), content: f}, true, nil
	}
	name, isList := strings.CutSuffix(f.Name, lists)
	if !isList {
		return im, false, nil
	}
	if !bootprofile.IsPartition(name) {
		return im, false, fmt.Errorf("%.100q is no partition", name)
	}
	r, err := f.Open()
	if err != nil {
		return im, false, err
	}
	l, err := blockota.Parse(r)
	if err = errors.Join(err, r.Close()); err != nil {
		return im, false, err
	}
	im = Image{Partition: name, Size: payload.MaxNewSize + 1, list: l}
	if end := l.End(); end <= payload.MaxNewSize/blockota.BlockSize {
		im.Size = end * blockota.BlockSize
	}
	if im.content = files[name+newData]; im.content == nil {
		im.content, im.packed = files[name+newData+".br"], true
	}
	return im, true, nil
}

// Find is the image of a partition; nil: there is none.
func (p *Package) Find(partition string) *Image {
	for i := range p.Images {
		if p.Images[i].Partition == partition {
			return &p.Images[i]
		}
	}
	return nil
}

// Disk is what an image is written to: an empty file will do.
type Disk interface {
	blockota.Device
	Truncate(size int64) error
}

// Write writes the image to an empty disk. What lies in the zip for it is read to its end
// and compared with its CRC-32.
func (im *Image) Write(ctx context.Context, to Disk) error {
	if err := im.write(ctx, to); err != nil {
		return fmt.Errorf("cannot extract %s: %w", im.Partition, err)
	}
	return nil
}

func (im *Image) write(ctx context.Context, to Disk) error {
	if err := to.Truncate(im.Size); err != nil {
		return err
	}
	if im.content == nil {
		return im.list.Apply(ctx, to, im.Size, blockota.Package{HashTree: avb.BuildHashtree}, nil)
	}
	in, err := im.content.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	raw := ctxio.Reader(ctx, in)
	if im.list == nil {
		n, err := io.Copy(io.NewOffsetWriter(to, 0), raw)
		if err == nil && n != im.Size {
			err = fmt.Errorf("it has %d bytes, its entry says %d", n, im.Size)
		}
		return err
	}
	blocks := raw
	if im.packed {
		blocks = brotli.NewReader(raw)
	}
	if err := im.list.Apply(ctx, to, im.Size, blockota.Package{New: blocks, HashTree: avb.BuildHashtree}, nil); err != nil {
		return err
	}
	// Brotli ends where its stream does: behind it stands nothing, and then the sum.
	if n, err := io.Copy(io.Discard, raw); err != nil || n > 0 {
		return fmt.Errorf("%s: %d bytes follow its blocks: %w", im.content.Name, n, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}
