package db

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Ids are made in Go, before the row exists, and grow with time, so that
// ORDER BY id is the order of creation. 41 bits of milliseconds since 2024
// (until 2093) and 12 bits below them make 53: JavaScript reads them exactly.
// The low bits begin at random; several processes drawing an id in the same
// millisecond clash once in 4,096 times, and Write then runs again.
const (
	idEpoch = 1704067200000 // 2024-01-01 in milliseconds
	idBits  = 12
)

var lastID atomic.Int64

// NewID makes an id: positive, below 2^53, greater than all that this process made before.
func NewID() int64 {
	for {
		last := lastID.Load()
		id := (time.Now().UnixMilli()-idEpoch)<<idBits | rand.Int64N(1<<idBits)
		if id <= last {
			id = last + 1
		}
		if lastID.CompareAndSwap(last, id) {
			return id
		}
	}
}
