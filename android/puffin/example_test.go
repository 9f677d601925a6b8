package puffin_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/fridayos/friday/android/puffin"
)

// An archive whose text changed in one place is patched without its deflate
// being part of the patch.
func Example() {
	archive := func(version string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		if w, err := z.Create("assets/licences.txt"); err == nil {
			for i := range 2000 {
				fmt.Fprintf(w, "%s, part %d of version %s\n", strings.Repeat("by the authors ", i%3), i*i, version)
			}
		}
		z.Close()
		return b.Bytes()
	}
	old, next := archive("26.11.20"), archive("26.11.27")

	var patch, result bytes.Buffer
	if ok, err := puffin.Diff(context.Background(), old, next, &patch); err != nil || !ok {
		fmt.Println(ok, err)
		return
	}
	if err := puffin.Patch(bytes.NewReader(old), int64(len(old)), patch.Bytes(), &result, 1<<20); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bytes.Equal(result.Bytes(), next), patch.Len()*10 < len(next))
	// Output: true true
}
