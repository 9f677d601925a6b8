package vb1

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/tree"
)

const (
	fecMagic  = 0xfecfecfe
	fecHeader = 60 // bytes
)

// FEC is the error correction of an image: Reed-Solomon over all that lies before it.
type FEC struct {
	Roots    int // 0: there is none
	At, Size int64
	Pad      int64             // zeros between the parity and its header, in bytes
	Digest   [sha256.Size]byte // of the parity
}

// Find looks for the metadata behind a file system of fs bytes where Android 4.4 to 7
// do: right behind it, before the error correction, at the image's end. It is nil
// where there is none. The image is as large as the partition if its tree lies first.
func Find(r io.ReaderAt, fs, size int64) (*Metadata, error) {
	fec, err := findFEC(r, size)
	if err != nil {
		return nil, err
	}
	places := []int64{fs, fec.At - MetadataSize}
	if fec.Roots == 0 {
		places[1] = size - MetadataSize
	}
	for _, at := range places {
		if at < fs || at > size-MetadataSize {
			continue
		}
		var b [4]byte
		if err := tree.ReadFull(r, b[:], at); err != nil {
			return nil, fmt.Errorf("cannot read verity metadata: byte %d: %w", at, err)
		}
		if v := binary.LittleEndian.Uint32(b[:]); v != magic && v != magicOff {
			continue
		}
		m, err := ReadMetadata(r, at)
		if err != nil {
			return nil, err
		}
		m.FEC = fec
		return m, nil
	}
	return nil, nil
}

// findFEC reads the header at the end of an image.
func findFEC(r io.ReaderAt, size int64) (FEC, error) {
	b := make([]byte, blockSize)
	if size%blockSize != 0 || size < 2*blockSize {
		return FEC{}, nil
	}
	if err := tree.ReadFull(r, b, size-blockSize); err != nil {
		return FEC{}, fmt.Errorf("cannot read error correction: byte %d: %w", size-blockSize, err)
	}
	le := binary.LittleEndian
	if le.Uint32(b) != fecMagic || !bytes.Equal(b[:fecHeader], b[blockSize-fecHeader:]) {
		return FEC{}, nil
	}
	fail := func(format string, args ...any) (FEC, error) {
		return FEC{}, fmt.Errorf("cannot read error correction: byte %d: %w", size-blockSize, fmt.Errorf(format, args...))
	}
	f := FEC{Roots: int(le.Uint32(b[12:])), Size: int64(le.Uint32(b[16:]))}
	if v, n := le.Uint32(b[4:]), le.Uint32(b[8:]); v != 0 || n != fecHeader {
		return fail("version is %d and the header has %d bytes, expected 0 and %d", v, n, fecHeader)
	}
	covered := le.Uint64(b[20:])
	if covered > uint64(size-blockSize) || int64(covered) > size-blockSize-f.Size {
		return fail("it covers %d bytes and takes %d, expected at most %d together", covered, f.Size, size-blockSize)
	}
	f.At = int64(covered)
	f.Pad = size - blockSize - f.Size - f.At
	if want, err := avb.FECSize(f.At, f.Roots); err != nil {
		return fail("%w", err)
	} else if want != f.Size {
		return fail("its parity has %d bytes, expected %d", f.Size, want)
	}
	copy(f.Digest[:], b[28:])
	return f, nil
}

// appendFEC puts parity and header behind out, which has all that they cover. fs is
// up to where the image of before differs only where Since says.
func (p Params) appendFEC(ctx context.Context, out *tree.Image, fs int64) error {
	covered := out.Size()
	n, err := avb.FECSize(covered, p.FECRoots)
	if err != nil {
		return err
	}
	parity := &buffer{make([]byte, n)}
	if s := p.Since; s != nil && s.Metadata.FEC.Roots == p.FECRoots && s.Metadata.FEC.At == covered && s.Metadata.Table.Blocks*blockSize <= fs {
		if err := tree.ReadFull(s.Image, parity.b, covered); err != nil {
			return err
		}
		behind, err := differing(s.Image, out, fs, covered)
		if err != nil {
			return err
		}
		if err := avb.UpdateFEC(ctx, parity.b, s.Image, out, covered, p.FECRoots, append(s.Changed[:len(s.Changed):len(s.Changed)], behind...)); err != nil {
			return err
		}
	} else if err := avb.BuildFEC(ctx, out, covered, p.FECRoots, parity, n); err != nil {
		return err
	}
	le := binary.LittleEndian
	h := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, fecMagic), 0), fecHeader)
	h = le.AppendUint64(le.AppendUint32(le.AppendUint32(h, uint32(p.FECRoots)), uint32(n)), uint64(covered))
	sum := sha256.Sum256(parity.b)
	h = append(h, sum[:]...)
	out.AppendBytes(parity.b)
	if p.Size > 0 {
		pad := p.Size - blockSize - out.Size()
		if pad < 0 {
			return fmt.Errorf("with error correction it has %d bytes, expected at most the partition's %d", out.Size()+blockSize, p.Size)
		}
		out.AppendZeros(pad)
	}
	out.AppendBytes(append(append(bytes.Clone(h), make([]byte, blockSize-2*fecHeader)...), h...))
	return nil
}

// differing are the blocks from one place to another in which two images differ.
func differing(old, now io.ReaderAt, from, to int64) ([]tree.Range, error) {
	var out []tree.Range
	a, b := make([]byte, blockSize), make([]byte, blockSize)
	for off := from; off < to; off += blockSize {
		if err := errors.Join(tree.ReadFull(old, a, off), tree.ReadFull(now, b, off)); err != nil {
			return nil, err
		}
		if !bytes.Equal(a, b) {
			out = append(out, tree.Range{Offset: off, Length: blockSize})
		}
	}
	return out, nil
}

// VerifyFEC computes the error correction of an image and compares. A phone does not
// look at it until a block is damaged.
func (m *Metadata) VerifyFEC(ctx context.Context, r io.ReaderAt) error {
	fail := func(err error) error { return fmt.Errorf("cannot verify error correction: %w", err) }
	if m.FEC.Roots == 0 {
		return fail(errors.New("the image has none"))
	}
	want := &buffer{make([]byte, m.FEC.Size)}
	if err := avb.BuildFEC(ctx, r, m.FEC.At, m.FEC.Roots, want, m.FEC.Size); err != nil {
		return fail(err)
	}
	got := make([]byte, m.FEC.Size)
	if err := tree.ReadFull(r, got, m.FEC.At); err != nil {
		return fail(err)
	}
	if !bytes.Equal(got, want.b) {
		return fail(errors.New("the parity does not match the data"))
	}
	if sha256.Sum256(got) != m.FEC.Digest {
		return fail(errors.New("its header has another digest than the parity"))
	}
	behind := m.FEC.At + m.FEC.Size
	if n, err := io.Copy(onlyZeros{}, io.NewSectionReader(r, behind, m.FEC.Pad)); err != nil {
		return fail(fmt.Errorf("byte %d: %w", behind+n, err))
	}
	return nil
}

// onlyZeros refuses whatever else is written to it.
type onlyZeros struct{}

func (onlyZeros) Write(p []byte) (int, error) {
	if i := bytes.IndexFunc(p, func(r rune) bool { return r != 0 }); i >= 0 {
		return i, errors.New("between parity and header stand other bytes than zeros")
	}
	return len(p), nil
}
