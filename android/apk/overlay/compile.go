package overlay

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk/overlay/qualifier"
)

// Source is a file of the resources' folder.
type Source struct {
	Path    string // "values-de/strings.xml"
	Content []byte
}

// Resources are what an overlay lays over its target's.
type Resources struct {
	entries []entry
	files   []Source    // that go into the APK as they are
	docs    []*document // that go into it as binary XML
	linked  bool        // with what they name of the framework's
}

// Name is a resource by its type and name, and where it is given first.
type Name struct {
	Type, Name string
	File       string
	Line, Col  int
	// Used: another resource of the overlay refers to it, so that it serves its purpose
	// even where the target has none of that name.
	Used bool
}

// Names lists the resources, each once, in the order of their files.
func (r *Resources) Names() (out []Name) {
	seen, used := map[string]bool{}, map[string]bool{}
	r.uses(func(ref string) { used[ref] = true })
	for _, e := range r.entries {
		id := e.kind + "/" + e.name
		if !seen[id] {
			seen[id] = true
			out = append(out, Name{e.kind, e.name, e.file, e.line, e.col, used[id]})
		}
	}
	return out
}

// uses calls fn for each resource of the overlay's own that another refers to.
func (r *Resources) uses(fn func(ref string)) {
	for _, e := range r.entries {
		fn(e.value.ref)
		for _, i := range e.items {
			fn(i.ref)
		}
		if e.style == nil {
			continue
		}
		if e.style.parent != nil {
			fn(e.style.parent.own())
		}
		for _, i := range e.style.items {
			if s, err := parseSymbol(strings.TrimSpace(i.text)); err == nil && s.pkg == "" {
				fn(s.own())
			}
		}
	}
	var walk func(n *node)
	walk = func(n *node) {
		for _, a := range n.attributes {
			if s, err := parseSymbol(strings.TrimSpace(a.text)); err == nil && s.pkg == "" {
				fn(s.own())
			}
		}
		for _, m := range n.nodes {
			walk(m)
		}
	}
	for _, d := range r.docs {
		walk(d.root)
	}
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
	// Word and Among, if set, are what was written and what there is, of which another
	// may have been meant.
	Word  string
	Among []string
}

// Limits of what is compiled.
const (
	maxSources   = 5_000
	maxResources = 20_000
	maxContent   = 64 << 20 // bytes of all files
	maxValues    = 4 << 20  // bytes of one XML file
)

// files of these types are one resource each, by their endings; those in XML are
// compiled.
var fileTypes = map[string][]string{
	"drawable":     {".xml", ".png", ".webp", ".jpg", ".jpeg", ".gif"},
	"mipmap":       {".xml", ".png", ".webp"},
	"font":         {".xml", ".ttf", ".otf", ".ttc"},
	"raw":          nil, // any, as it is
	"anim":         {".xml"},
	"animator":     {".xml"},
	"color":        {".xml"},
	"interpolator": {".xml"},
	"layout":       {".xml"},
	"menu":         {".xml"},
	"transition":   {".xml"},
	"xml":          {".xml"},
}

// folders are the types that have folders.
func folders() string {
	return "values, " + strings.Join(slices.Sorted(maps.Keys(fileTypes)), ", ")
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
	refs     []symbol
}

func (c *compiler) wrong(line, col int, hint, format string, args ...any) {
	c.mistakes = append(c.mistakes, Mistake{File: c.file, Line: line, Col: col, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// source reads one file.
func (c *compiler) source(s Source) {
	folder, name := path.Split(s.Path)
	folder = strings.TrimSuffix(folder, "/")
	kind, qualifiers, _ := strings.Cut(folder, "-")
	endings, isFile := fileTypes[kind]
	switch {
	case kind != "values" && !isFile || strings.Contains(folder, "/"):
		c.wrong(0, 0, "there are "+folders()+", each with qualifiers such as values-de", "%q is no folder of resources that is compiled here", folder)
		return
	}
	config, err := qualifier.Parse(qualifiers)
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
	switch {
	case strings.HasSuffix(name, ".9.png") && !bytes.Contains(s.Content, []byte("npTc")):
		c.wrong(0, 0, "compile it with aapt2, which puts the frame into the file", "a picture with a stretchable frame must be compiled")
		return
	case endings != nil && !slices.Contains(endings, ext):
		c.wrong(0, 0, "", "expected a file that ends in %s", strings.Join(endings, " or "))
		return
	case len(s.Content) == 0 && kind != "raw":
		c.wrong(0, 0, "", "the file is empty")
		return
	case kind != "raw" && !isPicture(ext, s.Content):
		c.wrong(0, 0, "", "it begins with %.8q, which is no file of that kind", s.Content)
		return
	}
	var doc *document
	if ext == ".xml" && kind != "raw" && !bytes.HasPrefix(s.Content, []byte{chunkXML, 0}) {
		if len(s.Content) > maxValues {
			c.wrong(0, 0, "", "it has %d bytes, expected at most %d", len(s.Content), maxValues)
			return
		}
		if doc = c.document(s.Path, s.Content); doc == nil {
			return
		}
	}
	resource, _, _ := strings.Cut(name, ".")
	if !c.add(1, 1, entry{kind: kind, name: resource, config: config, value: value{kind: kindString, text: "res/" + s.Path}}) {
		return
	}
	if doc == nil {
		c.in.files = append(c.in.files, s)
		return
	}
	c.in.docs = append(c.in.docs, doc)
	c.made(doc.root)
}

// isPicture looks at what a picture or font begins with, where that says what it is.
func isPicture(ext string, content []byte) bool {
	begins := map[string][]string{
		".png": {"\x89PNG\r\n\x1a\n"}, ".jpg": {"\xff\xd8\xff"}, ".jpeg": {"\xff\xd8\xff"}, ".webp": {"RIFF"}, ".gif": {"GIF8"},
		".ttf": {"\x00\x01\x00\x00", "true"}, ".otf": {"OTTO", "\x00\x01\x00\x00"}, ".ttc": {"ttcf"},
	}[ext]
	return begins == nil || slices.ContainsFunc(begins, func(b string) bool { return bytes.HasPrefix(content, []byte(b)) })
}

// made takes in the resources of type id that a document makes by naming them: @+id/x.
func (c *compiler) made(n *node) {
	for _, a := range n.attributes {
		if s, err := parseSymbol(strings.TrimSpace(a.text)); err == nil && s.create {
			if _, ok := c.seen[fmt.Sprintf("id/%s %x", s.name, qualifier.Config{}.Encode())]; !ok {
				c.add(a.line, a.col, entry{kind: "id", name: s.name, value: value{kind: kindBool}})
			}
		}
	}
	for _, m := range n.nodes {
		c.made(m)
	}
}

// add takes a resource in, once.
func (c *compiler) add(line, col int, e entry) bool {
	id := fmt.Sprintf("%s/%s %x", e.kind, e.name, e.config.Encode())
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
		e.file, e.line, e.col = c.file, line, col
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
		if !have[r.own()] {
			c.file = r.file
			c.wrong(r.line, r.col, "write the value itself: the numbers of other apps' resources differ from version to version", "@%s is no resource of this overlay", r.own())
		}
	}
}
