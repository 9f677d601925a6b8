package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/fridayos/friday/android/nest"
)

// textWidth is how wide lines are: the terminal's width, within reason, and 80
// columns where there is none.
func textWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return min(max(n, 60), 120)
		}
	}
	return 80
}

// firstFacts are what a person looks for first; the others follow by name, and
// those of several lines at the end.
var firstFacts = []string{"device", "model", "fingerprint", "from_fingerprint", "build", "android", "security_patch", "type", "version", "volume", "signature", "algorithm"}

// byteFacts are numbers of bytes.
var byteFacts = []string{"size", "unpacked", "used", "content", "block_size", "image_size", "metadata_max_size", "raw", "fill", "dont_care", "page_size"}

// infoText is what a thing is and holds, as a tree of at most width columns;
// words that are longer than a line stay whole, so that they can be copied.
func infoText(in *nest.Info, width int) []string {
	t := &infoTree{width: width}
	t.node(in, "", "", "")
	return t.lines
}

type infoTree struct {
	width int
	lines []string
}

// node prints one level: branch stands before its first line, trunk before the
// others.
func (t *infoTree) node(in *nest.Info, parent, branch, trunk string) {
	name := in.Path
	if parent != "" {
		name = strings.TrimLeft(strings.TrimPrefix(in.Path, parent), "/")
	}
	if name == "" {
		name = "(unpacked)"
	}
	t.wrap(branch, trunk+"  ", printable(name)+": "+in.Format+", "+size(in.Size))
	bar := "   "
	if len(in.Children) > 0 {
		bar = "│  "
	}
	t.facts(in.Facts, trunk+bar, factName)
	for _, p := range in.Problems {
		t.wrap(trunk+bar+"PROBLEM: ", trunk+bar+"  ", printable(p))
	}
	for i, c := range in.Children {
		if i < len(in.Children)-1 {
			t.node(c, in.Path, trunk+"├─ ", trunk+"│  ")
		} else {
			t.node(c, in.Path, trunk+"└─ ", trunk+"   ")
		}
	}
}

// widestName is how wide the column of names may be; where one is wider, values
// stand below their names.
const widestName = 28

// facts prints names, as named shows them, and values in two columns.
func (t *infoTree) facts(facts map[string]any, indent string, named func(string) string) {
	keys := slices.DeleteFunc(slices.Collect(maps.Keys(facts)), func(k string) bool { return facts[k] == "" })
	rank := func(k string) int {
		if _, ok := facts[k].(map[string]any); ok {
			return len(firstFacts) + 2
		}
		if i := slices.Index(firstFacts, k); i >= 0 {
			return i
		}
		return len(firstFacts) + 1
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b)) })
	column := 0
	for _, k := range keys {
		if rank(k) <= len(firstFacts)+1 {
			column = max(column, utf8.RuneCountInString(named(k)))
		}
	}
	for _, k := range keys {
		name := named(k)
		m, ok := facts[k].(map[string]any)
		if !ok && column > widestName {
			t.lines = append(t.lines, indent+name)
			t.wrap(indent+"  ", indent+"  ", factText(k, facts[k]))
			continue
		}
		if !ok {
			pad := strings.Repeat(" ", max(column-utf8.RuneCountInString(name), 0)+2)
			t.wrap(indent+name+pad, indent+strings.Repeat(" ", column+2), factText(k, facts[k]))
			continue
		}
		t.lines = append(t.lines, indent+name+":")
		switch {
		case isTable(m):
			t.table(m, indent+"  ")
		case k == "properties": // whose names are the image's, not ours
			t.facts(m, indent+"  ", printable)
		default:
			t.facts(m, indent+"  ", factName)
		}
	}
}

// isTable says whether m is things that have the same kind of facts.
func isTable(m map[string]any) bool {
	for _, v := range m {
		if row, ok := v.(map[string]any); !ok || slices.ContainsFunc(slices.Collect(maps.Values(row)), func(v any) bool { _, deep := v.(map[string]any); return deep }) {
			return false
		}
	}
	return len(m) > 0
}

// table prints a line a thing: its name, and what is known of it.
func (t *infoTree) table(m map[string]any, indent string) {
	column := 0
	for k := range m {
		column = max(column, utf8.RuneCountInString(printable(k)))
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		row, _ := m[k].(map[string]any)
		name := printable(k)
		pad := strings.Repeat(" ", column-utf8.RuneCountInString(name)+2)
		t.wrap(indent+name+pad, indent+strings.Repeat(" ", column+2), rowText(row))
	}
}

// rowText is facts in a line, name and size first.
func rowText(row map[string]any) string {
	var cells []string
	for _, f := range []string{"name", "size"} {
		if v, ok := row[f]; ok {
			cells = append(cells, factText(f, v))
		}
	}
	for _, f := range slices.Sorted(maps.Keys(row)) {
		if f != "name" && f != "size" && row[f] != "" {
			cells = append(cells, factName(f)+" "+factText(f, row[f]))
		}
	}
	return strings.Join(cells, ", ")
}

func factName(k string) string { return printable(strings.ReplaceAll(k, "_", " ")) }

// factText is a value as a person reads it.
func factText(k string, v any) string {
	var n int64
	switch v := v.(type) {
	case string:
		return printable(v)
	case []string:
		out := make([]string, len(v))
		for i, s := range v {
			out[i] = printable(s)
		}
		return strings.Join(out, ", ")
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			if row, ok := e.(map[string]any); ok {
				out[i] = rowText(row)
			} else {
				out[i] = factText(k, e)
			}
		}
		return strings.Join(out, "; ")
	case int:
		n = int64(v)
	case int64:
		n = v
	case uint32:
		n = int64(v)
	case uint64:
		n = int64(min(v, 1<<62))
	default:
		return printable(fmt.Sprint(v))
	}
	switch {
	case slices.Contains(byteFacts, k) && n >= 1024:
		return fmt.Sprintf("%s (%d)", size(n), n)
	case slices.Contains(byteFacts, k):
		return size(n)
	case k == "timestamp" && n > 0:
		return fmt.Sprintf("%d (%s)", n, time.Unix(n, 0).UTC().Format("2006-01-02 15:04 UTC"))
	}
	return fmt.Sprint(n)
}

// wrap adds text behind first, cut at spaces; further lines begin with indent.
func (t *infoTree) wrap(first, indent, text string) {
	line, empty := first, true
	for word := range strings.SplitSeq(text, " ") {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > t.width {
			t.lines = append(t.lines, strings.TrimRight(line, " "))
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	t.lines = append(t.lines, strings.TrimRight(line, " "))
}
