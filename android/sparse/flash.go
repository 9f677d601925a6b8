package sparse

import (
	"context"
	"fmt"
	"io"
)

// Flash writes the image as a boot loader does: what no file cares about keeps
// what w held there. It holds 1 MiB.
func (im *Image) Flash(ctx context.Context, w io.WriterAt) error {
	buf := make([]byte, 1<<20)
	for i, r := range im.runs {
		if r.kind == skip {
			continue
		}
		at, end := int64(r.block)*int64(im.blockSize), int64(im.end(i))*int64(im.blockSize)
		for at < end {
			n := min(end-at, int64(len(buf)))
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, err := im.ReadAt(buf[:n], at); err != nil && err != io.EOF {
				return fmt.Errorf("cannot flash sparse image: %w", err)
			}
			if _, err := w.WriteAt(buf[:n], at); err != nil {
				return fmt.Errorf("cannot flash sparse image: at byte %d: %w", at, err)
			}
			at += n
		}
	}
	return nil
}
