package overlay

import (
	"fmt"
	"regexp"
)

// symbol is a resource by its name, where it is written.
type symbol struct {
	pkg, kind, name string // pkg "": the overlay's own
	theme           bool   // ?: what the theme has for the attribute
	create          bool   // @+id: it is made by being named
	private         bool   // @*android: the framework keeps it for itself
	text            string // as it is written

	file      string
	line, col int
}

// own is a symbol as the overlay's own resources are listed.
func (s symbol) own() string { return s.kind + "/" + s.name }

var reference = regexp.MustCompile(`^([@?])(\+)?(\*)?(?:([A-Za-z0-9_.]+):)?(?:([a-z]+)/)?([A-Za-z_][A-Za-z0-9_.]*)$`)

// parseSymbol reads a reference such as @color/x, @+id/x, ?android:attr/x.
func parseSymbol(s string) (symbol, error) {
	m := reference.FindStringSubmatch(s)
	if m == nil {
		return symbol{}, fmt.Errorf("%s is no reference, expected one such as @color/x, @android:color/white or ?android:attr/colorAccent", s)
	}
	out := symbol{theme: m[1] == "?", create: m[2] != "", private: m[3] != "", pkg: m[4], kind: m[5], name: m[6], text: s}
	if out.theme && out.kind == "" {
		out.kind = "attr"
	}
	switch {
	case out.kind == "":
		return out, fmt.Errorf("%s names no type, expected one such as @color/%s", s, out.name)
	case out.theme && out.kind != "attr":
		return out, fmt.Errorf("%s is of type %s; behind ? stands an attribute of a theme", s, out.kind)
	case out.create && (out.kind != "id" || out.pkg != "" || out.theme):
		return out, fmt.Errorf("%s: + makes resources of type id alone, such as @+id/%s", s, out.name)
	case out.pkg != "" && out.pkg != "android":
		return out, fmt.Errorf("%s refers to another app's resource; write the value itself, as the numbers of its resources differ from version to version", s)
	case out.pkg == "" && out.theme:
		return out, fmt.Errorf("%s is an attribute of the target's own, whose number differs from version to version; android's can be named: ?android:attr/%s", s, out.name)
	}
	return out, nil
}

// nothing are the words that stand for no value.
func nothing(s string) (value, bool) {
	switch s {
	case "@null":
		return value{kind: kindRef}, true
	case "@empty":
		return value{kind: kindNull, data: 1}, true
	}
	return value{}, false
}
