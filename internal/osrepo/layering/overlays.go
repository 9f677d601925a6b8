package layering

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// overlays plans those that a layer brings.
func (p *planner) overlays(l *osrepo.Layer) {
	for i := range l.Overlays {
		o, at := &l.Overlays[i], fmt.Sprintf("overlays[%d]", i)
		if o.Made() == nil {
			continue
		}
		if v := p.view.Android; v != "" && !(osrepo.Requires{Android: ">=8"}).FitsAndroid(v) {
			p.complain(l, at, "say so with requires: {android: \">=8\"}, and bring an APK for older phones through apps", "Android %s takes no overlays from a system's partitions; they came with Android 8", v)
			continue
		}
		partition, dir, ok := p.overlayFolder(l, at, o)
		if !ok {
			continue
		}
		p.overlayTarget(l, at, o)
		made := osrepo.PlannedOverlay{Layer: l.Name, Partition: partition, Path: path.Join(dir, o.Package+".apk"), Overlay: o.Made()}
		for _, have := range p.plan.Overlays {
			if have.Overlay.Package == o.Package {
				p.complain(l, at, "give one of them another package", "two overlays have package %s: of layer %s and of layer %s", o.Package, have.Layer, l.Name)
			}
		}
		p.onePackage(l, at, path.Base(made.Path), o.Package, made.Partition, made.Path)
		before := len(p.problems)
		p.write(l, at, &osrepo.Add{}, nil, osrepo.Placed{Partition: partition, Path: made.Path, Type: tree.Regular, Overlay: o.Made()})
		if len(p.problems) == before {
			p.laid = append(p.laid, laidOverlay{l, at, path.Join("layers", l.Name, o.Res), len(p.plan.Overlays)})
			p.plan.Overlays = append(p.plan.Overlays, made)
		}
	}
}

// overlayFolders are where the package manager looks for overlays, the most
// specific first; of system's own folder it takes none (AOSP, PackagePartitions).
var overlayFolders = []string{"product", "system_ext", "vendor", "odm"}

// overlayFolder is where the overlay goes: where the layer says, or in the first of
// the partitions that the stock has. One that is no partition of its own may be a
// folder of system.
func (p *planner) overlayFolder(l *osrepo.Layer, at string, o *osrepo.Overlay) (partition, dir string, ok bool) {
	if o.To != "" {
		partition, dir, err := osrepo.SplitPlace(o.To)
		if err != nil || !p.partition(l, at+".to", partition) {
			return "", "", false
		}
		return partition, p.view.Path(partition, dir), true
	}
	for _, name := range overlayFolders {
		if _, ok := p.view.Index.Lookup(name, ""); ok {
			return name, "overlay", true
		}
		if slices.Contains(p.view.Partitions, name) {
			continue // it is one, of which no files are known
		}
		for _, folder := range []string{"system/" + name, name} {
			if folder = p.view.Path("system", folder); p.view.AsRoot() || folder == name {
				if e, ok := p.view.Index.Lookup("system", folder); ok && e.Type == tree.Directory {
					return "system", folder + "/overlay", true
				}
			}
		}
	}
	p.complain(l, at, "say where with to", "stock has none of the partitions %s for overlays", strings.Join(overlayFolders, ", "))
	return "", "", false
}

// overlayTarget must be an app of stock's, or one that a layer brings.
func (p *planner) overlayTarget(l *osrepo.Layer, at string, o *osrepo.Overlay) {
	if len(p.view.Apps) == 0 {
		return // not known
	}
	names := []string{"android"}
	for _, a := range p.view.Apps {
		if _, gone := p.removed[place(a.Partition, a.Path)]; !gone {
			names = append(names, a.Package)
		}
	}
	for _, a := range p.plan.Apps {
		names = append(names, a.Package)
	}
	if !slices.Contains(names, o.Target) {
		p.complain(l, at+".target", strict.Meant(o.Target, names), "neither stock nor a layer before has an app %s to lay resources over", o.Target)
	}
}

// onePackage finds an app of stock's that has the package too, in another place.
func (p *planner) onePackage(l *osrepo.Layer, at, name, pkg, partition, file string) {
	for _, have := range p.view.Apps {
		if have.Package != pkg || have.Partition == partition && have.Path == file {
			continue
		}
		if _, gone := p.removed[place(have.Partition, have.Path)]; !gone {
			what := path.Dir(have.Path)
			if base := path.Base(what); base == "overlay" || base == "app" || base == "priv-app" {
				what = have.Path // a file beside others
			}
			p.complain(l, at, fmt.Sprintf("remove %s", place(have.Partition, what)), "%s brings package %s, which stock has at %s", name, pkg, place(have.Partition, have.Path))
		}
	}
}
