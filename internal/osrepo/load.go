package osrepo

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo/fsconfig"
	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/fridayos/friday/internal/wire"
)

var digests = regexp.MustCompile(`^[0-9a-f]{64}$`)

var (
	regions = regexp.MustCompile(`^[A-Z]{2}$`)
	bases   = regexp.MustCompile(`^[0-9]{1,4}(\.[0-9]{1,4}){0,3}$`)
)

// Read reads the files of a commit, by path, and checks all that can be checked
// without a stock. The error is of type Problems where their content is to blame.
func Read(files map[string]*File) (*Snapshot, error) {
	return readWith(files, func(dir string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(files)), func(p string) bool { return strings.HasPrefix(p, dir+"/") })
	})
}

// readWith is Read, told how to ask whether there is anything at a path of the commit.
func readWith(files map[string]*File, committed func(path string) bool) (*Snapshot, error) {
	s := &Snapshot{Devices: map[string]*Device{}, Layers: map[string]*Layer{}}
	var ps Problems
	if f, ok := files["os.yaml"]; ok {
		text, err := read(f)
		if err != nil {
			return nil, err
		}
		s.OS.doc = strict.Decode("os.yaml", text, &s.OS, &ps)
	} else {
		ps.Add("os.yaml", strict.Pos{}, "\"friday init\" makes a repository that has one", "the file is not committed")
	}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		parts := strings.Split(p, "/")
		if len(parts) < 3 {
			continue
		}
		var err error
		switch {
		case parts[0] == "devices" && len(parts) == 3 && parts[2] == "device.yaml":
			err = s.addDevice(parts[1], files[p], &ps)
		case parts[0] == "layers":
			err = s.addLayerFile(parts[1], strings.Join(parts[2:], "/"), files[p], &ps)
		}
		if err != nil {
			return nil, err
		}
	}
	for name, l := range s.Layers {
		if l.doc == nil {
			ps.Add("layers/"+name+"/layer.yaml", strict.Pos{}, "say there what the layer does", "the file is not committed")
		}
	}
	if s.OS.doc != nil && len(ps) == 0 {
		s.checkOS()
		if keys := path.Clean(s.OS.Keys); !strings.HasPrefix(keys, "/") && !strings.HasPrefix(keys, "..") && committed(keys) {
			s.OS.doc.Add("keys", "keep the keys beside it, in a folder that git ignores, and make new ones", "keys is %s, which is committed: whoever reads the repository signs as you do", s.OS.Keys)
		}
		for _, d := range s.Devices {
			s.checkDevice(d)
		}
		for _, l := range s.Layers {
			l.check()
			l.checkSpecial(s)
		}
	}
	if err := ps.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func read(f *File) ([]byte, error) {
	if f.Symlink || f.Submodule {
		return nil, Problems{{File: f.Path, Message: "expected a file, found a symlink or submodule"}}
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, strict.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", f.Path, err)
	}
	return b, nil
}

func (s *Snapshot) addDevice(folder string, f *File, ps *Problems) error {
	text, err := read(f)
	if err != nil {
		return err
	}
	d := &Device{}
	d.doc = strict.Decode(f.Path, text, d, ps)
	if d.doc.Has("codename") && d.Codename != folder {
		d.doc.Add("codename", "", "codename is %q, but the folder is devices/%s", d.Codename, folder)
	}
	s.Devices[folder] = d
	return nil
}

func (s *Snapshot) addLayerFile(name, rest string, f *File, ps *Problems) error {
	l := s.Layers[name]
	if l == nil {
		l = &Layer{Name: name, files: map[string]*File{}}
		s.Layers[name] = l
	}
	if rest != "layer.yaml" {
		l.files[rest] = f
		return nil
	}
	text, err := read(f)
	if err != nil {
		return err
	}
	l.doc = strict.Decode(f.Path, text, l, ps)
	return nil
}

