package handset

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
)

// TestPartial: of a partial update the phone wants versions, which do not fall, and a
// minor version as of an incremental one; a phone that knows none reads past the word.
func TestPartial(t *testing.T) {
	m, one, two := ours(t), week(1), week(2)
	knows := customKey
	knows.PayloadMinor = 7
	first, second := m.build(t, one), m.build(t, two)
	versions := func(system string, has bool) func(*otazip.Metadata, *payload.Plan) {
		return func(_ *otazip.Metadata, p *payload.Plan) {
			p.Partial, p.MinorVersion = true, 7
			for i := range p.Parts {
				p.Parts[i].Extra.HasVersion = has || p.Parts[i].Name != "system"
				if p.Parts[i].Name == "system" {
					p.Parts[i].Extra.Version = system
				}
			}
		}
	}
	for name, c := range map[string]struct {
		edit func(*otazip.Metadata, *payload.Plan)
		want string
	}{
		"good":              {versions("1791209600", true), ""},
		"the same":          {versions("1790604800", true), ""},
		"older":             {versions("1790604799", true), "cannot apply payload: partition system was built at 1790604799, the running one at 1790604800: older"},
		"no number":         {versions("yesterday", true), "cannot apply payload: partition system: "},
		"no version":        {versions("", false), "cannot apply payload: partition system has no version, which a partial update must say"},
		"for a full one":    {func(_ *otazip.Metadata, p *payload.Plan) { p.Partial = true }, "cannot apply payload: a partial update has minor version 0, update_engine takes it for incremental and expects 2 or more"},
		"older, no partial": {func(_ *otazip.Metadata, p *payload.Plan) { p.Parts[1].Extra.Version = "1790604799" }, "cannot apply payload: partition system was built at 1790604799"},
	} {
		t.Run(name, func(t *testing.T) {
			p := m.phone(t, knows, first)
			_, err := p.Sideload(t.Context(), m.pack(t, nil, spec{}, second, two, c.edit))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Fatalf("%v, expected %q", err, c.want)
			}
			if started := must(p.Boot(t.Context()))(t); (started.Slot == "b") != (c.want == "") {
				t.Errorf("afterwards runs %+v", started)
			}
		})
	}
	t.Run("an older phone", func(t *testing.T) {
		p := m.phone(t, customKey, first)
		if _, err := p.Sideload(t.Context(), m.pack(t, nil, spec{}, second, two, versions("1791209600", true))); err == nil || !strings.Contains(err.Error(), "minor version is 7, this phone takes up to 6") {
			t.Error(err)
		}
		if _, err := p.Sideload(t.Context(), m.pack(t, nil, spec{}, second, two, func(_ *otazip.Metadata, p *payload.Plan) { p.Partial = true })); err != nil {
			t.Errorf("it reads past the word: %v", err)
		}
	})
}
