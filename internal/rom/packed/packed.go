// Package packed keeps what erofs made of the content of files when it compressed
// them, so that no content is compressed twice: not next week, and not for the next
// device. It is an erofs.Memory over the blob store.
//
// It is no cache of images and knows no file by its name: content is named by its
// SHA-256, and the way it was packed by the codec's words. What a build packed anew
// becomes one blob, since thousands of small ones would each wait for the disk;
// a list of those blobs is what the store remembers for a way of packing. Images are
// made of parts of these blobs (blob.PutImage), so that no image copies them.
//
// With the blocks of a file it keeps their digests in a hash tree, which has the same
// salt everywhere, and their checksums: they are not hashed again to make a tree, and
// whoever reads the image once finds blocks that have rotted.
//
//	blocks of one file after the other
//	details of each: its head, as erofs gives it, the digest of each block, and the
//	  CRC-32C (little-endian) of each
//	the index, of each file: SHA-256 of its content, offset and bytes of its blocks,
//	  offset and bytes of its details, bytes of the head among them (little-endian, 64
//	  bits), SHA-256 of the details
//	"fridayp2", the offset of the index, how many files there are, SHA-256 of the index
package packed

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
)

const (
	magic     = "fridayp2"
	version   = 2 // of these blobs, and of keys: those of another are not read
	footSize  = 24 + sha256.Size
	entrySize = 2*sha256.Size + 40
	maxFiles  = 1 << 22 // of a blob
	// From so many blobs on the smaller half is made one.
	maxBlobs = 32
	maxList  = 1 << 20
	// MaxBytes is about how much is kept for one way of packing: beyond it, the blobs
	// that were made first go. Images that are made of them stay whole.
	MaxBytes = 64 << 30
	block    = 4096
)

// Digest is the SHA-256 of content.
type Digest = [32]byte

// Memory is what is kept for one way of packing. Many goroutines may use it at once.
// End it with Close.
type Memory struct {
	ctx     context.Context
	blobs   *blob.Store
	packing string
	salt    []byte
	digest  func(*tree.Node) (Digest, bool)
	packs   []*pack
	where   map[Digest]place

	mu    sync.Mutex
	w     *blob.Writer
	out   *bufio.Writer
	size  int64
	added []*Content
	fresh map[Digest]*Content // added
	used  map[*pack]bool
	bufs  sync.Pool // of *[hashBuffer]byte
	// Packed and Recalled count the bytes of content that were compressed, and
	// those that were not.
	Packed, Recalled int64
}

type pack struct {
	ref     blob.Ref
	r       *blob.Blob
	entries []entry
}

// entry is a file in a blob.
type entry struct {
	digest    Digest
	off, size int64 // of its blocks
	at, room  int64 // of its details
	head      int64 // bytes of its head among them
	sum       Digest
}

type place struct {
	pack *pack
	entry
}

// Content is the blocks of a file. It reads them, from wherever they are by now.
type Content struct {
	m      *Memory
	pack   *pack // nil: Keep has not kept it
	off    int64
	size   int64
	digest Digest
	head   []byte
	leaves []byte
	sums   []byte
}

// ReadAt is io.ReaderAt's.
func (c *Content) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > c.size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), c.size-off)
	var err error
	if n > 0 {
		err = c.m.read(c, p[:n], c.off+off)
	}
	if err == nil && n < int64(len(p)) {
		err = io.EOF
	}
	return int(n), err
}