func (s *Snapshot) checkOS() {
	o, d := &s.OS, s.OS.doc
	d.Require("name", "update_url", "channels", "default_channel", "layers")
	d.NotEmpty("name", o.Name)
	o.defaults()
	if o.VersionScheme != "date" {
		d.Add("version_scheme", "the only one is \"date\": 26.11.27", "unknown version scheme %q", o.VersionScheme)
	}
	if u, err := url.Parse(o.UpdateURL); d.Has("update_url") && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "") {
		d.Add("update_url", "", "update_url is %q, expected an address such as https://ota.example.org", o.UpdateURL)
	}
	for i, c := range o.Channels {
		at := fmt.Sprintf("channels[%d]", i)
		if !slices.Contains(wire.Channels(), c) {
			d.Add(at, strict.OneOf(c, wire.Channels()), "unknown channel %q", c)
		} else if slices.Index(o.Channels, c) < i {
			d.Add(at, "", "channel %q is listed twice", c)
		}
	}
	if d.Has("default_channel") && !slices.Contains(o.Channels, o.Channel) {
		d.Add("default_channel", strict.OneOf(o.Channel, o.Channels), "default_channel is %q, which channels does not list", o.Channel)
	}
	s.checkLayerNames(d, o.Layers, nil)
}

// defaults puts in what may be left out.
func (o *OS) defaults() {
	o.VersionScheme = cmp.Or(o.VersionScheme, "date")
	o.Keys = cmp.Or(o.Keys, ".friday/keys")
}

func (s *Snapshot) checkLayerNames(d *strict.Document, names, before []string) {
	for i, n := range names {
		at := fmt.Sprintf("layers[%d]", i)
		switch {
		case s.Layers[n] == nil:
			d.Add(at, strict.OneOf(n, slices.Collect(maps.Keys(s.Layers))), "there is no layer %q", n)
		case slices.Index(names, n) < i:
			d.Add(at, "", "layer %q is listed twice", n)
		case slices.Contains(before, n):
			d.Add(at, "", "layer %q is listed twice: os.yaml has it for every device", n)
		}
	}
}

func (s *Snapshot) checkDevice(v *Device) {
	d := v.doc
	d.Require("codename", "vendor", "name", "boot")
	d.NotEmpty("vendor", v.Vendor)
	d.NotEmpty("name", v.Name)
	if d.Has("codename") && !wire.IsCodename(v.Codename) {
		d.Add("codename", "", "codename is %q, expected letters, digits and . _ -", v.Codename)
	}
	for i, n := range v.Variants {
		if !wire.IsCodename(n) {
			d.Add(fmt.Sprintf("variants[%d]", i), "", "variant is %q, expected letters, digits and . _ -", n)
		}
	}
	if d.Has("stock") && !digests.MatchString(v.Stock) {
		d.Add("stock", "\"friday stock add\" prints it", "stock is %q, expected a SHA-256 in 64 hex digits", v.Stock)
	}
	if d.Has("boot") {
		checkBoot(v)
	}
	for _, name := range slices.Sorted(maps.Keys(v.Partitions)) {
		p, at := v.Partitions[name], strict.Join("partitions", name)
		if !bootprofile.IsPartition(name) {
			d.Add(at, "", "partition %q is no name that Android uses", name)
		}
		if known := []string{"erofs", "ext4", "raw"}; p.FS != "" && !slices.Contains(known, p.FS) {
			d.Add(at+".fs", strict.OneOf(p.FS, known), "unknown file system %q", p.FS)
		}
		if d.Has(at+".size") && (p.Size <= 0 || p.Size%4096 != 0 || p.Size > 1<<40) {
			d.Add(at+".size", "", "size is %d, expected a multiple of 4096 up to 1 TiB", p.Size)
		}
	}
	checkOutputs(v)
	checkFirmware(v)
	if v.Rollback.Location > 31 {
		d.Add("rollback.location", "", "rollback location is %d, expected 0 to 31", v.Rollback.Location)
	}
	if d.Has("rollback.index") && v.Rollback.Index == 0 {
		d.Add("rollback.index", "leave it out to take the security patch level", "rollback index is 0, which protects nothing")
	}
	for i, r := range v.Offer.Regions {
		if r != "GLOBAL" && !regions.MatchString(r) {
			d.Add(fmt.Sprintf("offer.regions[%d]", i), "", "region is %q, expected two capital letters such as IN, or GLOBAL", r)
		}
	}
	for i, c := range v.Offer.Carriers {
		d.NotEmpty(fmt.Sprintf("offer.carriers[%d]", i), c)
	}
	if d.Has("offer.base") && !bases.MatchString(v.Offer.Base) {
		d.Add("offer.base", "", "least Android version is %q, expected one such as 13 or 8.1", v.Offer.Base)
	}
	s.checkLayerNames(d, v.Layers, s.OS.Layers)
}

