package payload

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"sync"

	"github.com/fridayos/friday/android/tree"
)

// follower hashes a partition while operations make it, from its first block on,
// as far as all before is there: what it reads back was just written, and hashing
// overlaps with unpacking. Open refuses operations that write one block twice, so
// what was hashed stays.
type follower struct {
	r      io.ReaderAt
	blocks int64

	hashing sync.Mutex // who holds it hashes
	h       hash.Hash
	next    int64 // block that is hashed next
	buf     []byte

	mu   sync.Mutex
	made []uint64 // a bit a block
}

func newFollower(r io.ReaderAt, size int64) *follower {
	blocks := size / blockSize
	return &follower{r: r, blocks: blocks, h: sha256.New(), made: make([]uint64, (blocks+63)/64)}
}

// add says that the blocks of extents are there and hashes on, unless another
// goroutine is about it.
func (f *follower) add(extents []Extent) error {
	f.mu.Lock()
	for _, e := range extents {
		for b := e.Start; b < e.Start+e.Count; b++ {
			f.made[b/64] |= 1 << (b % 64)
		}
	}
	f.mu.Unlock()
	if !f.hashing.TryLock() {
		return nil
	}
	defer f.hashing.Unlock()
	return f.follow(context.Background(), false)
}

// follow hashes what is there, or all.
func (f *follower) follow(ctx context.Context, all bool) error {
	if f.buf == nil {
		f.buf = make([]byte, 256*blockSize)
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(f.blocks-f.next, int64(len(f.buf)/blockSize))
		if !all {
			n = f.ready(n)
		}
		if n == 0 {
			return nil
		}
		b := f.buf[:n*blockSize]
		if err := tree.ReadFull(f.r, b, f.next*blockSize); err != nil {
			return err
		}
		f.h.Write(b)
		f.next += n
	}
}

// ready counts the blocks from next on that are there, at most n.
func (f *follower) ready(n int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range n {
		if b := f.next + i; f.made[b/64]&(1<<(b%64)) == 0 {
			return i
		}
	}
	return n
}

// verify hashes the rest and compares.
func (f *follower) verify(ctx context.Context, q *Partition) error {
	f.hashing.Lock()
	defer f.hashing.Unlock()
	if err := f.follow(ctx, true); err != nil {
		return fmt.Errorf("cannot verify result of partition %q: %w", q.Name, err)
	}
	return compareHash("result of", q, f.blocks*blockSize, f.h.Sum(nil), q.NewSHA256)
}
