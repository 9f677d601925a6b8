package payload

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	xi2 "github.com/xi2/xz"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/puffin"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/xz"
)

const (
	heldData  = 16 << 20  // data and sources up to this size are read once
	maxPatch  = 256 << 20 // AOSP's own differ stops below
	maxWindow = 64 << 20  // update_engine's limit for xz
	copyBuf   = 256 << 10
)

// apply does one operation.
func (p *Payload) apply(q *Partition, i int, old io.ReaderAt, dst io.WriterAt) error {
	op := &q.Operations[i]
	out := newExtentWriter(dst, op.Dst)
	var err error
	switch op.Type {
	case Replace, ReplaceBZ, ReplaceXZ, ReplaceZstd:
		err = p.replace(op, out)
	case Zero, Discard:
		// Discarded blocks read as undefined; zeros are as good, and repeatable.
		_, err = io.CopyBuffer(out, io.LimitReader(zeros{}, out.size), make([]byte, min(out.size, copyBuf)))
	case SourceCopy:
		err = copySource(op, old, out)
	case SourceBsdiff, BrotliBsdiff, Puffdiff:
		err = p.patch(op, old, out)
	default:
		err = fmt.Errorf("%v is not supported", op.Type)
	}
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		return opError(q, i, err)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// data gives an operation's data after its hash was checked.
func (p *Payload) data(op *Operation, hold int64) (io.Reader, []byte, error) {
	at, n := p.layout.BlobsOffset+int64(op.DataOffset), int64(op.DataLength)
	section := io.NewSectionReader(p.r, at, n)
	var held []byte
	var sum []byte
	if n <= hold {
		held = make([]byte, n)
		if err := tree.ReadFull(p.r, held, at); err != nil {
			return nil, nil, fmt.Errorf("cannot read data: %w", err)
		}
		s := sha256.Sum256(held)
		sum = s[:]
	} else {
		var err error
		if sum, err = hashRange(context.Background(), section, n); err != nil {
			return nil, nil, fmt.Errorf("cannot read data: %w", err)
		}
	}
	if string(sum) != string(op.DataSHA256) {
		return nil, nil, fmt.Errorf("SHA-256 of %d bytes of data at %d of the payload is %x, expected %x", n, at, sum, op.DataSHA256)
	}
	if held != nil {
		return bytes.NewReader(held), held, nil
	}
	return section, nil, nil
}

func (p *Payload) replace(op *Operation, out *extentWriter) error {
	r, _, err := p.data(op, heldData)
	if err != nil {
		return err
	}
	switch op.Type {
	case ReplaceBZ:
		r = bzip2.NewReader(r)
	case ReplaceXZ:
		return p.unxz(r, out)
	case ReplaceZstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow))
		if err != nil {
			return fmt.Errorf("cannot read zstd: %w", err)
		}
		defer z.Close()
		r = z
	}
	// Only Read and Write are shown, so that the buffer is what bounds a step.
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{r}, make([]byte, min(out.size, copyBuf)))
	return err
}

// unxz unpacks .xz. What is filtered for one kind of processor, which AOSP's
// tools do not do, takes a slower way.
func (p *Payload) unxz(r io.Reader, out io.Writer) error {
	in := bufio.NewReaderSize(r, xz.HeadSize)
	head, err := in.Peek(xz.HeadSize)
	if err != nil && err != io.EOF {
		return fmt.Errorf("cannot read data: %w", err)
	}
	if !xz.Plain(head) {
		x, err := xi2.NewReader(in, maxWindow)
		if err != nil {
			return fmt.Errorf("cannot read xz: %w", err)
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{x}, make([]byte, copyBuf))
		return err
	}
	x, _ := p.readers.Get().(*xz.Reader)
	if x == nil {
		x = xz.NewReader(in, maxWindow)
	} else {
		x.Reset(in, maxWindow)
	}
	_, err = x.WriteTo(out)
	x.Reset(nil, 0)
	p.readers.Put(x)
	return err
}

// source gives an operation's source blocks after their hash was checked.
func source(op *Operation, old io.ReaderAt) (io.ReaderAt, int64, error) {
	if old == nil {
		return nil, 0, fmt.Errorf("needs the old partition, and none is given")
	}
	x := newExtentReader(old, op.Src)
	var r io.ReaderAt = x
	var sum []byte
	if x.size <= heldData {
		held := make([]byte, x.size)
		if err := tree.ReadFull(x, held, 0); err != nil {
			return nil, 0, fmt.Errorf("cannot read source: %w", err)
		}
		r = bytes.NewReader(held)
		if op.SrcSHA256 != nil {
			s := sha256.Sum256(held)
			sum = s[:]
		}
	} else if op.SrcSHA256 != nil {
		var err error
		if sum, err = hashRange(context.Background(), x, x.size); err != nil {
			return nil, 0, fmt.Errorf("cannot read source: %w", err)
		}
	}
	if string(sum) != string(op.SrcSHA256) {
		return nil, 0, fmt.Errorf("SHA-256 of %d source bytes from block %d is %x, expected %x: the old partition was changed",
			x.size, op.Src[0].Start, sum, op.SrcSHA256)
	}
	return r, x.size, nil
}

func copySource(op *Operation, old io.ReaderAt, out *extentWriter) error {
	r, size, err := source(op, old)
	if err != nil {
		return err
	}
	in := io.NewSectionReader(r, 0, size)
	_, err = io.CopyBuffer(struct{ io.Writer }{out}, struct{ io.Reader }{in}, make([]byte, min(size, copyBuf)))
	return err
}

func (p *Payload) patch(op *Operation, old io.ReaderAt, out *extentWriter) error {
	_, patch, err := p.data(op, maxPatch)
	if err != nil {
		return err
	}
	r, size, err := source(op, old)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, copyBuf)
	apply := bsdiff.Patch
	if op.Type == Puffdiff {
		apply = puffin.Patch
	}
	if err := apply(r, size, patch, w, out.size); err != nil {
		return err
	}
	return w.Flush()
}

// hashRange is the SHA-256 of the first size bytes of r.
func hashRange(ctx context.Context, r io.ReaderAt, size int64) ([]byte, error) {
	h := sha256.New()
	b := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(size-off, int64(len(b)))
		if err := tree.ReadFull(r, b[:n], off); err != nil {
			return nil, err
		}
		h.Write(b[:n])
		off += n
	}
	return h.Sum(nil), nil
}
