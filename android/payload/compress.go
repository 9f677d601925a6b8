package payload

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/fridayos/friday/android/xz"
)

// CodecVersion is part of the key of whatever caches what Compress gives.
const CodecVersion = "4"

// A Compressor compresses chunks, several at a time too, and keeps the memory for
// that from one to the next: 70 MB or so for each that runs at once. The zero
// Compressor is ready.
type Compressor struct {
	mu   sync.Mutex
	idle []*xz.Encoder
}

// Compress is that of a Compressor used once.
func Compress(chunk []byte) (OpType, []byte, error) {
	return new(Compressor).Compress(chunk)
}

// Compress gives the smaller of REPLACE and REPLACE_XZ for a chunk. The same
// chunk gives the same bytes, so that a cache can wrap it. What is compressed
// already, as most apps and media are, is told by a look at it and stored.
// REPLACE_BZ is not tried: on programs, sources and data it was never the smaller.
func (c *Compressor) Compress(chunk []byte) (OpType, []byte, error) {
	if incompressible(chunk) {
		return Replace, chunk, nil
	}
	e := c.take()
	defer c.give(e)
	b, err := e.Compress(chunk, xz.CheckNone)
	if err != nil {
		return 0, nil, fmt.Errorf("cannot compress: %w", err)
	}
	if len(b) >= len(chunk) {
		return Replace, chunk, nil
	}
	return ReplaceXZ, b, nil
}

func (c *Compressor) take() *xz.Encoder {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := len(c.idle) - 1
	if k < 0 {
		return new(xz.Encoder)
	}
	e := c.idle[k]
	c.idle = c.idle[:k]
	return e
}

func (c *Compressor) give(e *xz.Encoder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, e)
}

// incompressible says that no part of the chunk is worth the time: in every
// window all byte values are about as frequent, and hardly anything comes twice.
func incompressible(chunk []byte) bool {
	const window = 32 << 10
	if len(chunk) < window {
		return false
	}
	for at := 0; at < len(chunk); at += window {
		w := chunk[max(0, min(at, len(chunk)-window)):][:window]
		var count [256]int
		for _, c := range w {
			count[c]++
		}
		// The sum of squares is n²/256 for noise; 3% above is about 7.98 bits a byte.
		sum := 0
		for _, n := range count {
			sum += n * n
		}
		if sum > window*window/256*103/100 {
			return false
		}
	}
	return !repeats(chunk)
}

// repeats says whether at least one in 64 of the places chosen by their content
// was seen before.
func repeats(chunk []byte) bool {
	const rare, tableBits = 64, 16
	var table [1 << tableBits]int32 // places, plus one
	seen, again := 0, 0
	for i := 0; i+16 <= len(chunk); i++ {
		v := binary.LittleEndian.Uint64(chunk[i:])
		h := v * 0x9e3779b97f4a7c15
		if h>>(64-6) != 0 { // one in 64
			continue
		}
		seen++
		k := h << 6 >> (64 - tableBits)
		if p := int(table[k]); p > 0 && binary.LittleEndian.Uint64(chunk[p-1:]) == v {
			again++
		}
		table[k] = int32(i + 1)
	}
	return again*rare > seen
}
