package overlay

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Source is a file of the resources' folder.
type Source struct {
	Path    string // "values-de/strings.xml"
	Content []byte
}

// Resources are what an overlay lays over its target's.
type Resources struct {
	entries []entry
	files   []Source // that go into the APK as they are
}

// Len is how many resources there are; one with values for several configs counts
// once.
func (r *Resources) Len() int {
	names := map[string]bool{}
	for _, e := range r.entries {
		names[e.kind+"/"+e.name] = true
	}
	return len(names)
}

// Mistake is something wrong in the resources, and where.
type Mistake struct {
	File      string // path of its Source
	Line, Col int    // from 1; 0: the file as a whole
	Message   string
	Hint      string // may be ""
}

// Limits of what is compiled.
const (
	maxSources   = 5_000
	maxResources = 20_000
	maxContent   = 64 << 20 // bytes of all files
	maxValues    = 4 << 20  // bytes of one XML file
)

// files of these types are one resource each, by their endings.
var fileTypes = map[string][]string{
	"drawable": {".png", ".webp", ".jpg", ".jpeg", ".gif"},
	"mipmap":   {".png", ".webp"},
	"font":     {".ttf", ".otf", ".ttc"},
	"raw":      nil, // any
}

var resourceName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,254}$`)

// Compile reads the resources. With mistakes, there are none.
func Compile(sources []Source) (*Resources, []Mistake) {
	c := &compiler{seen: map[string]string{}, in: &Resources{}}
	total := 0
	for _, s := range sources {
		total += len(s.Content)
	}
	if len(sources) > maxSources || total > maxContent {
		return nil, []Mistake{{Message: fmt.Sprintf("%d files of %d bytes, expected at most %d of %d", len(sources), total, maxSources, maxContent)}}
	}
	sources = slices.Clone(sources)
	slices.SortFunc(sources, func(a, b Source) int { return cmp.Compare(a.Path, b.Path) })
	for _, s := range sources {
		c.file = s.Path
		c.source(s)
	}
	c.references()
	if len(c.mistakes) > 0 {
		return nil, c.mistakes
	}
	return c.in, nil
}

type compiler struct {
	in       *Resources
	file     string
	mistakes []Mistake
	seen     map[string]string // a resource and its config, to where it is
	refs     []reference
}

// reference is to a resource that must be the overlay's own.
type reference struct {
	to, file  string
	line, col int
}

func (c *compiler) wrong(line, col int, hint, format string, args ...any) {
	c.mistakes = append(c.mistakes, Mistake{c.file, line, col, fmt.Sprintf(format, args...), hint})
}

// source reads one file.
func (c *compiler) source(s Source) {
	folder, name := path.Split(s.Path)
	folder = strings.TrimSuffix(folder, "/")
	kind, qualifiers, _ := strings.Cut(folder, "-")
	endings, isFile := fileTypes[kind]
	switch {
	case kind != "values" && !isFile || strings.Contains(folder, "/"):
		c.wrong(0, 0, "there are values, drawable, mipmap, font and raw, each with qualifiers such as values-de", "%q is no folder of resources that is compiled here", folder)
		return
	}
	config, err := parseConfig(qualifiers)
	if err != nil {
		c.wrong(0, 0, "as in values-de-rAT, values-night, drawable-xxhdpi", "folder %s: %v", folder, err)
		return
	}
	if kind == "values" {
		if path.Ext(name) != ".xml" {
			c.wrong(0, 0, "", "expected a file that ends in .xml")
		} else if len(s.Content) > maxValues {
			c.wrong(0, 0, "", "it has %d bytes, expected at most %d", len(s.Content), maxValues)
		} else {
			c.values(s.Content, config)
		}
		return
	}
	ext := strings.ToLower(path.Ext(name))
	const bring = "bring an APK that aapt2 made, through apps"
	switch {
	case ext == ".xml" && !bytes.HasPrefix(s.Content, []byte{chunkXML, 0}):
		c.wrong(0, 0, bring, "resources in XML beside values are not compiled here")
		return
	case strings.HasSuffix(name, ".9.png") && !bytes.Contains(s.Content, []byte("npTc")):
		c.wrong(0, 0, "compile it with aapt2, which puts the frame into the file", "a picture with a stretchable frame must be compiled")
		return
	case endings != nil && ext != ".xml" && !slices.Contains(endings, ext):
		c.wrong(0, 0, "", "expected a file that ends in %s", strings.Join(endings, " or "))
		return
	case len(s.Content) == 0 && kind != "raw":
		c.wrong(0, 0, "", "the file is empty")
		return
	}
	resource, _, _ := strings.Cut(name, ".")
	if c.add(1, 1, entry{kind: kind, name: resource, config: config, value: value{kind: kindString, text: "res/" + s.Path}}) {
		c.in.files = append(c.in.files, s)
	}
}

// add takes a resource in, once.
func (c *compiler) add(line, col int, e entry) bool {
	id := fmt.Sprintf("%s/%s %x", e.kind, e.name, e.config.encode())
	here := c.file
	if line > 0 {
		here = fmt.Sprintf("%s:%d", c.file, line)
	}
	switch was, ok := c.seen[id]; {
	case !resourceName.MatchString(e.name):
		c.wrong(line, col, "letters, digits, _ and .", "%q is no name of a resource", e.name)
	case ok:
		c.wrong(line, col, "", "%s/%s is given twice, first in %s", e.kind, e.name, was)
	case len(c.seen) == maxResources:
		c.wrong(line, col, "", "there are more than %d resources", maxResources)
	case len(c.seen) > maxResources:
	default:
		c.seen[id] = here
		c.in.entries = append(c.in.entries, e)
		return true
	}
	return false
}

// references must lead to what the overlay has itself.
func (c *compiler) references() {
	have := map[string]bool{}
	for _, e := range c.in.entries {
		have[e.kind+"/"+e.name] = true
	}
	for _, r := range c.refs {
		if !have[r.to] {
			c.file = r.file
			c.wrong(r.line, r.col, "write the value itself: the numbers of other apps' resources differ from phone to phone", "@%s is no resource of this overlay", r.to)
		}
	}
}
