// Package packed keeps what erofs made of the content of files when it compressed
// them, so that no content is compressed twice: not next week, and not for the next
// device. It is an erofs.Memory over the blob store.
//
// It is no cache of images and knows no file by its name: content is named by its
// SHA-256, and the way it was packed by the codec's words. What a build packed anew
// becomes one blob, since thousands of small ones would each wait for the disk;
// a list of those blobs is what the store remembers for a way of packing.
//
//	content of one file after the other, as erofs gives it
//	the index: SHA-256, offset and length (little-endian, 64 bits) of each
//	"fridaypk", the offset of the index and how many there are
package packed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
)

const (
	magic     = "fridaypk"
	footSize  = 24
	entrySize = 48
	maxFiles  = 1 << 22 // of a blob
	// From so many blobs on they are made one.
	maxBlobs = 32
	maxList  = 1 << 20
)

// Digest is the SHA-256 of content.
type Digest = [32]byte

// Memory is what is kept for one way of packing. Many goroutines may use it at once.
// End it with Close.
type Memory struct {
	ctx     context.Context
	blobs   *blob.Store
	packing string
	digest  func(*tree.Node) (Digest, bool)
	packs   []*pack
	where   map[Digest]place

	mu    sync.Mutex
	w     *blob.Writer
	out   *bufio.Writer
	size  int64
	added []entry
	fresh map[Digest]bool // added
	// Packed and Recalled count the bytes of content that were compressed, and
	// those that were not.
	Packed, Recalled int64
}

type pack struct {
	ref     blob.Ref
	r       *blob.Blob
	entries []entry
}

type entry struct {
	digest    Digest
	off, size int64
}

type place struct {
	pack *pack
	entry
}

// Open reads what is kept for a way of packing. digest gives the SHA-256 of the
// content of a node; what has none is packed each time. A blob that is gone or
// damaged is left out.
func Open(ctx context.Context, blobs *blob.Store, packing string, digest func(*tree.Node) (Digest, bool)) (*Memory, error) {
	m := &Memory{ctx: ctx, blobs: blobs, packing: packing, digest: digest, where: map[Digest]place{}, fresh: map[Digest]bool{}}
	refs, err := m.list()
	if err != nil {
		return nil, fmt.Errorf("cannot open packed content: %w", err)
	}
	for _, ref := range refs {
		p, err := openPack(blobs, ref)
		if err != nil {
			continue // it is packed again
		}
		m.packs = append(m.packs, p)
		for _, e := range p.entries {
			m.where[e.digest] = place{p, e}
		}
	}
	return m, nil
}

// Close closes what was opened. What Keep did not keep is forgotten.
func (m *Memory) Close() {
	for _, p := range m.packs {
		p.r.Close()
	}
	if m.w != nil {
		m.w.Abort()
	}
}

func (m *Memory) key() string { return "packed content 1 " + m.packing }

// list are the blobs that are kept, oldest first.
func (m *Memory) list() ([]blob.Ref, error) {
	ref, ok, err := m.blobs.Memo(m.key())
	if err != nil || !ok {
		return nil, err
	}
	text, err := m.blobs.Bytes(ref.Digest, maxList)
	if err != nil {
		return nil, nil // what is lost is made again
	}
	var out []blob.Ref
	for len(text) >= 40 {
		out = append(out, blob.Ref{Digest: blob.Digest(text[:32]), Size: int64(binary.LittleEndian.Uint64(text[32:40]))})
		text = text[40:]
	}
	return out, nil
}

func openPack(blobs *blob.Store, ref blob.Ref) (*pack, error) {
	r, err := blobs.OpenRef(ref)
	if err != nil {
		return nil, err
	}
	p := &pack{ref: ref, r: r}
	if p.entries, err = readIndex(r, ref.Size); err != nil {
		r.Close()
		return nil, err
	}
	return p, nil
}

// readIndex reads the index at the end of a blob.
func readIndex(r io.ReaderAt, size int64) ([]entry, error) {
	le := binary.LittleEndian
	foot := make([]byte, footSize)
	if size < footSize {
		return nil, errors.New("cannot read packed content: it has ended")
	}
	if err := tree.ReadFull(r, foot, size-footSize); err != nil {
		return nil, err
	}
	at, n := le.Uint64(foot[8:]), le.Uint64(foot[16:])
	if string(foot[:8]) != magic || n > maxFiles || at > uint64(size) || at+n*entrySize+footSize != uint64(size) {
		return nil, fmt.Errorf("cannot read packed content: its end says %d files before byte %d, and it has %d bytes", n, at, size)
	}
	b := make([]byte, n*entrySize)
	if err := tree.ReadFull(r, b, int64(at)); n > 0 && err != nil {
		return nil, err
	}
	out := make([]entry, n)
	for i := range out {
		e := b[i*entrySize:]
		off, size := le.Uint64(e[32:]), le.Uint64(e[40:])
		if off > at || size > at-off {
			return nil, fmt.Errorf("cannot read packed content: file %d lies outside of it", i)
		}
		out[i] = entry{Digest(e[:32]), int64(off), int64(size)}
	}
	return out, nil
}

