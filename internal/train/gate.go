package train

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// guard says why next must not be offered to handsets that run prev, nil when
// there is none. Phones themselves check less than one hopes: some install an
// older patch level and wipe the data over it.
func guard(device string, next catalog.Build, prev *catalog.Build, packages []catalog.Package) error {
	refuse := func(code string, values ...any) error {
		return said.New("verb", code, append([]any{"Release", next.Version, "Device", device}, values...)...)
	}
	full := false
	for _, p := range packages {
		if p.Device != device || p.To != next.ID {
			return refuse("gate-package", "File", p.File, "Other", p.Device, "Build", fmt.Sprintf("%.12s", p.To))
		}
		full = full || p.Kind == catalog.Full
	}
	switch {
	case next.Device != device:
		return refuse("gate-device", "Other", next.Device)
	case !full:
		return refuse("gate-full")
	case !wire.IsPatchLevel(next.PatchLevel):
		return refuse("gate-patch", "Level", next.PatchLevel)
	case prev == nil:
		return nil
	case next.Timestamp < prev.Timestamp:
		return refuse("gate-older", "Time", next.Timestamp, "Before", prev.Timestamp, "Other", prev.Version)
	case next.PatchLevel < prev.PatchLevel:
		return refuse("gate-patch-old", "Level", next.PatchLevel, "Before", prev.PatchLevel, "Other", prev.Version)
	case next.RollbackIndex < prev.RollbackIndex:
		return refuse("gate-rollback", "Index", next.RollbackIndex, "Before", prev.RollbackIndex, "Other", prev.Version)
	case next.Variant != prev.Variant:
		return refuse("gate-variant", "Variant", next.Variant, "Other", prev.Version, "Before", prev.Variant)
	}
	return nil
}

// shipped are the builds of a device that handsets may run because a rollout
// brought them, on any channel, the newest first; release's own is left out.
func shipped(tx *db.Tx, codename, release string) ([]catalog.Build, error) {
	rollouts, err := fleet.OfDevice(tx, codename)
	if err != nil {
		return nil, err
	}
	var builds []catalog.Build
	for _, r := range rollouts {
		if r.Release == release || r.State == fleet.Planned || slices.ContainsFunc(builds, func(b catalog.Build) bool { return b.ID == r.Build }) {
			continue
		}
		b, err := catalog.BuildByID(tx, r.Build)
		if err != nil {
			return nil, err
		}
		builds = append(builds, b)
	}
	slices.SortStableFunc(builds, func(a, b catalog.Build) int { return cmp.Compare(b.Timestamp, a.Timestamp) })
	return builds, nil
}

// raised is the rollback index that next raises the device's to; 0 when it does
// not. Builds from before it will not start where it has started.
func raised(next catalog.Build, before []catalog.Build) uint64 {
	var highest uint64
	for _, b := range before {
		highest = max(highest, b.RollbackIndex)
	}
	if len(before) == 0 || next.RollbackIndex <= highest {
		return 0
	}
	return next.RollbackIndex
}

// gate says why one device of a release may not leave on a channel; why is nil
// when it may. raises is the rollback index that it raises the device's to, if
// it does: mayRaise says that a human wants that.
func gate(tx *db.Tx, d device, channel string, mayRaise bool) (raises uint64, why, err error) {
	why, err = refused(tx, d, channel)
	if why != nil || err != nil {
		return 0, why, err
	}
	b, err := catalog.BuildByID(tx, d.build)
	if err != nil {
		return 0, nil, err
	}
	before, err := shipped(tx, d.codename, d.release)
	if err != nil {
		return 0, nil, err
	}
	if raises = raised(b, before); raises != 0 && !mayRaise {
		return 0, fmt.Errorf("cannot ship %s to %s: it raises the rollback index to %d, and older builds will not start on phones that have run it; say that you want this with --raise-rollback-index", d.release, d.codename, raises), nil
	}
	return raises, nil, nil
}

// refused is the gate without what a human may allow.
func refused(tx *db.Tx, d device, channel string) (why, err error) {
	if d.build == "" {
		return said.New("verb", "gate-unbuilt", "Release", d.release, "Device", d.codename, "DeviceState", d.state, "Reason", d.reason), nil
	}
	b, err := catalog.BuildByID(tx, d.build)
	if err != nil {
		return nil, err
	}
	packages, err := catalog.PackagesTo(tx, d.build)
	if err != nil {
		return nil, err
	}
	before, err := shipped(tx, d.codename, d.release)
	if err != nil {
		return nil, err
	}
	if why := guard(d.codename, b, nil, packages); why != nil {
		return why, nil
	}
	// Against every build that a handset may run: one that was pulled still runs
	// on those that took it.
	for i := range before {
		if why := guard(d.codename, b, &before[i], packages); why != nil {
			return why, nil
		}
	}
	if !wire.OpenChannel(channel) {
		return nil, nil
	}
	rollouts, err := fleet.Of(tx, d.release)
	if err != nil {
		return nil, err
	}
	for _, r := range rollouts {
		if r.Device == d.codename && !wire.OpenChannel(r.Channel) && r.State == fleet.Halted {
			return said.New("verb", "gate-ring", "Release", d.release, "Device", d.codename, "Reason", r.Reason), nil
		}
	}
	return nil, nil
}
