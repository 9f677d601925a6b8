package handset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/fridayos/friday/android/cow"
	"github.com/fridayos/friday/android/payload"
)

// applySnapshot writes a logical partition's update into its snapshot, going on from
// its last label.
func (p *Phone) applySnapshot(ctx context.Context, u *update, pl *payload.Payload, part *payload.Partition) (err error) {
	s, err := p.loadSnapshots()
	if err != nil {
		return err
	}
	one, ok := s.Parts[part.Name]
	if !ok || s.Target != u.Target {
		return fmt.Errorf("cannot write slot %s: there is no snapshot of %s for it", u.Target, part.Name)
	}
	base, err := os.Open(p.image("", part.Name))
	if err != nil {
		return fmt.Errorf("cannot read running system: %w", err)
	}
	defer base.Close()
	w := &snapshotWriter{p: p, u: u, pl: pl, part: part, base: base}
	file, err := w.start(one)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if !w.over.Finished() {
		if err := w.run(ctx, one); err != nil {
			return snapshotError(err)
		}
	}
	if err := pl.VerifyNew(ctx, part.Name, io.NewSectionReader(w.over, 0, part.NewSize)); err != nil {
		return &refusal{"apply", "result", err}
	}
	p.logf("snapshot of %s is written, %d operations, %d bytes of %d", part.Name, w.over.Ops(), w.over.Size(), one.Room)
	return nil
}

// snapshotError tells a package that does not fit from a disk that failed.
func snapshotError(err error) error {
	if errors.Is(err, cow.ErrFull) {
		return &refusal{"apply", "cow_full", err}
	}
	return err
}

// snapshotWriter does the operations of one partition.
type snapshotWriter struct {
	p    *Phone
	u    *update
	pl   *payload.Payload
	part *payload.Partition
	base *os.File
	over cow.Snapshot
	next int // operation to go on with; -1: copies come first
}

// start opens the snapshot where it was left, or begins it.
func (w *snapshotWriter) start(one snapshot) (*os.File, error) {
	over, file, err := w.p.openSnapshot(w.part.Name, w.base)
	if err == nil {
		w.over = over
		n, labelled := over.Labelled()
		switch {
		case one.Form == cow.Kernel:
			w.next = w.u.Done[w.part.Name]
			return file, nil
		case over.Finished() || labelled:
			w.next = int(n)
			return file, nil
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
	}
	// What does not open was never labelled: it is begun again.
	if file, err = os.OpenFile(w.p.cowPath(w.part.Name), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644); err != nil {
		return nil, fmt.Errorf("cannot write snapshot: %w", err)
	}
	o := cow.Options{Form: one.Form, Compression: one.Compression, Ops: one.Ops, Room: one.Room}
	if w.over, err = cow.Create(file, w.base, o); err != nil {
		return nil, errors.Join(snapshotError(err), file.Close())
	}
	if w.next = -1; one.Form == cow.Kernel {
		w.next = 0
	}
	return file, nil
}

func (w *snapshotWriter) run(ctx context.Context, one snapshot) error {
	if w.next < 0 {
		if err := w.copies(ctx); err != nil {
			return err
		}
		w.next = 0
	}
	for i := w.next; i < len(w.part.Operations); i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.operation(i, one.Form == cow.Kernel); err != nil {
			return err
		}
		if done := i + 1; done%checkpoint == 0 || done == len(w.part.Operations) {
			if err := w.label(done); err != nil {
				return err
			}
		}
	}
	if w.part.HashTree != nil || w.part.FEC != nil {
		if err := w.verity(ctx); err != nil {
			return err
		}
	}
	return w.over.Finish()
}

func (w *snapshotWriter) label(done int) error {
	if err := w.over.Label(uint64(done)); err != nil {
		return err
	}
	w.u.Done[w.part.Name] = done
	return w.p.saveUpdate(w.u)
}

