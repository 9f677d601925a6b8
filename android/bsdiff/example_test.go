package bsdiff_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/fridayos/friday/android/bsdiff"
)

func Example() {
	old := []byte("ro.build.version.incremental=26.11.20\n")
	next := []byte("ro.build.version.incremental=26.11.27\n")

	var patch, result bytes.Buffer
	if err := bsdiff.Diff(context.Background(), old, next, &patch); err != nil {
		fmt.Println(err)
		return
	}
	if err := bsdiff.Patch(bytes.NewReader(old), int64(len(old)), patch.Bytes(), &result, 1<<20); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(result.String())
	// Output: ro.build.version.incremental=26.11.27
}
