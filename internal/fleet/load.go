package fleet

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
)

// Loader reads snapshots. What it has read once it keeps: builds and packages do
// not change, and of the rollouts it reads those that did. It holds what rollouts
// offer, not all that the catalogue has.
type Loader struct {
	mu       sync.Mutex
	revision int64 // up to which rollouts were read
	packages int64 // that the catalogue had, and csigs of them
	last     *Snapshot
	all      bool                         // packages came that last does not have
	rollouts map[string]map[int64]Rollout // by device
	builds   map[string]*catalog.Build
	to       map[string][]*catalog.Package // by the build that they lead to
	csigs    map[blob.Digest]catalog.Csig  // by package
	notes    map[string]string             // by release
}

// Load reads a snapshot for the first time. The caller sets Until.
func Load(tx *db.Tx) (*Snapshot, error) { return new(Loader).Load(tx) }

// Load reads what changed since the last call, and makes a snapshot of all. The
// caller sets Until.
func (l *Loader) Load(tx *db.Tx) (*Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == nil {
		l.revision, l.rollouts, l.builds, l.to, l.notes = -1, map[string]map[int64]Rollout{}, map[string]*catalog.Build{}, map[string][]*catalog.Package{}, map[string]string{}
		l.csigs = map[blob.Digest]catalog.Csig{}
	}
	revision, err := Revision(tx)
	if err != nil {
		return nil, err
	}
	changed, err := list(tx, "SELECT "+columns+" FROM rollouts WHERE revision > $1", l.revision)
	if err != nil {
		return nil, err
	}
	if err := l.catalogue(tx, changed); err != nil {
		return nil, err
	}
	devices := map[string]bool{}
	for _, r := range changed {
		devices[r.Device] = true
		if l.rollouts[r.Device] == nil {
			l.rollouts[r.Device] = map[int64]Rollout{}
		}
		l.rollouts[r.Device][r.ID] = r
	}
	if l.last == nil || l.all {
		devices = nil
	}
	f := Facts{Revision: revision, Builds: l.builds, To: l.to, Csigs: l.csigs, Notes: l.notes}
	for device, of := range l.rollouts {
		if devices == nil || devices[device] {
			f.Rollouts = slices.AppendSeq(f.Rollouts, maps.Values(of))
		}
	}
	if devices == nil {
		l.last = NewSnapshot(f)
	} else {
		l.last = l.last.next(f, devices)
	}
	l.revision, l.all = revision, false
	return l.last.Renewed(time.Time{}), nil
}

// catalogue reads the builds and packages of rollouts that are new. A package
// may be made later than the rollout of its build: then those of all are read.
func (l *Loader) catalogue(tx *db.Tx, changed []Rollout) error {
	var n int64
	if err := tx.QueryRow("SELECT (SELECT COUNT(*) FROM packages) + (SELECT COUNT(*) FROM package_csigs)").Scan(&n); err != nil {
		return err
	}
	want := map[string]bool{}
	for _, r := range changed {
		if _, have := l.to[r.Build]; !have && r.State != Planned { // as a source it may be known already
			want[r.Build] = true
		}
	}
	if n != l.packages {
		l.all = true // whose they are is not known
		for build := range l.to {
			want[build] = true
		}
	}
	for build := range want {
		if err := l.read(tx, build); err != nil {
			delete(l.to, build) // the next time
			return err
		}
	}
	l.packages = n
	for _, r := range changed {
		if _, have := l.notes[r.Release]; have || r.State == Planned {
			continue
		}
		var notes string
		if err := tx.QueryRow("SELECT notes FROM releases WHERE name = $1", r.Release).Scan(&notes); err != nil && !errors.Is(err, db.ErrNoRows) {
			return err
		}
		l.notes[r.Release] = notes
	}
	return nil
}

// read reads one build, the packages to it and the builds that they start from.
func (l *Loader) read(tx *db.Tx, id string) error {
	packages, err := catalog.PackagesTo(tx, id)
	if err != nil {
		return err
	}
	l.to[id] = nil
	for i := range packages {
		l.to[id] = append(l.to[id], &packages[i])
	}
	csigs, err := catalog.CsigsTo(tx, id)
	if err != nil {
		return err
	}
	maps.Copy(l.csigs, csigs)
	for _, build := range append([]string{id}, sources(packages)...) {
		if l.builds[build] != nil {
			continue
		}
		b, err := catalog.BuildByID(tx, build)
		if errors.Is(err, catalog.ErrNotFound) { // a package from another's build
			continue
		}
		if err != nil {
			return err
		}
		b.Images = nil // a phone is told nothing of them
		l.builds[build] = &b
	}
	return nil
}

func sources(packages []catalog.Package) (builds []string) {
	for _, p := range packages {
		if p.From != "" {
			builds = append(builds, p.From)
		}
	}
	return builds
}
