package layering

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/fridayos/friday/android/apk/arsc"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// laidOverlay is an overlay that is in the plan, whose resources are looked at once all
// that layers bring is known.
type laidOverlay struct {
	layer *osrepo.Layer
	at    string
	res   string // its folder
	plan  int    // in plan.Overlays
}

// framework is the package of what all apps are linked against.
const framework = "android"

// resources compares those of overlays with what their targets have, and links them
// against the stock's framework.
func (p *planner) resources() {
	if p.view.Resources == nil {
		return // not known
	}
	for _, o := range p.laid {
		planned := &p.plan.Overlays[o.plan]
		p.overlaid(o, planned)
		res := planned.Overlay.Resources
		if !res.NeedsFramework() {
			continue
		}
		table, err := p.table(framework)
		if errors.Is(err, errNoApp) {
			p.complain(o.layer, o.at, "firmware that was made up has none: take in the vendor's own", "the overlay names what android's framework has, and the stock has no framework-res.apk that can be read")
			continue
		}
		if err != nil {
			p.complain(o.layer, o.at, "", "the overlay names what the framework has, and that of the stock cannot be read: %v", err)
			continue
		}
		linked, mistakes := res.Link(table)
		for _, m := range mistakes {
			p.problems.Add(path.Join(o.res, m.File), strict.Pos{Line: m.Line, Col: m.Col}, cmp.Or(strict.Meant(m.Word, m.Among), m.Hint), "%s", m.Message)
		}
		if len(mistakes) > 0 {
			continue
		}
		done := *planned.Overlay
		done.Resources = linked
		planned.Overlay = &done
		name := place(planned.Partition, planned.Path)
		c := p.placed[name]
		c.placed.Overlay = &done
		p.placed[name] = c
	}
}

var errNoApp = errors.New("there is no app of that package")

// table reads the resources of an app: a layer's, or the stock's.
func (p *planner) table(pkg string) (*arsc.Table, error) {
	for _, b := range p.brought {
		if b.Package != pkg {
			continue
		}
		f := p.placed[place(b.Partition, b.Path)].placed.File
		if f == nil {
			continue
		}
		content, err := f.Bytes(maxApp)
		if err != nil {
			return nil, err
		}
		return arsc.Open(bytes.NewReader(content), int64(len(content)))
	}
	for _, a := range p.view.Apps {
		if _, gone := p.removed[place(a.Partition, a.Path)]; a.Package == pkg && !gone {
			return p.view.Resources(a)
		}
	}
	return nil, errNoApp
}

// overlaid says which resources of an overlay its target does not have, or does not let
// others lay over: phones pass them over without a word.
func (p *planner) overlaid(o laidOverlay, planned *osrepo.PlannedOverlay) {
	table, err := p.table(planned.Overlay.Target)
	switch {
	case errors.Is(err, errNoApp):
		return // said already, or the stock's framework is none that can be read
	case errors.Is(err, arsc.ErrNone):
		p.complain(o.layer, o.at+".target", "", "%s has no resources to lay others over", planned.Overlay.Target)
		return
	case err != nil:
		p.complain(o.layer, o.at+".target", "", "the resources of %s: %v", planned.Overlay.Target, err)
		return
	}
	nameless := table.Nameless()
	for _, n := range planned.Overlay.Resources.Names() {
		if n.Type == "id" {
			continue // the numbers of the overlay's own elements
		}
		at, file := strict.Pos{Line: n.Line, Col: n.Col}, path.Join(o.res, n.File)
		_, r, ok := table.Find(n.Type, n.Name)
		switch {
		case ok:
			if hint, why := p.refused(planned, table, r); why != "" {
				p.problems.Add(file, at, hint, "%s does not let others lay over %s/%s: %s", planned.Overlay.Target, n.Type, n.Name, why)
			}
		case !n.Used && !nameless:
			hint := strict.Meant(n.Name, table.Names(n.Type))
			if others := table.Kinds(n.Name); len(others) > 0 {
				hint = fmt.Sprintf("it has %s/%s", others[0], n.Name)
			}
			p.problems.Add(file, at, hint, "%s has no resource %s/%s to lay one over", planned.Overlay.Target, n.Type, n.Name)
		}
	}
}

// refused says why the target does not take an overlay's resource, if it does not. Since
// Android 10 a target says in <overlayable> what can be laid over by whom; since 11 what
// does not stand there cannot, and the overlay names the element.
func (p *planner) refused(o *osrepo.PlannedOverlay, table *arsc.Table, r *arsc.Resource) (hint, why string) {
	newer := func(version string) bool { return osrepo.Requires{Android: ">=" + version}.FitsAndroid(p.view.Android) }
	there, name := table.Overlayable(), o.Overlay.TargetName
	if len(there) == 0 || !newer("10") {
		return "", ""
	}
	strictly := newer("11")
	switch has := p.fulfills(o); {
	case r.Overlayable == "" && !strictly:
		return "", ""
	case r.Overlayable == "":
		return "", fmt.Sprintf("it stands in no <overlayable>, of which there are %s", strings.Join(there, ", "))
	case name != r.Overlayable && (name != "" || strictly):
		if name == "" {
			return "write target_name: " + r.Overlayable, fmt.Sprintf("it stands in the <overlayable> %s, which the overlay does not name", r.Overlayable)
		}
		return "write target_name: " + r.Overlayable + ", in an overlay of its own if need be", fmt.Sprintf("it stands in the <overlayable> %s, the overlay is for %s", r.Overlayable, name)
	case r.Policies&has == 0:
		return "", fmt.Sprintf("its <overlayable> %s takes overlays of policy %s, this one has %s", r.Overlayable, r.Policies, has)
	}
	return "", ""
}

// fulfills says which policies an overlay fulfills by where it lies. Our key signs no
// app of the vendor's.
func (p *planner) fulfills(o *osrepo.PlannedOverlay) arsc.Policy {
	on := strings.TrimPrefix(p.view.OnPhone(o.Partition, o.Path), "system/")
	first, _, _ := strings.Cut(on, "/")
	flag, ok := map[string]arsc.Policy{"product": arsc.ProductPartition, "vendor": arsc.VendorPartition, "odm": arsc.ODMPartition, "oem": arsc.OEMPartition}[first]
	if !ok {
		flag = arsc.SystemPartition
	}
	return arsc.Public | flag
}
