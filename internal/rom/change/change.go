// Package change says what differs between two systems, file by file: two builds,
// or a stock and the one that a vendor published after it. It compares listings
// (tree.Index) and properties, not images; it reads nothing and knows no layers
// but those that Under is given.
package change

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/fsconfig"
)

// Kind is what became of a path.
type Kind string

const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
	Moved   Kind = "moved" // the same content, once, under another path
)

// File is one path that differs.
type File struct {
	Partition string `json:"partition"`
	Path      string `json:"path"`
	Kind      Kind   `json:"kind"`
	From      string `json:"from,omitempty"` // where it was, if it moved
	Size      int64  `json:"size"`           // bytes that it has now, or had
	Was       int64  `json:"was"`            // bytes that it had, if it changed
	// What changed: "content", "type", "target", "mode 0644 -> 0755", "owner …",
	// "label …", "capabilities …"; nil unless Kind is Changed.
	What []string `json:"what,omitempty"`
}

// Property is one property that differs.
type Property struct {
	Partition string `json:"partition"`
	Key       string `json:"key"`
	Kind      Kind   `json:"kind"`
	Was       string `json:"was,omitempty"`
	Is        string `json:"is,omitempty"`
}

// Changes are all differences, sorted by partition and path.
type Changes struct {
	Files      []File     `json:"files"`
	Properties []Property `json:"properties"`
	Apps       []App      `json:"apps"`
}

// App is an app whose version or signer differs, by its package.
type App struct {
	Package string `json:"package"`
	Kind    Kind   `json:"kind"`
	Was     string `json:"was,omitempty"` // "192 (8.0.10)"
	Is      string `json:"is,omitempty"`
	// Signer says that it is signed by another key.
	Signer bool `json:"signer,omitempty"`
	// Asks and Dropped are the permissions that it asks for now and did not, and those
	// that it asked for.
	Asks    []string `json:"asks,omitempty"`
	Dropped []string `json:"dropped,omitempty"`
}

// Between compares two systems. build.prop files are told by their properties, not
// as files.
func Between(was, is osrepo.View) Changes {
	c := Changes{Files: []File{}, Properties: []Property{}, Apps: apps(was.Apps, is.Apps)}
	i, j, a, b := 0, 0, was.Index.Files, is.Index.Files
	capable := slices.ContainsFunc(a, hasCapability) && slices.ContainsFunc(b, hasCapability)
	for i < len(a) || j < len(b) {
		switch {
		case j == len(b) || i < len(a) && before(a[i], b[j]):
			c.Files = append(c.Files, file(a[i], Removed))
			i++
		case i == len(a) || before(b[j], a[i]):
			c.Files = append(c.Files, file(b[j], Added))
			j++
		default:
			if what := differences(a[i], b[j], capable); len(what) > 0 && !isProps(was, is, b[j]) {
				f := file(b[j], Changed)
				f.Was, f.What = a[i].Size, what
				c.Files = append(c.Files, f)
			}
			i, j = i+1, j+1
		}
	}
	c.moved(was.Index, is.Index)
	c.properties(was, is)
	return c
}

func before(a, b tree.IndexEntry) bool {
	return cmp.Or(strings.Compare(a.Partition, b.Partition), strings.Compare(a.Path, b.Path)) < 0
}

func file(e tree.IndexEntry, k Kind) File {
	return File{Partition: e.Partition, Path: e.Path, Kind: k, Size: e.Size}
}

func isProps(was, is osrepo.View, e tree.IndexEntry) bool {
	return e.Path == was.Props[e.Partition].Path && e.Path == is.Props[e.Partition].Path
}

// hasCapability: a system without any is one whose listing does not say.
func hasCapability(e tree.IndexEntry) bool { return e.Capability != "" }

func differences(a, b tree.IndexEntry, capable bool) (what []string) {
	if a.Type != b.Type {
		return []string{fmt.Sprintf("type %s -> %s", a.Type, b.Type)}
	}
	if a.Digest != b.Digest || a.Size != b.Size {
		what = append(what, "content")
	}
	if a.Target != b.Target {
		what = append(what, fmt.Sprintf("target %s -> %s", a.Target, b.Target))
	}
	if a.Perm != b.Perm {
		what = append(what, fmt.Sprintf("mode %04o -> %04o", a.Perm, b.Perm))
	}
	if a.UID != b.UID || a.GID != b.GID {
		what = append(what, fmt.Sprintf("owner %d:%d -> %d:%d", a.UID, a.GID, b.UID, b.GID))
	}
	if a.Label != b.Label {
		what = append(what, fmt.Sprintf("label %s -> %s", a.Label, b.Label))
	}
	if capable && a.Capability != b.Capability {
		what = append(what, fmt.Sprintf("capabilities %s -> %s", capabilities(a), capabilities(b)))
	}
	return what
}

