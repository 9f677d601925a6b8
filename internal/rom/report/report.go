// Package report is what a build says of itself: which layer owns each path, what became
// of each partition and who vouches for it, which apps layers bring, and what installing
// it does to a phone's data. It is kept with the build, as JSON; it decides nothing.
package report

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
)

// Owners that are no layer.
const (
	Stock  = "stock"
	Friday = "friday"
)

// Report says what a build is made of. Paths are written "partition:path".
type Report struct {
	Device  string `json:"device"`
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Stock   string `json:"stock"` // incremental of the firmware underneath
	// Owners names the layer that wrote each path, Stock or Friday.
	Owners     map[string]string   `json:"owners"`
	Removed    map[string]string   `json:"removed"`    // path to layer
	Properties map[string]string   `json:"properties"` // "system:ro.build.date" to layer
	Partitions []Partition         `json:"partitions"`
	Apps       []osrepo.PlannedApp `json:"apps"` // that layers bring
	Wipes      []Wipe              `json:"wipes"`
}

// Partition says what became of one partition.
type Partition struct {
	Name    string `json:"name"`
	Rebuilt bool   `json:"rebuilt"` // false: the stock's image, byte for byte
	// VerifiedBy is Friday for what our vbmeta, our signature or our verity table
	// vouches for, Stock where the vendor's own signature still does, "" where nothing
	// checks it.
	VerifiedBy string `json:"verified_by,omitempty"`
	Why        string `json:"why,omitempty"`
	// Layout is the digest of the map of where its files lie, Over that of the map it
	// keeps to, of the build before.
	Layout string `json:"layout,omitempty"`
	Over   string `json:"over,omitempty"`
	// Otherwise says what the stock's image has and this one cannot have.
	Otherwise []string `json:"otherwise,omitempty"`
}

// Wipe is a way of installing the build, and whether the phone loses its data.
type Wipe struct {
	From  string `json:"from"`
	Wipes bool   `json:"wipes"`
	Why   string `json:"why"`
}

// Save puts the report into the store as JSON.
func (r *Report) Save(ctx context.Context, blobs *blob.Store) (blob.Digest, error) {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return blob.Digest{}, err
	}
	ref, err := blobs.Put(ctx, bytes.NewReader(append(text, '\n')))
	return ref.Digest, err
}

// maxReport bounds what ReadReport holds: a million paths.
const maxReport = 256 << 20

// Read returns the report that was kept with a build.
func Read(blobs *blob.Store, b catalog.Build) (*Report, error) {
	text, err := blobs.Bytes(b.Report, maxReport)
	if err != nil {
		return nil, fmt.Errorf("cannot read the report of %s %s: %w", b.Device, b.Version, err)
	}
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("cannot read the report of %s %s: %w", b.Device, b.Version, err)
	}
	return r, nil
}

// Text writes the report for people: what differs from stock, by owner.
func (r *Report) Text(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s: commit %.12s over stock %s\n", r.Device, r.Version, r.Commit, r.Stock)
	of := map[string][]string{}
	stock := 0
	for path, owner := range r.Owners {
		if owner == Stock {
			stock++
			continue
		}
		of[owner] = append(of[owner], "  + "+path)
	}
	for path, owner := range r.Removed {
		of[owner] = append(of[owner], "  - "+path)
	}
	for key, owner := range r.Properties {
		of[owner] = append(of[owner], "  = "+key)
	}
	for _, owner := range slices.Sorted(maps.Keys(of)) {
		slices.Sort(of[owner])
		fmt.Fprintf(&out, "%s\n%s\n", owner, strings.Join(of[owner], "\n"))
	}
	fmt.Fprintf(&out, "stock owns the other %d paths\n", stock)
	for _, p := range r.Partitions {
		what := "stock's image"
		if p.Rebuilt {
			what = "rebuilt"
		}
		fmt.Fprintf(&out, "partition %s: %s, verified by %s; %s\n", p.Name, what, orNobody(p.VerifiedBy), p.Why)
		for _, o := range p.Otherwise {
			fmt.Fprintf(&out, "partition %s: %s\n", p.Name, o)
		}
	}
	for _, a := range r.Apps {
		signed := "not signed"
		if a.Signer != "" {
			signed = fmt.Sprintf("signed by %.16s… (scheme %d)", a.Signer, a.Scheme)
		}
		what := "app"
		if a.Overlay != "" {
			what, signed = "overlay", "over "+a.Overlay+", "+signed
		}
		fmt.Fprintf(&out, "%s %s: %s %d %s, %s\n", what, a.Partition+":"+a.Path, a.Package, a.VersionCode, a.VersionName, signed)
	}
	for _, v := range r.Wipes {
		does := "keeps the data"
		if v.Wipes {
			does = "WIPES the phone"
		}
		fmt.Fprintf(&out, "from %s: %s: %s\n", v.From, does, v.Why)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func orNobody(s string) string {
	if s == "" {
		return "nobody"
	}
	return s
}