// copies writes what is copied, in the order in which the package says that it is
// to be merged; what it does not name is carried, as update_engine does.
func (w *snapshotWriter) copies(ctx context.Context) error {
	named := map[uint64]bool{}
	for _, m := range w.part.Merge {
		if m.Type != payload.CowCopy {
			continue
		}
		for i := range min(m.Src.Count, m.Dst.Count) {
			named[m.Dst.Start+i] = true
			if m.Dst.Start == m.Src.Start {
				continue
			}
			if err := w.over.Copy(m.Dst.Start+i, m.Src.Start+i); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for i := range w.part.Operations {
		if op := &w.part.Operations[i]; op.Type == payload.SourceCopy {
			if err := w.carry(op, func(m cow.Move) bool { return !named[m.Block] }); err != nil {
				return err
			}
		}
	}
	return w.over.Label(0)
}

// carry writes the content of those blocks of a copy that only allows.
func (w *snapshotWriter) carry(op *payload.Operation, only func(m cow.Move) bool) error {
	b := make([]byte, cow.BlockSize)
	for _, m := range moves(op) {
		if m.Block == m.Source || !only(m) {
			continue
		}
		if n, err := w.base.ReadAt(b, int64(m.Source)*cow.BlockSize); n < len(b) {
			return fmt.Errorf("cannot read running system: %w", err)
		}
		if err := w.over.Replace(m.Block, b); err != nil {
			return err
		}
	}
	return nil
}

// operation does one operation; the kernel's form has its copies among them.
func (w *snapshotWriter) operation(i int, kernel bool) error {
	op := &w.part.Operations[i]
	switch op.Type {
	case payload.SourceCopy:
		if !kernel {
			return nil
		}
		return w.carry(op, func(cow.Move) bool { return true })
	case payload.Zero, payload.Discard:
		for _, e := range op.Dst {
			for b := range e.Count {
				if err := w.over.Zero(e.Start + b); err != nil {
					return err
				}
			}
		}
		return nil
	}
	out := &blockWriter{to: w.over}
	if err := w.pl.ApplyOp(w.part.Name, i, w.base, out); err != nil {
		if errors.Is(err, cow.ErrFull) {
			return err
		}
		return applyError(err)
	}
	return out.end()
}

// blockWriter makes blocks of bytes that come in order.
type blockWriter struct {
	to    cow.Snapshot
	block [cow.BlockSize]byte
	at    int64 // where the next byte goes, if part of a block is there
	have  int
}

func (w *blockWriter) WriteAt(b []byte, off int64) (int, error) {
	for n := 0; n < len(b); {
		at := off + int64(n)
		if w.have > 0 && at != w.at || w.have == 0 && at%cow.BlockSize != 0 {
			return n, fmt.Errorf("bytes at %d do not follow those before", at)
		}
		k := copy(w.block[w.have:], b[n:])
		n, w.have, w.at = n+k, w.have+k, at+int64(k)
		if w.have == cow.BlockSize {
			if err := w.to.Replace(uint64(w.at/cow.BlockSize-1), w.block[:]); err != nil {
				return n, err
			}
			w.have = 0
		}
	}
	return len(b), nil
}

func (w *blockWriter) end() error {
	if w.have != 0 {
		return fmt.Errorf("a block at %d has only %d bytes", w.at, w.have)
	}
	return nil
}

// verity computes the hash tree and the error correction, which read the whole
// snapshot, and then adds them to it.
func (w *snapshotWriter) verity(ctx context.Context) error {
	aside := &asideDisk{under: w.over, blocks: map[uint64][]byte{}}
	if err := w.pl.WriteVerity(ctx, w.part.Name, aside); err != nil {
		return applyError(err)
	}
	for _, n := range slices.Sorted(maps.Keys(aside.blocks)) {
		if err := w.over.Replace(n, aside.blocks[n]); err != nil {
			return err
		}
	}
	return nil
}

// asideDisk keeps in memory what is written over a snapshot. It is safe for
// concurrent use.
type asideDisk struct {
	under  io.ReaderAt
	mu     sync.RWMutex
	blocks map[uint64][]byte
}

func (d *asideDisk) block(n uint64) ([]byte, error) {
	if b, ok := d.blocks[n]; ok {
		return b, nil
	}
	b := make([]byte, cow.BlockSize)
	_, err := d.under.ReadAt(b, int64(n)*cow.BlockSize)
	return b, err
}

func (d *asideDisk) ReadAt(p []byte, off int64) (n int, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for n < len(p) {
		at := off + int64(n)
		b, err := d.block(uint64(at / cow.BlockSize))
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b[at%cow.BlockSize:])
	}
	return n, nil
}

func (d *asideDisk) WriteAt(p []byte, off int64) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n < len(p) {
		at := off + int64(n)
		b, err := d.block(uint64(at / cow.BlockSize))
		if err != nil {
			return n, err
		}
		d.blocks[uint64(at/cow.BlockSize)] = b
		n += copy(b[at%cow.BlockSize:], p[n:])
	}
	return n, nil
}

