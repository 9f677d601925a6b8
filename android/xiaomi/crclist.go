package xiaomi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/sparse"
)

// Names of the lists in images/, and the first line of each.
const (
	CRCList         = "crclist.txt"
	SparseCRCList   = "sparsecrclist.txt"
	crcTitle        = "CRC-LIST"
	sparseCRCTitle  = "SPARSECRC-LIST"
	maxCRCList      = 1 << 20
	maxDownloadSize = 512 << 20 // larger sparse images are sent in pieces
)

// CRC is a line of a list: what the boot loader expects of a partition's image.
type CRC struct {
	Partition string
	// Sum is the CRC-32 of the file; in the list of sparse images, of what its raw
	// and fill chunks write.
	Sum uint32
	// Pieces is into how many files of 512 MiB fastboot cuts a sparse image; 0 in
	// the other list.
	Pieces int
}

var crcLine = regexp.MustCompile(`^([A-Za-z0-9_]{1,72})\s+(0[xX][0-9A-Fa-f]{1,8})(?:\s+([0-9]{1,6}))?$`)

// ParseCRCs reads a crclist.txt or sparsecrclist.txt of at most 1 MiB.
func ParseCRCs(r io.Reader) ([]CRC, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxCRCList+1))
	if err == nil && len(b) > maxCRCList {
		err = fmt.Errorf("it has more than %d bytes", maxCRCList)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read CRC list: %w", err)
	}
	var out []CRC
	sparse := false
	for i, line := range slices.Collect(strings.Lines(string(b))) {
		line = strings.TrimSpace(line)
		switch {
		case i == 0 && line == crcTitle:
			continue
		case i == 0 && line == sparseCRCTitle:
			sparse = true
			continue
		case i == 0:
			return nil, fmt.Errorf("cannot read CRC list: line 1: expected %s or %s, found %.40q", crcTitle, sparseCRCTitle, line)
		case line == "":
			continue
		}
		m := crcLine.FindStringSubmatch(line)
		if m == nil || (m[3] != "") != sparse {
			return nil, fmt.Errorf("cannot read CRC list: line %d: expected a partition, its sum in hex%s, found %.80q", i+1, map[bool]string{true: " and a number of pieces"}[sparse], line)
		}
		sum, err := strconv.ParseUint(m[2][2:], 16, 32)
		if err != nil {
			return nil, fmt.Errorf("cannot read CRC list: line %d: %w", i+1, err)
		}
		c := CRC{Partition: m[1], Sum: uint32(sum)}
		if sparse {
			if c.Pieces, err = strconv.Atoi(m[3]); err != nil {
				return nil, fmt.Errorf("cannot read CRC list: line %d: %w", i+1, err)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

// writeCRCs is the text of a list.
func writeCRCs(title string, crcs []CRC) string {
	var b strings.Builder
	b.WriteString(title + "\n")
	for _, c := range crcs {
		fmt.Fprintf(&b, "%s %#x", c.Partition, c.Sum)
		if c.Pieces > 0 {
			fmt.Fprintf(&b, " %d", c.Pieces)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// Verify compares an image of size bytes with its line of a list.
func (c CRC) Verify(ctx context.Context, r io.ReaderAt, size int64) error {
	want := c
	if c.Pieces > 0 {
		got, err := SparseCRC(ctx, c.Partition, r, size)
		if err != nil {
			return err
		}
		if got.Sum != want.Sum {
			return fmt.Errorf("cannot verify %s: the CRC-32 of its chunks is %#08x, the list says %#08x", c.Partition, got.Sum, want.Sum)
		}
		return nil
	}
	h := crc32.NewIEEE()
	in := bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<20)
	for n := int64(0); n < size; n += 1 << 20 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := io.CopyN(h, in, min(1<<20, size-n)); err != nil {
			return fmt.Errorf("cannot verify %s: %w", c.Partition, err)
		}
	}
	if h.Sum32() != want.Sum {
		return fmt.Errorf("cannot verify %s: its CRC-32 is %#08x, the list says %#08x", c.Partition, h.Sum32(), want.Sum)
	}
	return nil
}

// SparseCRC is the line for a sparse image that is sent in pieces: the CRC-32 of
// what its raw and fill chunks write, and how many files of 512 MiB it becomes.
func SparseCRC(ctx context.Context, partition string, r io.ReaderAt, size int64) (CRC, error) {
	fail := func(err error) (CRC, error) {
		return CRC{}, fmt.Errorf("cannot sum sparse image of %s: %w", partition, err)
	}
	im, err := sparse.Open(r, size)
	if err != nil {
		return fail(err)
	}
	sum := &orderedSum{}
	if err := im.Flash(ctx, sum); err != nil {
		return fail(err)
	}
	p, err := sparse.NewPlan(ctx, im, im.Size(), sparse.Options{MaxFile: maxDownloadSize, SkipZeros: true})
	if err != nil {
		return fail(err)
	}
	return CRC{partition, sum.crc, p.Files()}, nil
}

// orderedSum sums what is written, which comes in order.
type orderedSum struct {
	crc uint32
	end int64
}

func (s *orderedSum) WriteAt(p []byte, off int64) (int, error) {
	if off < s.end {
		return 0, errors.New("chunks are not in order")
	}
	s.crc, s.end = crc32.Update(s.crc, crc32.IEEETable, p), off+int64(len(p))
	return len(p), nil
}
