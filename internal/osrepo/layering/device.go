package layering

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// device compares device.yaml with what the stock has.
func (p *planner) device() {
	d := p.plan.Device
	doc := d.Document()
	if p.view.Partitions == nil {
		return // not known
	}
	for _, name := range slices.Sorted(maps.Keys(d.Partitions)) {
		if !slices.Contains(p.view.Partitions, name) {
			p.problems.Add(doc.File, doc.KeyPos(strict.Join("partitions", name)), strict.OneOf(name, p.view.Partitions), "stock has no partition %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Firmware)) {
		if d.Firmware[name] == osrepo.Shipped && !slices.Contains(p.view.Partitions, name) {
			p.problems.Add(doc.File, doc.KeyPos(strict.Join("firmware", name)), strict.OneOf(name, p.view.Partitions), "stock has no partition %s to ship", name)
		}
	}
	for i, where := range d.Boot.UpdateCertificates {
		at := doc.Pos(fmt.Sprintf("boot.update_certificates[%d]", i))
		partition, file, _ := strings.Cut(where, ":")
		if !slices.Contains(p.view.Partitions, partition) {
			p.problems.Add(doc.File, at, strict.OneOf(partition, p.view.Partitions), "stock has no partition %s", partition)
			continue
		}
		if d.Left(partition) {
			p.problems.Add(doc.File, at, "", "partition %s is firmware that is copied; no build has it", partition)
			continue
		}
		if _, ok := p.view.Index.Lookup(partition, ""); !ok {
			continue // a boot image, whose files nobody listed
		}
		file = p.view.Path(partition, file)
		if e, ok := p.view.Index.Lookup(partition, file); !ok || e.Type != tree.Regular {
			p.problems.Add(doc.File, at, p.near(partition, file), "stock has no file %s to put the update certificate into", place(partition, file))
		}
	}
}
