package lz4fit_test

import (
	"bytes"
	"fmt"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/erofs/lz4fit"
)

// A cluster of 64 bytes takes as much of a text as fits.
func Example() {
	text := bytes.Repeat([]byte("the quick brown fox "), 1000)
	cluster := make([]byte, 64)
	packed, consumed := lz4fit.New(9).Fit(cluster, text)

	out := make([]byte, consumed)
	n, err := lz4.UncompressBlock(cluster[:packed], out)
	fmt.Println(packed <= 64, consumed > 5000, bytes.Equal(out[:n], text[:consumed]), err)
	// Output: true true true <nil>
}