func (m *Memory) read(c *Content, p []byte, off int64) error {
	if c.pack != nil {
		return tree.ReadFull(c.pack.r, p, off)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.w == nil {
		return errors.New("cannot read packed content: it was not kept")
	}
	if err := m.out.Flush(); err != nil {
		return err
	}
	return tree.ReadFull(m.w, p, off)
}

// Place is blob.Placed's: nowhere, until Keep has kept it.
func (c *Content) Place() (blob.Digest, int64, bool) {
	if c.pack == nil {
		return blob.Digest{}, 0, false
	}
	return c.pack.ref.Digest, c.off, true
}

// Leaves are the digests of its blocks of 4 KiB in a hash tree.
func (c *Content) Leaves() []byte { return c.leaves }

// Sums are the CRC-32C (little-endian) of its blocks of 4 KiB.
func (c *Content) Sums() []byte { return c.sums }

// Open reads what is kept for a way of packing and the salt of hash trees. digest
// gives the SHA-256 of the content of a node; what has none is packed each time. A
// blob that is gone, or whose index is damaged, is left out.
func Open(ctx context.Context, blobs *blob.Store, packing string, salt []byte, digest func(*tree.Node) (Digest, bool)) (*Memory, error) {
	m := &Memory{ctx: ctx, blobs: blobs, packing: packing, salt: salt, digest: digest,
		where: map[Digest]place{}, fresh: map[Digest]*Content{}, used: map[*pack]bool{}}
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
		p.entries = nil
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

func (m *Memory) key() string { return fmt.Sprintf("%s%d %s %x", keys, version, m.packing, m.salt) }

// maxDetails bounds what is held to recall a file: one of 1 TiB has less.
const maxDetails = 256 << 20

func within(off, n, limit int64) bool { return off >= 0 && n >= 0 && off <= limit && n <= limit-off }

// recall reads what is kept of a file; nil if it is damaged.
func (m *Memory) recall(at place) *Content {
	b := make([]byte, at.room)
	if err := tree.ReadFull(at.pack.r, b, at.at); err != nil || sha256.Sum256(b) != at.sum {
		return nil
	}
	sums := at.head + (at.size+block-1)/block*sha256.Size
	return &Content{m: m, pack: at.pack, off: at.off, size: at.size, digest: at.digest, head: b[:at.head:at.head], leaves: b[at.head:sums:sums], sums: b[sums:]}
}

// Recall is erofs.Memory's. What is damaged is not recalled.
func (m *Memory) Recall(n *tree.Node, packing string) ([]byte, io.ReaderAt, int64, error) {
	d, ok := m.digest(n)
	if !ok || packing != m.packing {
		return nil, nil, 0, nil
	}
	at, ok := m.where[d]
	if !ok {
		return nil, nil, 0, nil
	}
	c := m.recall(at)
	if c == nil {
		return nil, nil, 0, nil
	}
	m.mu.Lock()
	m.Recalled += n.Size
	m.used[at.pack] = true
	m.mu.Unlock()
	return c.head, c, c.size, nil
}

// Remember is erofs.Memory's.
func (m *Memory) Remember(n *tree.Node, packing string, head []byte, r io.ReaderAt, size int64) (io.ReaderAt, error) {
	d, ok := m.digest(n)
	var leaves, sums []byte
	if ok && packing == m.packing {
		var err error
		if leaves, sums, err = m.hash(r, size); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Packed += n.Size
	if !ok || packing != m.packing || len(m.added) == maxFiles {
		return nil, nil
	}
	if c := m.fresh[d]; c != nil && c.size == size {
		return c, nil // another core has just packed the same
	}
	if err := m.begin(); err != nil {
		return nil, err
	}
	c := &Content{m: m, off: m.size, size: size, digest: d, head: head, leaves: leaves, sums: sums}
	if err := m.add(c, r, 0); err != nil {
		return nil, err
	}
	return c, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const hashBuffer = 16 * block

// hash makes the digests and checksums of blocks.
func (m *Memory) hash(r io.ReaderAt, size int64) (leaves, sums []byte, err error) {
	n := (size + block - 1) / block
	leaves, sums = make([]byte, 0, n*sha256.Size), make([]byte, 0, n*crc32.Size)
	room, ok := m.bufs.Get().(*[hashBuffer]byte)
	if !ok {
		room = new([hashBuffer]byte)
	}
	defer m.bufs.Put(room)
	h, buf := sha256.New(), room[:]
	for off := int64(0); off < size; off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-off)]
		if err := tree.ReadFull(r, buf, off); err != nil {
			return nil, nil, err
		}
		for b := range slices.Chunk(buf, block) {
			h.Reset()
			h.Write(m.salt)
			h.Write(b)
			leaves = h.Sum(leaves)
			sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(b, castagnoli))
		}
	}
	return leaves, sums, nil
}

// begin begins a blob, if none is under way.
func (m *Memory) begin() error {
	if m.w != nil {
		return nil
	}
	w, err := m.blobs.Create(m.ctx)
	if err == nil {
		m.w, m.out, m.size = w, bufio.NewWriterSize(w, 1<<20), 0
	}
	return err
}

// add writes the blocks of a file, which lie in r from off on.
func (m *Memory) add(c *Content, r io.ReaderAt, off int64) error {
	if _, err := io.Copy(m.out, io.NewSectionReader(r, off, c.size)); err != nil {
		return err
	}
	m.added = append(m.added, c)
	m.fresh[c.digest] = c
	m.size += c.size
	return nil
}

// Keep keeps what was remembered since Open. What Remember returned lies in its
// blob from then on.
func (m *Memory) Keep() error {
	if len(m.added) == 0 {
		return nil
	}
	added := m.added
	ref, err := m.commit()
	if err == nil {
		var p *pack
		if p, err = openPack(m.blobs, ref); err == nil {
			p.entries = nil
			m.packs = append(m.packs, p)
			for _, c := range added {
				c.pack = p
			}
			err = m.blobs.Alone(m.ctx, m.key(), func() error { return m.enlist(ref) })
		}
	}
	if err != nil {
		return fmt.Errorf("cannot keep packed content: %w", err)
	}
	return nil
}

// commit ends the blob under way.
func (m *Memory) commit() (blob.Ref, error) {
	le := binary.LittleEndian
	at := m.size
	var index []byte
	// Cores finish in any order; the index has one.
	slices.SortFunc(m.added, func(a, b *Content) int { return bytes.Compare(a.digest[:], b.digest[:]) })
	for _, c := range m.added {
		details := slices.Concat(c.head, c.leaves, c.sums)
		if _, err := m.out.Write(details); err != nil {
			return blob.Ref{}, err
		}
		index = append(index, c.digest[:]...)
		for _, v := range []int64{c.off, c.size, at, int64(len(details)), int64(len(c.head))} {
			index = le.AppendUint64(index, uint64(v))
		}
		sum := sha256.Sum256(details)
		index = append(index, sum[:]...)
		at += int64(len(details))
	}
	sum := sha256.Sum256(index)
	index = le.AppendUint64(le.AppendUint64(append(index, magic...), uint64(at)), uint64(len(m.added)))
	if _, err := m.out.Write(append(index, sum[:]...)); err != nil {
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
	if err != nil || slices.Contains(refs, ref) {
		return err
	}
	return m.relist(append(refs, ref), nil)
}