// checkBoot puts the boot profile's own complaint where its field stands.
func checkBoot(v *Device) {
	v.doc.Require("boot.trust", "boot.slots", "boot.flash", "boot.update_certificates")
	err := v.Boot.Check()
	if err == nil || !v.doc.Has("boot.trust") || !v.doc.Has("boot.slots") || !v.doc.Has("boot.flash") || !v.doc.Has("boot.update_certificates") {
		return
	}
	message := strings.TrimPrefix(err.Error(), "cannot use boot profile: ")
	field, _, _ := strings.Cut(message, " ")
	v.doc.Add("boot."+field, "", "%s", message)
}

// SplitPlace cuts "partition:path", as layers write places.
func SplitPlace(place string) (partition, p string, err error) {
	partition, p, ok := strings.Cut(place, ":")
	switch {
	case !ok:
		return "", "", errors.New("expected \"partition:path\" such as \"system:system/app\"")
	case !bootprofile.IsPartition(partition):
		return "", "", fmt.Errorf("%q is no name of a partition", partition)
	case strings.HasPrefix(p, "/"):
		return "", "", errors.New("the path begins at the partition's root, without /")
	case p != "" && path.Clean(p) != p || p == "." || strings.HasPrefix(p, "../") || p == "..":
		return "", "", errors.New("the path must be plain, without . or .. or a trailing /")
	}
	return partition, p, nil
}

func (l *Layer) check() {
	d := l.doc
	d.Require("why")
	d.NotEmpty("why", l.Why)
	for i := range l.Add {
		l.checkAdd(&l.Add[i], fmt.Sprintf("add[%d]", i))
	}
	for i, r := range l.Remove {
		at := fmt.Sprintf("remove[%d]", i)
		_, p, err := SplitPlace(r)
		if err == nil && p == "" {
			err = errors.New("the path is empty; a partition as a whole cannot be removed")
		}
		if err == nil {
			err = tree.CheckPattern(p)
		}
		if err != nil {
			d.Add(at, "", "cannot remove %q: %v", r, err)
		}
	}
	for _, partition := range slices.Sorted(maps.Keys(l.Props)) {
		if !bootprofile.IsPartition(partition) {
			d.Add(strict.Join("props", partition), "", "%q is no name of a partition", partition)
		}
		l.checkProps(l.Props[partition], strict.Join("props", partition))
	}
}

func (l *Layer) checkAdd(a *Add, at string) {
	d := l.doc
	d.Require(at+".from", at+".to")
	if d.Has(at + ".to") {
		if _, _, err := SplitPlace(a.To); err != nil {
			d.Add(at+".to", "", "cannot add to %q: %v", a.To, err)
		}
	}
	l.checkFrom(a, at)
	for i := range a.Rules {
		l.checkRule(&a.Rules[i], fmt.Sprintf("%s.rules[%d]", at, i))
	}
}

