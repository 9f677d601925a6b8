package payload

import (
	"bufio"
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// Write writes a payload to w. signer may be an RSA or an EC key; nil leaves
// the payload unsigned. Data is spilled to a temporary file first, since the
// manifest in front of it says where it lies. The same plan and key give the
// same bytes, whatever the number of workers.
func Write(ctx context.Context, w io.Writer, plan Plan, signer crypto.Signer) (Properties, error) {
	if err := plan.check(); err != nil {
		return Properties{}, fmt.Errorf("cannot write payload: plan: %w", err)
	}
	room := 0
	if signer != nil {
		var err error
		if room, err = signatureRoom(signer.Public()); err != nil {
			return Properties{}, fmt.Errorf("cannot write payload: %w", err)
		}
	}
	spill, err := os.CreateTemp(plan.TempDir, "payload-*")
	if err != nil {
		return Properties{}, fmt.Errorf("cannot write payload: cannot spill data: %w", err)
	}
	defer spill.Close()
	defer os.Remove(spill.Name())

	x := &writing{plan: &plan, spill: bufio.NewWriterSize(spill, 1<<20)}
	if err := x.run(ctx); err != nil {
		return Properties{}, fmt.Errorf("cannot write payload: %w", err)
	}
	if _, err := spill.Seek(0, io.SeekStart); err != nil {
		return Properties{}, fmt.Errorf("cannot write payload: %w", err)
	}
	props, err := x.assemble(ctx, w, spill, signer, room)
	if err != nil {
		return Properties{}, fmt.Errorf("cannot write payload: %w", err)
	}
	return props, nil
}

// writing is a payload being made: operations are computed by workers and taken
// in in order.
type writing struct {
	plan     *Plan
	spill    *bufio.Writer
	manifest Manifest
	offset   uint64 // data spilled
}

// result is what a worker made of one operation.
type result struct {
	op   Operation
	data []byte
	err  error
}

func (x *writing) run(ctx context.Context) error {
	p := x.plan
	x.manifest = Manifest{
		MinorVersion: p.MinorVersion, BlockSize: blockSize, MaxTimestamp: p.MaxTimestamp,
		SecurityPatchLevel: p.SecurityPatchLevel, Partial: p.Partial, Dynamic: p.Dynamic, Apexes: p.Apexes,
		Partitions: make([]Partition, len(p.Parts)),
	}
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error { return x.hashPartitions(gctx) })
	group.Go(func() error { return x.operations(gctx) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := x.manifest.check(x.offset); err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	return x.spill.Flush()
}

// hashPartitions fills in all of the manifest's partitions but the operations.
func (x *writing) hashPartitions(ctx context.Context) error {
	for i := range x.plan.Parts {
		part := &x.plan.Parts[i]
		newSum, oldSum := part.NewSHA256, part.OldSHA256
		var err error
		if newSum == nil {
			if newSum, err = hashRange(ctx, part.New, part.NewSize); err != nil {
				return fmt.Errorf("partition %q: new: %w", part.Name, err)
			}
		}
		if oldSum == nil && part.Old != nil {
			if oldSum, err = hashRange(ctx, part.Old, part.OldSize); err != nil {
				return fmt.Errorf("partition %q: old: %w", part.Name, err)
			}
		}
		// q.Operations is at the same time appended to by operations.
		fill(&x.manifest.Partitions[i], part, newSum, oldSum)
	}
	return nil
}

// fill copies what the plan says into q, leaving q.Operations alone.
func fill(q *Partition, part *PlanPart, newSum, oldSum []byte) {
	e := &part.Extra
	q.Name, q.NewSize, q.NewSHA256, q.OldSize, q.OldSHA256 = part.Name, part.NewSize, newSum, part.OldSize, oldSum
	q.RunPostinstall, q.PostinstallPath, q.PostinstallOptional = e.RunPostinstall, e.PostinstallPath, e.PostinstallOptional
	q.FilesystemType, q.Version, q.HasVersion = e.FilesystemType, e.Version, e.HasVersion || e.Version != ""
	q.HashTree, q.FEC, q.Merge = e.HashTree, e.FEC, e.Merge
	q.EstimateCowSize, q.EstimateOpCountMax = e.EstimateCowSize, e.EstimateOpCountMax
}

// operations computes all operations with as many workers as the plan says and
// spills their data in order. At most two results for each worker are held.
func (x *writing) operations(ctx context.Context) error {
	workers := x.plan.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	total := 0
	for i := range x.plan.Parts {
		total += len(x.plan.Parts[i].Ops)
	}
	type slot struct {
		part int
		done chan result
	}
	queue := make(chan slot, workers) // in order; bounds what is in flight
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(queue)
		pool, pctx := errgroup.WithContext(gctx)
		pool.SetLimit(workers)
		for i := range x.plan.Parts {
			part := &x.plan.Parts[i]
			for k := range part.Ops {
				s := slot{i, make(chan result, 1)}
				select {
				case queue <- s:
				case <-pctx.Done():
					if err := pool.Wait(); err != nil {
						return err
					}
					return gctx.Err()
				}
				pool.Go(func() error {
					r := part.compute(pctx, k, x.plan.MinorVersion)
					s.done <- r
					return r.err
				})
			}
		}
		return pool.Wait()
	})
	group.Go(func() error {
		done := 0
		for s := range queue {
			select {
			case r := <-s.done:
				if r.err != nil {
					return nil // the pool knows which error came first
				}
				if err := x.take(s.part, r); err != nil {
					return err
				}
			case <-gctx.Done():
				return gctx.Err()
			}
			if done++; x.plan.Progress != nil {
				x.plan.Progress(done, total)
			}
		}
		return nil
	})
	return group.Wait()
}

