// Package ctxio has a reader that ends when a context does, for copies that may take
// long. It interrupts no read that is under way: that of a file ends by itself.
package ctxio

import (
	"context"
	"io"
)

// Reader reads from r, and fails with ctx's error once that has ended.
func Reader(ctx context.Context, r io.Reader) io.Reader { return &reader{ctx, r} }

type reader struct {
	ctx context.Context
	r   io.Reader
}

func (c *reader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
