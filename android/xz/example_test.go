package xz_test

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fridayos/friday/android/xz"
)

// A chunk is packed as update payloads have it, and read again.
func Example() {
	chunk := []byte(strings.Repeat("the train leaves on friday\n", 10_000))
	packed, err := xz.Compress(chunk, xz.CheckCRC32)
	if err != nil {
		fmt.Println(err)
		return
	}
	var again bytes.Buffer
	if _, err := xz.NewReader(bytes.NewReader(packed), 64<<20).WriteTo(&again); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(chunk), "bytes, packed less than", (len(packed)/100+1)*100, "; the same again:", bytes.Equal(again.Bytes(), chunk))

	// What is damaged says where.
	packed[30] ^= 1
	_, err = xz.NewReader(bytes.NewReader(packed), 64<<20).WriteTo(&again)
	fmt.Println(err)
	// Output:
	// 270000 bytes, packed less than 200 ; the same again: true
	// cannot read xz: at byte 24: the first packed byte of a chunk is not 0
}
