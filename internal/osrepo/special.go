package osrepo

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

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
	maxPolicy    = 16 << 20
)

var (
	androidRange = regexp.MustCompile(`^(>=|<=)?([0-9]{1,2})(\.[0-9]+)*$`)
	animation    = regexp.MustCompile(`^[0-9]+ [0-9]+ [0-9]+( [0-9]+)?\s*$`)
)

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
			l.checkFile(fmt.Sprintf("%s[%d]", list.key, i), name, list.endings...)
		}
	}
	if d.Has("bootanimation") && l.checkFile("bootanimation", l.BootAnimation, ".zip") {
		if err := checkAnimation(l.files[l.BootAnimation]); err != nil {
			d.Add("bootanimation", "", "%s is no boot animation: %v", l.BootAnimation, err)
		}
	}
	if d.Has("wallpaper") && l.checkFile("wallpaper", l.Wallpaper, ".png", ".jpg", ".webp") {
		if err := checkPicture(l.files[l.Wallpaper]); err != nil {
			d.Add("wallpaper", "", "%s: %v", l.Wallpaper, err)
		}
	}
	for i, name := range l.SEPolicy {
		if f := l.files[name]; f != nil {
			if err := checkCIL(f); err != nil {
				d.Add(fmt.Sprintf("sepolicy[%d]", i), "", "%s: %v", name, err)
			}
		}
	}
	for _, partition := range slices.Sorted(maps.Keys(l.Boot)) {
		l.checkBoot(partition)
	}
	l.checkApps()
	l.checkOverlays()
	l.checkRequires(s)
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
		if slices.Contains(l.Conflicts, n) {
			d.Add(fmt.Sprintf("requires.layers[%d]", i), "", "layer %q is required and conflicts", n)
		}
	}
}

// checkAnimation checks what a phone needs of a bootanimation.zip: everything is
// stored without compression, and desc.txt begins with width, height and frames a
// second.
func checkAnimation(f *File) error {
	b, err := f.Bytes(maxAnimation)
	if err != nil {
		return err
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	found := false
	for _, e := range z.File {
		if e.Method != zip.Store {
			return fmt.Errorf("%s in it is compressed; phones play stored files alone (zip -0)", e.Name)
		}
		if e.Name != "desc.txt" {
			continue
		}
		found = true
		r, err := e.Open()
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<16))
		r.Close()
		if err != nil {
			return err
		}
		if first, _, _ := strings.Cut(string(text), "\n"); !animation.MatchString(first) {
			return fmt.Errorf("desc.txt begins with %.40q, expected width, height and frames a second", first)
		}
	}
	if !found {
		return fmt.Errorf("it holds no desc.txt")
	}
	return nil
}

// checkPicture looks at what a picture begins with.
func checkPicture(f *File) error {
	b, err := f.Bytes(64 << 20)
	if err != nil {
		return err
	}
	want := map[string]string{".png": "\x89PNG\r\n\x1a\n", ".jpg": "\xff\xd8\xff", ".webp": "RIFF"}[strings.ToLower(path.Ext(f.Path))]
	if !strings.HasPrefix(string(b), want) {
		return fmt.Errorf("it begins with %.8q, which is no picture of that kind", b)
	}
	return nil
}

// checkCIL checks that parentheses are balanced outside of comments and strings:
// what is behind an unbalanced one would swallow the vendor's own policy.
func checkCIL(f *File) error {
	b, err := f.Bytes(maxPolicy)
	if err != nil {
		return err
	}
	line, depth, quoted, comment := 1, 0, false, false
	for _, c := range b {
		switch {
		case c == '\n':
			line++
			comment = false
		case c == 0:
			return fmt.Errorf("line %d: it holds a NUL", line)
		case comment:
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';':
			comment = true
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth < 0 {
				return fmt.Errorf("line %d: there is a ) too many", line)
			}
		}
	}
	if depth > 0 || quoted {
		return fmt.Errorf("line %d: the text ends within %d parentheses", line, depth)
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
