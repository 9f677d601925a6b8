package layering

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// apps plans what a layer brings as apps.
func (p *planner) apps(l *osrepo.Layer) {
	for i, a := range l.Apps {
		at := fmt.Sprintf("apps[%d]", i)
		partition, dir, err := osrepo.SplitPlace(a.To)
		f := l.File(a.APK)
		if err != nil || f == nil || !p.partition(l, at+".to", partition) {
			continue
		}
		b, err := f.Bytes(maxApp)
		var m *apk.Manifest
		if err == nil {
			m, err = apk.Open(bytes.NewReader(b), int64(len(b)))
		}
		if err != nil {
			p.complain(l, at+".apk", "", "%s: %v", a.APK, err)
			continue
		}
		dir = p.view.Path(partition, dir)
		app := osrepo.PlannedApp{
			Layer: l.Name, Partition: partition, Path: path.Join(dir, path.Base(a.APK)),
			Package: m.Package, VersionCode: m.VersionCode, VersionName: m.VersionName,
		}
		signers, err := apk.Signers(context.Background(), bytes.NewReader(b), int64(len(b)))
		switch {
		case errors.Is(err, apk.ErrUnsigned):
		case err != nil:
			p.complain(l, at+".apk", "", "%s: %v", a.APK, err)
			continue
		default:
			app.Signer, app.Scheme = fmt.Sprintf("%x", signers[0].SHA256()), signers[0].Scheme
		}
		p.oldCode(l, partition, dir)
		p.write(l, at, &osrepo.Add{}, nil, osrepo.Placed{Partition: partition, Path: app.Path, Type: tree.Regular, File: f})
		p.sameKey(l, at, app)
		p.permissions(l, at, a, app, m)
		p.plan.Apps = append(p.plan.Apps, app)
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

// sameKey finds what Android would refuse to start with: a package twice, and a
// shared user with two keys.
func (p *planner) sameKey(l *osrepo.Layer, at string, app osrepo.PlannedApp) {
	p.onePackage(l, at+".to", path.Base(app.Path), app.Package, app.Partition, app.Path)
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
			p.complain(l, at+".apk", "", "%s is signed with another key than stock's, whose user %s it shares with %s: Android refuses two keys", path.Base(app.Path), was.SharedUser, s.Package)
			return
		}
	}
}

// permissions compares what an app asks for with what it is given.
func (p *planner) permissions(l *osrepo.Layer, at string, a osrepo.App, app osrepo.PlannedApp, m *apk.Manifest) {
	given := slices.Clone(p.view.Granted[app.Package])
	if f := l.File(a.Permissions); f != nil {
		text, err := f.Bytes(1 << 20)
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
				if !slices.Contains(m.Uses, n) {
					p.complain(l, at+".permissions", strict.Meant(n, m.Uses), "%s lists %s, which the app does not ask for", a.Permissions, n)
				}
			}
			given = append(given, names...)
		}
		dir := "etc/permissions"
		if app.Partition == "system" {
			dir = p.view.Path("system", "system/etc/permissions")
		}
		p.write(l, at+".permissions", &osrepo.Add{}, nil, osrepo.Placed{Partition: app.Partition, Path: path.Join(dir, path.Base(a.Permissions)), Type: tree.Regular, File: f})
	}
	if path.Base(path.Dir(path.Dir(app.Path))) != "priv-app" {
		return
	}
	for _, n := range m.Uses {
		if slices.Contains(p.view.Privileged, n) && !slices.Contains(given, n) {
			p.complain(l, at, "list it in permissions, as permission or deny-permission", "%s asks for the privileged permission %s, which no file grants: the phone would not start", path.Base(app.Path), n)
		}
	}
}
