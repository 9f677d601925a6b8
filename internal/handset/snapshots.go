package handset

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/cow"
	"github.com/fridayos/friday/android/payload"
)

// Super is where a phone with virtual A/B has its logical partitions: once, whatever
// the slots. An update lies in snapshots over them until it is merged; they take
// what is free in super, and then what user data leave.
type Super struct {
	Size       int64    `json:"size"`       // bytes that partitions and snapshots may have together
	Data       int64    `json:"data"`       // bytes that user data leave for snapshots
	Partitions []string `json:"partitions"` // that are logical
}

func (s *Super) check(slots bootprofile.Slots) error {
	virtual := slots == bootprofile.VirtualAB || slots == bootprofile.VirtualABCompressed
	switch {
	case !virtual && s == nil:
		return nil
	case !virtual:
		return fmt.Errorf("cannot make handset: it has a super partition of its own with slots %s; only virtual A/B keeps snapshots there", slots)
	case s == nil || s.Size <= 0 || s.Data < 0 || !slices.Contains(s.Partitions, "system"):
		return fmt.Errorf("cannot make handset: with slots %s it needs the size of super and the partitions in it, system among them", slots)
	}
	for _, name := range s.Partitions {
		if !bootprofile.IsPartition(name) {
			return fmt.Errorf("cannot make handset: %q in super is no partition name", name)
		}
	}
	return nil
}

// virtual says whether the phone updates through snapshots.
func (p *Phone) virtual() bool { return p.id.Super != nil }

// logical says whether a partition is there once for both slots.
func (p *Phone) logical(partition string) bool {
	return p.virtual() && slices.Contains(p.id.Super.Partitions, partition)
}

// State of the snapshots, as libsnapshot has them.
const (
	SnapshotsNone    = "none"        // there are none
	snapshotsWritten = "initiated"   // an update is being written into them
	SnapshotsReady   = "snapshotted" // the other slot may be started; the old one still can
	SnapshotsMerging = "merging"     // the old system is being overwritten
)

// snapshots is the record beside them.
type snapshots struct {
	State  string              `json:"state"`
	Target string              `json:"target"` // slot that sees them
	Parts  map[string]snapshot `json:"parts"`
}

// snapshot is that of one partition.
type snapshot struct {
	Form        cow.Form `json:"form"`
	Compression string   `json:"compression,omitempty"`
	Ops         int      `json:"ops,omitempty"`
	Room        int64    `json:"room"` // bytes set aside for it
	Old         int64    `json:"old"`  // size of the partition before, and after
	New         int64    `json:"new"`
	Merged      bool     `json:"merged,omitempty"`
}

func (p *Phone) snapshotsPath() string              { return p.path("super", "snapshots.json") }
func (p *Phone) cowPath(partition string) string    { return p.path("super", partition+".cow") }
func (s *snapshots) of(slot, partition string) bool { return s.has(partition) && s.Target == slot }
func (s *snapshots) has(partition string) bool {
	_, ok := s.Parts[partition]
	return ok
}

// loadSnapshots is never nil.
func (p *Phone) loadSnapshots() (*snapshots, error) {
	s := &snapshots{State: SnapshotsNone}
	if !p.virtual() {
		return s, nil
	}
	if err := readJSON(p.snapshotsPath(), s); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read snapshots: %w", err)
	}
	return s, nil
}

// SnapshotState says whether an update lies in snapshots, and whether they are being
// merged.
func (p *Phone) SnapshotState() (string, error) {
	s, err := p.loadSnapshots()
	if err != nil {
		return "", err
	}
	return s.State, nil
}

// dropSnapshots forgets an update that is not being merged: the system under it is
// whole.
func (p *Phone) dropSnapshots() error {
	s, err := p.loadSnapshots()
	if err != nil || s.State == SnapshotsNone {
		return err
	}
	if s.State == SnapshotsMerging {
		return errors.New("cannot drop snapshots: they are being merged, and the old system is no longer whole")
	}
	// The record first: snapshots without one are nothing.
	if err := os.Remove(p.snapshotsPath()); err != nil {
		return fmt.Errorf("cannot drop snapshots: %w", err)
	}
	return p.removeCOWs(s)
}

