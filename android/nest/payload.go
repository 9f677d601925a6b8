package nest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// maxOperation is the most that one operation may make to be read at any
// offset; full payloads have 2 MiB.
const maxOperation = 16 << 20

// openPayload shows the partitions of a payload. Those of a full one are read
// in place, an operation at a time.
func openPayload(_ context.Context, _ *Nest, f File) (*Opened, error) {
	p, err := payload.Open(f.R, f.Size)
	if err != nil {
		return nil, err
	}
	m := p.Manifest()
	o := &Opened{Root: tree.NewDir(0o755, 0, 0), Facts: payloadFacts(m)}
	if m.SignaturesSize == 0 { // else it must end with the signatures
		end := uint64(0)
		for i := range m.Partitions {
			for k := range m.Partitions[i].Operations {
				op := &m.Partitions[i].Operations[k]
				end = max(end, op.DataOffset+op.DataLength)
			}
		}
		addTail(f, o, f.Size-p.Layout().BlobsSize+int64(end), "data of the last operation")
	}
	parts := map[string]any{}
	for i := range m.Partitions {
		part := &m.Partitions[i]
		parts[part.Name] = partitionFacts(part, p.Check(part.Name))
		name := part.Name + ".img"
		if tree.ValidName(name) != nil {
			o.Problems = append(o.Problems, fmt.Sprintf("partition %q: expected the name of a file; it is left out", part.Name))
			continue
		}
		n := &tree.Node{Perm: 0o600, Size: part.NewSize}
		n.Content = newPartition(p, part, int64(m.BlockSize))
		o.Root.Set(name, n)
	}
	o.Facts["partitions"] = parts
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		for i := range m.Partitions {
			part := &m.Partitions[i]
			if part.OldSHA256 != nil || p.Check(part.Name) != nil || part.HashTree != nil || part.FEC != nil {
				continue // it needs the old partition, or what a phone computes
			}
			n := o.Root.Entry(part.Name + ".img")
			if n == nil {
				continue
			}
			report("payload: SHA-256 of partition "+part.Name, p.VerifyNew(ctx, part.Name, n.Open()))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	}
	return o, nil
}

// partition reads a partition of a full payload at any offset.
type partition struct {
	p     *payload.Payload
	part  *payload.Partition
	block int64
	size  int64
	once  sync.Once
	spans []span
	err   error

	mu    sync.Mutex
	cache [4]made
	turn  int
}

// span is blocks that an operation makes, and where they are in what it makes.
type span struct {
	start, count uint64
	op           int
	in           int64
}

type made struct {
	op int
	b  []byte
}

func newPartition(p *payload.Payload, part *payload.Partition, block int64) *partition {
	return &partition{p: p, part: part, block: block, size: part.NewSize}
}

// index sorts what the operations make by where it goes.
func (r *partition) index() {
	if r.part.OldSHA256 != nil {
		r.err = fmt.Errorf("partition %s: %w: the payload is incremental and is applied to the old one ('friday ota verify --from' does)", r.part.Name, ErrAbsent)
		return
	}
	if r.err = r.p.Check(r.part.Name); r.err != nil {
		return
	}
	for i := range r.part.Operations {
		op := &r.part.Operations[i]
		in := int64(0)
		for _, e := range op.Dst {
			r.spans = append(r.spans, span{e.Start, e.Count, i, in})
			in += int64(e.Count) * r.block
		}
		if in > maxOperation && op.Type != payload.Zero && op.Type != payload.Discard {
			r.err = fmt.Errorf("partition %s: operation %d makes %d bytes at once; at most %d can be looked into ('friday ota extract' can)", r.part.Name, i, in, maxOperation)
			return
		}
	}
	slices.SortFunc(r.spans, func(a, b span) int { return cmp.Compare(a.start, b.start) })
}

// ReadAt reads as io.ReaderAt says.
func (r *partition) ReadAt(p []byte, off int64) (int, error) {
	if r.once.Do(r.index); r.err != nil {
		return 0, r.err
	}
	if off < 0 {
		return 0, fmt.Errorf("cannot read partition %s: negative offset %d", r.part.Name, off)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done := 0
	for done < len(p) && off+int64(done) < r.size {
		at := off + int64(done)
		block := uint64(at / r.block)
		i := sort.Search(len(r.spans), func(i int) bool { return r.spans[i].start > block }) - 1
		if i < 0 || block >= r.spans[i].start+r.spans[i].count {
			if r.part.Computes(block) {
				return done, fmt.Errorf("cannot read partition %s at %d: %w: the phone computes this part, which is for its verity ('friday ota extract' does so too)", r.part.Name, at, ErrAbsent)
			}
			return done, fmt.Errorf("cannot read partition %s at %d: no operation makes block %d", r.part.Name, at, block)
		}
		s := r.spans[i]
		in := at - int64(s.start)*r.block
		part := p[done:]
		if left := min(int64(s.count)*r.block-in, r.size-at); int64(len(part)) > left {
			part = part[:left]
		}
		if t := r.part.Operations[s.op].Type; t == payload.Zero || t == payload.Discard {
			clear(part)
		} else {
			b, err := r.made(s.op)
			if err != nil {
				return done, fmt.Errorf("cannot read partition %s at %d: %w", r.part.Name, at, err)
			}
			copy(part, b[s.in+in:])
		}
		done += len(part)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// made does an operation, or finds what it made.
func (r *partition) made(op int) ([]byte, error) {
	for _, c := range r.cache {
		if c.b != nil && c.op == op {
			return c.b, nil
		}
	}
	var total int64
	dst := r.part.Operations[op].Dst
	for _, e := range dst {
		total += int64(e.Count) * r.block
	}
	c := &r.cache[r.turn]
	r.turn = (r.turn + 1) % len(r.cache)
	if int64(cap(c.b)) < total {
		c.b = make([]byte, total)
	}
	w := capture{dst: dst, block: r.block, b: c.b[:total]}
	c.b = nil
	if err := r.p.ApplyOp(r.part.Name, op, nil, w); err != nil {
		return nil, err
	}
	c.op, c.b = op, w.b
	return c.b, nil
}

// capture takes what an operation writes, in the order of its extents.
type capture struct {
	dst   []payload.Extent
	block int64
	b     []byte
}

func (c capture) WriteAt(p []byte, off int64) (int, error) {
	done, base := 0, int64(0)
	for _, e := range c.dst {
		start, n := int64(e.Start)*c.block, int64(e.Count)*c.block
		at := off + int64(done)
		if at >= start && at < start+n {
			k := copy(c.b[base+at-start:base+n], p[done:])
			if done += k; done == len(p) {
				return done, nil
			}
		}
		base += n
	}
	if done < len(p) {
		return done, fmt.Errorf("an operation wrote outside its extents, at %d", off+int64(done))
	}
	return done, nil
}