// take adds one operation to the manifest and its data to the spill.
func (x *writing) take(part int, r result) error {
	if len(r.data) > 0 {
		r.op.DataOffset, r.op.DataLength = x.offset, uint64(len(r.data))
		x.offset += r.op.DataLength
		if _, err := x.spill.Write(r.data); err != nil {
			return fmt.Errorf("cannot spill data: %w", err)
		}
	}
	q := &x.manifest.Partitions[part]
	q.Operations = append(q.Operations, r.op)
	return nil
}

// compute makes the data and the hashes of operation k.
func (part *PlanPart) compute(ctx context.Context, k int, minor uint32) result {
	planned := &part.Ops[k]
	fail := func(err error) result {
		return result{err: fmt.Errorf("partition %q: operation %d: %w", part.Name, k, err)}
	}
	r := result{op: Operation{Type: planned.Type, Src: planned.Src, Dst: planned.Dst}}
	if planned.Data != nil {
		t, data, err := planned.Data(ctx)
		if err != nil {
			return fail(err)
		}
		if needs, _ := t.needs(); !needs || len(data) == 0 || t.minMinor() > minor {
			return fail(fmt.Errorf("%v with %d bytes of data cannot be in a payload of minor version %d", t, len(data), minor))
		}
		sum := sha256.Sum256(data)
		r.op.Type, r.data, r.op.DataSHA256 = t, data, sum[:]
	}
	if _, source := r.op.Type.needs(); source {
		if part.Old == nil {
			return fail(fmt.Errorf("%v without an old partition", r.op.Type))
		}
		in := newExtentReader(part.Old, r.op.Src)
		sum, err := hashRange(ctx, in, in.size)
		if err != nil {
			return fail(fmt.Errorf("source: %w", err))
		}
		r.op.SrcSHA256 = sum
	} else {
		r.op.Src = nil
	}
	return r
}

// assemble writes header, manifest, signatures and the spilled data.
func (x *writing) assemble(ctx context.Context, w io.Writer, spill io.Reader, signer crypto.Signer, room int) (Properties, error) {
	block := 0
	if signer != nil {
		empty, err := signatures(nil, room)
		if err != nil {
			return Properties{}, err
		}
		block = len(empty)
		x.manifest.SignaturesOffset, x.manifest.SignaturesSize = x.offset, uint64(block)
	}
	manifest, err := x.manifest.marshal()
	if err != nil {
		return Properties{}, err
	}
	if len(manifest) > MaxManifest {
		return Properties{}, fmt.Errorf("manifest has %d bytes, expected at most %d", len(manifest), MaxManifest)
	}
	head := binary.BigEndian.AppendUint64([]byte(magic), majorVersion)
	head = binary.BigEndian.AppendUint64(head, uint64(len(manifest)))
	head = binary.BigEndian.AppendUint32(head, uint32(block))
	metadata := append(head, manifest...)

	var props Properties
	file, signed := sha256.New(), sha256.New()
	props.MetadataHash, props.MetadataSize = sha256.Sum256(metadata), int64(len(metadata))
	put := func(to io.Writer, b []byte) {
		if err == nil {
			_, err = to.Write(b)
			props.FileSize += int64(len(b))
		}
	}
	put(io.MultiWriter(w, file, signed), metadata)
	if signer != nil && err == nil {
		var sig []byte
		if sig, err = sign(signer, props.MetadataHash[:], room); err == nil {
			put(io.MultiWriter(w, file), sig)
		}
	}
	if err == nil {
		var n int64
		n, err = io.CopyBuffer(io.MultiWriter(w, file, signed), withContext(ctx, spill), make([]byte, 1<<20))
		props.FileSize += n
	}
	if signer != nil && err == nil {
		var sig []byte
		if sig, err = sign(signer, signed.Sum(nil), room); err == nil {
			put(io.MultiWriter(w, file), sig)
		}
	}
	if err != nil {
		return Properties{}, err
	}
	file.Sum(props.FileHash[:0])
	return props, nil
}

// withContext makes a reader end with the context's error.
func withContext(ctx context.Context, r io.Reader) io.Reader {
	return readerFunc(func(b []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(b)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
