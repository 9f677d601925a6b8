package osrepo

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/osrepo/cil"
	"github.com/fridayos/friday/internal/osrepo/initrc"
	"github.com/fridayos/friday/internal/osrepo/media"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Requires says which phones and stocks a layer fits.
type Requires struct {
	Android  string   `yaml:"android,scalar"` // "13", ">=12", "<=14"
	Stock    []string `yaml:"stock"`          // fingerprints, with * and ?; one must match
	Layers   []string `yaml:"layers"`         // that must be laid too
	Features []string `yaml:"features"`       // that device.yaml lists
}

// BootEdit changes a boot image: boot, init_boot, vendor_boot or recovery.
type BootEdit struct {
	Ramdisk []Add       `yaml:"ramdisk"` // "to" is a path in the ramdisk, without a partition
	Cmdline CmdlineEdit `yaml:"cmdline"` // the kernel's command line
}

// CmdlineEdit changes the kernel's command line, word by word.
type CmdlineEdit struct {
	Append []string `yaml:"append"` // words that come behind it, one an entry
	Remove []string `yaml:"remove"` // words that go
}

// BootImages are the partitions that BootEdits may name.
var BootImages = []string{"boot", "init_boot", "vendor_boot", "recovery"}

const (
	maxAnimation = 256 << 20 // bytes
	maxPicture   = 64 << 20
	maxFont      = 128 << 20
	maxPolicy    = 16 << 20
)

var androidRange = regexp.MustCompile(`^(>=|<=)?([0-9]{1,2})(\.[0-9]+)*$`)

// checkSpecial checks what needs no stock.
func (l *Layer) checkSpecial(s *Snapshot) {
	d := l.doc
	for _, list := range []struct {
		key     string
		files   []string
		endings []string
	}{
		{"init", l.Init, []string{".rc"}},
		{"fonts", l.Fonts, []string{".ttf", ".otf", ".ttc"}},
		{"sepolicy", l.SEPolicy, []string{".cil"}},
	} {
		for i, name := range list.files {
			if at := fmt.Sprintf("%s[%d]", list.key, i); l.checkFile(at, name, list.endings...) {
				l.checkListed(list.key, at, name)
			}
		}
	}
	if d.Has("bootanimation") && l.checkFile("bootanimation", l.BootAnimation, ".zip") {
		l.checkContent("bootanimation", l.BootAnimation, maxAnimation, "%s is no boot animation: %v", media.Animation)
	}
	if d.Has("wallpaper") && l.checkFile("wallpaper", l.Wallpaper, ".png", ".jpg", ".webp") {
		l.checkContent("wallpaper", l.Wallpaper, maxPicture, "%s: %v", func(b []byte) error { return media.Picture(b, strings.ToLower(path.Ext(l.Wallpaper))) })
	}
	for _, partition := range slices.Sorted(maps.Keys(l.Boot)) {
		l.checkBoot(partition)
	}
	l.checkApps()
	l.checkOverlays()
	l.checkRequires(s)
}

// checkContent has a file of the layer judged.
func (l *Layer) checkContent(at, name string, most int64, format string, check func([]byte) error) {
	b, err := l.files[name].Bytes(most)
	if err == nil {
		err = check(b)
	}
	if err != nil {
		l.doc.Add(at, "", format, name, err)
	}
}

// checkListed judges the files that come in lists. Mistakes in text are told where they
// stand.
func (l *Layer) checkListed(key, at, name string) {
	f := l.files[name]
	switch key {
	case "fonts":
		l.checkContent(at, name, maxFont, "%s is no font: %v", media.Font)
	case "init":
		text, err := f.Bytes(initrc.MaxSize)
		if err != nil {
			l.doc.Add(at, "", "%s: %v", name, err)
			return
		}
		_, mistakes := initrc.Parse(text)
		for _, m := range mistakes {
			l.doc.AddIn(f.Path, strict.Pos{Line: m.Line, Col: m.Col}, strict.Meant(m.Word, m.Among), "%s", m.Message)
		}
	case "sepolicy":
		text, err := f.Bytes(maxPolicy)
		if err != nil {
			l.doc.Add(at, "", "%s: %v", name, err)
			return
		}
		for _, m := range cil.Check(text, nil) {
			l.doc.AddIn(f.Path, strict.Pos{Line: m.Line, Col: m.Col}, strict.Meant(m.Word, m.Among), "%s", m.Message)
		}
	}
}

// checkFile says whether a file of the layer is there and is named as expected.
func (l *Layer) checkFile(at, name string, endings ...string) bool {
	f := l.files[name]
	switch {
	case f == nil:
		l.doc.Add(at, strict.OneOf(name, slices.Collect(maps.Keys(l.files))), "nothing is committed at layers/%s/%s", l.Name, name)
	case f.Symlink || f.Submodule:
		l.doc.Add(at, "", "%s is a symlink or submodule, expected a file", f.Path)
	case !slices.Contains(endings, strings.ToLower(path.Ext(name))):
		l.doc.Add(at, "", "%s: expected a file that ends in %s", name, strings.Join(endings, " or "))
	case f.Size == 0:
		l.doc.Add(at, "", "%s is empty", f.Path)
	default:
		return true
	}
	return false
}

