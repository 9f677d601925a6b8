package handset

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// partialFrom is the minor version since which update_engine knows partial updates;
// before, it reads past the word.
const partialFrom = 7

// partial says whether the phone takes a payload for a partial update: then it copies to
// the other slot what the payload lacks, and else leaves there what is there.
func partial(m *payload.Manifest, maxMinor int) bool { return m.Partial && maxMinor >= partialFrom }

// checkVersions is what update_engine compares of each partition: when it was built with
// when that of the running system was. A partial update must say so of each of which the
// phone knows it.
func (p *Phone) checkVersions(m *payload.Manifest, slot string) error {
	for i := range m.Partitions {
		part := &m.Partitions[i]
		running, err := p.partitionVersion(slot, part.Name)
		if err != nil {
			return err
		}
		if running != "" && !part.HasVersion && partial(m, p.id.Profile.PayloadMinor) {
			return refuse("verify", "version", "cannot apply payload: partition %s has no version, which a partial update must say", part.Name)
		}
		if part.Name == "boot" || running == "" || part.Version == "" {
			continue // a kernel whose version is not promised, or nothing to compare
		}
		was, err1 := strconv.ParseInt(running, 10, 64)
		is, err2 := strconv.ParseInt(part.Version, 10, 64)
		if err := cmp.Or(err1, err2); err != nil {
			return refuse("verify", "version", "cannot apply payload: partition %s: %w", part.Name, err)
		}
		if is < was {
			return refuse("verify", "timestamp", "cannot apply payload: partition %s was built at %d, the running one at %d: older", part.Name, is, was)
		}
	}
	return nil
}

// partitionVersion is what the running system says of when a partition was built; of the
// boot image its kernel's name. It is "" for what says nothing.
func (p *Phone) partitionVersion(slot, partition string) (version string, err error) {
	if partition == "boot" {
		return "a kernel", nil
	}
	if kind, err := p.holdsFiles(slot, partition); err != nil || !kind {
		return "", err
	}
	err = p.withTree(slot, partition, func(root *tree.Node) error {
		for _, name := range []string{"system/build.prop", "build.prop", "etc/build.prop"} {
			if n := root.Lookup(name); n == nil || n.Type != tree.Regular {
				continue
			}
			text, err := content(root, name, buildprop.MaxSize)
			if err != nil {
				return err
			}
			props, err := buildprop.Parse(text)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			version, _ = props.Get("ro." + partition + ".build.date.utc")
			return nil
		}
		return nil
	})
	return version, err
}

// holdsFiles says whether a partition has a file system that is known, by its magic.
func (p *Phone) holdsFiles(slot, partition string) (bool, error) {
	f, err := p.open(slot, partition)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var b [62]byte
	if _, err := f.ReadAt(b[:], 1024); err != nil {
		return false, nil // smaller than any
	}
	return binary.LittleEndian.Uint32(b[:]) == 0xe0f5e1e2 || binary.LittleEndian.Uint16(b[56:]) == 0xef53, nil
}
