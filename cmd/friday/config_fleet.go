package main

import (
	"time"

	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/fridayos/friday/internal/wire"
)

// fleetConfig is "fleet" in friday.yaml: how this node answers handsets. Times
// are written as 5s, 10m or 6h; what is left out is what package updateapi does by
// itself.
type fleetConfig struct {
	Lease          string `yaml:"lease"`
	Flush          string `yaml:"flush"`
	CheckEvery     string `yaml:"check_every"`
	LineageChannel string `yaml:"lineage_channel"`

	lease, flush, checkEvery time.Duration
}

func (c *config) checkFleet(doc *strict.Document) {
	f := &c.Fleet
	for _, d := range []struct {
		key, text   string
		into        *time.Duration
		least, most time.Duration
	}{
		{"lease", f.Lease, &f.lease, 2 * time.Second, time.Hour}, // it is renewed every second
		{"flush", f.Flush, &f.flush, 100 * time.Millisecond, time.Minute},
		{"check_every", f.CheckEvery, &f.checkEvery, time.Minute, 7 * 24 * time.Hour},
	} {
		if d.text == "" {
			continue
		}
		var err error
		if *d.into, err = time.ParseDuration(d.text); err != nil || *d.into < d.least || *d.into > d.most {
			doc.Add("fleet."+d.key, "", "fleet.%s is %q, expected a time from %s to %s, such as 5s or 10m", d.key, d.text, d.least, d.most)
		}
	}
	if f.LineageChannel != "" && !wire.OpenChannel(f.LineageChannel) {
		doc.Add("fleet.lineage_channel", "", "fleet.lineage_channel is %q, expected weekly or stable: the others need a ticket", f.LineageChannel)
	}
}
