package lz4frame_test

import (
	"bytes"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/lz4frame"
)

// Read a few bytes from the middle of a packed image.
func Example() {
	image := bytes.Repeat([]byte("0123456789"), 300_000)
	var packed bytes.Buffer
	if err := lz4frame.Write(&packed, bytes.NewReader(image), int64(len(image)), 0); err != nil {
		fmt.Println(err)
		return
	}
	f, err := lz4frame.Open(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 2_000_003, 5))
	fmt.Println(f.Size, string(b), err)
	// Output: 3000000 34567 <nil>
}