// Recall is erofs.Memory's.
func (m *Memory) Recall(n *tree.Node, packing string) (io.ReaderAt, int64, error) {
	d, ok := m.digest(n)
	if !ok || packing != m.packing {
		return nil, 0, nil
	}
	at, ok := m.where[d]
	if !ok {
		return nil, 0, nil
	}
	m.mu.Lock()
	m.Recalled += n.Size
	m.mu.Unlock()
	return io.NewSectionReader(at.pack.r, at.off, at.size), at.size, nil
}

// Remember is erofs.Memory's.
func (m *Memory) Remember(n *tree.Node, packing string, r io.ReaderAt, size int64) error {
	d, ok := m.digest(n)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Packed += n.Size
	if !ok || packing != m.packing || len(m.added) == maxFiles || m.fresh[d] {
		return nil
	}
	if m.w == nil {
		w, err := m.blobs.Create(m.ctx)
		if err != nil {
			return err
		}
		m.w, m.out = w, bufio.NewWriterSize(w, 1<<20)
	}
	if _, err := io.Copy(m.out, io.NewSectionReader(r, 0, size)); err != nil {
		return err
	}
	m.added = append(m.added, entry{d, m.size, size})
	m.fresh[d] = true
	m.size += size
	return nil
}

// Keep keeps what was remembered since Open.
func (m *Memory) Keep() error {
	if len(m.added) == 0 {
		return nil
	}
	ref, err := m.commit()
	if err == nil {
		err = m.blobs.Alone(m.ctx, m.key(), func() error { return m.enlist(ref) })
	}
	if err != nil {
		return fmt.Errorf("cannot keep packed content: %w", err)
	}
	return nil
}

func (m *Memory) commit() (blob.Ref, error) {
	le := binary.LittleEndian
	// Cores finish in any order; the index has one.
	slices.SortFunc(m.added, func(a, b entry) int { return slices.Compare(a.digest[:], b.digest[:]) })
	var b []byte
	for _, e := range m.added {
		b = le.AppendUint64(le.AppendUint64(append(b, e.digest[:]...), uint64(e.off)), uint64(e.size))
	}
	b = le.AppendUint64(le.AppendUint64(append(b, magic...), uint64(m.size)), uint64(len(m.added)))
	if _, err := m.out.Write(b); err != nil {
		return blob.Ref{}, err
	}
	if err := m.out.Flush(); err != nil {
		return blob.Ref{}, err
	}
	ref, err := m.w.Commit()
	m.w, m.added, m.size = nil, nil, 0
	return ref, err
}

// enlist adds a blob to the list, as it is now: another build may have added its own.
func (m *Memory) enlist(ref blob.Ref) error {
	refs, err := m.list()
	if err != nil {
		return err
	}
	if !slices.Contains(refs, ref) {
		refs = append(refs, ref)
	}
	var gone []blob.Ref
	if len(refs) > maxBlobs {
		if ref, gone, err = m.merge(refs); err != nil {
			return err
		}
		refs = []blob.Ref{ref}
	}
	var text []byte
	for _, r := range refs {
		text = binary.LittleEndian.AppendUint64(append(text, r.Digest[:]...), uint64(r.Size))
	}
	list, err := m.blobs.Put(m.ctx, bytes.NewReader(text))
	if err == nil {
		err = m.blobs.SetMemo(m.ctx, m.key(), list)
	}
	for _, r := range gone {
		err = errors.Join(err, m.blobs.Remove(r.Digest))
	}
	return err
}

// merge makes one blob of many.
func (m *Memory) merge(refs []blob.Ref) (blob.Ref, []blob.Ref, error) {
	all := &Memory{ctx: m.ctx, blobs: m.blobs, packing: m.packing}
	defer all.Close()
	seen := map[Digest]bool{}
	var err error
	if all.w, err = m.blobs.Create(m.ctx); err != nil {
		return blob.Ref{}, nil, err
	}
	all.out = bufio.NewWriterSize(all.w, 1<<20)
	for _, ref := range refs {
		p, err := openPack(m.blobs, ref)
		if err != nil {
			continue
		}
		all.packs = append(all.packs, p)
		for _, e := range p.entries {
			if seen[e.digest] || len(all.added) == maxFiles {
				continue
			}
			seen[e.digest] = true
			if _, err := io.Copy(all.out, io.NewSectionReader(p.r, e.off, e.size)); err != nil {
				return blob.Ref{}, nil, err
			}
			all.added = append(all.added, entry{e.digest, all.size, e.size})
			all.size += e.size
		}
	}
	ref, err := all.commit()
	return ref, slices.DeleteFunc(slices.Clone(refs), func(r blob.Ref) bool { return r == ref }), err
}
