package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/xz"
)

// payload extracts a full payload of one partition with one worker, with all,
// and has the decoder alone do the same: ours, and the xz program.
func (b *imageBench) payload() error {
	p, done, err := b.makePayload()
	if err != nil {
		return err
	}
	defer done()
	one, oneCPU, err := b.best(func() error { return b.apply(p, 1) })
	if err != nil {
		return err
	}
	all, allCPU, err := b.best(func() error { return b.apply(p, 0) })
	if err != nil {
		return err
	}
	packed, n, err := b.packed(p)
	if err != nil {
		return err
	}
	alone, aloneCPU, err := b.best(func() error { return unpack(packed, n) })
	if err != nil {
		return err
	}
	b.figures = append(b.figures,
		Figure{Name: "extract a full payload", Seconds: all, Peer: "one worker", PeerSeconds: one, Ratio: all / one, Processor: allCPU, PeerProcessor: oneCPU,
			Note: fmt.Sprintf("%d processors, every hash checked", runtime.GOMAXPROCS(0))},
		Figure{Name: "extract a full payload, processor", Seconds: allCPU, Peer: "its xz decoder alone", PeerSeconds: aloneCPU, Ratio: allCPU / aloneCPU,
			Note: "processor seconds"})
	return b.unxz(packed, alone, aloneCPU)
}

// makePayload packs the image that was written as one partition.
func (b *imageBench) makePayload() (*payload.Payload, func(), error) {
	f, err := os.Open(b.path("ours.erofs"))
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	size := min(fi.Size(), int64(b.o.PayloadMiB)<<20) / 4096 * 4096
	part := io.NewSectionReader(f, 0, size)
	out, err := os.Create(b.path("payload.bin"))
	if err != nil {
		return nil, nil, err
	}
	c := new(payload.Compressor)
	plan := payload.Plan{TempDir: b.dir, Parts: []payload.PlanPart{{Name: "system", New: part, NewSize: size, Ops: payload.FullOps(part, size, c.Compress)}}}
	if _, err = payload.Write(b.ctx, out, plan, nil); err == nil {
		fi, err = out.Stat()
	}
	var p *payload.Payload
	if err == nil {
		p, err = payload.Open(out, fi.Size())
	}
	if err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return p, func() { out.Close() }, nil
}

func (b *imageBench) apply(p *payload.Payload, workers int) error {
	disk, err := os.Create(b.path("system.img"))
	if err != nil {
		return err
	}
	return errors.Join(p.Apply(b.ctx, "system", nil, disk, payload.ApplyOptions{Workers: workers}), disk.Close())
}

// best is the shortest of a few runs, and the processor time of the one that
// took the least.
func (b *imageBench) best(fn func() error) (seconds, cpu float64, err error) {
	for i := range rounds {
		before := processor()
		s, err := wall(fn)
		if err != nil {
			return 0, 0, err
		}
		used := processor() - before
		if i == 0 || s < seconds {
			seconds = s
		}
		if i == 0 || used < cpu {
			cpu = used
		}
	}
	return seconds, cpu, b.ctx.Err()
}

// packed writes the .xz of all operations to a file, one after the other, which is .xz
// too.
func (b *imageBench) packed(p *payload.Payload) (name string, size int64, err error) {
	name = b.path("operations.xz")
	out, err := os.Create(name)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	in, err := os.Open(b.path("payload.bin"))
	if err != nil {
		return "", 0, err
	}
	defer in.Close()
	for _, op := range p.Manifest().Partition("system").Operations {
		if op.Type != payload.ReplaceXZ {
			continue
		}
		for _, e := range op.Dst {
			size += int64(e.Count) * 4096
		}
		data := io.NewSectionReader(in, p.Layout().BlobsOffset+int64(op.DataOffset), int64(op.DataLength))
		if _, err := io.Copy(out, data); err != nil {
			return "", 0, err
		}
	}
	return name, size, nil
}

func unpack(name string, size int64) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := xz.NewReader(in, 64<<20).WriteTo(struct{ io.Writer }{io.Discard})
	if err == nil && n != size {
		err = fmt.Errorf("operations make %d bytes, expected %d", n, size)
	}
	return err
}

// unxz has the xz program unpack the same, on one processor.
func (b *imageBench) unxz(name string, seconds, cpu float64) error {
	f := Figure{Name: "unpack its xz", Seconds: seconds, Processor: cpu, Peer: "xz"}
	if _, err := exec.LookPath("xz"); err != nil {
		f.Note = "xz is not installed"
		b.figures = append(b.figures, f)
		return nil
	}
	for i := range rounds {
		c := exec.CommandContext(b.ctx, "xz", "-dc", "-T1", name)
		s, err := wall(c.Run)
		if err != nil {
			return fmt.Errorf("xz: %w", err)
		}
		used := (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
		if i == 0 || s < f.PeerSeconds {
			f.PeerSeconds = s
		}
		if i == 0 || used < f.PeerProcessor {
			f.PeerProcessor = used
		}
	}
	f.Ratio = f.Seconds / f.PeerSeconds
	b.figures = append(b.figures, f)
	return nil
}
