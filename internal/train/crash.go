package train

import (
	"cmp"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
)

// crashesSince is how far back reports make a device's crashes be looked at.
const crashesSince = 60 * 24 * time.Hour

// Crashes says which crashes are new in a version's build of a device or grew:
// members who met them, against handsets that booted the build and earlier ones.
func Crashes(tx *db.Tx, device, version string) ([]crash.Signal, error) {
	s, err := crashesOf(tx, device)
	if err != nil {
		return nil, err
	}
	return s.on(version), nil
}

// deviceCrashes are a device's crashes, and how many handsets met its builds.
type deviceCrashes struct {
	counts   []crash.Count
	versions []string         // the oldest first
	booted   map[string]int64 // handsets, by version
}

func crashesOf(tx *db.Tx, device string) (deviceCrashes, error) {
	s := deviceCrashes{booted: map[string]int64{}}
	var err error
	if s.counts, err = crash.CountsOf(tx, device); err != nil || len(s.counts) == 0 {
		return s, err
	}
	builds, err := catalog.Builds(tx, device)
	if err != nil {
		return s, err
	}
	slices.SortStableFunc(builds, func(a, b catalog.Build) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	version := map[string]string{}
	for _, b := range builds {
		version[b.ID] = b.Version
		if !slices.Contains(s.versions, b.Version) {
			s.versions = append(s.versions, b.Version)
		}
	}
	rollouts, err := fleet.OfDevice(tx, device)
	if err != nil {
		return s, err
	}
	for _, r := range rollouts {
		n, err := outcome.Of(tx, r.ID)
		if err != nil {
			return s, err
		}
		s.booted[version[r.Build]] += n.Enrolled.Booted + n.Anonymous.Booted
	}
	return s, nil
}

// on compares one version with those before it.
func (s deviceCrashes) on(version string) []crash.Signal {
	at := slices.Index(s.versions, version)
	if at <= 0 {
		return nil
	}
	earlier := s.versions[:at]
	var before int64
	for _, v := range earlier {
		before += s.booted[v]
	}
	return crash.Signals(crash.Numbers(s.counts, version, earlier), s.booted[version], before)
}

// noteCrashes tells fleet of the crashes on the builds that roll out.
func (t *Train) noteCrashes(tx *db.Tx, rollouts []fleet.Rollout) error {
	devices, err := crash.Devices(tx, tx.Now().Add(-crashesSince))
	if err != nil {
		return err
	}
	for _, device := range devices {
		var s deviceCrashes
		read := false
		for _, r := range rollouts {
			if r.Device != device || r.State != fleet.Running && r.State != fleet.Held && r.State != fleet.Complete {
				continue
			}
			if !read {
				if s, err = crashesOf(tx, device); err != nil {
					return err
				}
				read = true
			}
			b, err := catalog.BuildByID(tx, r.Build)
			if err != nil {
				return err
			}
			sum := crash.SumOf(s.on(b.Version))
			if err := outcome.NoteCrashes(tx, r.ID, outcome.Crashes{Clusters: sum.Clusters, Members: sum.Members}); err != nil {
				return err
			}
		}
	}
	return nil
}
