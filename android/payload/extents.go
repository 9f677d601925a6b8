package payload

import (
	"fmt"
	"io"
	"sort"

	"github.com/fridayos/friday/android/tree"
)

// extentReader shows blocks scattered over r as one run of bytes.
type extentReader struct {
	r       io.ReaderAt
	extents []Extent
	starts  []int64 // where each extent begins in the run
	size    int64
}

func newExtentReader(r io.ReaderAt, extents []Extent) *extentReader {
	x := &extentReader{r: r, extents: extents, starts: make([]int64, len(extents))}
	for i, e := range extents {
		x.starts[i] = x.size
		x.size += int64(e.Count) * blockSize
	}
	return x
}

func (x *extentReader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read at %d", off)
	}
	done := 0
	i := sort.Search(len(x.starts), func(i int) bool { return x.starts[i] > off }) - 1
	for ; done < len(b); i++ {
		if i < 0 || i >= len(x.extents) || off >= x.size {
			return done, io.EOF
		}
		in := off - x.starts[i]
		n := min(int64(len(b)-done), int64(x.extents[i].Count)*blockSize-in)
		if err := tree.ReadFull(x.r, b[done:done+int(n)], int64(x.extents[i].Start)*blockSize+in); err != nil {
			return done, err
		}
		done += int(n)
		off += n
	}
	return done, nil
}

// extentWriter spreads a run of bytes over blocks of w, in the extents' order.
type extentWriter struct {
	w       io.WriterAt
	extents []Extent
	in      int64 // bytes written of the first extent that is left
	written int64
	size    int64
}

func newExtentWriter(w io.WriterAt, extents []Extent) *extentWriter {
	x := &extentWriter{w: w, extents: extents}
	for _, e := range extents {
		x.size += int64(e.Count) * blockSize
	}
	return x
}

func (x *extentWriter) Write(b []byte) (int, error) {
	if int64(len(b)) > x.size-x.written {
		return 0, fmt.Errorf("operation makes more than the %d bytes of its destination", x.size)
	}
	done := 0
	for done < len(b) {
		e := x.extents[0]
		n := min(int64(len(b)-done), int64(e.Count)*blockSize-x.in)
		at := int64(e.Start)*blockSize + x.in
		if _, err := x.w.WriteAt(b[done:done+int(n)], at); err != nil {
			return done, fmt.Errorf("cannot write %d bytes at %d: %w", n, at, err)
		}
		done += int(n)
		x.written += n
		if x.in += n; x.in == int64(e.Count)*blockSize {
			x.extents, x.in = x.extents[1:], 0
		}
	}
	return done, nil
}

// finish fills the last block with zeros, as update_engine does for data that
// ends inside of it; data that ends before is an error.
func (x *extentWriter) finish() error {
	left := x.size - x.written
	if left >= blockSize {
		return fmt.Errorf("operation makes %d bytes, expected %d", x.written, x.size)
	}
	_, err := x.Write(make([]byte, left))
	return err
}
