package handset

import (
	"fmt"
	"slices"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
)

// refusal is a package that this phone will not take: asking for it again
// would end the same way.
type refusal struct {
	stage string // download, verify, apply, boot
	code  string // one word for statistics
	err   error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(stage, code, format string, args ...any) error {
	return &refusal{stage, code, fmt.Errorf(format, args...)}
}

// checkMetadata is what an updater or recovery compares before it hands a
// package to update_engine. strict adds the agent's own rule on patch levels,
// which the phone itself lacks.
func checkMetadata(m otazip.Metadata, device string, running System, strict bool) error {
	switch {
	case m.OTAType != "AB":
		return refuse("verify", "type", "cannot install package: ota-type is %q, expected \"AB\"", m.OTAType)
	case !slices.Contains(m.PreDevice, device):
		return refuse("verify", "device", "cannot install package: it is for device %q, this is %q", m.PreDevice, device)
	case m.PostTimestamp < running.Timestamp:
		return refuse("verify", "timestamp", "cannot install package: it was built at %d, the running system at %d: older", m.PostTimestamp, running.Timestamp)
	case m.PreBuildIncremental != "" && m.PreBuildIncremental != running.Incremental:
		return refuse("verify", "source", "cannot install package: it starts from build %q, running is %q", m.PreBuildIncremental, running.Incremental)
	case strict && m.PostSecurityPatch < running.PatchLevel:
		return refuse("verify", "patch_level", "cannot install package: its security patch level is %q, the running system's is %q: older, and installing it would erase your data", m.PostSecurityPatch, running.PatchLevel)
	}
	return nil
}

// checkManifest is what update_engine compares before it writes a block.
func checkManifest(m *payload.Manifest, running System, maxMinor int, exists func(partition string) bool) error {
	if m.MinorVersion != 0 && int(m.MinorVersion) > maxMinor {
		return refuse("verify", "minor", "cannot apply payload: minor version is %d, this phone takes up to %d", m.MinorVersion, maxMinor)
	}
	if m.MaxTimestamp < running.Timestamp {
		return refuse("verify", "timestamp", "cannot apply payload: max_timestamp is %d, the running system's is %d: older", m.MaxTimestamp, running.Timestamp)
	}
	if partial(m, maxMinor) && m.MinorVersion < 2 {
		return refuse("verify", "minor", "cannot apply payload: a partial update has minor version %d, update_engine takes it for incremental and expects 2 or more", m.MinorVersion)
	}
	if len(m.Partitions) == 0 {
		return refuse("verify", "manifest", "cannot apply payload: it holds no partition")
	}
	for i := range m.Partitions {
		if name := m.Partitions[i].Name; !bootprofile.IsPartition(name) || !exists(name) {
			return refuse("verify", "partition", "cannot apply payload: this phone has no partition %q", name)
		}
	}
	return nil
}
