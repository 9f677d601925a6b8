package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"golang.org/x/sync/errgroup"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/recoveryzip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/ota/inplace"
)

// OneSlot is what packages for a phone with one slot depend on: recovery writes
// them over the system that runs, block by block (android/recoveryzip).
type OneSlot struct {
	Folder string // of the links to partitions in recovery: "/dev/block/by-name"
	Arch   string // of the update-binary: "arm", "arm64"
	// Room is how many bytes of blocks an incremental package may keep aside at a
	// time; the phone's /cache must have them.
	Room int64
}

// OneSlotOf is what the boot profile of a phone asks of its packages: nil for one
// with two slots.
func OneSlotOf(p bootprofile.Profile) *OneSlot {
	if p.Slots != bootprofile.Single {
		return nil
	}
	return &OneSlot{Folder: p.Partitions(), Arch: p.Processor(), Room: p.Room()}
}

// blockQuality is brotli's for new blocks, as AOSP's tools have it.
const blockQuality = 6

// device is where recovery finds a partition.
func (o *OneSlot) device(partition string) string { return o.Folder + "/" + partition }

// asBlocks says whether an image goes as a transfer list: file systems do; boot
// images, whose size need be no whole number of blocks, go whole.
func (img *Image) asBlocks() bool { return img.FS != "" && img.Size%blockSize == 0 }

// oneSlotType is what the metadata of such a package say that it is.
const oneSlotType = "BLOCK"

// oneSlot checks what it is given and writes a package.
func (m *maker) oneSlot(ctx context.Context, f otazip.File, from *Side, to Side) (catalog.Package, error) {
	switch {
	case m.Signer == nil || m.Cert == nil:
		return catalog.Package{}, errors.New("it needs a key and its certificate; no recovery takes an unsigned one")
	case !strings.HasPrefix(m.OneSlot.Folder, "/dev/") || m.OneSlot.Room < 0:
		return catalog.Package{}, fmt.Errorf("the partitions of the phone lie in %q and it can keep %d bytes aside, expected a folder in /dev and some bytes", m.OneSlot.Folder, m.OneSlot.Room)
	}
	m.inPlace = true
	return m.writeOneSlot(ctx, f, from, to)
}

// writeOneSlot writes a full package, or with from an incremental one.
func (m *maker) writeOneSlot(ctx context.Context, f otazip.File, from *Side, to Side) (p catalog.Package, err error) {
	dir, err := os.MkdirTemp(m.TempDir, "friday-ota-*")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(dir)
	pkg := recoveryzip.Package{Metadata: metadata(from, to), Arch: m.OneSlot.Arch, Quality: blockQuality}
	pkg.Metadata.OTAType = oneSlotType
	for i := range to.Images {
		img := &to.Images[i]
		part := recoveryzip.Partition{Name: img.Partition, Device: m.OneSlot.device(img.Partition), Size: img.Size,
			Image: io.NewSectionReader(img.Content, 0, img.Size), Block: img.asBlocks()}
		var old *Image
		if from != nil {
			old = from.image(img.Partition)
		}
		if old != nil {
			if old.SHA256 == img.SHA256 {
				continue // it is there
			}
			if part.Block && old.asBlocks() {
				d, done, err := m.inPlaceDelta(ctx, dir, old, img)
				if err != nil {
					return p, fmt.Errorf("partition %q: %w", img.Partition, err)
				}
				defer done()
				part.Delta = d
				pkg.Metadata.RequiredCache = max(pkg.Metadata.RequiredCache, d.List.StashBlocks*blockSize)
			}
		}
		pkg.Partitions = append(pkg.Partitions, part)
	}
	if len(pkg.Partitions) == 0 {
		return p, fmt.Errorf("the two builds have the same images; there is nothing to update")
	}
	scratch, err := os.CreateTemp(dir, "scratch")
	if err != nil {
		return p, err
	}
	defer scratch.Close()
	info, err := recoveryzip.Write(ctx, f, pkg, scratch, m.Signer, m.Cert)
	if err != nil {
		return p, err
	}
	p = catalog.Package{Digest: info.SHA256, Size: info.Size, Kind: catalog.Full, Device: to.Build.Device, To: to.Build.ID, File: fileName(from, to)}
	if from != nil {
		p.Kind, p.From = catalog.Incremental, from.Build.ID
	}
	return p, nil
}

// inPlaceDelta makes the list that turns old into next in its place. done lets go of the
// patches.
func (m *maker) inPlaceDelta(ctx context.Context, dir string, old, next *Image) (*recoveryzip.Delta, func(), error) {
	ops, err := m.deltaOps(ctx, old, next, verity{})
	if err != nil {
		return nil, nil, err
	}
	patches, err := os.CreateTemp(dir, "patches")
	if err != nil {
		return nil, nil, err
	}
	transfers, size, err := m.transfers(ctx, old, next, ops, patches)
	if err != nil {
		patches.Close()
		return nil, nil, err
	}
	images := inplace.Images{Old: old.Content, New: next.Content, OldBlocks: old.Size / blockSize, NewBlocks: next.Size / blockSize}
	plan, err := inplace.Order(ctx, images, transfers, m.OneSlot.Room)
	if err != nil {
		patches.Close()
		return nil, nil, err
	}
	fresh := &tree.Image{}
	for _, r := range plan.New {
		fresh.AppendRange(next.Content, r.Start*blockSize, (r.End-r.Start)*blockSize)
	}
	return &recoveryzip.Delta{
		List: plan.List, New: io.NewSectionReader(fresh, 0, fresh.Size()), NewSize: fresh.Size(),
		Patches: io.NewSectionReader(patches, 0, size), PatchSize: size,
	}, func() { patches.Close() }, nil
}