// capabilities are told by their names, or by the value where it cannot be read.
func capabilities(e tree.IndexEntry) string {
	value, err := hex.DecodeString(e.Capability)
	names, ok := fsconfig.DecodeCapabilities(value)
	switch {
	case e.Capability == "":
		return "none"
	case err != nil || !ok:
		return e.Capability
	}
	return strings.Join(names, "+")
}

// moved makes one entry of a removed and an added path with the same content, if
// no other of either has it.
func (c *Changes) moved(was, is *tree.Index) {
	gone, come := map[string][]int{}, map[string][]int{}
	for i, f := range c.Files {
		ix, into := is, come
		if f.Kind == Removed {
			ix, into = was, gone
		} else if f.Kind != Added {
			continue
		}
		if e, ok := ix.Lookup(f.Partition, f.Path); ok && e.Type == tree.Regular && e.Size > 0 && e.Digest != "" {
			into[e.Digest] = append(into[e.Digest], i)
		}
	}
	drop := map[int]bool{}
	for digest, from := range gone {
		if to := come[digest]; len(from) == 1 && len(to) == 1 {
			f := &c.Files[to[0]]
			f.Kind, f.From = Moved, c.Files[from[0]].Partition+":"+c.Files[from[0]].Path
			drop[from[0]] = true
		}
	}
	kept := c.Files[:0]
	for i, f := range c.Files {
		if !drop[i] {
			kept = append(kept, f)
		}
	}
	c.Files = kept
}

