package bsdiff

import (
	"bytes"
	"context"
	"fmt"
	"io"

	br "github.com/andybalholm/brotli"
	bz "github.com/dsnet/compress/bzip2"
)

// MaxInput is the largest old or new file that Diff takes. Diff holds at most
// nine times the old and four times the new file beside the two themselves;
// cut larger files.
const MaxInput = 64 << 20

// bestBelow is the size of a stream up to which brotli's slowest level is
// worth its time; above it the next is used, 15 times as fast and a tenth larger.
const bestBelow = 1 << 20

// Diff writes to w the patch that makes next of old. The same inputs give the
// same patch.
func Diff(ctx context.Context, old, next []byte, w io.Writer) error {
	if len(old) > MaxInput || len(next) > MaxInput {
		return fmt.Errorf("cannot diff %d against %d bytes: expected at most %d; cut the files", len(old), len(next), MaxInput)
	}
	order, err := sortSuffixes(old)
	if err != nil {
		return fmt.Errorf("cannot diff: %w", err)
	}
	d := differ{old: old, next: next, index: newIndex(old, order)}
	if err := d.run(ctx); err != nil {
		return fmt.Errorf("cannot diff: %w", err)
	}
	d.index = index{}
	var out bytes.Buffer
	out.Write(make([]byte, headerSize))
	sizes := [3]int{}
	kinds := [3]byte{}
	for i, s := range []*bytes.Buffer{&d.control, &d.diff, &d.extra} {
		before := out.Len()
		if kinds[i], err = pack(ctx, &out, s.Bytes()); err != nil {
			return fmt.Errorf("cannot diff: %w", err)
		}
		sizes[i] = out.Len() - before
	}
	h := out.Bytes()
	copy(h, magicNew)
	copy(h[5:], kinds[:])
	putNumber(h[8:], int64(sizes[0]))
	putNumber(h[16:], int64(sizes[1]))
	putNumber(h[24:], int64(len(next)))
	if _, err := w.Write(h); err != nil {
		return fmt.Errorf("cannot write patch: %w", err)
	}
	return nil
}

// pack appends the smaller of b in brotli and b in bzip2. Brotli nearly always
// wins; bzip2 on what is almost all zeros, as the diff of large files is.
func pack(ctx context.Context, out *bytes.Buffer, b []byte) (kind byte, err error) {
	var small, other bytes.Buffer
	o := br.WriterOptions{Quality: br.BestCompression, LGWin: 22}
	if len(b) > bestBelow {
		o.Quality = 9
	}
	if err := feed(ctx, br.NewWriterOptions(&small, o), b); err != nil {
		return 0, err
	}
	kind = brotli
	z, err := bz.NewWriter(&other, &bz.WriterConfig{Level: bz.BestCompression})
	if err != nil {
		return 0, err
	}
	if err := feed(ctx, z, b); err != nil {
		return 0, err
	}
	if other.Len() < small.Len() {
		kind, small = bzip, other
	}
	out.Write(small.Bytes())
	return kind, nil
}

func feed(ctx context.Context, w io.WriteCloser, b []byte) error {
	for len(b) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(b), 1<<20)
		if _, err := w.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return w.Close()
}

type differ struct {
	old, next            []byte
	index                index
	control, diff, extra bytes.Buffer
	lastNext, lastOld    int // up to where next is told, and where old stood then
}

// run walks through next and cuts it where another place of the old file
// explains the bytes to come clearly better (by eight bytes) than the present one.
func (d *differ) run(ctx context.Context) error {
	const better, long = 8, 256
	scan, length, pos := 0, 0, 0
	for steps := 0; scan < len(d.next); {
		score := 0 // bytes of the match that the present place explains too
		scan += length
		length = 0
		for scored := scan; scan < len(d.next); scan++ {
			if steps++; steps&0xffff == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			// The rest of a long match is as good as what a search would find.
			if length > long {
				pos, length = pos+1, length-1
			} else {
				pos, length = d.index.longest(d.next[scan:])
			}
			for ; scored < scan+length; scored++ {
				if d.explained(scored) {
					score++
				}
			}
			if length == score && length != 0 || length > score+better {
				break
			}
			if d.explained(scan) && scored > scan {
				score--
			}
			if scored <= scan {
				scored = scan + 1
			}
		}
		if length != score || scan == len(d.next) {
			d.cut(scan, pos)
		}
	}
	return nil
}

// explained: the byte of next at i is what the present place of old has.
func (d *differ) explained(i int) bool {
	o := i + d.lastOld - d.lastNext
	return o >= 0 && o < len(d.old) && d.old[o] == d.next[i]
}

// cut ends the present region: it is stretched forward, the one that begins at
// (scan, pos) backward, each as far as more bytes agree than not.
func (d *differ) cut(scan, pos int) {
	forward := 0
	for i, s, best := 0, 0, 0; d.lastNext+i < scan && d.lastOld+i < len(d.old); {
		if d.old[d.lastOld+i] == d.next[d.lastNext+i] {
			s++
		}
		i++
		if s*2-i > best*2-forward {
			best, forward = s, i
		}
	}
	backward := 0
	if scan < len(d.next) {
		for i, s, best := 1, 0, 0; scan-i >= d.lastNext && pos-i >= 0; i++ {
			if d.old[pos-i] == d.next[scan-i] {
				s++
			}
			if s*2-i > best*2-backward {
				best, backward = s, i
			}
		}
	}
	if over := d.lastNext + forward - (scan - backward); over > 0 {
		// Both want these bytes: give each what it explains better.
		split := 0
		for i, s, best := 0, 0, 0; i < over; i++ {
			if d.next[d.lastNext+forward-over+i] == d.old[d.lastOld+forward-over+i] {
				s++
			}
			if d.next[scan-backward+i] == d.old[pos-backward+i] {
				s--
			}
			if s > best {
				best, split = s, i+1
			}
		}
		forward += split - over
		backward -= split
	}
	d.emit(forward, scan-backward, pos-backward)
}

// emit tells next up to the byte at, and moves to the place pos in old.
func (d *differ) emit(forward, at, pos int) {
	for i := range forward {
		d.diff.WriteByte(d.next[d.lastNext+i] - d.old[d.lastOld+i])
	}
	d.extra.Write(d.next[d.lastNext+forward : at])
	var t [tripleSize]byte
	putNumber(t[:], int64(forward))
	putNumber(t[8:], int64(at-d.lastNext-forward))
	putNumber(t[16:], int64(pos-d.lastOld-forward))
	d.control.Write(t[:])
	d.lastNext, d.lastOld = at, pos
}
