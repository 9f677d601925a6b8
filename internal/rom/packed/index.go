package packed

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
)

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
	return parseList(text), nil
}

// parseList reads the blobs of a list: of each its digest and size.
func parseList(text []byte) (out []blob.Ref) {
	for len(text) >= 40 {
		out = append(out, blob.Ref{Digest: blob.Digest(text[:32]), Size: int64(binary.LittleEndian.Uint64(text[32:40]))})
		text = text[40:]
	}
	return out
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
	if sha256.Sum256(b) != Digest(foot[24:]) {
		return nil, errors.New("cannot read packed content: its index is damaged")
	}
	out := make([]entry, n)
	for i := range out {
		e := b[i*entrySize:]
		v := [5]int64{}
		for k := range v {
			v[k] = int64(le.Uint64(e[sha256.Size+8*k:]))
		}
		x := entry{Digest(e[:32]), v[0], v[1], v[2], v[3], v[4], Digest(e[entrySize-sha256.Size:])}
		if !within(x.off, x.size, int64(at)) || !within(x.at, x.room, int64(at)) || x.room > maxDetails || x.head < 0 || x.room-x.head != (x.size+block-1)/block*(sha256.Size+crc32.Size) {
			return nil, fmt.Errorf("cannot read packed content: file %d lies outside of it", i)
		}
		out[i] = x
	}
	return out, nil
}
