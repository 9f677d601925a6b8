package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/layering"
	"github.com/fridayos/friday/internal/rom/capacity"
	"github.com/fridayos/friday/internal/rom/change"
	"github.com/fridayos/friday/internal/rom/intake"
)

// stockMove is what a newer stock changes for the layers that lie on it.
type stockMove struct {
	From     string          `json:"from"`    // incremental of the stock before
	Commit   string          `json:"commit"`  // whose layers were looked at
	Changes  change.Changes  `json:"changes"` // of the vendor's
	Under    []change.Under  `json:"under"`   // those that meet a layer
	Problems osrepo.Problems `json:"problems"`
}

// stockMoved compares a stock with the one before it, under the layers that are
// committed. It returns nil where there is nothing to compare: no older stock, no
// repository, or no such device in it.
func (s *installation) stockMoved(before, stock catalog.Stock) (*stockMove, error) {
	if before.Index == stock.Index || before.Device == "" || stock.Timestamp < before.Timestamp {
		return nil, nil
	}
	repo, err := s.repository()
	if err != nil {
		return nil, nil // without a repository there are no layers
	}
	snapshot, err := repo.Load("HEAD")
	if err != nil {
		return nil, err
	}
	device := snapshot.Devices[stock.Device]
	if device == nil {
		return nil, nil
	}
	was, err := intake.View(s.blobs, before)
	if err != nil {
		return nil, err
	}
	is, err := intake.View(s.blobs, stock)
	if err != nil {
		return nil, err
	}
	m := &stockMove{From: before.Incremental, Commit: snapshot.Commit.Hash, Changes: change.Between(was, is), Under: []change.Under{}, Problems: osrepo.Problems{}}
	if plan, err := layering.Plan(snapshot, stock.Device, was); err == nil {
		m.Under = change.UnderLayers(plan, m.Changes)
	} else if !errors.As(err, new(osrepo.Problems)) {
		return nil, err
	}
	lacks, err := s.noRoom(device, stock)
	if err != nil {
		return nil, err
	}
	m.Under = append(m.Under, lacks...)
	if _, err := layering.Plan(snapshot, stock.Device, is); err != nil && !errors.As(err, &m.Problems) {
		return nil, err
	}
	return m, nil
}

// noRoom says which of the vendor's own images, or of the groups that they share, have
// more bytes than the phone has room for.
func (s *installation) noRoom(device *osrepo.Device, stock catalog.Stock) (out []change.Under, err error) {
	packed, err := intake.KnownPackaging(s.blobs, stock)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, p := range stock.Partitions {
		sizes[p.Name] = p.Size
	}
	for _, l := range capacity.Lacking(capacity.Bounds(device, packed, stock.Partitions), sizes) {
		out = append(out, change.Under{Layer: "devices/" + stock.Device + "/device.yaml", Where: l.What, Why: "the vendor's own images need " + l.Why})
	}
	return out, nil
}

func (m *stockMove) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\nSince %s the vendor changed %d files and %d properties.\n", m.From, len(m.Changes.Files), len(m.Changes.Properties))
	if len(m.Under) == 0 {
		b.WriteString("Your layers have a hand in none of them.\n")
	} else {
		fmt.Fprintf(&b, "Under your layers (commit %.12s; all of it with --json):\n", m.Commit)
		if err := change.Lines(&b, m.Under, 12); err != nil {
			return err
		}
	}
	if len(m.Problems) > 0 {
		fmt.Fprintf(&b, "The next build would stop at:\n%s\n", m.Problems)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