// checkFrom says whether there is something to be added.
func (l *Layer) checkFrom(a *Add, at string) {
	if l.doc.Has(at + ".from") {
		l.checkFolder(a.From, at+".from")
	}
	for _, f := range l.Under(a.From) {
		if f.Submodule {
			l.doc.Add(at+".from", "", "%s is a submodule, which cannot be added", f.Path)
		}
		if err := checkName(f.Path); err != nil {
			l.doc.Add(at+".from", "", "cannot add %q: %v", f.Path, err)
		}
		if f.Size <= maxSecret && !f.Symlink && !f.Submodule {
			if b, err := f.Bytes(maxSecret); err == nil && secret.Match(b) {
				l.doc.Add(at+".from", "take it out of the repository and out of its history; whoever has it signs as you do", "%s holds a private key, which every phone would get to read", f.Path)
			}
		}
	}
}

// checkFolder says whether something is committed in a folder of the layer.
func (l *Layer) checkFolder(from, at string) bool {
	d := l.doc
	if from == "" || path.Clean(from) != from || strings.HasPrefix(from, "/") || strings.HasPrefix(from, "..") {
		key := at[strings.LastIndexByte(at, '.')+1:]
		d.Add(at, "", "%s is %q, expected a folder beside layer.yaml", key, from)
		return false
	}
	if len(l.Under(from)) > 0 {
		return true
	}
	tops := map[string]bool{}
	for f := range l.files {
		tops[strings.Split(f, "/")[0]] = true
	}
	d.Add(at, strict.OneOf(from, slices.Collect(maps.Keys(tops))), "nothing is committed at layers/%s/%s", l.Name, from)
	return false
}

func (l *Layer) checkRule(r *Rule, at string) {
	d := l.doc
	d.Require(at + ".path")
	if err := tree.CheckPattern(r.Path); d.Has(at+".path") && err != nil {
		d.Add(at+".path", "", "%v", err)
	}
	if _, err := fsconfig.ParseMode(r.Mode); d.Has(at+".mode") && err != nil {
		d.Add(at+".mode", "", "%v", err)
	}
	for _, o := range []struct{ key, value string }{{"owner", r.Owner}, {"group", r.Group}} {
		if _, ok := fsconfig.ID(o.value); d.Has(at+"."+o.key) && !ok {
			d.Add(at+"."+o.key, strict.Meant(o.value, fsconfig.IDNames()), "%s is %q, expected a number or one of Android's names", o.key, o.value)
		}
	}
	if d.Has(at+".label") && !fsconfig.IsLabel(r.Label) {
		d.Add(at+".label", "", "label is %q, expected one such as u:object_r:system_file:s0", r.Label)
	}
	for i, c := range r.Capabilities {
		if !slices.Contains(fsconfig.Capabilities, c) {
			d.Add(fmt.Sprintf("%s.capabilities[%d]", at, i), strict.Meant(c, fsconfig.Capabilities), "unknown capability %q", c)
		}
	}
}

func (l *Layer) checkProps(e PropEdits, at string) {
	d := l.doc
	seen := map[string]bool{}
	one := func(place, key string) {
		if err := buildprop.CheckKey(key); err != nil {
			d.AddAtKey(place, "", "%v", err)
		} else if slices.Contains(Ours, key) {
			d.AddAtKey(place, "", "property %s is set by Friday itself", key)
		} else if seen[key] {
			d.AddAtKey(place, "", "property %s is changed twice", key)
		}
		seen[key] = true
	}
	for _, m := range []struct {
		word, before string // what is known to stand before the value
		values       map[string]string
	}{{"set", "", e.Set}, {"append", "x", e.Append}} {
		for _, key := range slices.Sorted(maps.Keys(m.values)) {
			place := strict.Join(strict.Join(at, m.word), key)
			one(place, key)
			if err := checkVariables(m.values[key]); err != nil {
				d.Add(place, meantVariable(m.values[key]), "%v", err)
			} else if err := buildprop.CheckValue(key, m.before+m.values[key]); err != nil {
				d.Add(place, "", "%v", err)
			}
		}
	}
	for i, key := range e.Delete {
		one(fmt.Sprintf("%s.delete[%d]", at, i), key)
	}
}
