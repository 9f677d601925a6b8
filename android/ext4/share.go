package ext4

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/fridayos/friday/android/tree"
)

// piece is blocks of a file that follow each other in it: its own, or those of
// another file that hold the same. What lies between pieces is holes.
type piece struct {
	logical, n int64
	owner      *item // nil: the file's own
	at         int64 // in the owner, in blocks
}

// maxPieces is how many pieces a file may be cut into; then the smallest holes and
// shared pieces are written out. Kernels read such a file slowly, and an image of
// nothing else would have more extents than Tree reads.
const maxPieces = 100_000

// pieces cuts the files' content: holes that the content itself knows, and, if
// blocks are shared, all zeros and what an earlier block holds already.
func (b *builder) pieces() error {
	var sums map[*item][][32]byte
	if b.o.SharedBlocks {
		var err error
		if sums, err = b.blockSums(); err != nil {
			return err
		}
	}
	type place struct {
		it *item
		at int64
	}
	zero := sha256.Sum256(make([]byte, block))
	seen := map[[32]byte]place{}
	for _, it := range b.items {
		it.pieces = []piece{{0, it.blocks, nil, 0}}
		if it.node.Type != tree.Regular || it.blocks == 0 {
			continue
		}
		if h, ok := it.node.Content.(tree.Holed); ok {
			it.pieces = without(it.blocks, h.Holes(), it.size)
		}
		shares := b.o.SharedBlocks && !it.kept // what is kept shares what it shared
		if shares {
			var cut []piece
			for _, p := range it.pieces {
				for i := p.logical; i < p.logical+p.n; i++ {
					sum := sums[it][i]
					if sum == zero {
						continue
					}
					if at, ok := seen[sum]; ok {
						cut = appendPiece(cut, piece{i, 1, at.it, at.at})
					} else {
						cut = appendPiece(cut, piece{i, 1, nil, 0})
					}
				}
			}
			it.pieces = cut
		}
		it.pieces = fewer(it.pieces, it.blocks)
		it.blocks = 0
		for _, p := range it.pieces {
			it.blocks += p.n
			for i := p.logical; shares && p.owner == nil && i < p.logical+p.n; i++ {
				if _, ok := seen[sums[it][i]]; !ok {
					seen[sums[it][i]] = place{it, i}
				}
			}
		}
	}
	return nil
}

// appendPiece adds a piece, to the last one if it goes on there.
func appendPiece(ps []piece, p piece) []piece {
	if i := len(ps) - 1; i >= 0 && ps[i].owner == p.owner && ps[i].logical+ps[i].n == p.logical && (p.owner == nil || ps[i].at+ps[i].n == p.at) {
		ps[i].n += p.n
		return ps
	}
	return append(ps, p)
}

// without is what holes leave of a file of so many blocks.
func without(blocks int64, holes []tree.Range, size int64) []piece {
	var out []piece
	next := int64(0)
	add := func(end int64) {
		if end > next {
			out = append(out, piece{next, end - next, nil, 0})
		}
	}
	for _, h := range holes {
		from := alignUp(h.Offset, block) / block
		to := (h.Offset + h.Length) / block
		if h.Offset+h.Length >= size { // the end of the file fills no block
			to = blocks
		}
		if from < next || to <= from || to > blocks {
			continue
		}
		add(from)
		next = to
	}
	add(blocks)
	return out
}

// fewer writes out the smallest holes and shared pieces until few pieces are left.
func fewer(ps []piece, blocks int64) []piece {
	for least := int64(2); len(ps) > maxPieces; least *= 2 {
		var out []piece
		next := int64(0)
		for _, p := range ps {
			if gap := p.logical - next; gap > 0 && gap < least {
				out = appendPiece(out, piece{next, gap, nil, 0})
			}
			next = p.logical + p.n
			if p.owner != nil && p.n < least {
				p.owner, p.at = nil, 0
			}
			out = appendPiece(out, p)
		}
		if gap := blocks - next; gap > 0 && gap < least {
			out = appendPiece(out, piece{next, gap, nil, 0})
		}
		ps = out
	}
	return ps
}

// blockSums are the digests of the blocks of all files, the last filled up with
// zeros. All cores hash.
func (b *builder) blockSums() (map[*item][][32]byte, error) {
	out := make(map[*item][][32]byte)
	var mu sync.Mutex
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	work := make(chan *item)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			buf := make([]byte, 64*block)
			for it := range work {
				if ctx.Err() != nil {
					continue
				}
				sums, err := fileSums(it, buf)
				if err != nil {
					cancel(fmt.Errorf("%q: cannot read content: %w", it.path, err))
				}
				mu.Lock()
				out[it] = sums
				mu.Unlock()
			}
		})
	}
	for _, it := range b.items {
		if it.node.Type == tree.Regular && it.blocks > 0 && !it.kept {
			work <- it
		}
	}
	close(work)
	wg.Wait()
	return out, context.Cause(ctx)
}

func fileSums(it *item, buf []byte) ([][32]byte, error) {
	sums := make([][32]byte, 0, it.blocks)
	r := it.node.Open()
	for left := it.size; left > 0; {
		n, err := io.ReadFull(r, buf[:min(left, int64(len(buf)))])
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		left -= int64(n)
		end := alignUp(n, block)
		clear(buf[n:end])
		for p := buf[:end]; len(p) > 0; p = p[block:] {
			sums = append(sums, sha256.Sum256(p[:block]))
		}
	}
	return sums, nil
}

// physical are the runs where n blocks of a placed file from logical on lie.
func (it *item) physical(logical, n int64) []run {
	var out []run
	i := sort.Search(len(it.runs), func(i int) bool { return it.runs[i].logical+it.runs[i].n > logical })
	for ; n > 0 && i < len(it.runs); i++ {
		r := it.runs[i]
		in := logical - r.logical
		k := min(n, r.n-in)
		out = append(out, run{first: r.first + in, n: k})
		logical, n = logical+k, n-k
	}
	return out
}

// own are the runs that no other file owns.
func (it *item) own() []run {
	if it.kept {
		return it.wrote
	}
	return slices.DeleteFunc(slices.Clone(it.runs), func(r run) bool { return r.shared })
}
