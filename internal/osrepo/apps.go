package osrepo

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// App is an app that a layer brings: the APK, its folder, and the file that lists
// its permissions.
type App struct {
	APK         string `yaml:"apk"`         // beside layer.yaml
	To          string `yaml:"to"`          // folder: "system:system/priv-app/Camera"
	Permissions string `yaml:"permissions"` // an XML file for etc/permissions; may be left out
}

// PlannedApp is an app as it comes.
type PlannedApp struct {
	Layer       string `json:"layer"`
	Partition   string `json:"partition"`
	Path        string `json:"path"`
	Package     string `json:"package"`
	VersionCode int64  `json:"version_code"`
	VersionName string `json:"version_name"`
	Signer      string `json:"signer"` // SHA-256 of the certificate, in hex; "": it is not signed
	Scheme      int    `json:"scheme"` // of the signature: 1 to 3
}

// StockApp is an app of stock.
type StockApp struct {
	Partition   string `json:"partition"`
	Path        string `json:"path"`
	Package     string `json:"package"`
	VersionCode int64  `json:"version_code"`
	VersionName string `json:"version_name,omitempty"`
	SharedUser  string `json:"shared_user,omitempty"`
	Signer      string `json:"signer,omitempty"` // SHA-256 of the certificate, in hex
}

// maxApp is the largest APK in bytes that a layer brings.
const maxApp = 512 << 20

func (l *Layer) checkApps() {
	d := l.doc
	for i, a := range l.Apps {
		at := fmt.Sprintf("apps[%d]", i)
		d.Require(at+".apk", at+".to")
		if d.Has(at + ".apk") {
			l.checkFile(at+".apk", a.APK, ".apk")
		}
		if d.Has(at + ".permissions") {
			l.checkFile(at+".permissions", a.Permissions, ".xml")
		}
		if d.Has(at + ".to") {
			if _, p, err := split(a.To); err != nil {
				d.Add(at+".to", "", "cannot add to %q: %v", a.To, err)
			} else if parent := path.Base(path.Dir(p)); parent != "app" && parent != "priv-app" {
				d.Add(at+".to", "", "to is %q, expected a folder of its own in app or priv-app, such as system:system/app/Camera", a.To)
			}
		}
	}
}

// apps plans what a layer brings as apps.
func (p *planner) apps(l *Layer) {
	for i, a := range l.Apps {
		at := fmt.Sprintf("apps[%d]", i)
		partition, dir, err := split(a.To)
		f := l.files[a.APK]
		if err != nil || f == nil || !p.partition(l, at+".to", partition) {
			continue
		}
		b, err := bytesOf(f, maxApp)
		var m *apk.Manifest
		if err == nil {
			m, err = apk.Open(bytes.NewReader(b), int64(len(b)))
		}
		if err != nil {
			p.complain(l, at+".apk", "", "%s: %v", a.APK, err)
			continue
		}
		dir = p.view.Path(partition, dir)
		app := PlannedApp{
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
		p.write(l, at, &Add{}, nil, Placed{Partition: partition, Path: app.Path, Type: tree.Regular, File: f})
		p.sameKey(l, at, app)
		p.permissions(l, at, a, app, m)
		p.plan.Apps = append(p.plan.Apps, app)
	}
}

// oldCode takes away what was compiled of the app that lay in the folder.
func (p *planner) oldCode(l *Layer, partition, dir string) {
	name := path.Join(dir, "oat")
	e, ok := p.view.Index.Lookup(partition, name)
	if !ok {
		return
	}
	for _, e := range append([]tree.IndexEntry{e}, subtree(p.view.Index, partition, name)...) {
		if _, gone := p.removed[place(partition, e.Path)]; !gone {
			p.removed[place(partition, e.Path)] = Removed{l.Name, partition, e.Path}
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
		for _, e := range subtree(p.view.Index, w.Partition, path.Join(path.Dir(w.Path), "oat")) {
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
func (p *planner) sameKey(l *Layer, at string, app PlannedApp) {
	for _, have := range p.view.Apps {
		if have.Package == app.Package && (have.Partition != app.Partition || have.Path != app.Path) {
			if _, gone := p.removed[place(have.Partition, have.Path)]; !gone {
				p.complain(l, at+".to", fmt.Sprintf("remove %s", place(have.Partition, path.Dir(have.Path))), "%s brings package %s, which stock has at %s", path.Base(app.Path), app.Package, place(have.Partition, have.Path))
			}
		}
	}
	i := slices.IndexFunc(p.view.Apps, func(s StockApp) bool { return s.Partition == app.Partition && s.Path == app.Path })
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

// permissionFile is what lies in etc/permissions.
type permissionFile struct {
	XMLName xml.Name
	Lists   []struct {
		Package string `xml:"package,attr"`
		Granted []struct {
			Name string `xml:"name,attr"`
		} `xml:"permission"`
		Denied []struct {
			Name string `xml:"name,attr"`
		} `xml:"deny-permission"`
	} `xml:"privapp-permissions"`
}

// ParsePermissions reads the privapp-permissions of a file in etc/permissions: the
// names that are granted, or denied, to each package. Other lists in it are
// passed over.
func ParsePermissions(text []byte) (map[string][]string, error) {
	var f permissionFile
	if err := xml.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("cannot read permissions: %w", err)
	}
	if name := f.XMLName.Local; name != "permissions" && name != "config" {
		return nil, fmt.Errorf("cannot read permissions: the first element is %q, expected permissions", name)
	}
	out := map[string][]string{}
	for _, l := range f.Lists {
		for _, g := range append(l.Granted, l.Denied...) {
			out[l.Package] = append(out[l.Package], g.Name)
		}
	}
	return out, nil
}

// permissions compares what an app asks for with what it is given.
func (p *planner) permissions(l *Layer, at string, a App, app PlannedApp, m *apk.Manifest) {
	given := slices.Clone(p.view.Granted[app.Package])
	if f := l.files[a.Permissions]; f != nil {
		text, err := bytesOf(f, 1<<20)
		var lists map[string][]string
		if err == nil {
			lists, err = ParsePermissions(text)
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
		p.write(l, at+".permissions", &Add{}, nil, Placed{Partition: app.Partition, Path: path.Join(dir, path.Base(a.Permissions)), Type: tree.Regular, File: f})
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
