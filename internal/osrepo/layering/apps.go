package layering

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/privapp"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// maxApp is the largest APK in bytes that a layer brings.
const maxApp = 512 << 20

// maxList is the largest list of permissions in bytes.
const maxList = 1 << 20

// apps plans what a layer brings as apps.
func (p *planner) apps(l *osrepo.Layer) {
	for i, a := range l.Apps {
		at := fmt.Sprintf("apps[%d]", i)
		partition, dir, err := osrepo.SplitPlace(a.To)
		f := l.File(a.APK)
		if err != nil || f == nil || !p.partition(l, at+".to", partition) {
			continue
		}
		dir = p.view.Path(partition, dir)
		app, err := readApp(f)
		if err != nil {
			p.complain(l, at+".apk", "", "%s: %v", a.APK, err)
			continue
		}
		app.Layer, app.Partition, app.Path = l.Name, partition, path.Join(dir, path.Base(a.APK))
		p.oldCode(l, partition, dir)
		p.write(l, at, &osrepo.Add{}, nil, osrepo.Placed{Partition: partition, Path: app.Path, Type: tree.Regular, File: f})
		p.onePackage(l, at+".to", path.Base(app.Path), app.Package, app.Partition, app.Path)
		p.sameKey(l, at+".apk", app)
		p.permissions(l, at, a, app)
		p.plan.Apps = append(p.plan.Apps, app.PlannedApp)
		p.brought = append(p.brought, broughtApp{app, l, at})
	}
}

// app is what an APK says of itself.
type app struct {
	osrepo.PlannedApp
	uses []string
}

// broughtApp is an app of a layer's, whose permissions are looked at once all that
// layers add is known.
type broughtApp struct {
	app
	layer *osrepo.Layer
	at    string
}

func readApp(f *osrepo.File) (app, error) {
	b, err := f.Bytes(maxApp)
	if err != nil {
		return app{}, err
	}
	m, err := apk.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return app{}, err
	}
	out := app{osrepo.PlannedApp{Package: m.Package, VersionCode: m.VersionCode, VersionName: m.VersionName}, m.Uses}
	signers, err := apk.Signers(context.Background(), bytes.NewReader(b), int64(len(b)))
	if errors.Is(err, apk.ErrUnsigned) {
		return out, nil
	}
	if err != nil {
		return app{}, err
	}
	out.Signer, out.Scheme = fmt.Sprintf("%x", signers[0].SHA256()), signers[0].Scheme
	return out, nil
}

// addedApps looks at what came by add and is an app: the phone holds it to the same
// rules. What cannot be read as one is none.
func (p *planner) addedApps() {
	for _, name := range slices.Sorted(maps.Keys(p.placed)) {
		c := p.placed[name]
		w := c.placed
		known := slices.ContainsFunc(p.brought, func(b broughtApp) bool { return b.Partition == w.Partition && b.Path == w.Path })
		if w.File == nil || known || p.ramdisks[name] || path.Ext(w.Path) != ".apk" || w.Type != tree.Regular {
			continue
		}
		a, err := readApp(w.File)
		if err != nil {
			continue
		}
		a.Layer, a.Partition, a.Path = c.layer.Name, w.Partition, w.Path
		p.onePackage(c.layer, c.at, path.Base(a.Path), a.Package, a.Partition, a.Path)
		p.sameKey(c.layer, c.at, a)
		p.plan.Apps = append(p.plan.Apps, a.PlannedApp)
		p.brought = append(p.brought, broughtApp{a, c.layer, c.at})
	}
}

// oldCode takes away what was compiled of the app that lay in the folder.
func (p *planner) oldCode(l *osrepo.Layer, partition, dir string) {
	name := path.Join(dir, "oat")
	e, ok := p.view.Index.Lookup(partition, name)
	if !ok {
		return
	}
	for _, e := range append([]tree.IndexEntry{e}, p.view.Index.Below(partition, name)...) {
		if _, gone := p.removed[place(partition, e.Path)]; !gone {
			p.removed[place(partition, e.Path)] = osrepo.Removed{Layer: l.Name, Partition: partition, Path: e.Path}
		}
	}
}

