package sparse_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"

	"github.com/fridayos/friday/android/sparse"
)

// An image in files of at most 64 KiB, as for a phone that takes no more at
// once, and back.
func Example() {
	image := append(make([]byte, 1<<20), bytes.Repeat([]byte("Friday! "), 16<<10)...)

	plan, err := sparse.NewPlan(context.Background(), bytes.NewReader(image), int64(len(image)), sparse.Options{MaxFile: 64 << 10})
	if err != nil {
		log.Fatal(err)
	}
	var parts []*sparse.Image
	for i := range plan.Files() {
		var file bytes.Buffer
		if err := plan.Write(context.Background(), i, &file); err != nil {
			log.Fatal(err)
		}
		part, err := sparse.Open(bytes.NewReader(file.Bytes()), int64(file.Len()))
		if err != nil {
			log.Fatal(err)
		}
		parts = append(parts, part)
	}

	whole, err := sparse.Join(parts...)
	if err != nil {
		log.Fatal(err)
	}
	b, err := io.ReadAll(io.NewSectionReader(whole, 1<<20, 7))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(plan.Files(), "files,", whole.Size(), "bytes,", string(b))
	// Output:
	// 3 files, 1179648 bytes, Friday!
}
