package packed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/fridayos/friday/internal/blob"
)

func FuzzIndex(f *testing.F) {
	le := binary.LittleEndian
	end := func(b, index []byte, n uint64) []byte {
		at := uint64(len(b))
		b = append(b, index...)
		b = le.AppendUint64(le.AppendUint64(append(b, magic...), at), n)
		sum := sha256.Sum256(index)
		return append(b, sum[:]...)
	}
	index := make([]byte, 32)
	for _, v := range []uint64{2, 5, 7, 40, 4} {
		index = le.AppendUint64(index, v)
	}
	index = append(index, make([]byte, 32)...)
	whole := end(bytes.Repeat([]byte("content and details "), 3), index, 1)
	if e, err := readIndex(bytes.NewReader(whole), int64(len(whole))); err != nil || len(e) != 1 || e[0].head != 4 {
		f.Fatal(e, err)
	}
	f.Add(whole)
	f.Add(end(nil, nil, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		// What is damaged would be found by its digest: so it is given the right one.
		if len(b) >= footSize {
			if at := le.Uint64(b[len(b)-footSize+8:]); at <= uint64(len(b)-footSize) {
				sum := sha256.Sum256(b[at : len(b)-footSize])
				copy(b[len(b)-sha256.Size:], sum[:])
			}
		}
		entries, err := readIndex(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.off < 0 || e.size < 0 || e.off+e.size > int64(len(b)) || e.at < 0 || e.room < 0 || e.at+e.room > int64(len(b)) || e.head < 0 || e.head > e.room {
				t.Fatalf("%+v", e)
			}
		}
	})
}

// The oldest blobs go first, and the newest stays whatever it has.
func TestBound(t *testing.T) {
	refs := []blob.Ref{{Digest: blob.Digest{1}, Size: 4}, {Digest: blob.Digest{2}, Size: 3}, {Digest: blob.Digest{3}, Size: 3}}
	for most, left := range map[int64]int{0: 1, 3: 1, 5: 1, 6: 2, 9: 2, 10: 3} {
		keep, gone := bound(refs, most)
		if len(keep) != left || len(gone) != 3-left || !slices.Equal(slices.Concat(gone, keep), refs) {
			t.Errorf("%d bytes: %v stay, %v go", most, keep, gone)
		}
	}
}
