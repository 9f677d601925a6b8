package change

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// width is what a terminal shows in a line. Paths that are longer stay whole.
const width = 80

// Text writes the changes for people, apps first, at most most lines of apps,
// properties and files each; 0 is all. A folder that came or went with all that it
// holds is one line.
func (c Changes) Text(w io.Writer, most int) error {
	t := &text{most: most}
	t.apps(c.Apps)
	t.properties(c.Properties)
	t.files(c.Files)
	if t.b.Len() == 0 {
		t.b.WriteString("nothing changed\n")
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// text is what is being written.
type text struct {
	b     strings.Builder
	most  int
	lines int // of the part
}

// part begins one of the three, with a line that counts.
func (t *text) part(what string, kinds []Kind, more string) {
	if len(kinds) == 0 {
		return
	}
	if t.b.Len() > 0 {
		t.b.WriteByte('\n')
	}
	var counts []string
	for _, k := range []Kind{Added, Removed, Moved, Changed} {
		n := 0
		for _, have := range kinds {
			if have == k {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, k))
		}
	}
	fmt.Fprintf(&t.b, "%s: %s%s\n", what, strings.Join(counts, ", "), more)
	t.lines = 0
}

// line writes one thing: what it is, and what is to be said of it, which goes on in
// lines of their own where one is too short.
func (t *text) line(what string, says ...string) {
	if t.lines++; t.most > 0 && t.lines > t.most {
		return
	}
	one := what
	if len(says) > 0 {
		one += ": " + strings.Join(says, ", ")
	}
	if utf8.RuneCountInString(one) <= width || len(says) == 0 {
		t.b.WriteString(one + "\n")
		return
	}
	t.b.WriteString(what + ":\n")
	for _, s := range says {
		if utf8.RuneCountInString(s)+4 > width {
			s = strings.Replace(s, " -> ", "\n      -> ", 1)
		}
		t.b.WriteString("    " + s + "\n")
	}
}

// rest says how many lines were left out.
func (t *text) rest() {
	if t.most > 0 && t.lines > t.most {
		fmt.Fprintf(&t.b, "  … and %d more\n", t.lines-t.most)
	}
}

var signs = map[Kind]string{Added: "+", Removed: "-", Moved: ">", Changed: "*"}

func (t *text) apps(list []App) {
	t.part("apps", kinds(list, func(a App) Kind { return a.Kind }), "")
	for _, a := range list {
		name := signs[a.Kind] + " app " + a.Package
		switch a.Kind {
		case Added:
			t.line(name + " " + a.Is)
		case Removed:
			t.line(name + " " + a.Was)
		default:
			says := []string{a.Is, "was " + a.Was}
			if a.Is == a.Was {
				says = []string{a.Is}
			}
			if a.Signer {
				says = append(says, "signed by another key")
			}
			for _, p := range a.Asks {
				says = append(says, "asks for "+p)
			}
			for _, p := range a.Dropped {
				says = append(says, "asks no more for "+p)
			}
			t.line(name, says...)
		}
	}
	t.rest()
}

func (t *text) properties(list []Property) {
	t.part("properties", kinds(list, func(p Property) Kind { return p.Kind }), "")
	for _, p := range list {
		name := signs[p.Kind] + " " + p.Partition + ": " + p.Key
		is, was := p.Is, p.Was
		switch p.Kind {
		case Added, Removed:
			if one := name + "=" + is + was; utf8.RuneCountInString(one) <= width {
				t.line(one)
			} else {
				t.line(name, is+was)
			}
		default:
			if one := name + "=" + is + ", was " + was; utf8.RuneCountInString(one) <= width {
				t.line(one)
			} else {
				t.line(name, is, "was "+was)
			}
		}
	}
	t.rest()
}

func (t *text) files(list []File) {
	grown := int64(0)
	for _, f := range list {
		switch f.Kind {
		case Added:
			grown += f.Size
		case Removed:
			grown -= f.Size
		case Changed:
			grown += f.Size - f.Was
		}
	}
	more := ""
	switch {
	case grown > 0:
		more = "; " + size(grown) + " more than before"
	case grown < 0:
		more = "; " + size(-grown) + " less than before"
	}
	t.part("files", kinds(list, func(f File) Kind { return f.Kind }), more)
	for i := 0; i < len(list); {
		f := list[i]
		if n, bytes := whole(list[i:]); n > 1 {
			t.line(fmt.Sprintf("%s %s:%s/ (%s, %s)", signs[f.Kind], f.Partition, f.Path, counted(n-1), size(bytes)))
			i += n
			continue
		}
		i++
		name := signs[f.Kind] + " " + f.Partition + ":" + f.Path
		switch f.Kind {
		case Added, Removed:
			if f.Size > 0 {
				name += " (" + size(f.Size) + ")"
			}
			t.line(name)
		case Moved:
			t.line(name, "from "+f.From)
		default:
			what := slices.Clone(f.What)
			if k := slices.Index(what, "content"); k >= 0 && f.Size != f.Was {
				what[k] = "content, " + size(f.Was) + " -> " + size(f.Size)
			}
			t.line(name, what...)
		}
	}
	t.rest()
}

func counted(n int) string {
	if n == 1 {
		return "1 path"
	}
	return fmt.Sprintf("%d paths", n)
}

// whole says how many entries from the first on are a folder that came or went and
// all that it holds, and how many bytes that is; 1 where the first is none. Entries
// are sorted, so that what lies in a folder stands behind it, but for names that sort
// between ("a", "a-b", "a/c").
func whole(list []File) (n int, bytes int64) {
	first := list[0]
	if first.Kind != Added && first.Kind != Removed {
		return 1, 0
	}
	for n = 1; n < len(list); n++ {
		f := list[n]
		if f.Kind != first.Kind || f.Partition != first.Partition || !strings.HasPrefix(f.Path, first.Path+"/") {
			break
		}
		bytes += f.Size
	}
	return n, bytes
}

func kinds[T any](list []T, kind func(T) Kind) (out []Kind) {
	for _, one := range list {
		out = append(out, kind(one))
	}
	return out
}

// size writes a number of bytes as a person reads it.
func size(n int64) string {
	for _, u := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.bytes {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.bytes), u.name)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// Lines writes what a newer stock changed beneath layers, for people: layer by layer,
// and in each by what a person should look at, at most most places each; 0 is all.
func Lines(w io.Writer, under []Under, most int) error {
	var b strings.Builder
	layer := ""
	for i := 0; i < len(under); i++ {
		if under[i].Layer != layer {
			layer = under[i].Layer
			b.WriteString(layer + "\n")
		}
		group := []Under{under[i]}
		for j := i + 1; j < len(under) && under[j].Layer == layer; {
			if under[j].Why == under[i].Why {
				group = append(group, under[j])
				under = slices.Delete(slices.Clone(under), j, j+1)
				continue
			}
			j++
		}
		b.WriteString(folded(group[0].Why+":", "  "))
		for k, u := range group {
			if most > 0 && k == most && len(group) > most+1 {
				fmt.Fprintf(&b, "    … and %d more\n", len(group)-most)
				break
			}
			b.WriteString("    " + u.Where + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// folded breaks a text into lines, each behind an indent.
func folded(s, indent string) string {
	var b strings.Builder
	line := indent
	for i, word := range strings.Fields(s) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
	return b.String()
}