func (l *Layer) checkBoot(partition string) {
	d, at := l.doc, strict.Join("boot", partition)
	if !slices.Contains(BootImages, partition) {
		d.AddAtKey(at, strict.OneOf(partition, BootImages), "%q is no boot image", partition)
		return
	}
	e := l.Boot[partition]
	for i := range e.Ramdisk {
		a, here := &e.Ramdisk[i], fmt.Sprintf("%s.ramdisk[%d]", at, i)
		d.Require(here+".from", here+".to")
		if to := a.To; d.Has(here+".to") && (strings.HasPrefix(to, "/") || to != "" && path.Clean(to) != to || to == ".." || strings.HasPrefix(to, "../")) {
			d.Add(here+".to", "", "to is %q, expected a plain path in the ramdisk, without / in front", to)
		}
		l.checkFrom(a, here)
		for j := range a.Rules {
			l.checkRule(&a.Rules[j], fmt.Sprintf("%s.rules[%d]", here, j))
		}
	}
	for key, words := range map[string][]string{"append": e.Cmdline.Append, "remove": e.Cmdline.Remove} {
		for i, w := range words {
			if w == "" || strings.ContainsAny(w, " \t\n\x00") {
				d.Add(fmt.Sprintf("%s.cmdline.%s[%d]", at, key, i), "one entry a word", "%q is not one word of a command line", w)
			}
		}
	}
}

func (l *Layer) checkRequires(s *Snapshot) {
	d := l.doc
	if d.Has("requires.android") && !androidRange.MatchString(l.Requires.Android) {
		d.Add("requires.android", "", "android is %q, expected a version such as 13, >=12 or <=14", l.Requires.Android)
	}
	for i, p := range l.Requires.Stock {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			d.Add(fmt.Sprintf("requires.stock[%d]", i), "", "%q is no fingerprint, with * and ?", p)
		}
	}
	for i, n := range l.Over {
		if way := s.around(l.Name, n, func(l *Layer) []string { return l.Over }); way != nil && l.Name == slices.Min(way) {
			d.Add(fmt.Sprintf("over[%d]", i), "", "layers are laid over one another in a circle: %s", strings.Join(append(way, l.Name), ", "))
		}
	}
	for key, names := range map[string][]string{"requires.layers": l.Requires.Layers, "conflicts": l.Conflicts, "over": l.Over} {
		for i, n := range names {
			at := fmt.Sprintf("%s[%d]", key, i)
			if n == l.Name {
				d.Add(at, "", "layer %q names itself", n)
			} else if s.Layers[n] == nil {
				d.Add(at, strict.OneOf(n, slices.Collect(maps.Keys(s.Layers))), "there is no layer %q", n)
			}
		}
	}
	for i, n := range l.Requires.Layers {
		if way := s.around(l.Name, n, func(l *Layer) []string { return l.Requires.Layers }); way != nil && l.Name == slices.Min(way) {
			d.Add(fmt.Sprintf("requires.layers[%d]", i), "make them one layer, or let one of them do without", "layers require one another in a circle: %s", strings.Join(append(way, l.Name), ", "))
		}
		if slices.Contains(l.Conflicts, n) {
			d.Add(fmt.Sprintf("requires.layers[%d]", i), "", "layer %q is required and conflicts", n)
		}
	}
}

// around is the way from a layer back to itself by what next says, through the layer by;
// nil: there is none.
func (s *Snapshot) around(from, by string, next func(*Layer) []string) []string {
	seen := map[string]bool{}
	var walk func(name string) []string
	walk = func(name string) []string {
		l := s.Layers[name]
		if l == nil || seen[name] {
			return nil
		}
		seen[name] = true
		for _, n := range next(l) {
			if n == from {
				return []string{name}
			}
			if rest := walk(n); rest != nil {
				return append([]string{name}, rest...)
			}
		}
		return nil
	}
	if by == from {
		return nil // said already
	}
	if rest := walk(by); rest != nil {
		return append([]string{from}, rest...)
	}
	return nil
}

// FitsAndroid says whether a version of Android, such as "7.1.1", is one that the
// layer requires.
func (r Requires) FitsAndroid(have string) bool {
	want := r.Android
	if want == "" {
		return true
	}
	m := androidRange.FindStringSubmatch(want)
	number, _, _ := strings.Cut(have, ".")
	h, err := strconv.Atoi(number)
	if m == nil || err != nil {
		return false
	}
	w, _ := strconv.Atoi(m[2])
	switch m[1] {
	case ">=":
		return h >= w
	case "<=":
		return h <= w
	}
	return h == w && (m[3] == "" || have == want || strings.HasPrefix(have, want+"."))
}
