package rom

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/editing"
	"github.com/fridayos/friday/internal/rom/filesystem"
	"github.com/fridayos/friday/internal/rom/packed"
)

// Written is what a build wrote of a partition that it made anew.
type Written struct {
	Partition string
	// Over says that the image of the build before was there to be compared with;
	// without it all blocks count as changed.
	Over bool
	// Blocks of 4 KiB: of the image; that differ from the image before in the file
	// system, and in what follows it (hash tree, error correction, footer).
	Blocks, Changed, Behind int64
	Packed, Recalled        int64 // bytes of content compressed, and known from before
}

// laid is a partition under way.
type laid struct {
	im        *tree.Image
	fs        int64 // bytes of the file system
	d         *avb.HashtreeDescriptor
	was, is   *layout.Map
	over      blob.Digest // of the map was
	otherwise []string
	base      *blob.Blob // the image of the build before; nil: it is not there
	changed   []tree.Range
	note      Written
	memory    *packed.Memory
	scratch   *os.File
}

func (l *laid) close() {
	if l.memory != nil {
		l.memory.Close()
	}
	if l.scratch != nil {
		l.scratch.Close()
	}
}

// digests are those of the stock's files, as the listing has them: nothing is read.
func (b *builder) digests(partition string, root *tree.Node) map[*tree.Node]layout.Digest {
	known := map[*tree.Node]layout.Digest{}
	_ = tree.Walk(root, func(path string, n *tree.Node) error {
		if n.Type != tree.Regular || n.Size == 0 {
			return nil
		}
		if e, ok := b.edit.View.Index.Lookup(partition, path); ok && e.Size == n.Size {
			if d, err := hex.DecodeString(e.Digest); err == nil && len(d) == sha256.Size {
				known[n] = layout.Digest(d)
			}
		}
		return nil
	})
	return known
}