// staleCode finds apps that an add replaces while what was compiled of them stays:
// the phone would run the old code, or none.
func (p *planner) staleCode() {
	for _, c := range p.placed {
		w := c.placed
		if !w.Replaces || path.Ext(w.Path) != ".apk" || w.File == nil {
			continue
		}
		stem := strings.TrimSuffix(path.Base(w.Path), ".apk")
		for _, e := range p.view.Index.Below(w.Partition, path.Join(path.Dir(w.Path), "oat")) {
			if _, gone := p.removed[place(w.Partition, e.Path)]; gone || e.Type != tree.Regular || !strings.HasPrefix(path.Base(e.Path), stem+".") {
				continue
			}
			p.complain(c.layer, c.at, fmt.Sprintf("remove %s, or bring the app with apps", place(w.Partition, path.Join(path.Dir(w.Path), "oat"))),
				"%s is replaced, but stock's %s was compiled of the old one", place(w.Partition, w.Path), place(w.Partition, e.Path))
			break
		}
	}
}

// sameKey finds what Android would refuse to start with: a shared user with two
// keys.
func (p *planner) sameKey(l *osrepo.Layer, at string, app app) {
	i := slices.IndexFunc(p.view.Apps, func(s osrepo.StockApp) bool { return s.Partition == app.Partition && s.Path == app.Path })
	if i < 0 {
		return
	}
	was := p.view.Apps[i]
	if was.SharedUser == "" || was.Signer == app.Signer {
		return
	}
	for _, s := range p.view.Apps {
		if s.SharedUser != was.SharedUser || s.Package == was.Package {
			continue
		}
		if _, gone := p.removed[place(s.Partition, s.Path)]; !gone {
			p.complain(l, at, "", "%s is signed with another key than stock's, whose user %s it shares with %s: Android refuses two keys", path.Base(app.Path), was.SharedUser, s.Package)
			return
		}
	}
}

// permissions adds the list of an app's permissions, which must be its own.
func (p *planner) permissions(l *osrepo.Layer, at string, a osrepo.App, app app) {
	f := l.File(a.Permissions)
	if f == nil {
		return
	}
	text, err := f.Bytes(maxList)
	var lists map[string][]string
	if err == nil {
		lists, err = privapp.Parse(text)
	}
	if err != nil {
		p.complain(l, at+".permissions", "", "%s: %v", a.Permissions, err)
		return
	}
	for pkg, names := range lists {
		if pkg != app.Package {
			p.complain(l, at+".permissions", "", "%s lists package %s, the app is %s", a.Permissions, pkg, app.Package)
			continue
		}
		for _, n := range names {
			if !slices.Contains(app.uses, n) {
				p.complain(l, at+".permissions", strict.Meant(n, app.uses), "%s lists %s, which the app does not ask for", a.Permissions, n)
			}
		}
	}
	dir := "etc/permissions"
	if app.Partition == "system" {
		dir = p.view.Path("system", "system/etc/permissions")
	}
	p.write(l, at+".permissions", &osrepo.Add{}, nil, osrepo.Placed{Partition: app.Partition, Path: path.Join(dir, path.Base(a.Permissions)), Type: tree.Regular, File: f})
}

// granted compares what privileged apps ask for with what stock and layers list: one
// that asks for more keeps the phone from starting.
func (p *planner) granted() {
	given := map[string][]string{}
	for pkg, names := range p.view.Granted {
		given[pkg] = slices.Clone(names)
	}
	for _, c := range p.placed {
		w := c.placed
		if w.File == nil || path.Base(path.Dir(w.Path)) != "permissions" || path.Ext(w.Path) != ".xml" {
			continue
		}
		text, err := w.File.Bytes(maxList)
		if err != nil {
			continue
		}
		lists, err := privapp.Parse(text)
		if err != nil {
			continue // Android passes it over too
		}
		for pkg, names := range lists {
			given[pkg] = append(given[pkg], names...)
		}
	}
	for _, b := range p.brought {
		if path.Base(path.Dir(path.Dir(b.Path))) != "priv-app" {
			continue
		}
		for _, n := range b.uses {
			if slices.Contains(p.view.Privileged, n) && !slices.Contains(given[b.Package], n) {
				p.complain(b.layer, b.at, "list it in permissions, as permission or deny-permission", "%s asks for the privileged permission %s, which no file grants: the phone would not start", path.Base(b.Path), n)
			}
		}
	}
}
