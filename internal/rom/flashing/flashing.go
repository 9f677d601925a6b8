// Package flashing puts the images of a build into the files that a phone is
// flashed from for the first time, as its vendor packs them: a zip for fastboot
// (with super), Odin's .tar.md5, HTC's zip, Xiaomi's .tgz.
//
// What a packaging must say that no image does (a partition table, models, the
// shape of super) is the stock's (intake.Packaging). It makes no images, and no
// packages for phones that run already: package ota does.
package flashing

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/ctxio"
	"github.com/fridayos/friday/android/fastbootzip"
	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/xiaomi"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/intake"
)

// Kinds of files that Write makes.
var Kinds = []string{"fastboot", "odin", "htc", "xiaomi"}

// Input is what a file is made of.
type Input struct {
	Build     catalog.Build
	Profile   bootprofile.Profile
	Packaging intake.Packaging // of the stock
	Release   string           // Android version of the stock, for Xiaomi's name
	Blobs     *blob.Store
	TempDir   string // "": the system's
	Slot      string // "a" or "b": whose partitions are filled in super; "": a
}

// Name is what the file of a kind is called.
func Name(b catalog.Build, kind string) string {
	stem := b.Device + "-" + b.Version
	switch kind {
	case "odin":
		return "AP_" + strings.ToUpper(b.Device) + "_" + b.Version + ".tar.md5"
	case "xiaomi":
		return stem + "-fastboot.tgz"
	}
	return stem + "-" + kind + ".zip"
}

// Write writes the file of a kind to w. The same input gives the same bytes.
func Write(ctx context.Context, w io.Writer, kind string, in Input) error {
	p := &packer{ctx: ctx, in: in}
	defer p.close()
	write := map[string]func(io.Writer) error{"fastboot": p.fastboot, "odin": p.odin, "htc": p.htc, "xiaomi": p.xiaomi}[kind]
	if write == nil {
		return fmt.Errorf("cannot pack build: there is no kind %q, expected one of %s", kind, strings.Join(Kinds, ", "))
	}
	if err := write(w); err != nil {
		return fmt.Errorf("cannot pack %s %s as %s: %w", in.Build.Device, in.Build.Version, kind, err)
	}
	return nil
}

type packer struct {
	ctx  context.Context
	in   Input
	open []io.Closer
}

func (p *packer) close() {
	for _, c := range p.open {
		c.Close()
	}
}

func (p *packer) image(i catalog.Partition) (*blob.Blob, error) {
	b, err := p.in.Blobs.OpenRef(blob.Ref{Digest: i.Digest, Size: i.Size})
	if err == nil {
		p.open = append(p.open, b)
	}
	return b, err
}

// file is an image as it is flashed.
type file struct {
	partition string
	size      int64
	content   io.Reader
}

// temp is a file that goes when it is closed, as close does.
func (p *packer) temp(pattern string) (*os.File, error) {
	f, err := os.CreateTemp(p.in.TempDir, pattern)
	if err != nil {
		return nil, err
	}
	p.open = append(p.open, f)
	return f, os.Remove(f.Name())
}

