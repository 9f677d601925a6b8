package nest

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	xi2 "github.com/xi2/xz"

	"github.com/fridayos/friday/android/xz"
)

// compressions are the wrappings that unpack from their start.
func compressions() []Format {
	begins := func(magic string) func(File, []byte) bool {
		return func(_ File, head []byte) bool {
			return strings.HasPrefix(string(head[:min(len(head), len(magic))]), magic)
		}
	}
	return []Format{
		compression("gzip", begins("\x1f\x8b\x08"), func(r io.Reader, _ int64) (io.Reader, error) { return gzip.NewReader(r) }),
		compression("xz", begins("\xfd7zXZ\x00"), func(r io.Reader, window int64) (io.Reader, error) {
			in := bufio.NewReaderSize(r, xz.HeadSize)
			if head, _ := in.Peek(xz.HeadSize); xz.Plain(head) {
				return windowed{xz.NewReader(in, window), window}, nil
			}
			x, err := xi2.NewReader(in, uint32(min(window, 1<<32-1)))
			if errors.Is(err, xi2.ErrMemlimit) {
				err = windowError(window)
			}
			return windowed{x, window}, err
		}),
		compression("bzip2", begins("BZh"), func(r io.Reader, _ int64) (io.Reader, error) { return bzip2.NewReader(r), nil }),
		compression("zstd", begins("\x28\xb5\x2f\xfd"), func(r io.Reader, window int64) (io.Reader, error) {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(uint64(window)))
			if err != nil {
				return nil, err
			}
			return windowed{z.IOReadCloser(), window}, nil
		}),
		{Name: "lz4", Match: begins("\x04\x22\x4d\x18"), Open: openLZ4},
		compression("lz4-legacy", begins("\x02\x21\x4c\x18"), func(r io.Reader, _ int64) (io.Reader, error) { return lz4.NewReader(r), nil }),
		// Brotli has no magic: the name says it.
		compression("brotli", func(f File, _ []byte) bool { return strings.HasSuffix(f.Name, ".br") }, func(r io.Reader, _ int64) (io.Reader, error) { return brotli.NewReader(r), nil }),
	}
}

func windowError(window int64) error {
	return fmt.Errorf("its window is larger than the %d bytes that are allowed", window)
}

// windowed names a window that is too large.
type windowed struct {
	io.Reader
	window int64
}

func (w windowed) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, xz.ErrWindow) || errors.Is(err, xi2.ErrMemlimit) {
		err = windowError(w.window)
	}
	return n, err
}

func (w windowed) Close() error {
	if c, ok := w.Reader.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// compression is a wrapping whose content is put into a temporary file.
func compression(name string, match func(File, []byte) bool, open func(r io.Reader, window int64) (io.Reader, error)) Format {
	return Format{Name: name, Match: match, Open: func(ctx context.Context, n *Nest, f File) (*Opened, error) {
		in := bufio.NewReaderSize(io.NewSectionReader(f.R, 0, f.Size), 128<<10)
		r, err := open(in, n.o.MaxWindow)
		if err != nil {
			return nil, fmt.Errorf("cannot unpack %s: %w", name, err)
		}
		if c, ok := r.(io.Closer); ok {
			defer c.Close()
		}
		all, size, err := n.spill(ctx, r)
		if err != nil {
			return nil, fmt.Errorf("cannot unpack %s: %w", name, err)
		}
		return &Opened{
			Facts: map[string]any{"unpacked": size},
			Inner: &File{Name: stem(f.Name), R: all, Size: size, Sibling: f.Sibling},
			Verify: func(_ context.Context, report func(string, error)) error {
				report(name+": unpacks to the end", nil) // or Open had failed
				return nil
			},
		}, nil
	}}
}

// stem is a name without the ending that a compression gave it.
func stem(name string) string {
	for _, e := range []string{".gz", ".xz", ".bz2", ".zst", ".lz4", ".br"} {
		if s, ok := strings.CutSuffix(name, e); ok {
			return s
		}
	}
	if s, ok := strings.CutSuffix(name, ".tgz"); ok {
		return s + ".tar"
	}
	return name
}

// isOne says whether b begins with any of the magics.
func isOne(b []byte, magics ...string) bool {
	for _, m := range magics {
		if bytes.HasPrefix(b, []byte(m)) {
			return true
		}
	}
	return false
}
