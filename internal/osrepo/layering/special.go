package layering

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/fsconfig"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// needs compares what a layer requires with what there is.
func (p *planner) needs(l *osrepo.Layer, all []string) {
	r := &l.Requires
	if p.view.Android != "" && !r.FitsAndroid(p.view.Android) {
		p.complain(l, "requires.android", "", "layer %s requires Android %s, the stock has %s", l.Name, r.Android, p.view.Android)
	}
	if len(r.Stock) > 0 && p.view.Fingerprint != "" && !slices.ContainsFunc(r.Stock, func(pattern string) bool { return matchText(pattern, p.view.Fingerprint) }) {
		p.complain(l, "requires.stock", "", "layer %s requires another stock than %s", l.Name, p.view.Fingerprint)
	}
	for i, n := range r.Layers {
		if !slices.Contains(all, n) {
			p.complain(l, fmt.Sprintf("requires.layers[%d]", i), fmt.Sprintf("list it in os.yaml or devices/%s/device.yaml", p.plan.Device.Codename), "layer %s requires layer %s, which is not laid on %s", l.Name, n, p.plan.Device.Codename)
		}
	}
	for i, f := range r.Features {
		if !slices.Contains(p.plan.Device.Features, f) {
			p.complain(l, fmt.Sprintf("requires.features[%d]", i), strict.Meant(f, p.plan.Device.Features), "layer %s requires feature %q, which devices/%s/device.yaml does not list", l.Name, f, p.plan.Device.Codename)
		}
	}
	for i, n := range l.Conflicts {
		if slices.Contains(all, n) {
			p.complain(l, fmt.Sprintf("conflicts[%d]", i), "", "layers %s and %s conflict, and both are laid on %s", l.Name, n, p.plan.Device.Codename)
		}
	}
	for i, n := range l.Over {
		if slices.Index(all, n) > slices.Index(all, l.Name) {
			p.complain(l, fmt.Sprintf("over[%d]", i), "", "layer %s is laid over layer %s, but comes before it", l.Name, n)
		}
	}
}

// matchText is a pattern with * and ? over a whole text, / included.
func matchText(pattern, text string) bool {
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(text, "/", "\x01"))
	return err == nil && ok
}

// special plans what has a place that the layer need not know.
func (p *planner) special(l *osrepo.Layer) {
	nowhere := &osrepo.Add{}
	put := func(at, partition, target, name string) {
		p.write(l, at, nowhere, nil, osrepo.Placed{Partition: partition, Path: p.view.Path(partition, target), Type: tree.Regular, File: l.File(name)})
	}
	for i, name := range l.Init {
		at := fmt.Sprintf("init[%d]", i)
		if !p.hasFolder("system", "system/etc/init") {
			p.complain(l, at, "Android reads files there since version 7", "stock has no folder system:system/etc/init")
			continue
		}
		put(at, "system", "system/etc/init/"+path.Base(name), name)
	}
	for i, name := range l.Fonts {
		p.font(l, fmt.Sprintf("fonts[%d]", i), name, put)
	}
	if l.BootAnimation != "" {
		partition, target := "system", "system/media/bootanimation.zip"
		if _, ok := p.view.Index.Lookup("product", "media/bootanimation.zip"); ok { // phones look there first
			partition, target = "product", "media/bootanimation.zip"
		}
		if p.partition(l, "bootanimation", partition) {
			put("bootanimation", partition, target, l.BootAnimation)
		}
	}
	if l.Wallpaper != "" && p.partition(l, "wallpaper", "system") {
		name := "wallpaper" + strings.ToLower(path.Ext(l.Wallpaper))
		put("wallpaper", "system", "system/media/"+name, l.Wallpaper)
		p.property(l, "wallpaper", nil, osrepo.PropEdit{Layer: l.Name, Partition: "system", Op: osrepo.PropSet, Key: "ro.config.wallpaper", Value: "/system/media/" + name})
	}
	for i, name := range l.SEPolicy {
		p.policy(l, fmt.Sprintf("sepolicy[%d]", i), l.File(name))
	}
	for _, partition := range slices.Sorted(maps.Keys(l.Boot)) {
		p.boot(l, partition)
	}
}

