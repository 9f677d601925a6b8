package imports

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Mapping says what labels, categories and tags mean here. Letters' case does not
// count. A label that is named like a part of the system or like a device's
// codename means that, unless the mapping says otherwise.
type Mapping struct {
	Kinds   map[string]string `yaml:"kinds"`   // label: bug, idea, question or talk; the first of these wins
	Parts   map[string]string `yaml:"parts"`   // label: an app or part of the system
	Devices map[string]string `yaml:"devices"` // label: a device's codename
	Skip    []string          `yaml:"skip"`    // threads with one of these labels stay behind
	Kind    string            `yaml:"kind"`    // of threads that no label tells
	Part    string            `yaml:"part"`    // of bugs and ideas that no label tells
	Lang    string            `yaml:"lang"`    // what all is written in; empty: not said
}

// ReadMapping reads a mapping in YAML over the defaults of a source.
func ReadMapping(file string, text []byte, defaults Mapping, devices []string) (Mapping, error) {
	var m Mapping
	var problems strict.Problems
	doc := strict.Decode(file, text, &m, &problems)
	if len(problems) == 0 {
		m.check(doc, devices)
	}
	if err := problems.Err(); err != nil {
		return Mapping{}, fmt.Errorf("cannot use mapping: %w", err)
	}
	return m.over(defaults), nil
}

func (m Mapping) check(doc *strict.Document, devices []string) {
	var kinds []string
	for _, k := range feedback.Kinds() {
		kinds = append(kinds, string(k))
	}
	values := func(key string, all map[string]string, known []string, what string) {
		for _, label := range slices.Sorted(maps.Keys(all)) {
			if v := all[label]; !slices.Contains(known, v) {
				doc.Add(strict.Join(key, label), strict.OneOf(v, known), "%q is no %s", v, what)
			}
		}
	}
	values("kinds", m.Kinds, kinds, "kind of thread")
	values("parts", m.Parts, feedback.Parts(), "part of the system")
	values("devices", m.Devices, devices, "device of the catalogue")
	if m.Kind != "" && !slices.Contains(kinds, m.Kind) {
		doc.Add("kind", strict.OneOf(m.Kind, kinds), "%q is no kind of thread", m.Kind)
	}
	if m.Part != "" && !slices.Contains(feedback.Parts(), m.Part) {
		doc.Add("part", strict.OneOf(m.Part, feedback.Parts()), "%q is no part of the system", m.Part)
	}
	if _, err := language.Parse(m.Lang); m.Lang != "" && err != nil {
		doc.Add("lang", "English is en, 中文 is zh", "%q is no language tag", m.Lang)
	}
}

// over is m with what it does not say from defaults.
func (m Mapping) over(defaults Mapping) Mapping {
	join := func(low, high map[string]string) map[string]string {
		out := map[string]string{}
		for _, one := range []map[string]string{low, high} {
			for label, v := range one {
				out[strings.ToLower(label)] = v
			}
		}
		return out
	}
	m.Kinds, m.Parts, m.Devices = join(defaults.Kinds, m.Kinds), join(defaults.Parts, m.Parts), join(defaults.Devices, m.Devices)
	if m.Kind == "" {
		m.Kind = defaults.Kind
	}
	if m.Part == "" {
		m.Part = defaults.Part
	}
	return m
}

// meaning is what a thread's labels come to.
type meaning struct {
	kind     feedback.Kind
	told     bool // by a label
	part     string
	devices  []string
	skip     string   // the label that leaves it behind
	unmapped []string // labels that mean nothing here
}

// read says what labels mean; devices are the catalogue's codenames. What has an
// answer is a question, unless a label tells otherwise.
func (m Mapping) read(labels, devices []string, answered bool) meaning {
	out := meaning{kind: feedback.Kind(m.Kind)}
	var kinds []feedback.Kind
	for _, label := range labels {
		key, known := strings.ToLower(label), false
		if slices.ContainsFunc(m.Skip, func(s string) bool { return strings.EqualFold(s, label) }) {
			out.skip, known = label, true
		}
		if k, ok := m.Kinds[key]; ok {
			kinds, known = append(kinds, feedback.Kind(k)), true
		}
		part, ok := m.Parts[key]
		if i := slices.IndexFunc(feedback.Parts(), func(p string) bool { return strings.EqualFold(p, label) }); !ok && i >= 0 {
			part, ok = feedback.Parts()[i], true
		}
		if ok {
			known = true
			if out.part == "" {
				out.part = part
			}
		}
		device, ok := m.Devices[key]
		if !ok && slices.Contains(devices, key) {
			device, ok = key, true
		}
		if ok {
			known = true
			if !slices.Contains(out.devices, device) && len(out.devices) < feedback.MaxDevices {
				out.devices = append(out.devices, device)
			}
		}
		if !known {
			out.unmapped = append(out.unmapped, label)
		}
	}
	for _, k := range feedback.Kinds() {
		if slices.Contains(kinds, k) {
			out.kind, out.told = k, true
			break
		}
	}
	if answered && !out.told {
		out.kind = feedback.Question
	}
	if !out.kind.Tracked() {
		out.devices = nil
	} else if out.part == "" {
		out.part = m.Part
	}
	return out
}
