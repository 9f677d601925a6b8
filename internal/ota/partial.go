package ota

import (
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// leaveOut makes a plan one of a partial update, where the phone has firmware that builds
// leave alone: its updater copies to the other slot what the payload lacks. It takes such
// a payload for an incremental one, and wants to know of each partition how old it is.
func (m *maker) leaveOut(plan *payload.Plan, to Side) error {
	if !m.Partial {
		return nil
	}
	plan.Partial = true
	plan.MinorVersion = max(plan.MinorVersion, osrepo.CopiesFrom)
	for i := range plan.Parts {
		part := &plan.Parts[i]
		v, err := versionOf(to.image(part.Name))
		if err != nil {
			return fmt.Errorf("partition %q: %w", part.Name, err)
		}
		part.Extra.Version, part.Extra.HasVersion = v, true
	}
	return nil
}

// versionOf is when a partition was built, as its build.prop says it: the updater compares
// it with that of the one that runs. It is empty for what does not say so, and for boot
// images, which then promise no kernel.
func versionOf(img *Image) (string, error) {
	if img.FS == "" {
		return "", nil
	}
	root, err := rootOf(img)
	if errors.Is(err, errNoFiles) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, p := range osrepo.PropPaths {
		n := root.Lookup(p)
		if n == nil || n.Type != tree.Regular {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(n.Open(), buildprop.MaxSize))
		if err != nil {
			return "", fmt.Errorf("%s: %w", p, err)
		}
		props, err := buildprop.Parse(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", p, err)
		}
		v, _ := props.Get("ro." + img.Partition + ".build.date.utc")
		return v, nil
	}
	return "", nil
}

// compareVersions says in what a partial update is none that a phone would take.
func compareVersions(m *payload.Manifest, to Side) error {
	if m.MinorVersion < osrepo.CopiesFrom {
		return fmt.Errorf("the payload is a partial update of minor version %d, expected at least %d", m.MinorVersion, osrepo.CopiesFrom)
	}
	for i := range to.Images {
		img := &to.Images[i]
		want, err := versionOf(img)
		if err != nil {
			return fmt.Errorf("partition %q: %w", img.Partition, err)
		}
		if p := m.Partition(img.Partition); p != nil && (!p.HasVersion || p.Version != want) {
			return fmt.Errorf("partition %q: the payload says version %q, expected %q", img.Partition, p.Version, want)
		}
	}
	return nil
}