// transfers makes transfers of the operations that a payload would have, and
// writes their patches. Blocks that stay where they are need none.
func (m *maker) transfers(ctx context.Context, old, next *Image, ops []payload.PlannedOp, patches io.Writer) ([]inplace.Transfer, int64, error) {
	var list []inplace.Transfer
	var patched []int // places in list that may be patches
	for _, op := range ops {
		t := inplace.Transfer{Kind: blockota.New, Target: ranges(op.Dst)}
		switch op.Type {
		case payload.Zero:
			t.Kind = blockota.Zero
			var err error
			if t.Target, err = notZero(old, t.Target); err != nil {
				return nil, 0, err
			}
			if t.Target == nil {
				continue
			}
		case payload.SourceCopy:
			t.Kind, t.Source = blockota.Move, ranges(op.Src)
			if t.Source, t.Target = moved(t.Source, t.Target); t.Source == nil {
				continue
			}
		case payload.BrotliBsdiff:
			t.Source = ranges(op.Src)
			patched = append(patched, len(list))
		}
		list = append(list, t)
	}
	made := make([][]byte, len(patched))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(m.Workers, 1))
	for i, at := range patched {
		g.Go(func() (err error) {
			made[i], err = m.patch(gctx, old, next, list[at].Source, list[at].Target)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	size := int64(0)
	for i, at := range patched {
		t := &list[at]
		if made[i] == nil {
			t.Source = nil // goes as it is
			continue
		}
		t.Kind, t.PatchOffset, t.PatchSize = blockota.BSDiff, size, int64(len(made[i]))
		if _, err := patches.Write(made[i]); err != nil {
			return nil, 0, err
		}
		size += t.PatchSize
	}
	return list, size, nil
}

// patch makes a patch, or nil where the new blocks are as small packed.
func (m *maker) patch(ctx context.Context, old, next *Image, src, dst blockota.RangeSet) ([]byte, error) {
	need := min(patchMemory(src.Blocks()*blockSize, dst.Blocks()*blockSize), m.budget)
	if err := m.memory.Acquire(ctx, need); err != nil {
		return nil, err
	}
	defer m.memory.Release(need)
	a, err := readBlocks(old, extents(src))
	if err != nil {
		return nil, err
	}
	b, err := readBlocks(next, extents(dst))
	if err != nil {
		return nil, err
	}
	key := fmt.Sprintf("block patch %s %x %x", patchVersion, sha256.Sum256(a), sha256.Sum256(b))
	_, data, err := m.cached(ctx, key, len(a)+len(b), func() (payload.OpType, []byte, error) {
		var patch, packed writeCounter
		if err := bsdiff.Diff(ctx, a, b, &patch); err != nil {
			return 0, nil, err
		}
		w := brotli.NewWriterLevel(&packed, blockQuality)
		if _, err := w.Write(b); err != nil {
			return 0, nil, err
		}
		if err := w.Close(); err != nil {
			return 0, nil, err
		}
		if len(patch.b) >= len(packed.b) {
			return payload.Replace, nil, nil
		}
		return payload.BrotliBsdiff, patch.b, nil
	})
	if len(data) == 0 {
		return nil, err
	}
	return data, err
}

type writeCounter struct{ b []byte }

func (w *writeCounter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

// moved leaves out of a move the blocks that are where they belong.
func moved(src, dst blockota.RangeSet) (from, to blockota.RangeSet) {
	a, b := flat(src), flat(dst)
	for i := range a {
		if a[i] != b[i] {
			from, to = join(from, a[i]), join(to, b[i])
		}
	}
	return from, to
}

// notZero leaves out the blocks that are zeros already.
func notZero(old *Image, s blockota.RangeSet) (left blockota.RangeSet, err error) {
	buf, zeros := make([]byte, blockSize), make([]byte, blockSize)
	for _, b := range flat(s) {
		if b < old.Size/blockSize {
			if err := readAt(old, buf, b*blockSize); err != nil {
				return nil, err
			}
			if bytes.Equal(buf, zeros) {
				continue
			}
		}
		left = join(left, b)
	}
	return left, nil
}

func flat(s blockota.RangeSet) []int64 {
	list := make([]int64, 0, s.Blocks())
	for _, r := range s {
		for b := r.Start; b < r.End; b++ {
			list = append(list, b)
		}
	}
	return list
}

func join(s blockota.RangeSet, b int64) blockota.RangeSet {
	if n := len(s); n > 0 && s[n-1].End == b {
		s[n-1].End++
		return s
	}
	return append(s, blockota.Range{Start: b, End: b + 1})
}

func ranges(es []payload.Extent) blockota.RangeSet {
	s := make(blockota.RangeSet, 0, len(es))
	for _, e := range es {
		s = append(s, blockota.Range{Start: int64(e.Start), End: int64(e.Start + e.Count)})
	}
	return slices.Clip(s)
}

func extents(s blockota.RangeSet) []payload.Extent {
	es := make([]payload.Extent, 0, len(s))
	for _, r := range s {
		es = append(es, payload.Extent{Start: uint64(r.Start), Count: uint64(r.End - r.Start)})
	}
	return es
}
