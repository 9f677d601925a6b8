package nest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/android/oneplus"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/sony"
	"github.com/fridayos/friday/android/tree"
)

// vendors are the openers of single vendors' formats.
func vendors() []Format {
	return []Format{
		{"pit", func(_ File, h []byte) bool { return isOne(h, "\x76\x98\x34\x12") }, openPIT},
		{"sin", func(_ File, h []byte) bool { return isOne(h, sony.Magic) }, openSin},
		{"ozip", func(_ File, h []byte) bool { return isOne(h, oneplus.OzipMagic) }, openOzip},
		{"ops", func(f File, _ []byte) bool { return strings.HasSuffix(strings.ToLower(f.Name), ".ops") }, openOps},
		{"ruu", func(_ File, h []byte) bool {
			return isRUU(h) || len(h) > 256 && isRUU(h[256:])
		}, openRUU},
		{"ruu-exe", func(f File, h []byte) bool {
			return isOne(h, "MZ") && strings.HasSuffix(strings.ToLower(f.Name), ".exe")
		}, openRUUExe},
	}
}

// openLZ4 reads an LZ4 frame in place if its blocks stand alone, as Samsung's
// do; any other, and several frames after each other, are unpacked.
func openLZ4(ctx context.Context, n *Nest, f File) (*Opened, error) {
	x, err := lz4frame.Open(f.R, f.Size)
	if errors.Is(err, lz4frame.ErrDependent) || err == nil && x.End != f.Size {
		plain := compression("lz4", nil, func(r io.Reader, _ int64) (io.Reader, error) { return lz4.NewReader(r), nil })
		return plain.Open(ctx, n, f)
	}
	if err != nil {
		return nil, err
	}
	return &Opened{
		Facts: map[string]any{"unpacked": x.Size, "block_size": x.BlockSize},
		Inner: &File{Name: stem(f.Name), R: x, Size: x.Size, Sibling: f.Sibling},
		Verify: func(ctx context.Context, report func(string, error)) error {
			report("lz4: unpacks to the end, with its checksums", x.Verify())
			return ctx.Err()
		},
	}, nil
}

// openPIT says what Samsung's partition table does.
func openPIT(_ context.Context, _ *Nest, f File) (*Opened, error) {
	p, err := samsung.ReadPIT(io.NewSectionReader(f.R, 0, f.Size))
	if err != nil {
		return nil, err
	}
	parts := map[string]any{}
	for _, e := range p.Partitions {
		parts[e.Name] = map[string]any{"id": e.ID, "file": e.FlashName, "blocks": e.BlockCount}
	}
	o := &Opened{Facts: map[string]any{"project": strings.TrimRight(string(p.Project[:]), "\x00"), "partitions": parts}}
	if len(p.Tail) > 0 {
		o.Facts["tail"] = len(p.Tail)
	}
	return o, nil
}

// openSin takes the wrapping off a .sin of version 3; newer ones are a gzip of a
// tar.
func openSin(_ context.Context, _ *Nest, f File) (*Opened, error) {
	s, err := sony.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	o := &Opened{
		Facts: map[string]any{"blocks": len(s.Blocks), "unpacked": s.Size},
		Inner: &File{Name: strings.TrimSuffix(f.Name, ".sin") + ".img", R: s, Size: s.Size, Sibling: f.Sibling},
		Verify: func(ctx context.Context, report func(string, error)) error {
			report("sin: SHA-256 of every piece; the signature is Sony's own affair", s.Verify(ctx))
			return ctx.Err()
		},
	}
	if s.UUID != [16]byte{} {
		o.Facts["partition_uuid"] = uuidText(s.UUID)
	}
	addTail(f, o, s.End(), "last piece that the header covers")
	return o, nil
}

// openOzip takes the wrapping off if the user brought the key, and names it
// otherwise.
func openOzip(_ context.Context, n *Nest, f File) (*Opened, error) {
	o := &Opened{Facts: map[string]any{"encrypted": true}}
	err := errors.New("it is encrypted; bring the device's key")
	for _, file := range n.o.Keys {
		for _, key := range oneplus.OzipKeys(file) {
			var r *io.SectionReader
			if r, err = oneplus.OpenOzip(f.R, f.Size, key); err == nil {
				o.Inner = &File{Name: strings.TrimSuffix(f.Name, ".ozip") + ".zip", R: r, Size: r.Size(), Sibling: f.Sibling}
				return o, nil
			}
		}
	}
	o.Problems = append(o.Problems, err.Error())
	return o, nil
}

