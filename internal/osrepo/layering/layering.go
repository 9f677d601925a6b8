// Package layering resolves the layers of a device against the listing of a
// stock's files, into a plan of which paths come, change and go.
//
// It looks at no image and writes none (package rom does):
//
//   - Removals come first, then what is added, then properties.
//   - What is removed is a path with all below it, or a glob. The folder that
//     held it stays, even if it is empty now.
//   - An added file that replaces one of stock keeps its mode, owner, label and
//     capabilities. A new one gets mode and owner as AOSP's fs_config has them
//     for its place, 0755 where git marks it executable, and the label that its
//     neighbours of the same type have most often. Rules overrule both.
//   - Folders that lack are made. A file named .gitkeep only makes its folder.
//   - Two layers never write one path, nor set one property, unless the later one
//     says that it is laid over the other.
//   - Where the partition system is no root folder, as before Android 9, a path in
//     it that begins with "system/" is one of the running phone.
package layering

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/fsconfig"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Plan resolves the layers of a device against a stock. The error is of type
// osrepo.Problems where the repository is to blame.
func Plan(s *osrepo.Snapshot, codename string, v osrepo.View) (*osrepo.Plan, error) {
	d := s.Devices[codename]
	if d == nil {
		names := slices.Collect(maps.Keys(s.Devices))
		return nil, osrepo.Problems{{File: "devices/" + codename + "/device.yaml", Message: "the file is not committed", Hint: strict.OneOf(codename, names)}}
	}
	p := &planner{
		view: v, plan: &osrepo.Plan{OS: s.OS, Device: d},
		labels:  fsconfig.NewLabels(v.Index),
		removed: map[string]osrepo.Removed{}, placed: map[string]claim{}, set: map[string]claim{}, ramdisks: map[string]bool{}, extended: map[string]*osrepo.Layer{},
	}
	all := slices.Concat(s.OS.Layers, d.Layers)
	for _, name := range all {
		p.plan.Layers = append(p.plan.Layers, s.Layers[name])
	}
	for _, l := range p.plan.Layers {
		p.needs(l, all)
	}
	for _, l := range p.plan.Layers {
		p.removals(l)
	}
	for _, l := range p.plan.Layers {
		p.additions(l)
		p.special(l)
		p.apps(l)
		p.overlays(l)
	}
	for _, l := range p.plan.Layers {
		p.properties(l)
	}
	p.addedApps()
	p.granted()
	p.staleCode()
	p.whole()
	p.resources()
	p.device()
	if err := p.problems.Err(); err != nil {
		return nil, err
	}
	for _, r := range p.removed {
		p.plan.Removed = append(p.plan.Removed, r)
	}
	slices.SortFunc(p.plan.Removed, func(a, b osrepo.Removed) int {
		return cmp.Or(strings.Compare(a.Partition, b.Partition), strings.Compare(a.Path, b.Path))
	})
	for name, c := range p.placed {
		if !p.ramdisks[name] {
			p.plan.Placed = append(p.plan.Placed, c.placed)
		}
	}
	slices.SortFunc(p.plan.Placed, func(a, b osrepo.Placed) int {
		return cmp.Or(strings.Compare(a.Partition, b.Partition), strings.Compare(a.Path, b.Path))
	})
	return p.plan, nil
}

// claim says who writes a path or sets a property, and where that is said.
type claim struct {
	layer  *osrepo.Layer
	at     string // path in the layer's document
	placed osrepo.Placed
}

type planner struct {
	view     osrepo.View
	plan     *osrepo.Plan
	labels   *fsconfig.Labels
	removed  map[string]osrepo.Removed
	placed   map[string]claim
	set      map[string]claim
	ramdisks map[string]bool          // the names in placed that are of ramdisks
	extended map[string]*osrepo.Layer // files of stock that a layer adds to
	brought  []broughtApp
	laid     []laidOverlay
	problems osrepo.Problems
}

func place(partition, p string) string { return partition + ":" + p }

func (p *planner) complain(l *osrepo.Layer, at, hint, format string, args ...any) {
	p.problems.Add(l.Document().File, l.Document().Pos(at), hint, format, args...)
}

