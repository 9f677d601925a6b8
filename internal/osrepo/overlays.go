package osrepo

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/fridayos/friday/android/apk/overlay"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Overlay is a resource overlay that a layer brings: an app without code that is
// made at the build, and signed with the key of the OS's updates.
type Overlay struct {
	Target     string `yaml:"target"`      // the package that it is laid over: "android", "com.android.systemui"
	Res        string `yaml:"res"`         // folder beside layer.yaml, as Android has them: values/, values-de/, drawable-xxhdpi/
	Package    string `yaml:"package"`     // its own; left out: "android.overlay.base" for target android in layer base
	TargetName string `yaml:"target_name"` // name of the <overlayable> that it is for; may be left out
	To         string `yaml:"to"`          // folder; left out: that of product, system_ext or vendor, as stock has them
	Priority   int    `yaml:"priority"`    // 0 to 9999; of two that change one resource, the higher wins
	Switchable bool   `yaml:"switchable"`  // off until somebody turns it on; others are always on

	made *overlay.Overlay
}

// Made is the overlay, compiled; nil before it was checked.
func (o *Overlay) Made() *overlay.Overlay { return o.made }

// PlannedOverlay is an overlay as it comes.
type PlannedOverlay struct {
	Layer, Partition, Path string
	Overlay                *overlay.Overlay
}

// Bounds of one overlay's resources, in bytes: a file, all of them.
const (
	maxResource  = 16 << 20
	maxResources = 64 << 20
)

func (l *Layer) checkOverlays() {
	d := l.doc
	for i := range l.Overlays {
		o, at := &l.Overlays[i], fmt.Sprintf("overlays[%d]", i)
		d.Require(at+".target", at+".res")
		if d.Has(at + ".to") {
			if _, _, err := SplitPlace(o.To); err != nil {
				d.Add(at+".to", "", "cannot put the overlay into %q: %v", o.To, err)
			}
		}
		if !d.Has(at+".target") || !d.Has(at+".res") {
			continue
		}
		resources, err := l.resources(o, at)
		if err != nil {
			d.Add(at+".res", "", "%s: %v", o.Res, err)
		}
		if resources == nil {
			continue
		}
		if o.Package == "" {
			o.Package = o.Target + ".overlay." + word(l.Name)
		}
		o.made = &overlay.Overlay{
			Package: o.Package, Target: o.Target, TargetName: o.TargetName, Priority: o.Priority, Switchable: o.Switchable,
			VersionCode: 1, VersionName: "1", Resources: resources,
		}
		if err := o.made.Check(); err != nil {
			field := at
			if f, _, _ := strings.Cut(err.Error(), " "); d.Has(at + "." + f) {
				field = at + "." + f
			}
			d.Add(field, "", "%v", err)
		}
	}
}

// word is a layer's name as a part of a package's.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s)
	if s == "" || s[0] < 'A' {
		s = "layer_" + s
	}
	return strings.TrimLeft(s, "_")
}

// resources compiles what lies in the folder; nil: there were mistakes, which have
// been told.
func (l *Layer) resources(o *Overlay, at string) (*overlay.Resources, error) {
	a := Add{From: o.Res}
	if !l.checkFolder(a.From, at+".res") {
		return nil, nil
	}
	var sources []overlay.Source
	total := int64(0)
	root := path.Join("layers", l.Name, o.Res)
	for _, f := range l.Under(o.Res) {
		rest := strings.TrimPrefix(strings.TrimPrefix(f.Path, root), "/")
		if path.Base(rest) == ".gitkeep" {
			continue
		}
		if f.Symlink || f.Submodule {
			return nil, fmt.Errorf("%s is a symlink or submodule, expected a file", rest)
		}
		if total += f.Size; total > maxResources {
			return nil, fmt.Errorf("its files have more than %d bytes", maxResources)
		}
		b, err := f.Bytes(maxResource)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rest, err)
		}
		sources = append(sources, overlay.Source{Path: rest, Content: b})
	}
	resources, mistakes := overlay.Compile(sources)
	for _, m := range mistakes {
		file := root
		if m.File != "" {
			file = path.Join(root, m.File)
		}
		l.doc.AddIn(file, strict.Pos{Line: m.Line, Col: m.Col}, cmp.Or(strict.Meant(m.Word, m.Among), m.Hint), "%s", m.Message)
	}
	if len(mistakes) == 0 && resources.Len() == 0 {
		return nil, errors.New("there is no resource in it")
	}
	return resources, nil
}
