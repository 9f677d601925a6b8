package fleet

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/fridayos/friday/internal/wire"
)

// order is a permutation of the buckets that a release's name seeds: a Feistel
// network over 14 bits, walked until it lands below wire.Buckets. As a
// permutation it gives a stage of p percent exactly that many buckets.
type order [4]uint32

func newOrder(release string) (o order) {
	sum := sha256.Sum256([]byte("friday stage order 1\x00" + release))
	for i := range o {
		o[i] = binary.BigEndian.Uint32(sum[4*i:])
	}
	return o
}

// place is where bucket stands in the order: 0 is first.
func (o order) place(bucket int) int {
	x := uint32(bucket)
	for {
		left, right := x>>7, x&127
		for _, key := range o {
			h := (right+1)*0x9e3779b1 ^ key
			h = (h ^ h>>15) * 0x85ebca6b
			h ^= h >> 13
			left, right = right, left^h&127
		}
		x = left<<7 | right
		if x < wire.Buckets {
			return int(x)
		}
	}
}

// Place is where a handset's bucket stands in a release's order: it is offered
// the release once the stage's percentage of wire.Buckets is above it.
func Place(release string, bucket int) int { return newOrder(release).place(bucket) }