// partition says whether stock has one with files, and complains if not.
func (p *planner) partition(l *osrepo.Layer, at, name string) bool {
	if p.plan.Device.Left(name) {
		p.complain(l, at, "", "partition %s is firmware that devices/%s/device.yaml leaves to the phone; no build has it", name, p.plan.Device.Codename)
		return false
	}
	if _, ok := p.view.Index.Lookup(name, ""); ok {
		return true
	}
	names := map[string]bool{}
	for _, e := range p.view.Index.Files {
		names[e.Partition] = true
	}
	p.complain(l, at, strict.OneOf(name, slices.Collect(maps.Keys(names))), "stock has no partition %q with files", name)
	return false
}

func (p *planner) removals(l *osrepo.Layer) {
	for i, r := range l.Remove {
		at := fmt.Sprintf("remove[%d]", i)
		partition, pattern, err := osrepo.SplitPlace(r)
		if err != nil || !p.partition(l, at, partition) {
			continue
		}
		pattern = p.view.Path(partition, pattern)
		found := p.view.Index.Glob(partition, pattern)
		if e, ok := p.view.Index.Lookup(partition, pattern); ok {
			found = []tree.IndexEntry{e} // a name that looks like a pattern
		}
		if len(found) == 0 {
			p.complain(l, at, p.near(partition, pattern), "stock has no %s", place(partition, pattern))
		}
		for _, e := range found {
			for _, e := range append([]tree.IndexEntry{e}, p.view.Index.Below(partition, e.Path)...) {
				if e.Path == "" {
					continue
				}
				if e.Type != tree.Directory && slices.Contains(osrepo.PropPaths, e.Path) {
					p.complain(l, at, "", "%s cannot be removed: Friday's own properties go there", place(partition, e.Path))
				}
				if _, ok := p.removed[place(partition, e.Path)]; !ok {
					p.removed[place(partition, e.Path)] = osrepo.Removed{Layer: l.Name, Partition: partition, Path: e.Path}
				}
			}
		}
	}
}

// near proposes a path that stock has: the same name elsewhere, or one like it
// in the same folder.
func (p *planner) near(partition, missing string) string {
	if strings.ContainsAny(missing, "*?[") {
		return ""
	}
	dir, base := path.Split(missing)
	var beside []string
	for _, e := range p.view.Index.Files {
		if e.Partition != partition {
			continue
		}
		if path.Base(e.Path) == base {
			return fmt.Sprintf("did you mean %q?", place(partition, e.Path))
		}
		if d, b := path.Split(e.Path); d == dir {
			beside = append(beside, b)
		}
	}
	if n := strict.Nearest(base, beside); n != "" {
		return fmt.Sprintf("did you mean %q?", place(partition, dir+n))
	}
	return ""
}

func (p *planner) additions(l *osrepo.Layer) {
	for i := range l.Add {
		a, at := &l.Add[i], fmt.Sprintf("add[%d]", i)
		partition, to, err := osrepo.SplitPlace(a.To)
		if err != nil || !p.partition(l, at+".to", partition) {
			continue
		}
		to = p.view.Path(partition, to)
		used := make([]bool, len(a.Rules))
		root := path.Join("layers", l.Name, a.From)
		for _, f := range l.Under(a.From) {
			rest := strings.TrimPrefix(strings.TrimPrefix(f.Path, root), "/")
			target := path.Join(to, rest)
			if path.Base(target) == ".gitkeep" {
				target = path.Dir(target)
				p.write(l, at, a, used, osrepo.Placed{Partition: partition, Path: target, Type: tree.Directory})
				continue
			}
			t := tree.Regular
			if f.Symlink {
				t = tree.Symlink
			}
			p.write(l, at, a, used, osrepo.Placed{Partition: partition, Path: target, Type: t, File: f})
		}
		for j, u := range used {
			if r := a.Rules[j]; !u {
				p.complain(l, fmt.Sprintf("%s.rules[%d].path", at, j), "", "the rule %q matches nothing that is added here", r.Path)
			}
		}
	}
}

