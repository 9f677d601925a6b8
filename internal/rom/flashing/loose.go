package flashing

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
)

// Loose is one file of those from which a phone on the cable is flashed, one by one.
type Loose struct {
	Name      string    `json:"name"` // of the file
	Kind      LooseKind `json:"kind"`
	Partition string    `json:"partition,omitempty"` // of a raw or sparse image, without a slot's suffix
}

// LooseKind is what such a file is made of.
type LooseKind string

const (
	LooseRaw    LooseKind = "image"  // the image of a partition, as it is
	LooseSparse LooseKind = "sparse" // the same; a file system as a sparse image
	LooseSuper  LooseKind = "super"  // the logical partitions, as a sparse image
	LooseKey    LooseKind = "key"    // the public key of the build's vbmeta, as phones store it
	LooseHTC    LooseKind = "htc"    // HTC's zip
)

// WriteLoose writes files into a folder. Every image is compared with its digest; where
// one differs, nothing of the build is to be flashed, and the error wraps
// blob.ErrDamaged. told, which may be nil, hears of every file before it is written.
func WriteLoose(ctx context.Context, dir string, files []Loose, in Input, told func(done, total int)) error {
	p := &packer{ctx: ctx, in: in}
	defer p.close()
	for i, f := range files {
		if told != nil {
			told(i, len(files))
		}
		if err := p.loose(filepath.Join(dir, f.Name), f); err != nil {
			return fmt.Errorf("cannot prepare %s of %s %s: %w", f.Name, in.Build.Device, in.Build.Version, err)
		}
	}
	return nil
}

func (p *packer) loose(path string, l Loose) error {
	var write func(io.Writer) error
	switch l.Kind {
	case LooseRaw:
		write = func(w io.Writer) error { return p.looseRaw(w, l.Partition) }
	case LooseSparse:
		write = func(w io.Writer) error { return p.looseSparse(w, l.Partition) }
	case LooseSuper:
		write = p.looseSuper
	case LooseKey:
		write = p.looseKey
	case LooseHTC:
		write = func(w io.Writer) error {
			if err := p.check(p.in.Build.Images...); err != nil {
				return err
			}
			return p.htc(w)
		}
	default:
		return fmt.Errorf("there is no kind %q", l.Kind)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err = write(w); err == nil {
		err = w.Flush()
	}
	return errors.Join(err, f.Close())
}

// check reads images whole and compares their digests.
func (p *packer) check(images ...catalog.Partition) error {
	for _, im := range images {
		if err := p.in.Blobs.Check(p.ctx, im.Digest); err != nil {
			return fmt.Errorf("image of %s: %w", im.Name, err)
		}
	}
	return nil
}

func (p *packer) named(partition string) (catalog.Partition, error) {
	im, ok := p.in.Build.Image(partition)
	if !ok {
		return im, fmt.Errorf("the build has no image of %s", partition)
	}
	return im, nil
}

func (p *packer) looseRaw(w io.Writer, partition string) error {
	im, err := p.named(partition)
	if err != nil {
		return err
	}
	b, err := p.image(im)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, ctxio.Reader(p.ctx, b.Verified()))
	return err
}

// looseSparse leaves what is no file system as it is, as odin does.
func (p *packer) looseSparse(w io.Writer, partition string) error {
	im, err := p.named(partition)
	if err != nil {
		return err
	}
	if !p.fileSystem(partition) {
		return p.looseRaw(w, partition)
	}
	if err := p.check(im); err != nil {
		return err
	}
	b, err := p.image(im)
	if err != nil {
		return err
	}
	r, _, err := p.sparse(b, b.Size())
	if err == nil {
		_, err = io.Copy(w, r)
	}
	return err
}

func (p *packer) looseSuper(w io.Writer) error {
	contents := map[string]*tree.Image{}
	for _, im := range p.in.Build.Images {
		if !p.logical(im.Name) {
			continue
		}
		if err := p.check(im); err != nil {
			return err
		}
		b, err := p.image(im)
		if err != nil {
			return err
		}
		contents[im.Name] = &tree.Image{}
		contents[im.Name].AppendRange(b, 0, im.Size)
	}
	if len(contents) == 0 {
		return errors.New("none of the build's partitions lies in super")
	}
	im, err := p.super(contents)
	if err != nil {
		return err
	}
	r, _, err := p.sparse(im, im.Size())
	if err == nil {
		_, err = io.Copy(w, r)
	}
	return err
}

// maxVBMeta is what a vbmeta partition has at most.
const maxVBMeta = 1 << 20

// looseKey takes the key from the vbmeta that it signed: the key itself is not at hand
// wherever phones are flashed.
func (p *packer) looseKey(w io.Writer) error {
	im, err := p.named("vbmeta")
	if err != nil {
		return err
	}
	text, err := p.in.Blobs.Bytes(im.Digest, maxVBMeta)
	if err != nil {
		return err
	}
	v, err := avb.Verify(text)
	if err != nil {
		return err
	}
	if len(v.PublicKey) == 0 {
		return errors.New("the build's vbmeta is not signed: there is no key for the phone to trust")
	}
	_, err = w.Write(v.PublicKey)
	return err
}
