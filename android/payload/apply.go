package payload

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Disk is what Apply writes to and reads back: an *os.File, say.
type Disk interface {
	io.ReaderAt
	io.WriterAt
}

// ApplyOptions are Apply's.
type ApplyOptions struct {
	Workers  int                   // operations at once; 0: GOMAXPROCS
	Progress func(done, total int) // operations done; called by one goroutine at a time
}

// Apply makes partition part on dst. old is the source partition, nil for a
// full update; it must not be dst. The result is hashed while it is made. Nothing
// is written if the payload has an operation that cannot be done; what an error
// found later has left on dst is worthless.
func (p *Payload) Apply(ctx context.Context, part string, old io.ReaderAt, dst Disk, o ApplyOptions) error {
	q, err := p.partition(part)
	if err != nil {
		return err
	}
	if err := p.Check(part); err != nil {
		return err
	}
	if err := p.checkOld(ctx, q, old); err != nil {
		return err
	}
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	follow := newFollower(dst, q.NewSize)
	var mu sync.Mutex
	done := 0
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range q.Operations {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := gctx.Err(); err != nil {
				return err
			}
			if err := p.apply(q, i, old, dst); err != nil {
				return err
			}
			if err := follow.add(q.Operations[i].Dst); err != nil {
				return opError(q, i, fmt.Errorf("cannot read back what it made: %w", err))
			}
			mu.Lock()
			defer mu.Unlock()
			if done++; o.Progress != nil {
				o.Progress(done, len(q.Operations))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cannot apply partition %q: %w", part, err)
	}
	if err := p.WriteVerity(ctx, part, dst); err != nil {
		return err
	}
	return follow.verify(ctx, q)
}

// checkOld hashes the whole source where operations do not name the hash of
// what they read.
func (p *Payload) checkOld(ctx context.Context, q *Partition, old io.ReaderAt) error {
	for i := range q.Operations {
		op := &q.Operations[i]
		if _, source := op.Type.needs(); !source {
			continue
		}
		if old == nil {
			return opError(q, i, fmt.Errorf("needs the old partition, and none is given"))
		}
		if op.SrcSHA256 == nil {
			return p.VerifyOld(ctx, q.Name, old)
		}
	}
	return nil
}

// Check says whether ApplyOp can do all operations of a partition, naming the
// first that it cannot. Apply asks it before it writes anything.
func (p *Payload) Check(part string) error {
	q, err := p.partition(part)
	if err != nil {
		return err
	}
	if err := q.checkVerity(); err != nil {
		return fmt.Errorf("cannot apply partition %q: %w; nothing was written; use another package", part, err)
	}
	for i := range q.Operations {
		op := &q.Operations[i]
		switch op.Type {
		case Replace, ReplaceBZ, ReplaceXZ, ReplaceZstd, Zero, Discard, SourceCopy:
		case SourceBsdiff, BrotliBsdiff, Puffdiff:
			if op.DataLength > maxPatch {
				return opError(q, i, fmt.Errorf("patch has %d bytes, expected at most %d", op.DataLength, maxPatch))
			}
		default:
			return opError(q, i, fmt.Errorf("%v is not supported; nothing was written; use a full package", op.Type))
		}
	}
	return nil
}

// ApplyOp does operation i of a partition, checking its data and its source.
// Doing it again does no harm, so that an update that was cut off goes on with
// the operation it was in. When all are done, WriteVerity and VerifyNew are to be
// asked.
func (p *Payload) ApplyOp(part string, i int, old io.ReaderAt, dst io.WriterAt) error {
	q, err := p.partition(part)
	if err != nil {
		return err
	}
	if i < 0 || i >= len(q.Operations) {
		return fmt.Errorf("cannot apply operation %d of partition %q: it has %d", i, part, len(q.Operations))
	}
	return p.apply(q, i, old, dst)
}

// VerifyOld checks that r is the source that partition part starts from.
func (p *Payload) VerifyOld(ctx context.Context, part string, r io.ReaderAt) error {
	q, err := p.partition(part)
	if err != nil {
		return err
	}
	if q.OldSHA256 == nil {
		return nil // the update is full, or the payload does not say
	}
	return verify(ctx, "source of", q, r, q.OldSize, q.OldSHA256)
}

// VerifyNew checks that r is what partition part is to become.
func (p *Payload) VerifyNew(ctx context.Context, part string, r io.ReaderAt) error {
	q, err := p.partition(part)
	if err != nil {
		return err
	}
	return verify(ctx, "result of", q, r, q.NewSize, q.NewSHA256)
}

func verify(ctx context.Context, what string, q *Partition, r io.ReaderAt, size int64, want []byte) error {
	got, err := hashRange(ctx, r, size)
	if err != nil {
		return fmt.Errorf("cannot verify %s partition %q: %w", what, q.Name, err)
	}
	return compareHash(what, q, size, got, want)
}

func compareHash(what string, q *Partition, size int64, got, want []byte) error {
	if string(got) != string(want) {
		return fmt.Errorf("cannot verify %s partition %q: SHA-256 of %d bytes is %x, expected %x", what, q.Name, size, got, want)
	}
	return nil
}

// opError names the operation: partition, index, type, and where its data lies.
func opError(q *Partition, i int, err error) error {
	op := &q.Operations[i]
	place := fmt.Sprintf("writing block %d", op.Dst[0].Start)
	if op.DataLength > 0 {
		place += fmt.Sprintf(", data at %d", op.DataOffset)
	}
	return fmt.Errorf("cannot apply partition %q: operation %d of %d (%v, %s): %w", q.Name, i, len(q.Operations), op.Type, place, err)
}
