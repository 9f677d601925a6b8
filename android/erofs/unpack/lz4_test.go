package unpack

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// lz4Prefix must find every beginning of what a foreign packer packed, whatever
// follows the packed bytes.
func TestLZ4Prefix(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for round := range 200 {
		want := make([]byte, 1+r.IntN(5000))
		for i := range want {
			if r.IntN(3) > 0 && i > 0 {
				want[i] = want[r.IntN(i)]
			} else {
				want[i] = byte(r.IntN(4))
			}
		}
		packed := make([]byte, lz4.CompressBlockBound(len(want)))
		n, err := lz4.CompressBlock(want, packed, nil)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		src := append(packed[:n:n], make([]byte, 100)...)
		for _, size := range []int{0, 1, len(want) / 2, len(want) - 1, len(want)} {
			out := make([]byte, size)
			if m, err := lz4Prefix(out, src); err != nil || m != size || !bytes.Equal(out, want[:size]) {
				t.Fatalf("round %d: %d of %d bytes: %d %v", round, size, len(want), m, err)
			}
		}
		if m, err := lz4Prefix(make([]byte, len(want)+1), packed[:n]); err == nil {
			t.Fatalf("round %d: %d bytes out of %d", round, m, len(want))
		}
		cut := r.IntN(n)
		if _, err := lz4Prefix(make([]byte, len(want)), packed[:cut]); err == nil {
			t.Fatalf("round %d: a block cut to %d of %d bytes was unpacked", round, cut, n)
		}
	}
}