func (p *Phone) removeCOWs(s *snapshots) error {
	if err := syncDir(p.path("super")); err != nil {
		return fmt.Errorf("cannot drop snapshots: %w", err)
	}
	for name := range s.Parts {
		if err := os.Remove(p.cowPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot drop snapshots: %w", err)
		}
	}
	return nil
}

// part is a partition of a slot, open for reading.
type part struct {
	io.ReaderAt
	size   int64
	closes []io.Closer
}

func (x *part) Close() error {
	var errs []error
	for _, c := range x.closes {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// open opens a partition as a slot sees it: through its snapshot, if it has one.
func (p *Phone) open(slot, partition string) (*part, error) {
	f, err := os.Open(p.image(slot, partition))
	if err != nil {
		return nil, err
	}
	x := &part{ReaderAt: f, closes: []io.Closer{f}}
	fi, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	x.size = fi.Size()
	if !p.logical(partition) {
		return x, nil
	}
	s, err := p.loadSnapshots()
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	switch one := s.Parts[partition]; {
	case s.of(slot, partition) && s.State != snapshotsWritten && !one.Merged:
		view, file, err := p.openSnapshot(partition, f)
		if err != nil {
			return nil, errors.Join(err, x.Close())
		}
		x.closes = append(x.closes, file)
		if !view.Finished() && one.Form != cow.Kernel {
			return nil, errors.Join(fmt.Errorf("the snapshot of %s is not whole", partition), x.Close())
		}
		x.ReaderAt, x.size = view, one.New
	case s.State == SnapshotsMerging && s.Target != slot:
		return nil, errors.Join(fmt.Errorf("%s of slot %s is being overwritten by slot %s", partition, slot, s.Target), x.Close())
	}
	return x, nil
}

// openSnapshot opens what lies over a partition.
func (p *Phone) openSnapshot(partition string, base io.ReaderAt) (cow.Snapshot, *os.File, error) {
	file, err := os.OpenFile(p.cowPath(partition), os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := file.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	s, err := cow.Open(file, fi.Size(), base)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("snapshot of %s: %w", partition, err), file.Close())
	}
	return s, file, nil
}

// prepareSnapshots decides, as CreateUpdateSnapshots does before a block is written,
// what the snapshots of a package take and whether there is room, and records them.
func (p *Phone) prepareSnapshots(u *update, man *payload.Manifest) error {
	if err := p.dropSnapshots(); err != nil {
		return err
	}
	if err := checkDynamic(man, p.id.Super.Partitions); err != nil {
		return err
	}
	s := &snapshots{State: snapshotsWritten, Target: u.Target, Parts: map[string]snapshot{}}
	sizes, later := map[string]int64{}, map[string]int64{}
	for _, name := range p.id.Super.Partitions {
		fi, err := os.Stat(p.image("", name))
		if err != nil {
			return fmt.Errorf("cannot read super: %w", err)
		}
		sizes[name], later[name] = fi.Size(), fi.Size()
		part := man.Partition(name)
		if part == nil {
			continue
		}
		one, err := snapshotOf(part, man.Dynamic, p.id.Profile)
		if err != nil {
			return fmt.Errorf("partition %q: %w", name, err)
		}
		one.Old, one.New = fi.Size(), part.NewSize
		s.Parts[name], later[name] = one, part.NewSize
	}
	if err := roomFor(s, man.Dynamic, p.id.Super, sizes, later); err != nil {
		return err
	}
	return writeJSON(p.snapshotsPath(), s)
}

// checkDynamic is what update_engine and libsnapshot ask of a manifest.
func checkDynamic(man *payload.Manifest, logical []string) error {
	d := man.Dynamic
	switch {
	case d == nil:
		return refuse("verify", "dynamic", "cannot apply payload: it says nothing of super's groups, and this phone has %q there", logical)
	case !d.SnapshotEnabled:
		return refuse("verify", "snapshots", "cannot apply payload: snapshot_enabled is not set, and this phone has no second place for %q", logical)
	}
	in := map[string]bool{}
	for _, g := range d.Groups {
		for _, name := range g.Partitions {
			if !slices.Contains(logical, name) {
				return refuse("verify", "partition", "cannot apply payload: its group %q has %q, which is not in this phone's super", g.Name, name)
			}
			in[name] = true
		}
	}
	for _, name := range logical {
		if man.Partition(name) != nil && !in[name] {
			return refuse("verify", "dynamic", "cannot apply payload: %q is in no group of super", name)
		}
	}
	return nil
}

// slack is what libsnapshot adds to an estimate.
const slack = 2 << 20

// snapshotOf decides the form of a partition's snapshot, and its size.
func snapshotOf(part *payload.Partition, d *payload.Dynamic, profile bootprofile.Profile) (snapshot, error) {
	if !d.VABCEnabled || profile.Slots != bootprofile.VirtualABCompressed {
		return snapshot{Form: cow.Kernel, Room: cow.KernelSize(changedBlocks(part))}, nil
	}
	switch {
	case int(d.COWVersion) < 2 || int(d.COWVersion) > profile.COWVersion:
		return snapshot{}, refuse("verify", "cow_version", "cannot apply payload: cow_version is %d, this phone takes 2 to %d", d.COWVersion, profile.COWVersion)
	case part.EstimateCowSize == 0 || part.EstimateCowSize > maxPartition:
		return snapshot{}, refuse("verify", "cow_size", "cannot apply payload: estimate_cow_size is %d, expected what its snapshot takes", part.EstimateCowSize)
	case d.COWVersion == 3 && (part.EstimateOpCountMax == 0 || part.EstimateOpCountMax > maxPartition/cow.BlockSize):
		return snapshot{}, refuse("verify", "cow_size", "cannot apply payload: estimate_op_count_max is %d, expected how many blocks its snapshot speaks of", part.EstimateOpCountMax)
	case !slices.Contains(cow.Compressions(), d.VABCCompression):
		return snapshot{}, refuse("verify", "cow_compression", "cannot apply payload: vabc_compression_param is %q, this phone takes %q", d.VABCCompression, cow.Compressions())
	}
	return snapshot{Form: cow.Form(d.COWVersion), Compression: d.VABCCompression, Ops: int(part.EstimateOpCountMax),
		Room: (int64(part.EstimateCowSize) + slack + cow.BlockSize - 1) / cow.BlockSize * cow.BlockSize}, nil
}

// changedBlocks is how many blocks of a partition an update writes: not those that
// are copied to where they are.
func changedBlocks(part *payload.Partition) (n int64) {
	for i := range part.Operations {
		op := &part.Operations[i]
		if op.Type != payload.SourceCopy {
			for _, e := range op.Dst {
				n += int64(e.Count)
			}
			continue
		}
		for _, m := range moves(op) {
			if m.Block != m.Source {
				n++
			}
		}
	}
	if part.HashTree != nil {
		n += int64(part.HashTree.Tree.Count)
	}
	if part.FEC != nil {
		n += int64(part.FEC.Parity.Count)
	}
	return n
}

// moves are the blocks that an operation copies.
func moves(op *payload.Operation) []cow.Move {
	var sources []uint64
	for _, e := range op.Src {
		for b := range e.Count {
			sources = append(sources, e.Start+b)
		}
	}
	var out []cow.Move
	for _, e := range op.Dst {
		for b := range e.Count {
			if len(out) < len(sources) {
				out = append(out, cow.Move{Block: e.Start + b, Source: sources[len(out)]})
			}
		}
	}
	return out
}

// roomFor says whether partitions and snapshots fit: each group has its size, and
// what super does not hold of the snapshots lies in user data.
func roomFor(s *snapshots, d *payload.Dynamic, super *Super, now, later map[string]int64) error {
	for _, g := range d.Groups {
		total := int64(0)
		for _, name := range g.Partitions {
			total += later[name]
		}
		if g.Size > 0 && total > int64(g.Size) {
			return refuse("verify", "no_space", "cannot install package: its group %s needs %d bytes, its size is %d", g.Name, total, g.Size)
		}
	}
	used, need := int64(0), int64(0)
	for name := range now {
		used += max(now[name], later[name])
	}
	for _, one := range s.Parts {
		need += one.Room
	}
	if used > super.Size {
		return refuse("verify", "no_space", "cannot install package: its partitions need %d bytes of super, which has %d", used, super.Size)
	}
	free := super.Size - used
	if need > free+super.Data {
		return refuse("verify", "no_space", "cannot install package: its snapshots need %d bytes; %d are free in super and %d in user data: free %d more", need, free, super.Data, need-free-super.Data)
	}
	return nil
}
