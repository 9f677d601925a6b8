package fleet

import (
	"time"

	"github.com/fridayos/friday/internal/wire"
)

// Knows says whether a device has a build of that name that is shipped, or that a
// package starts from.
func (s *Snapshot) Knows(device, incremental string) bool {
	return s.known[[2]string{device, incremental}] != nil
}

// InTurn decides for a handset that tells no more than its build, its bucket and
// perhaps its region: what else an offer depends on is that build's. It is no
// offer if the build is not known. Its clients report nothing back, so that a
// package that fails there is not followed by another one: they get full ones
// alone, and no places in stages that count handsets.
func (s *Snapshot) InTurn(device, channel, incremental, region string, bucket int, now time.Time) Decision {
	b := s.known[[2]string{device, incremental}]
	if b == nil || !wire.OpenChannel(channel) {
		return Decision{Reason: "the handset's build is not known"}
	}
	c := wire.CheckIn{Device: device, Variant: b.Variant, Incremental: incremental, VBMetaDigest: b.VBMetaDigest, Timestamp: b.Timestamp, PatchLevel: b.PatchLevel, RollbackIndex: b.RollbackIndex,
		Channel: channel, Region: region, Bucket: bucket, Modified: true}
	var full []int64
	for {
		d := Decide(&c, nil, s, now, full...)
		if !d.NeedsPlace {
			return d
		}
		full = append(full, d.Rollout.ID)
	}
}

// States counts the rollouts that offers may come from, or that were withdrawn, by
// state; those behind a complete one are left out. One that is halted in some
// region counts as halted.
func (s *Snapshot) States() map[State]int {
	counts := map[State]int{}
	for _, lines := range s.lines {
		for _, l := range lines {
			state := l.rollout.State
			if len(l.rollout.Regions) > 0 && state != Pulled {
				state = Halted
			}
			counts[state]++
		}
	}
	return counts
}