// apps compares the apps of two systems by their packages.
func apps(was, is []osrepo.StockApp) []App {
	by := func(list []osrepo.StockApp) map[string]osrepo.StockApp {
		m := map[string]osrepo.StockApp{}
		for _, a := range list {
			m[a.Package] = a
		}
		return m
	}
	a, b := by(was), by(is)
	asking := slices.ContainsFunc(was, asks) && slices.ContainsFunc(is, asks)
	out := []App{}
	for _, pkg := range slices.Sorted(maps.Keys(a)) {
		old, now := a[pkg], b[pkg]
		switch {
		case now.Package == "":
			out = append(out, App{Package: pkg, Kind: Removed, Was: version(old)})
		default:
			one := App{Package: pkg, Kind: Changed, Was: version(old), Is: version(now), Signer: now.Signer != old.Signer}
			if asking {
				one.Asks, one.Dropped = without(now.Uses, old.Uses), without(old.Uses, now.Uses)
			}
			if one.Was != one.Is || one.Signer || len(one.Asks)+len(one.Dropped) > 0 {
				out = append(out, one)
			}
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[pkg]; !ok {
			out = append(out, App{Package: pkg, Kind: Added, Is: version(b[pkg])})
		}
	}
	return out
}

// asks: a system of whose apps none asks for anything is one whose listing does not say.
func asks(a osrepo.StockApp) bool { return len(a.Uses) > 0 }

// without are the words of a list that another does not have, each once, sorted.
func without(list, other []string) (out []string) {
	for _, w := range list {
		if !slices.Contains(other, w) {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func version(a osrepo.StockApp) string {
	if a.VersionName == "" {
		return fmt.Sprint(a.VersionCode)
	}
	return fmt.Sprintf("%d (%s)", a.VersionCode, a.VersionName)
}

func (c *Changes) properties(was, is osrepo.View) {
	partitions := map[string]bool{}
	for p := range was.Props {
		partitions[p] = true
	}
	for p := range is.Props {
		partitions[p] = true
	}
	for _, p := range slices.Sorted(maps.Keys(partitions)) {
		a, b := values(was.Props[p]), values(is.Props[p])
		for _, key := range slices.Sorted(maps.Keys(a)) {
			if now, ok := b[key]; !ok {
				c.Properties = append(c.Properties, Property{p, key, Removed, a[key], ""})
			} else if now != a[key] {
				c.Properties = append(c.Properties, Property{p, key, Changed, a[key], now})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(b)) {
			if _, ok := a[key]; !ok {
				c.Properties = append(c.Properties, Property{p, key, Added, "", b[key]})
			}
		}
	}
}

// values are the properties of a file; one that cannot be read has none.
func values(f osrepo.PropFile) map[string]string {
	out := map[string]string{}
	props, err := buildprop.Parse(f.Text)
	if err != nil {
		return out
	}
	for _, k := range props.Keys() {
		out[k], _ = props.Get(k)
	}
	return out
}

// Under is what a newer stock changed beneath a layer.
type Under struct {
	Layer string `json:"layer"`
	Where string `json:"where"` // "system:system/app/MSA", or "system: ro.vendor.ads"
	// Why a person should look: "the layer replaces it, and the vendor changed it".
	Why string `json:"why"`
}

// UnderLayers says which changes of the vendor's meet something that a layer does.
// plan is that of the layers against the old stock.
func UnderLayers(plan *osrepo.Plan, c Changes) []Under {
	files := map[string]File{}
	for _, f := range c.Files {
		files[f.Partition+":"+f.Path] = f
		if f.Kind == Moved {
			files[f.From] = File{Kind: Removed, From: f.Partition + ":" + f.Path} // to where it is now
		}
	}
	out := []Under{}
	for _, w := range plan.Placed {
		name := w.Partition + ":" + w.Path
		switch f, ok := files[name]; {
		case !ok || w.Type == tree.Directory:
		case f.Kind == Changed && w.Replaces && slices.Contains(f.What, "content"):
			out = append(out, Under{w.Layer, name, "the layer replaces it, and the vendor changed its content"})
		case f.Kind == Changed && w.Replaces:
			out = append(out, Under{w.Layer, name, "the layer replaces it, and the vendor changed " + strings.Join(f.What, ", ")})
		case f.Kind == Removed && w.Replaces:
			out = append(out, Under{w.Layer, name, "the layer replaces it, and the vendor " + gone(f)})
		case f.Kind == Added || f.Kind == Moved:
			out = append(out, Under{w.Layer, name, "the layer adds it, and the vendor now has one too"})
		}
	}
	out = append(out, removals(plan, c, files)...)
	out = append(out, propertiesUnder(plan, c)...)
	slices.SortStableFunc(out, func(a, b Under) int {
		return cmp.Or(strings.Compare(a.Layer, b.Layer), strings.Compare(a.Where, b.Where))
	})
	return out
}

// gone says what became of a path that is no longer there.
func gone(f File) string {
	if f.From != "" {
		return "moved it to " + f.From
	}
	return "no longer has it"
}

// removals: what a layer takes away has gone, has changed, or has got company.
func removals(plan *osrepo.Plan, c Changes, files map[string]File) (out []Under) {
	folders := map[string]string{} // of what is removed, to the layer
	for _, r := range plan.Removed {
		name := r.Partition + ":" + r.Path
		folders[name] = r.Layer
		switch f, ok := files[name]; {
		case !ok:
		case f.Kind == Removed:
			out = append(out, Under{r.Layer, name, "the layer removes it, and the vendor " + gone(f)})
		case f.Kind == Changed && slices.Contains(f.What, "content"):
			out = append(out, Under{r.Layer, name, "the layer removes it, and the vendor changed it"})
		}
	}
	for _, f := range c.Files {
		if f.Kind != Added && f.Kind != Moved {
			continue
		}
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if layer, ok := folders[f.Partition+":"+dir]; ok {
				out = append(out, Under{layer, f.Partition + ":" + f.Path, "it is new in a folder that the layer removes"})
				break
			}
		}
	}
	return out
}

// setIn is the partition in whose build.prop a property is new that another lost.
func (c Changes) setIn(lost Property) string {
	for _, p := range c.Properties {
		if p.Key == lost.Key && p.Kind == Added {
			return p.Partition
		}
	}
	return ""
}

func propertiesUnder(plan *osrepo.Plan, c Changes) (out []Under) {
	for _, p := range c.Properties {
		for _, e := range plan.Props {
			if e.Partition != p.Partition || e.Key != p.Key {
				continue
			}
			why := fmt.Sprintf("the layer has a hand in it (%s), and the vendor changed it from %q to %q", e.Op, p.Was, p.Is)
			switch p.Kind {
			case Removed:
				why = fmt.Sprintf("the layer has a hand in it (%s), and the vendor no longer sets it", e.Op)
				if to := c.setIn(p); to != "" {
					why = fmt.Sprintf("the layer has a hand in it (%s), and the vendor moved it to the build.prop of %s", e.Op, to)
				}
			case Added:
				why = fmt.Sprintf("the layer has a hand in it (%s), and the vendor now sets it to %q", e.Op, p.Is)
			}
			out = append(out, Under{e.Layer, p.Partition + ": " + p.Key, why})
		}
	}
	return out
}