// stock looks a path up as the removals leave it.
func (p *planner) stock(partition, name string) (tree.IndexEntry, bool) {
	if _, gone := p.removed[place(partition, name)]; gone {
		return tree.IndexEntry{}, false
	}
	return p.view.Index.Lookup(partition, name)
}

// write claims a path for a layer, and the folders above that lack.
func (p *planner) write(l *osrepo.Layer, at string, a *osrepo.Add, used []bool, w osrepo.Placed) {
	name := place(w.Partition, w.Path)
	if w.Path == "" || w.Path == "." || len(path.Base(w.Path)) > 255 {
		p.complain(l, at+".to", "", "cannot add %s: expected a path with names of 1 to 255 bytes", name)
		return
	}
	if c, ok := p.placed[name]; ok && !(slices.Contains(l.Over, c.layer.Name) && w.Type == tree.Regular && c.placed.Type == tree.Regular) {
		if w.Type != tree.Directory || c.placed.Type != tree.Directory {
			p.complain(l, at, "", "%s is written twice: by layer %s and, in %s, by layer %s", name, l.Name, p.where(c), c.layer.Name)
		}
		return
	}
	if by := p.extended[name]; by != nil {
		p.complain(l, at, "", "layer %s replaces %s, to which layer %s adds", l.Name, name, by.Name)
		return
	}
	if r, gone := p.removed[name]; gone && r.Layer != l.Name {
		p.complain(l, at, "", "%s is written by layer %s and removed by layer %s", name, l.Name, r.Layer)
		return
	}
	if !p.parents(l, at, a, used, w) {
		return
	}
	was, replaces := p.stock(w.Partition, w.Path)
	switch {
	case replaces && w.Type == tree.Directory && was.Type == tree.Directory:
		return
	case replaces && (was.Type == tree.Directory) != (w.Type == tree.Directory):
		p.complain(l, at, "remove it first if it is to be replaced", "cannot add %s: stock has a %s there, the layer a %s", name, was.Type, w.Type)
		return
	case replaces && w.Type == tree.Regular && slices.Contains(osrepo.PropPaths, w.Path):
		p.complain(l, at, "change its properties with props", "cannot add %s: build.prop is edited, not replaced", name)
		return
	}
	if was.Type != w.Type {
		replaces = false // what a symlink is says nothing about a file
	}
	p.dress(a, used, &w, was, replaces)
	w.Layer, w.Replaces = l.Name, replaces
	p.placed[name] = claim{layer: l, at: at, placed: w}
}

// parents makes sure that the folders above a path are folders.
func (p *planner) parents(l *osrepo.Layer, at string, a *osrepo.Add, used []bool, w osrepo.Placed) bool {
	dir := path.Dir(w.Path)
	if dir == "." {
		return true
	}
	name := place(w.Partition, dir)
	if c, ok := p.placed[name]; ok && c.placed.Type != tree.Directory {
		p.complain(l, at, "", "cannot add %s: layer %s makes %s a %s", place(w.Partition, w.Path), c.layer.Name, name, c.placed.Type)
		return false
	}
	if e, ok := p.stock(w.Partition, dir); ok && e.Type != tree.Directory {
		hint := ""
		if e.Type == tree.Symlink {
			hint = fmt.Sprintf("it leads to %s", e.Target)
		}
		p.complain(l, at, hint, "cannot add %s: %s is a %s in stock, not a folder", place(w.Partition, w.Path), name, e.Type)
		return false
	} else if ok {
		return true
	}
	before := len(p.problems)
	p.write(l, at, a, used, osrepo.Placed{Partition: w.Partition, Path: dir, Type: tree.Directory})
	return len(p.problems) == before
}

// dress gives a path mode, owner, label and capabilities.
func (p *planner) dress(a *osrepo.Add, used []bool, w *osrepo.Placed, was tree.IndexEntry, replaces bool) {
	if replaces {
		w.Perm, w.UID, w.GID, w.Label = was.Perm, was.UID, was.GID, was.Label
	} else {
		u := fsconfig.For(p.view.OnPhone(w.Partition, w.Path), w.Type)
		if w.Perm, w.UID, w.GID = u.Perm, u.UID, u.GID; w.File != nil && w.File.Executable {
			w.Perm |= 0o111
		}
		w.Label = p.labels.Label(w.Partition, w.Path, w.Type)
	}
	p.rules(a, used, w)
}