// openOps shows the items of OnePlus's rescue files, a folder a section.
func openOps(_ context.Context, _ *Nest, f File) (*Opened, error) {
	p, err := oneplus.OpenOps(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	b := &folder{root: tree.NewDir(0o755, 0, 0)}
	for _, it := range p.Items {
		b.add(it.Section+"/"+it.Name, &tree.Node{Perm: 0o644, Size: it.Size, Content: p.Open(it)})
	}
	if end := p.ItemsEnd(); end < p.ListStart {
		b.problems = append(b.problems, fmt.Sprintf("byte %d: %d bytes lie between the last item and the list that nothing accounts for", end, p.ListStart-end))
	}
	return &Opened{
		Root: b.root, Problems: b.problems,
		Facts: map[string]any{"project": p.Project, "version": p.Version, "key_set": p.KeySet, "items": len(p.Items)},
		Verify: func(ctx context.Context, report func(string, error)) error {
			for _, it := range p.Items {
				if it.SHA256 != "" && !it.Sparse {
					report("ops: SHA-256 of "+it.Section+"/"+it.Name, p.Verify(ctx, it))
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return nil
		},
	}, nil
}

func isRUU(h []byte) bool { return isOne(h, htc.MagicEncrypted, htc.MagicLarge) }

// openRUU shows the zips within HTC's large zip; an encrypted one is opened if
// the user brought the key, and named otherwise.
func openRUU(_ context.Context, n *Nest, f File) (*Opened, error) {
	fw, err := htc.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	o := &Opened{Facts: map[string]any{"kind": string(fw.Kind), "signed": fw.Signed}}
	switch fw.Kind {
	case htc.Encrypted:
		o.Facts["main_version"], o.Facts["key_map"] = fw.MainVersion, fw.KeyMap
		var ring htc.KeyRing
		for _, file := range n.o.Keys {
			ring.Add(file)
		}
		r, err := ring.Decrypt(fw)
		if err != nil {
			o.Problems = append(o.Problems, err.Error())
			break
		}
		o.Inner = &File{Name: f.Name, R: r, Size: r.Size(), Sibling: f.Sibling}
	case htc.Large:
		o.Root = tree.NewDir(0o755, 0, 0)
		for i, p := range fw.Parts {
			o.Root.Set(fmt.Sprintf("part-%d.zip", i), section(f, p.Offset, p.Size))
		}
	case htc.Zip: // behind a signature
		o.Inner = &File{Name: f.Name, R: io.NewSectionReader(f.R, fw.Offset, fw.Size), Size: fw.Size}
	}
	return o, nil
}

// openRUUExe looks for firmware that an installer keeps as it is.
func openRUUExe(_ context.Context, _ *Nest, f File) (*Opened, error) {
	at, err := htc.Find(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	o := &Opened{Root: tree.NewDir(0o755, 0, 0), Facts: map[string]any{"found": len(at)}}
	for i, off := range at {
		o.Root.Set(fmt.Sprintf("rom-%d.zip", i), section(f, off, f.Size-off))
	}
	if len(at) == 0 {
		o.Problems = append(o.Problems, "no firmware lies in it uncompressed; if it is an installer of HTC's, run it and look for rom.zip in its temporary folder")
	}
	return o, nil
}

func section(f File, off, size int64) *tree.Node {
	return &tree.Node{Perm: 0o644, Size: size, Content: io.NewSectionReader(f.R, off, size)}
}

// addBlockImages adds to a block package's zip the images that its transfer
// lists make: system.img beside system.transfer.list and system.new.dat(.br).
func addBlockImages(ctx context.Context, n *Nest, o *Opened, of File) {
	for _, e := range o.Root.Entries {
		stem, ok := strings.CutSuffix(e.Name, ".transfer.list")
		if !ok || e.Node.Type != tree.Regular || o.Root.Entry(stem+".img") != nil {
			continue
		}
		l, err := blockota.Parse(e.Node.Open())
		if err != nil {
			o.Problems = append(o.Problems, fmt.Sprintf("%s: %v", e.Name, err))
			continue
		}
		img := &tree.Node{Perm: 0o644, Size: l.End() * blockota.BlockSize}
		if img.Size > 0 {
			img.Content = &blockImage{open: func() (io.ReaderAt, error) { return openBlocks(ctx, n, o.Root, stem, l, of) }}
		}
		defer o.Root.Set(stem+".img", img) // behind the loop, which goes through the entries
	}
}

// openBlocks finds the new data of a list.
func openBlocks(ctx context.Context, n *Nest, root *tree.Node, stem string, l *blockota.List, of File) (io.ReaderAt, error) {
	if l.Incremental() {
		return nil, fmt.Errorf("%w: the package is incremental, and needs what the partition held before", ErrAbsent)
	}
	if data := root.Entry(stem + ".new.dat"); data != nil && data.Type == tree.Regular {
		return l.Image(childFile(root, stem+".new.dat", data, &of, of.depth+1).R, data.Size)
	}
	name := stem + ".new.dat.br"
	data := root.Entry(name)
	if data == nil || data.Type != tree.Regular {
		return nil, fmt.Errorf("there is neither %s.new.dat nor %s", stem, name)
	}
	opened, err := n.Identify(context.WithoutCancel(ctx), childFile(root, name, data, &of, of.depth+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if opened.Inner == nil {
		return nil, fmt.Errorf("%s: expected brotli, found %s", name, opened.Format)
	}
	return l.Image(opened.Inner.R, opened.Inner.Size)
}

// blockImage is opened when it is read: its data may have to be unpacked.
type blockImage struct {
	open func() (io.ReaderAt, error)
	once sync.Once
	r    io.ReaderAt
	err  error
}

func (b *blockImage) ReadAt(p []byte, off int64) (int, error) {
	b.once.Do(func() { b.r, b.err = b.open() })
	if b.err != nil {
		return 0, b.err
	}
	return b.r.ReadAt(p, off)
}