func (p *planner) hasFolder(partition, name string) bool {
	e, ok := p.view.Index.Lookup(partition, p.view.Path(partition, name))
	return ok && e.Type == tree.Directory
}

// font replaces a font of stock: others are not in fonts.xml, and no app would
// find them.
func (p *planner) font(l *osrepo.Layer, at, name string, put func(at, partition, target, name string)) {
	target := "system/fonts/" + path.Base(name)
	if _, ok := p.view.Index.Lookup("system", p.view.Path("system", target)); !ok && !p.bringsFontList(l) {
		p.complain(l, at, p.near("system", p.view.Path("system", target)), "stock has no font %s, and the layer adds no system:system/etc/fonts.xml that names it", path.Base(name))
		return
	}
	put(at, "system", target, name)
}

func (p *planner) bringsFontList(l *osrepo.Layer) bool {
	c, ok := p.placed[place("system", p.view.Path("system", "system/etc/fonts.xml"))]
	return ok && c.layer == l
}

func (p *planner) policy(l *osrepo.Layer, at string, f *osrepo.File) {
	for _, name := range []string{osrepo.PolicyFile, osrepo.PolicyHash} {
		full := place("system", p.view.Path("system", name))
		if _, ok := p.stock("system", p.view.Path("system", name)); !ok {
			p.complain(l, at, "policy can be added where it is split (Android 8 and newer)", "stock has no %s", full)
			return
		}
		if c, ok := p.placed[full]; ok {
			p.complain(l, at, "", "layer %s replaces %s, to which layer %s adds", c.layer.Name, full, l.Name)
			return
		}
		p.extended[full] = l
	}
	p.plan.Policy = append(p.plan.Policy, osrepo.Policy{Layer: l.Name, File: f})
}

func (p *planner) boot(l *osrepo.Layer, partition string) {
	at := strict.Join("boot", partition)
	if !p.view.IsBootImage(partition) {
		p.problems.Add(l.Document().File, l.Document().KeyPos(at), strict.OneOf(partition, p.view.Partitions), "stock has no partition %s", partition)
		return
	}
	e := l.Boot[partition]
	out := osrepo.PlannedBoot{Layer: l.Name, Partition: partition, Append: e.Cmdline.Append, Remove: e.Cmdline.Remove}
	for i := range e.Ramdisk {
		a, here := &e.Ramdisk[i], fmt.Sprintf("%s.ramdisk[%d]", at, i)
		used := make([]bool, len(a.Rules))
		root := path.Join("layers", l.Name, a.From)
		for _, f := range l.Under(a.From) {
			w := osrepo.Placed{Layer: l.Name, Partition: partition, Path: path.Join(a.To, strings.TrimPrefix(strings.TrimPrefix(f.Path, root), "/")), Type: tree.Regular, File: f}
			if f.Symlink {
				w.Type = tree.Symlink
			}
			name := partition + " ramdisk:" + w.Path
			if c, ok := p.placed[name]; ok {
				if !slices.Contains(l.Over, c.layer.Name) {
					p.complain(l, here, "", "%s is written twice: by layer %s and, in %s, by layer %s", name, l.Name, p.where(c), c.layer.Name)
					continue
				}
			}
			u := fsconfig.For(w.Path, w.Type)
			if w.Perm, w.UID, w.GID = u.Perm, u.UID, u.GID; f.Executable {
				w.Perm |= 0o111
			}
			p.rules(a, used, &w)
			p.ramdisks[name] = true
			p.placed[name] = claim{layer: l, at: here, placed: w}
			out.Files = append(out.Files, w)
		}
		for j, u := range used {
			if r := a.Rules[j]; !u {
				p.complain(l, fmt.Sprintf("%s.rules[%d].path", here, j), "", "the rule %q matches nothing that is added here", r.Path)
			}
		}
	}
	p.plan.Boot = append(p.plan.Boot, out)
}