// rules overrule what is usual.
func (p *planner) rules(a *osrepo.Add, used []bool, w *osrepo.Placed) {
	for i := range a.Rules {
		r := &a.Rules[i]
		if !tree.Match(p.view.Path(w.Partition, r.Path), w.Path) {
			continue
		}
		used[i] = true
		if m, err := fsconfig.ParseMode(r.Mode); err == nil && w.Type != tree.Symlink {
			w.Perm = m
		}
		if id, ok := fsconfig.ID(r.Owner); ok {
			w.UID = id
		}
		if id, ok := fsconfig.ID(r.Group); ok {
			w.GID = id
		}
		if r.Label != "" {
			w.Label = r.Label
		}
		if len(r.Capabilities) > 0 && w.Type == tree.Regular {
			w.Capability = fsconfig.EncodeCapabilities(r.Capabilities)
		}
	}
}

func (p *planner) where(c claim) string {
	at := c.layer.Document().Pos(c.at)
	return fmt.Sprintf("%s:%d:%d", c.layer.Document().File, at.Line, at.Col)
}

func (p *planner) properties(l *osrepo.Layer) {
	for _, partition := range slices.Sorted(maps.Keys(l.Props)) {
		at := strict.Join("props", partition)
		if !p.partition(l, at, partition) {
			continue
		}
		file, known := p.view.Props[partition]
		if p.view.Props != nil && !known {
			p.complain(l, at, "", "stock's partition %s has no build.prop", partition)
			continue
		}
		var props *buildprop.File
		if known {
			var err error
			if props, err = buildprop.Parse(file.Text); err != nil {
				p.complain(l, at, "", "stock's %s: %v", place(partition, file.Path), err)
				continue
			}
		}
		e := l.Props[partition]
		for _, key := range slices.Sorted(maps.Keys(e.Set)) {
			p.property(l, strict.Join(strict.Join(at, "set"), key), props, osrepo.PropEdit{Layer: l.Name, Partition: partition, Op: osrepo.PropSet, Key: key, Value: e.Set[key]})
		}
		for _, key := range slices.Sorted(maps.Keys(e.Append)) {
			p.property(l, strict.Join(strict.Join(at, "append"), key), props, osrepo.PropEdit{Layer: l.Name, Partition: partition, Op: osrepo.PropAppend, Key: key, Value: e.Append[key]})
		}
		for i, key := range e.Delete {
			p.property(l, fmt.Sprintf("%s.delete[%d]", at, i), props, osrepo.PropEdit{Layer: l.Name, Partition: partition, Op: osrepo.PropDelete, Key: key})
		}
	}
}

func (p *planner) property(l *osrepo.Layer, at string, props *buildprop.File, e osrepo.PropEdit) {
	name := place(e.Partition, e.Key)
	if c, ok := p.set[name]; ok && slices.Contains(l.Over, c.layer.Name) {
		p.plan.Props = slices.DeleteFunc(p.plan.Props, func(have osrepo.PropEdit) bool { return have.Partition == e.Partition && have.Key == e.Key })
	} else if ok {
		p.problems.Add(l.Document().File, l.Document().KeyPos(at), "", "property %s of %s is changed by two layers: %s and %s", e.Key, e.Partition, c.layer.Name, l.Name)
		return
	}
	if props != nil && e.Op != osrepo.PropSet {
		if _, ok := props.Get(e.Key); !ok {
			p.problems.Add(l.Document().File, l.Document().KeyPos(at), strict.Meant(e.Key, props.Keys()), "cannot %s property %s: stock's build.prop of %s does not have it", e.Op, e.Key, e.Partition)
			return
		}
	}
	p.set[name] = claim{layer: l, at: at}
	p.plan.Props = append(p.plan.Props, e)
}
