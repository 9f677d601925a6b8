package payload

import (
	"context"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

// Blocks that come in any order give the hash of the whole; one that was not as
// it is to be is found.
func TestFollow(t *testing.T) {
	const blocks = 1000
	b := image(3, blocks)
	sum := sha256.Sum256(b)
	q := &Partition{Name: "system", NewSize: int64(len(b)), NewSHA256: sum[:]}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := &disk{b: make([]byte, len(b))}
		f := newFollower(d, q.NewSize)
		left := 0
		for _, i := range r.Perm(blocks / 8) {
			if r.IntN(50) == 0 {
				left++ // as what the phone computes after the operations
				continue
			}
			at := i * 8 * blockSize
			copy(d.b[at:at+8*blockSize], b[at:])
			if err := f.add([]Extent{{uint64(i) * 8, 3}, {uint64(i)*8 + 3, 5}}); err != nil {
				t.Fatal(err)
			}
		}
		if left == 0 && f.next != blocks {
			t.Errorf("seed %d: %d of %d blocks were hashed on the way", seed, f.next, blocks)
		}
		copy(d.b, b)
		if err := f.verify(context.Background(), q); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	d := &disk{b: append([]byte{b[0] + 1}, b[1:]...)}
	if err := newFollower(d, q.NewSize).verify(context.Background(), q); err == nil {
		t.Error("another first byte was taken")
	}
}
