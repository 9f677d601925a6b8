package train

import (
	"errors"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
)

// Status is the train as commands and pages show it.
type Status struct {
	Now       time.Time       `json:"now"`
	Week      string          `json:"week"`      // the release that leaves next
	Departure time.Time       `json:"departure"` // when
	Releases  []ReleaseStatus `json:"releases"`  // newest first
}

// ReleaseStatus is one release in full. One that was not cut yet has a name and
// a state only. Of what it fixes it tells no private report, not even that there
// is one: from the cut until phones have the fix that would tell where to look.
type ReleaseStatus struct {
	catalog.Release
	State     State          `json:"state"`
	Reason    string         `json:"reason"`
	Departure time.Time      `json:"departure"`
	Devices   []DeviceStatus `json:"devices"`
	Log       []Transition   `json:"log"` // oldest first
}

// DeviceStatus is one device of a release.
type DeviceStatus struct {
	Device    string            `json:"device"`
	State     DeviceState       `json:"state"`
	Reason    string            `json:"reason"`
	Build     string            `json:"build"`
	Fixes     []int64           `json:"fixes"` // threads fixed since what the device last got, as far as everyone may know of them
	ChangedAt time.Time         `json:"changed_at"`
	Packages  []catalog.Package `json:"packages"`
	Rollouts  []RolloutStatus   `json:"rollouts"`
}

// RolloutStatus is a rollout with its counts.
type RolloutStatus struct {
	fleet.Rollout
	Counts  outcome.Counts `json:"counts"`
	Waiting string         `json:"waiting,omitempty"` // what the next stage waits for
}

// Status reads the newest releases, at most limit of them.
func (t *Train) Status(tx *db.Tx, limit int) (Status, error) {
	s := Status{Now: tx.Now()}
	rows, err := db.All(tx, scanRow, "SELECT "+rowColumns+" FROM train_releases ORDER BY departs_at DESC, opened_at DESC, release DESC LIMIT $1", limit)
	if err != nil {
		return Status{}, err
	}
	if s.Week, s.Departure, err = t.next(tx); err != nil {
		return Status{}, err
	}
	for _, r := range rows {
		one, err := t.status(tx, r)
		if err != nil {
			return Status{}, err
		}
		s.Releases = append(s.Releases, one)
	}
	return s, nil
}

// next is the first departure that is not skipped.
func (t *Train) next(tx *db.Tx) (release string, departs time.Time, err error) {
	departs = tx.Now()
	for range 60 { // more than a year of skipped weeks is no schedule
		departs = t.schedule().Next(departs)
		release = t.schedule().Name(departs)
		r, err := rowOf(tx, release)
		if errors.Is(err, ErrNotFound) {
			return release, departs, nil
		}
		if err != nil || r.state != Skipped {
			return release, departs, err
		}
	}
	return release, departs, nil
}

// ReleaseStatus reads one release.
func (t *Train) ReleaseStatus(tx *db.Tx, release string) (ReleaseStatus, error) {
	r, err := rowOf(tx, release)
	if err != nil {
		return ReleaseStatus{}, err
	}
	return t.status(tx, r)
}

func (t *Train) status(tx *db.Tx, r row) (ReleaseStatus, error) {
	s := ReleaseStatus{State: r.state, Reason: r.reason, Departure: r.departsAt.In(t.schedule().Zone)}
	var err error
	s.Release, err = catalog.ReleaseByName(tx, r.release)
	if errors.Is(err, catalog.ErrNotFound) {
		s.Release, err = catalog.Release{Name: r.release}, nil
	}
	if err != nil {
		return ReleaseStatus{}, err
	}
	if s.Log, err = logOf(tx, r.release); err != nil {
		return ReleaseStatus{}, err
	}
	devices, err := devicesOf(tx, r.release)
	if err != nil {
		return ReleaseStatus{}, err
	}
	public, err := publicFixes(tx, s.Fixes, devices)
	if err != nil {
		return ReleaseStatus{}, err
	}
	s.Fixes = public(s.Fixes)
	rollouts, err := fleet.Of(tx, r.release)
	if err != nil {
		return ReleaseStatus{}, err
	}
	for _, d := range devices {
		one := DeviceStatus{Device: d.codename, State: d.state, Reason: d.reason, Build: d.build, Fixes: public(d.fixes), ChangedAt: d.changedAt}
		if d.build != "" {
			if one.Packages, err = catalog.PackagesTo(tx, d.build); err != nil {
				return ReleaseStatus{}, err
			}
		}
		for _, o := range rollouts {
			if o.Device != d.codename {
				continue
			}
			counts, err := outcome.Of(tx, o.ID)
			if err != nil {
				return ReleaseStatus{}, err
			}
			one.Rollouts = append(one.Rollouts, RolloutStatus{Rollout: o, Counts: counts, Waiting: fleet.Waiting(&o, counts, tx.Now())})
		}
		s.Devices = append(s.Devices, one)
	}
	return s, nil
}

// publicFixes reads at once which of a release's fixes everyone may know of, and
// returns what keeps those alone.
func publicFixes(tx *db.Tx, fixes []int64, devices []device) (func([]int64) []int64, error) {
	all := slices.Clone(fixes)
	for _, d := range devices {
		all = append(all, d.fixes...)
	}
	slices.Sort(all)
	public, err := feedback.Public(tx, slices.Compact(all))
	return func(ids []int64) []int64 {
		return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return !slices.Contains(public, id) })
	}, err
}