// lay places the files of a partition, and makes its hash tree; afresh, by the map of
// the build before, but without its image.
func (b *builder) lay(p catalog.Partition, was filesystem.FileSystem, root *tree.Node, known map[*tree.Node]layout.Digest, afresh bool) (*laid, error) {
	l := &laid{note: Written{Partition: p.Name}}
	plan := layout.Plan{Digest: func(n *tree.Node) (layout.Digest, bool) {
		if d, ok := known[n]; ok {
			return d, true
		}
		if c, ok := n.Content.(editing.Stored); ok {
			return layout.Digest(c.Ref.Digest), true
		}
		return layout.Digest{}, false
	}}
	// What is neither stock's nor a committed file is small, and asked for twice.
	asked := plan
	plan.Digest = func(n *tree.Node) (layout.Digest, bool) {
		d, ok := asked.Digest(n)
		if !ok {
			var err error
			if d, err = (&layout.Plan{}).Of(n); err != nil {
				return d, false
			}
			known[n] = d
		}
		return d, true
	}
	err := b.before(p, was.Kind, l)
	if err != nil {
		return nil, err
	}
	if plan.Was = l.was; afresh {
		l.base = nil
	}
	id := derive("uuid", b.in.Device, p.Name)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a random UUID, by its marks
	switch was.Kind {
	case "erofs":
		err = b.layErofs(l, was.EROFS, root, [16]byte(id[:16]), plan)
	case "ext4":
		err = b.layExt4(p, l, was.Ext4, root, [16]byte(id[:16]), plan)
	default:
		err = fmt.Errorf("file system %q is not written", was.Kind)
	}
	if err == nil {
		l.fs = l.im.Size()
		err = b.compare(l)
	}
	if was := b.older.Verity[p.Name]; err == nil && b.verified() {
		err = b.hash(p, l)
	} else if err == nil && was != nil {
		err = b.hashOlder(p, l, was)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// before finds the map and, if it is still there, the image of the build before.
func (b *builder) before(p catalog.Partition, kind string, l *laid) error {
	if b.in.Before == nil {
		return nil
	}
	old, ok := b.in.Before.Image(p.Name)
	if !ok || old.Layout.IsZero() {
		return nil
	}
	text, err := b.in.Blobs.Bytes(old.Layout, layout.MaxSize)
	if err != nil {
		return fmt.Errorf("the layout map of build %s: %w", b.in.Before.Version, err)
	}
	m, err := layout.Parse(text)
	if err != nil {
		return fmt.Errorf("the layout map of build %s: %w", b.in.Before.Version, err)
	}
	if m.FS != kind {
		return nil // the vendor has gone over to another file system
	}
	l.was, l.over = m, old.Layout
	if l.base, err = b.source(old); errors.Is(err, blob.ErrNotFound) {
		l.base, err = nil, nil
	}
	return err
}

func (b *builder) layErofs(l *laid, was *erofs.Image, root *tree.Node, id [16]byte, plan layout.Plan) error {
	o, otherwise, err := was.Options(b.plan.Device.Boot.Kernel)
	if err != nil {
		return err
	}
	l.otherwise, o.UUID = otherwise, id
	if o.LZ4 != nil {
		if l.memory, err = packed.Open(b.ctx, b.in.Blobs, o.LZ4.Packing(), treeSalt(), plan.Digest); err != nil {
			return err
		}
		if l.scratch, err = b.in.Blobs.Scratch(); err != nil {
			return err
		}
		o.LZ4.Memory, o.LZ4.Scratch = l.memory, l.scratch
	}
	if l.im, l.is, err = erofs.Lay(root, o, plan); err != nil {
		return err
	}
	if l.memory != nil {
		if err := l.memory.Keep(); err != nil {
			return err
		}
		l.note.Packed, l.note.Recalled = l.memory.Packed, l.memory.Recalled
	}
	return nil
}

// layExt4 makes an image of the size of the one before, or of the stock's, and a
// larger one where there is no room: within its partition, or where a vbmeta says how
// large it is, by at most half of what there was, and then as the other errors have it.
func (b *builder) layExt4(p catalog.Partition, l *laid, was *ext4.Image, root *tree.Node, id [16]byte, plan layout.Plan) error {
	o, otherwise := was.Options()
	l.otherwise, o.UUID, o.HashSeed = otherwise, id, [16]byte{}
	stock, most := o.Size, int64(0)
	if b.verified() {
		if tree, err := b.stockTree(p); err != nil {
			return err
		} else if tree == nil {
			o.Size = 0 // there may be no room for a hash tree behind it
		}
	} else {
		most = b.mostOf(p)
		o.Size = min(o.Size, most)
	}
	if l.was != nil {
		o.Size = max(o.Size, l.was.Blocks*layout.Block)
		if most > 0 {
			o.Size = min(o.Size, most)
		}
	}
	for grown := int64(1); ; grown *= 2 {
		var err error
		l.im, l.is, err = ext4.Lay(root, o, plan)
		if err == nil || !errors.Is(err, ext4.ErrNoRoom) || most == 0 && grown > 64 || most > 0 && o.Size >= most {
			return b.noRoom(p, most, err)
		}
		o.Size = layout.Grown((max(o.Size, stock)+stock/128*grown)/layout.Block) * layout.Block
		if most > 0 {
			o.Size = min(o.Size, most)
		}
	}
}

// compare finds what differs from the image before.
func (b *builder) compare(l *laid) error {
	if l.base == nil {
		return nil
	}
	was := min(l.was.Blocks*layout.Block, l.base.Size())
	var err error
	l.changed, err = layout.Changed(b.ctx, l.base, was, l.im, 0, l.fs, layout.Kept(l.was, l.is))
	return err
}

// stockTree is what the stock's vbmeta says of a partition's hash tree; nil if it
// has none.
func (b *builder) stockTree(p catalog.Partition) (*avb.HashtreeDescriptor, error) {
	structs := []string{p.Name, "vbmeta"}
	for i := 0; i < len(structs) && i < 32; i++ {
		s, ok := b.stock[structs[i]]
		if !ok {
			continue
		}
		r, err := b.source(s)
		if err != nil {
			return nil, err
		}
		v, err := readVBMeta(r, r.Size())
		if err != nil {
			continue // it has none, or the chain's own error says more
		}
		for _, d := range v.Descriptors {
			switch d := d.(type) {
			case *avb.HashtreeDescriptor:
				if d.Partition == p.Name {
					return d, nil
				}
			case *avb.ChainDescriptor:
				structs = append(structs, d.Partition)
			}
		}
	}
	return nil, nil
}

// hash appends hash tree and error correction, from those of the image before
// where that is there.
func (b *builder) hash(p catalog.Partition, l *laid) error {
	b.in.progress("hash "+p.Name, 0, l.fs)
	params := avb.HashtreeParams{Partition: p.Name, Salt: treeSalt(), Known: knownDigests(l.im)}
	stock, err := b.stockTree(p)
	if err != nil {
		return err
	}
	if stock != nil {
		params.FECRoots = int(stock.FECRoots)
	}
	if l.base != nil {
		if d := treeOf(l.base, p.Name); d != nil {
			params.Since = &avb.Since{Image: l.base, Descriptor: d, Changed: l.changed}
		}
	}
	l.im, l.d, err = avb.AddHashtree(l.im, params)
	return err
}

// treeSalt is that of every hash tree: a block's digest is then the same on all
// devices, and is computed once, when its content is packed.
func treeSalt() []byte {
	salt := derive("salt", "", "")
	return salt[:]
}

// knownDigests are those of blocks that were packed, in the form of avb.HashtreeParams.
func knownDigests(im *tree.Image) avb.Known {
	var packs []tree.Segment
	for _, s := range im.Segments() {
		if _, ok := s.Source.(*packed.Content); ok && s.Offset%layout.Block == 0 && s.SourceOffset%layout.Block == 0 && s.Length%layout.Block == 0 {
			packs = append(packs, s)
		}
	}
	if len(packs) == 0 {
		return nil
	}
	return func(block int64) (digests, sums []byte) {
		at := block * layout.Block
		i := sort.Search(len(packs), func(i int) bool { return packs[i].Offset+packs[i].Length > at })
		if i == len(packs) || packs[i].Offset > at {
			return nil, nil
		}
		s := packs[i]
		from := (s.SourceOffset + at - s.Offset) / layout.Block
		to := from + (s.Offset+s.Length-at)/layout.Block
		c := s.Source.(*packed.Content)
		return c.Leaves()[from*sha256.Size : to*sha256.Size], c.Sums()[from*crc32.Size : to*crc32.Size]
	}
}

// treeOf is the descriptor in the footer of an image that we made; nil if it has
// none.
func treeOf(r *blob.Blob, partition string) *avb.HashtreeDescriptor {
	v, err := readVBMeta(r, r.Size())
	if err != nil {
		return nil
	}
	for _, d := range v.Descriptors {
		if h, ok := d.(*avb.HashtreeDescriptor); ok && h.Partition == partition && h.ImageSize <= uint64(r.Size()) {
			return h
		}
	}
	return nil
}

// keepLaid puts a partition and its map into the store: over the image before, as
// what differs, if that is there.
func (b *builder) keepLaid(p catalog.Partition, l *laid) error {
	if err := b.limit(p, l.im); err != nil {
		return err
	}
	ref, err := b.storeLaid(p, l)
	if err != nil {
		return err
	}
	if l.memory != nil {
		if err := l.memory.Tidy(); err != nil {
			return err
		}
	}
	m, err := b.in.Blobs.Put(b.ctx, bytes.NewReader(l.is.Bytes()))
	if err != nil {
		return err
	}
	var d avb.Descriptor
	if l.d != nil {
		d = l.d
	}
	made := b.kept(p, ref, d)
	b.images[len(b.images)-1].Layout = m.Digest
	made.Layout, made.Otherwise = m.Digest.String(), l.otherwise
	if was := b.older.Verity[p.Name]; was != nil {
		b.verityReport(p.Name, was, "made anew from stock and layers, its verity table signed with the OS's verity key")
	}
	if l.was != nil {
		made.Over = l.over.String()
	}
	if b.in.Note != nil {
		b.in.Note(l.note)
	}
	return nil
}

// storeLaid stores an image. What is stored is read once, for its digest, and
// verified on the way: by its hash tree, or where it has none by the one it could have.
func (b *builder) storeLaid(p catalog.Partition, l *laid) (blob.Ref, error) {
	check, err := b.stream(p, l)
	if err != nil {
		return blob.Ref{}, err
	}
	ref, err := b.storeChecked(p, l, check)
	if err == nil && check != nil {
		err = check.Close()
	}
	if err != nil || l.d == nil {
		return ref, err
	}
	return ref, verified(b.ctx, b.in.Blobs, proofKey(ref.Digest, l.d))
}

// stream is what verifies an image on its way into the store; nil: nothing was
// computed before by which it could be.
func (b *builder) stream(p catalog.Partition, l *laid) (*avb.Stream, error) {
	known := knownDigests(l.im)
	if l.d != nil {
		return avb.NewStream(l.d, l.im.Size(), known)
	}
	if known == nil {
		return nil, nil
	}
	_, d, err := avb.AddHashtree(l.im, avb.HashtreeParams{Partition: p.Name, Salt: treeSalt(), Known: known})
	if err != nil {
		return nil, err
	}
	d.TreeSize = 0 // it is not there
	return avb.NewStream(d, l.im.Size(), known)
}

func (b *builder) storeChecked(p catalog.Partition, l *laid, check *avb.Stream) (blob.Ref, error) {
	blocks := func(n int64) int64 { return (n + layout.Block - 1) / layout.Block }
	l.note.Blocks = blocks(l.im.Size())
	told := &counter{w: io.Discard, fn: func(done int64) { b.in.progress("write "+p.Name, done, l.im.Size()) }}
	if check != nil {
		told.w = check
	}
	if l.base == nil {
		l.note.Changed, l.note.Behind = blocks(l.fs), blocks(l.im.Size()-l.fs)
		return b.in.Blobs.PutImage(b.ctx, l.im, told)
	}
	behind, err := layout.Changed(b.ctx, l.base, l.base.Size(), l.im, l.fs, l.im.Size(), nil)
	if err != nil {
		return blob.Ref{}, err
	}
	l.note.Over, l.note.Changed, l.note.Behind = true, layout.Blocks(l.changed), layout.Blocks(behind)
	base := blob.Ref{Digest: l.base.Digest(), Size: l.base.Size()}
	return b.in.Blobs.Over(b.ctx, base, l.im, l.im.Size(), append(l.changed, behind...), told)
}

// proofs remembers which images were verified by which descriptor.
type proofs struct {
	b     *builder
	fresh []string
}

func (b *builder) proofs() *proofs { return &proofs{b: b} }

// has says whether a partition was verified before, and notes it if not: it is
// about to be.
func (x *proofs) has(partition string, d avb.Descriptor) bool {
	h, ok := d.(*avb.HashtreeDescriptor)
	if !ok {
		return false // soon done
	}
	for _, p := range x.b.images {
		if p.Name != partition {
			continue
		}
		if x.remembers(proofKey(p.Digest, h)) {
			return true
		}
	}
	return false
}

// remembers says whether what the key names was verified, and notes it if not.
func (x *proofs) remembers(key string) bool {
	if _, ok, err := x.b.in.Blobs.Memo(key); ok && err == nil {
		return true
	}
	x.fresh = append(x.fresh, key)
	return false
}

// keep keeps what has been verified.
func (x *proofs) keep() error {
	for _, key := range x.fresh {
		if err := verified(x.b.ctx, x.b.in.Blobs, key); err != nil {
			return err
		}
	}
	return nil
}

// proofKey names the proof that an image is as a descriptor says.
func proofKey(image blob.Digest, d *avb.HashtreeDescriptor) string {
	return fmt.Sprintf("avb verified 1 %s %x", image, sha256.Sum256(fmt.Appendf(nil, "%+v", *d)))
}

// verified keeps a proof.
func verified(ctx context.Context, blobs *blob.Store, key string) error {
	_, err := blobs.Cached(ctx, key, func(w io.Writer) error {
		_, err := io.WriteString(w, "verified\n")
		return err
	})
	return err
}
