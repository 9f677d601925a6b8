package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/semaphore"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/puffin"
	"github.com/fridayos/friday/android/tree"
)

const (
	// patchVersion changes whenever smallest would choose or encode otherwise.
	patchVersion = "2"
	// cacheFrom is the size of input from which a result is worth a file of its
	// own; less is made again sooner than it is written durably.
	cacheFrom = 128 << 10
	// maxResult bounds a kept result; chunks and patches are smaller.
	maxResult = 256 << 20

	defaultMemory = 1 << 30
)

// maker makes the operations of one package.
type maker struct {
	Options
	memory  *semaphore.Weighted
	inPlace bool // blocks are best left where they are
	budget  int64
}

func newMaker(o Options) *maker {
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	return &maker{Options: o, memory: semaphore.NewWeighted(o.Memory), budget: o.Memory}
}

// fullOps plans a partition as a full package has it, with compressed chunks
// kept by content: devices and weeks share them.
func (m *maker) fullOps(ctx context.Context, img *Image) []payload.PlannedOp {
	return payload.FullOps(img.Content, img.Size, func(chunk []byte) (payload.OpType, []byte, error) {
		return m.compress(ctx, chunk)
	})
}

func (m *maker) compress(ctx context.Context, chunk []byte) (payload.OpType, []byte, error) {
	key := fmt.Sprintf("payload chunk %s %x", payload.CodecVersion, sha256.Sum256(chunk))
	return m.cached(ctx, key, len(chunk), func() (payload.OpType, []byte, error) { return payload.Compress(chunk) })
}

// cached keeps an operation's type and data as one blob.
func (m *maker) cached(ctx context.Context, key string, input int, make func() (payload.OpType, []byte, error)) (payload.OpType, []byte, error) {
	if m.Blobs == nil || input < cacheFrom {
		return make()
	}
	ref, err := m.Blobs.Cached(ctx, key, func(w io.Writer) error {
		typ, data, err := make()
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte{byte(typ)}); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		return 0, nil, err
	}
	b, err := m.Blobs.Bytes(ref.Digest, maxResult)
	if err != nil {
		return 0, nil, err
	}
	if len(b) == 0 {
		return 0, nil, errors.New("what is kept for " + key + " is empty")
	}
	return payload.OpType(b[0]), b[1:], nil
}

// smallest gives the smaller of a patch from old and of next compressed.
func (m *maker) smallest(ctx context.Context, old, next []byte) (payload.OpType, []byte, error) {
	key := fmt.Sprintf("payload patch %s.%s %x %x", patchVersion, payload.CodecVersion, sha256.Sum256(old), sha256.Sum256(next))
	return m.cached(ctx, key, len(old)+len(next), func() (payload.OpType, []byte, error) {
		var patch, puffs bytes.Buffer
		if err := bsdiff.Diff(ctx, old, next, &patch); err != nil {
			return 0, nil, err
		}
		kind := payload.BrotliBsdiff
		if ok, err := puffin.Diff(ctx, old, next, &puffs); err != nil {
			return 0, nil, err
		} else if ok && puffs.Len() < patch.Len() {
			kind, patch = payload.Puffdiff, puffs
		}
		// Compressing costs as much as the patch did; where the patch is this
		// small there is nothing left to win.
		if patch.Len() <= len(next)/16 {
			return kind, patch.Bytes(), nil
		}
		typ, data, err := payload.Compress(next)
		if err != nil {
			return 0, nil, err
		}
		if patch.Len() < len(data) {
			return kind, patch.Bytes(), nil
		}
		return typ, data, nil
	})
}

// patchMemory is what Diff takes at most for such inputs, with the inputs.
func patchMemory(old, next int64) int64 { return 10*old + 6*next }

// deltaOp makes the operation that writes the blocks dst, from the blocks src
// of the old image if that is smaller. What is of an archive takes twice the
// memory, as puffs are larger than deflate.
func (m *maker) deltaOp(old, next *Image, src, dst []payload.Extent, archive bool) payload.PlannedOp {
	if len(src) == 0 {
		return payload.PlannedOp{Type: payload.Replace, Dst: dst, Data: func(ctx context.Context) (payload.OpType, []byte, error) {
			b, err := readBlocks(next, dst)
			if err != nil {
				return 0, nil, err
			}
			return m.compress(ctx, b)
		}}
	}
	return payload.PlannedOp{Type: payload.BrotliBsdiff, Src: src, Dst: dst, Data: func(ctx context.Context) (payload.OpType, []byte, error) {
		need := patchMemory(count(src)*blockSize, count(dst)*blockSize)
		if archive {
			need *= 2
		}
		need = min(need, m.budget)
		if err := m.memory.Acquire(ctx, need); err != nil {
			return 0, nil, err
		}
		defer m.memory.Release(need)
		a, err := readBlocks(old, src)
		if err != nil {
			return 0, nil, err
		}
		b, err := readBlocks(next, dst)
		if err != nil {
			return 0, nil, err
		}
		return m.smallest(ctx, a, b)
	}}
}

func count(extents []payload.Extent) int64 {
	n := int64(0)
	for _, e := range extents {
		n += int64(e.Count)
	}
	return n
}

func readBlocks(img *Image, extents []payload.Extent) ([]byte, error) {
	b := make([]byte, count(extents)*blockSize)
	at := b
	for _, e := range extents {
		n := int64(e.Count) * blockSize
		if err := readAt(img, at[:n], int64(e.Start)*blockSize); err != nil {
			return nil, err
		}
		at = at[n:]
	}
	return b, nil
}

// readAt fills b from an image or fails.
func readAt(img *Image, b []byte, off int64) error {
	if err := tree.ReadFull(img.Content, b, off); err != nil {
		return fmt.Errorf("cannot read image %q: %w", img.Partition, err)
	}
	return nil
}
