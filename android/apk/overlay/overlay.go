// Package overlay makes runtime resource overlays: apps without code that lay
// their resources over those of another app, matched by type and name.
//
// Compile reads the resources as Android's build does, values in XML and files in
// folders with qualifiers (values-de-rAT, drawable-night-xxhdpi); Files makes of
// them what the APK holds: a binary AndroidManifest.xml, resources.arsc and the
// files. Package pack signs it.
//
// It compiles bool, integer, color, dimen, fraction, string, plurals, arrays, styles, ids,
// files in XML (drawables, layouts, lists of colors, …) and takes files that need no
// compiler (pictures, fonts, raw). What they name of android's is looked up by Link in the
// table of the phone's framework (package arsc). It knows no text with markup, no
// attributes or resources of the target's own, whose numbers differ from version to
// version, no resources within resources (aapt:attr), and stretches no pictures
// (.9.png): for those it asks for an APK that Android's own tools made.
//
// The formats are described in AOSP: frameworks/base,
// libs/androidfw/include/androidfw/ResourceTypes.h; what overlays are, at
// source.android.com, "Runtime resource overlays (RROs)".
package overlay

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/fridayos/friday/android/apk/pack"
)

// Overlay is one overlay.
type Overlay struct {
	Package    string // its own: "org.example.overlay.systemui"
	Target     string // the package that it is laid over: "android"
	TargetName string // of the <overlayable> that it is for; "": none
	Priority   int    // among those of one target, the highest wins: 0 to 9999
	// Switchable: it is off until somebody turns it on. Others are on from the first
	// boot, and cannot be turned off.
	Switchable  bool
	VersionCode int32
	VersionName string
	Resources   *Resources
}

// The oldest Android that takes overlays from a system's partitions without a
// patch of the vendor's, and the one that ours are made for.
const (
	MinSDK    = 26
	targetSDK = 30
)

var packages = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*$`)

// IsPackage says whether a text is the name of a package, such as
// "com.android.systemui" or "android".
func IsPackage(s string) bool { return len(s) <= 127 && packages.MatchString(s) }

// Check says what is wrong with an overlay, if anything.
func (o *Overlay) Check() error {
	switch {
	case !IsPackage(o.Target):
		return fmt.Errorf("target is %q, expected a package such as android or com.android.systemui", o.Target)
	case !IsPackage(o.Package) || !strings.Contains(o.Package, "."):
		return fmt.Errorf("package is %q, expected one with a dot such as org.example.overlay", o.Package)
	case o.Package == o.Target:
		return fmt.Errorf("package and target are both %q", o.Target)
	case o.Priority < 0 || o.Priority > 9999:
		return fmt.Errorf("priority is %d, expected 0 to 9999", o.Priority)
	case o.Resources == nil || len(o.Resources.entries) == 0:
		return errors.New("it has no resources")
	}
	return nil
}

// Files are what the APK holds, in order.
func (o *Overlay) Files() ([]pack.File, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("cannot make overlay %s: %w", o.Package, err)
	}
	if o.Resources.NeedsFramework() {
		return nil, fmt.Errorf("cannot make overlay %s: its resources are not linked against the phone's framework", o.Package)
	}
	table, ids, err := o.Resources.table(o.Package)
	if err != nil {
		return nil, fmt.Errorf("cannot make overlay %s: %w", o.Package, err)
	}
	files := []pack.File{{Name: "AndroidManifest.xml", Content: o.manifest()}, {Name: "resources.arsc", Content: table, Stored: true}}
	for _, f := range o.Resources.files {
		files = append(files, pack.File{Name: "res/" + f.Path, Content: f.Content, Stored: true}) // packed already, most of them
	}
	for _, d := range o.Resources.docs {
		files = append(files, pack.File{Name: "res/" + d.path, Content: d.encode(ids)})
	}
	return files, nil
}