// sparse makes a sparse file of an image, in a file that goes when it is closed.
func (p *packer) sparse(r io.ReaderAt, size int64) (io.Reader, int64, error) {
	plan, err := sparse.NewPlan(p.ctx, r, size, sparse.Options{})
	if err != nil {
		return nil, 0, err
	}
	f, err := p.temp("friday-sparse-*")
	if err != nil {
		return nil, 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := plan.Write(p.ctx, 0, w); err != nil {
		return nil, 0, err
	}
	if err := w.Flush(); err != nil {
		return nil, 0, err
	}
	return io.NewSectionReader(f, 0, plan.Size(0)), plan.Size(0), nil
}

// logical says whether a partition lies in super.
func (p *packer) logical(partition string) bool {
	s := p.in.Packaging.Super
	if s == nil {
		return false
	}
	_, plain := s.In[partition]
	_, slotted := s.In[partition+"_a"]
	return plain || slotted
}

// files are the images by partition, in the build's order, with those that are
// logical in one super at the end.
func (p *packer) files() ([]file, error) {
	var list []file
	contents := map[string]*tree.Image{}
	for _, i := range p.in.Build.Images {
		b, err := p.image(i)
		if err != nil {
			return nil, err
		}
		if p.logical(i.Name) {
			im := &tree.Image{}
			im.AppendRange(b, 0, i.Size)
			contents[i.Name] = im
			continue
		}
		list = append(list, file{i.Name, i.Size, io.NewSectionReader(b, 0, i.Size)})
	}
	if len(contents) == 0 {
		return list, nil
	}
	im, err := p.super(contents)
	if err != nil {
		return nil, fmt.Errorf("super: %w", err)
	}
	content, size, err := p.sparse(im, im.Size())
	if err != nil {
		return nil, fmt.Errorf("super: %w", err)
	}
	return append(list, file{"super", size, content}), nil
}

// super lays the logical partitions as the stock's super has them, one slot filled.
func (p *packer) super(contents map[string]*tree.Image) (*tree.Image, error) {
	shape := p.in.Packaging.Super
	if len(shape.Devices) != 1 {
		return nil, fmt.Errorf("not supported: it lies on %d devices; flash the partitions one by one from fastbootd", len(shape.Devices))
	}
	slot, other := "a", "b"
	if p.in.Slot == "b" {
		slot, other = "b", "a"
	}
	var wants []super.Want
	filled := map[string]*tree.Image{}
	names := make([]string, 0, len(shape.In))
	for name := range shape.In {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		want := super.Want{Name: name, Group: shape.In[name], Attributes: super.ReadOnly}
		partition := strings.TrimSuffix(name, "_"+slot)
		if im := contents[partition]; im != nil && !strings.HasSuffix(name, "_"+other) {
			want.Size, filled[name] = im.Size(), im
			delete(contents, partition)
		}
		wants = append(wants, want)
	}
	for name := range contents {
		return nil, fmt.Errorf("partition %s is in no group", name)
	}
	groups := slices.DeleteFunc(slices.Clone(shape.Groups), func(g super.Group) bool { return g.Name == "default" })
	m, err := super.Lay(shape.Geometry, shape.Devices, groups, wants)
	if err != nil {
		return nil, err
	}
	m.Flags = shape.Flags
	images, err := super.Build(shape.Geometry, m, filled)
	if err != nil {
		return nil, err
	}
	return images[0], nil
}

// slotted says whether a partition is there once for each slot.
func (p *packer) slotted(partition string) bool {
	return p.in.Profile.Slots != bootprofile.Single && partition != "super" && !slices.Contains(p.in.Packaging.Unslotted, partition)
}

func (p *packer) fastboot(w io.Writer) error {
	files, err := p.files()
	if err != nil {
		return err
	}
	z := fastbootzip.Package{Products: p.products(), Wipe: true}
	for _, f := range files {
		name := f.partition
		if p.slotted(name) {
			name, z.Slot = name+"_a", "a"
		}
		z.Images = append(z.Images, fastbootzip.Image{Partition: name, Size: f.size, Content: f.content})
	}
	return fastbootzip.Write(w, z)
}

// products are what the phone's boot loader answers to.
func (p *packer) products() []string {
	if len(p.in.Packaging.Products) > 0 {
		return p.in.Packaging.Products
	}
	return []string{p.in.Build.Device}
}

func (p *packer) xiaomi(w io.Writer) error {
	files, err := p.files()
	if err != nil {
		return err
	}
	f := &xiaomi.Firmware{
		Name: xiaomi.Name{Device: p.in.Build.Device, Version: p.in.Build.Version, Date: time.Unix(p.in.Build.Timestamp, 0).UTC().Format("20060102") + ".0000.00",
			Android: cmp.Or(p.in.Release, "0") + ".0", Region: "friday"},
		Product: p.products()[0], Anti: p.in.Packaging.Anti,
	}
	if f.Anti == 0 {
		f.Anti = -1
	}
	for _, x := range files {
		name := x.partition
		if p.slotted(name) {
			name, f.Slot = name+"_a", "a"
		}
		f.Images = append(f.Images, xiaomi.Image{Partition: name, File: x.partition + ".img", Size: x.size, Content: x.content})
	}
	return xiaomi.Write(w, f)
}

// odin packs what the phone's partition table names. Odin unpacks sparse images, and
// LZ4 frames: what the stock had in one lies in one.
func (p *packer) odin(w io.Writer) error {
	if p.in.Packaging.PIT == nil {
		return errors.New("the stock came without a partition table (PIT), which says how its files are called; take in the whole Odin package, with its CSC file")
	}
	pit, err := samsung.ReadPIT(bytes.NewReader(p.in.Packaging.PIT))
	if err != nil {
		return err
	}
	files, err := p.files()
	if err != nil {
		return err
	}
	var members []samsung.Source
	for _, f := range files {
		i := slices.IndexFunc(pit.Partitions, func(x samsung.Partition) bool { return strings.EqualFold(x.Name, f.partition) })
		if i < 0 || pit.Partitions[i].FlashName == "" || pit.Partitions[i].FlashName == "-" {
			return fmt.Errorf("the phone's partition table names no file for partition %s", f.partition)
		}
		x := pit.Partitions[i]
		if room := int64(x.BlockCount) * 512; x.BlockCount > 0 && x.Device == mmc && f.partition != "super" && f.size > room {
			return fmt.Errorf("partition %s has %d bytes, the phone's partition table has room for %d: remove %d bytes", f.partition, f.size, room, f.size-room)
		}
		m := samsung.Source{Name: strings.TrimSuffix(x.FlashName, ".lz4"), Size: f.size, Content: f.content}
		if at, ok := f.content.(io.ReaderAt); ok && f.partition != "super" && p.fileSystem(f.partition) {
			if m.Content, m.Size, err = p.sparse(at, f.size); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(p.in.Packaging.LZ4, func(name string) bool { return strings.EqualFold(name, m.Name) }) {
			if m, err = p.lz4(m); err != nil {
				return fmt.Errorf("%s: %w", m.Name, err)
			}
		}
		members = append(members, m)
	}
	return samsung.Write(w, strings.TrimSuffix(Name(p.in.Build, "odin"), ".md5"), members)
}

// lz4 packs a member into an LZ4 frame, in a file that goes when it is closed: its size
// stands before it in the archive.
func (p *packer) lz4(m samsung.Source) (samsung.Source, error) {
	f, err := p.temp("friday-lz4-*")
	if err != nil {
		return m, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	if err := lz4frame.Write(w, ctxio.Reader(p.ctx, m.Content), m.Size, 0); err != nil {
		return m, err
	}
	if err := w.Flush(); err != nil {
		return m, err
	}
	fi, err := f.Stat()
	if err != nil {
		return m, err
	}
	return samsung.Source{Name: m.Name + ".lz4", Size: fi.Size(), Content: io.NewSectionReader(f, 0, fi.Size())}, nil
}

// mmc is the kind of storage whose blocks in a PIT have 512 bytes.
const mmc = 2

func (p *packer) fileSystem(partition string) bool {
	i, ok := p.in.Build.Image(partition)
	return ok && i.FS != ""
}

func (p *packer) htc(w io.Writer) error {
	if p.in.Packaging.HTC == nil {
		return errors.New("the stock came without android-info.txt, which says the phone's models; take in the vendor's RUU")
	}
	files, err := p.files()
	if err != nil {
		return err
	}
	var images []htc.Image
	for _, f := range files {
		images = append(images, htc.Image{Name: f.partition + ".img", Size: f.size, Content: f.content})
	}
	info := *p.in.Packaging.HTC
	info.Other = nil // what the vendor's own updater does before and after
	return htc.WriteZip(w, info, images)
}

// Files writes the files of several kinds into a folder, each whole or not at all,
// and gives their paths.
func Files(ctx context.Context, dir string, kinds []string, in Input) (paths []string, err error) {
	for _, kind := range kinds {
		f, err := os.CreateTemp(dir, ".friday-*")
		if err != nil {
			return nil, fmt.Errorf("cannot write into %s: %w", dir, err)
		}
		at := filepath.Join(dir, Name(in.Build, kind))
		w := bufio.NewWriterSize(f, 1<<20)
		err = Write(ctx, w, kind, in)
		if err == nil {
			err = w.Flush()
		}
		if err == nil {
			err = f.Chmod(0o644)
		}
		if err = errors.Join(err, f.Close()); err == nil {
			err = os.Rename(f.Name(), at)
		}
		if err != nil {
			return nil, errors.Join(err, os.Remove(f.Name()))
		}
		paths = append(paths, at)
	}
	return paths, nil
}
