package unpack_test

import (
	"fmt"

	"github.com/fridayos/friday/android/erofs/unpack"
)

func ExampleExact() {
	// An LZ4 block: three letters, a match of nine bytes three back, and the end.
	cluster := []byte{0x35, 'a', 'b', 'c', 3, 0, 0x50, 'a', 'b', 'c', 'a', '!'}
	content := make([]byte, 17)
	err := unpack.Exact(unpack.LZ4, content, cluster)
	fmt.Printf("%s %v\n", content, err)
	// Output: abcabcabcabcabca! <nil>
}