// readySnapshots records that the snapshots are whole, before the slot is switched.
func (p *Phone) readySnapshots() error {
	s, err := p.loadSnapshots()
	if err != nil || s.State != snapshotsWritten {
		return err
	}
	s.State = SnapshotsReady
	return writeJSON(p.snapshotsPath(), s)
}

// afterStart does with the snapshots what follows from the slot that has started: a
// merge that was cut off goes on, and an update from which the phone fell back, or
// was set back, is forgotten.
func (p *Phone) afterStart(ctx context.Context, slot string) error {
	s, err := p.loadSnapshots()
	if err != nil {
		return err
	}
	switch {
	case s.State == SnapshotsMerging:
		return p.Merge(ctx)
	case s.State == SnapshotsReady && s.Target != slot:
		u, err := p.loadUpdate()
		if err != nil {
			return err
		}
		if u != nil && u.Phase != switched && u.Phase != booted {
			return nil // it is about to be switched to
		}
		p.logf("the snapshots of slot %s are dropped: slot %s runs", s.Target, slot)
		return p.dropSnapshots()
	}
	return nil
}

// Merge moves the update that runs over the system that it replaced, which cannot be
// started any more from then on. It may be cut off anywhere: the next start goes on.
// Without an update that waits to be merged it does nothing.
func (p *Phone) Merge(ctx context.Context) error {
	s, err := p.loadSnapshots()
	if err != nil || s.State != SnapshotsReady && s.State != SnapshotsMerging {
		return err
	}
	if p.st.Running != s.Target || !p.st.Slots[s.Target].Successful {
		return fmt.Errorf("cannot merge snapshots: slot %s has not started", s.Target)
	}
	if s.State == SnapshotsReady {
		old := other(s.Target)
		p.st.Slots[old] = slot{}
		if err := p.save(); err != nil {
			return err
		}
		s.State = SnapshotsMerging
		if err := writeJSON(p.snapshotsPath(), s); err != nil {
			return err
		}
		p.logf("merging: slot %s cannot be started any more", old)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parts)) {
		one := s.Parts[name]
		if one.Merged {
			continue
		}
		if err := p.mergePart(ctx, name, one); err != nil {
			return fmt.Errorf("cannot merge %s: %w", name, err)
		}
		one.Merged = true
		s.Parts[name] = one
		if err := writeJSON(p.snapshotsPath(), s); err != nil {
			return err
		}
	}
	if err := os.Remove(p.snapshotsPath()); err != nil {
		return fmt.Errorf("cannot end merge: %w", err)
	}
	p.logf("merged")
	return p.removeCOWs(s)
}

func (p *Phone) mergePart(ctx context.Context, name string, one snapshot) (err error) {
	base, err := os.OpenFile(p.image("", name), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, base.Close()) }()
	s, file, err := p.openSnapshot(name, base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := s.Merge(base, func(done, total int) error {
		p.logf("merging %s: %d of %d", name, done, total)
		return ctx.Err()
	}); err != nil {
		return err
	}
	if err := base.Truncate(one.New); err != nil {
		return err
	}
	return base.Sync()
}
