// Package prose carries Markdown from other services into this forum: it leads
// links and references between threads to where those are here, turns the little
// HTML and BBCode that people write elsewhere into Markdown, and leaves the rest
// as it is. Code, in fences, indented or between backticks, is never touched. It
// works on lines, is no Markdown parser, and reads nothing but the text.
package prose

import (
	"regexp"
	"strconv"
	"strings"
)

// Rules say what to do. Nil fields do nothing.
type Rules struct {
	// Link gives what an address leads to here and what to call it; empty: the
	// address stays.
	Link func(address string) (to, name string)
	// Reference gives what REPO#12, or #12 and GH-12 with an empty repo, leads to
	// here.
	Reference func(repo string, number int64) (to, name string)
	// Quotes turns BBCode quotes into Markdown's. The address of what is quoted
	// comes from Quoted.
	Quotes bool
	Quoted func(topic, post int64) string
}

// Rewrite returns text with its links led here, and how many were.
func (r Rules) Rewrite(text string) (string, int) {
	w := writer{Rules: r}
	blank := true // the line before was, or was code
	fence := ""
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		line = strings.TrimSuffix(line, "\n")
		inner := strings.TrimLeft(line, "> ")
		mark := fenceOf(inner)
		switch {
		case fence != "":
			w.code(line)
			if mark != "" && strings.HasPrefix(mark, fence) && strings.Trim(inner, mark[:1]+" \t") == "" {
				fence = ""
			}
			continue
		case mark != "":
			fence = mark
			w.code(line)
			continue
		}
		indented := strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t")
		if indented && blank {
			w.code(line)
			continue
		}
		blank = strings.TrimSpace(line) == ""
		w.line(line)
	}
	return strings.TrimSuffix(w.out.String(), "\n"), w.links
}

// fenceOf is the run of backticks or tildes that opens or closes a code block.
func fenceOf(line string) string {
	for _, c := range []string{"`", "~"} {
		rest := strings.TrimLeft(line, c)
		if n := len(line) - len(rest); n >= 3 && !(c == "`" && strings.Contains(rest, "`")) {
			return line[:n]
		}
	}
	return ""
}

// maxQuotes is how deep quotes are kept; deeper ones lie in the last.
const maxQuotes = 20

type writer struct {
	Rules
	out    strings.Builder
	links  int
	quotes int
}

func (w *writer) prefix() string { return strings.Repeat("> ", min(w.quotes, maxQuotes)) }

func (w *writer) code(line string) { w.out.WriteString(w.prefix() + line + "\n") }

var (
	quoteOpens = regexp.MustCompile(`^\s*\[quote(?:="?([^"\]]{0,300})"?)?\]`)
	quoteTopic = regexp.MustCompile(`\btopic:\s*([0-9]{1,15})`)
	quotePost  = regexp.MustCompile(`\bpost:\s*([0-9]{1,9})`)
	detailsBB  = regexp.MustCompile(`^\s*\[details(?:="?([^"\]]{0,300})"?)?\]\s*$`)
)

const quoteCloses = "[/quote]"

// line writes one line that is no code.
func (w *writer) line(line string) {
	for w.Quotes {
		if m := quoteOpens.FindStringSubmatch(line); m != nil {
			w.open(m[1])
			if line = strings.TrimSpace(line[len(m[0]):]); line == "" {
				return
			}
			continue
		}
		before, after, closes := strings.Cut(line, quoteCloses)
		if closes && w.quotes > 0 && !strings.Contains(before, "`") {
			if before = strings.TrimSpace(before); before != "" {
				w.text(before)
			}
			if w.quotes--; w.quotes > 0 {
				w.out.WriteString(w.prefix() + "\n")
			} else {
				w.out.WriteString("\n")
			}
			if line = strings.TrimSpace(after); line == "" {
				return
			}
			continue
		}
		if m := detailsBB.FindStringSubmatch(line); m != nil {
			line = ""
			if m[1] != "" {
				line = "**" + m[1] + "**"
			}
		} else if strings.TrimSpace(line) == "[/details]" {
			line = ""
		}
		break
	}
	w.text(line)
}

// open begins a quote: "ana, post:3, topic:12".
func (w *writer) open(of string) {
	if w.quotes > 0 {
		w.out.WriteString(w.prefix() + "\n")
	}
	w.quotes++
	name, rest, _ := strings.Cut(of, ",")
	if name = strings.TrimSpace(name); name == "" || strings.ContainsAny(name, "[]`<>*") {
		return
	}
	if topic, post := quoteTopic.FindStringSubmatch(rest), quotePost.FindStringSubmatch(rest); topic != nil && post != nil && w.Quoted != nil {
		t, _ := strconv.ParseInt(topic[1], 10, 64) // digits, few enough
		p, _ := strconv.ParseInt(post[1], 10, 64)
		if to := w.Quoted(t, p); to != "" {
			w.links++
			w.out.WriteString(w.prefix() + "[" + name + "](" + to + "):\n" + w.prefix() + "\n")
			return
		}
	}
	w.out.WriteString(w.prefix() + name + ":\n" + w.prefix() + "\n")
}

// text writes a line with code spans left alone.
func (w *writer) text(line string) {
	w.out.WriteString(w.prefix())
	for line != "" {
		i := strings.IndexByte(line, '`')
		if i < 0 {
			w.spans(line)
			break
		}
		w.spans(line[:i])
		rest := strings.TrimLeft(line[i:], "`")
		ticks := line[i : len(line)-len(rest)]
		end := closing(rest, ticks)
		if end < 0 { // no code after all
			w.out.WriteString(ticks)
			line = rest
			continue
		}
		w.out.WriteString(line[i : i+len(ticks)+end])
		line = line[i+len(ticks)+end:]
	}
	w.out.WriteByte('\n')
}

// closing is where, in s, a run of exactly those backticks ends; -1 if none does.
func closing(s, ticks string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '`')
		if i < 0 {
			return -1
		}
		rest := strings.TrimLeft(s[at+i:], "`")
		end := len(s) - len(rest)
		if end-(at+i) == len(ticks) {
			return end
		}
		at = end
	}
}

// pieces are what a run of text may hold that is rewritten, the first that fits:
// a link or picture, an address in angle brackets, a bare address, a reference,
// a picture or a fold in HTML.
var pieces = regexp.MustCompile(`(!?\[[^\[\]]*\]\()([^()\s<>]+)((?:\s+"[^"]*")?\))` +
	`|<(https?://[^<>\s]+)>` +
	`|(https?://[^\s<>"'()\[\]]+(?:\([^\s<>"'()\[\]]*\)[^\s<>"'()\[\]]*)*)` +
	`|((?:[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100})?)(?:#|\bGH-)([0-9]{1,9})` +
	`|(<img\s[^<>]*>)` +
	`|(</?(?:details|summary)(?:\s[^<>]*)?>|<br\s*/?>)`)

// spans rewrites a run of text without code.
func (w *writer) spans(s string) {
	at := 0
	for _, m := range pieces.FindAllStringSubmatchIndex(s, -1) {
		w.out.WriteString(s[at:m[0]])
		at = m[1]
		group := func(n int) string {
			if m[2*n] < 0 {
				return ""
			}
			return s[m[2*n]:m[2*n+1]]
		}
		whole := s[m[0]:m[1]]
		switch {
		case m[2] >= 0:
			w.out.WriteString(group(1) + w.address(group(2)) + group(3))
		case m[8] >= 0:
			w.named(group(4), whole)
		case m[10] >= 0:
			w.bare(s[:m[0]], group(5))
		case m[14] >= 0:
			w.reference(s, m[0], m[1], group(6), group(7))
		case m[16] >= 0:
			w.out.WriteString(picture(whole))
		default:
			w.out.WriteString(fold(whole))
		}
	}
	w.out.WriteString(s[at:])
}

// address is a link's, led here if it can be.
func (w *writer) address(a string) string {
	if w.Link == nil {
		return a
	}
	to, _ := w.Link(a)
	if to == "" {
		return a
	}
	w.links++
	return to
}

// named writes an address that stands for itself.
func (w *writer) named(a, or string) {
	if w.Link != nil {
		if to, name := w.Link(a); to != "" {
			w.links++
			w.out.WriteString("[" + name + "](" + to + ")")
			return
		}
	}
	w.out.WriteString(or)
}

// bare writes an address in running text; before is what stands before it.
func (w *writer) bare(before, a string) {
	end := len(strings.TrimRight(a, ".,;:!?*_~"))
	a, rest := a[:end], a[end:]
	last := before[max(0, len(before)-1):]
	switch {
	case last == "[": // the words of a link
		w.out.WriteString(a)
	case last == `"` || last == "'" || last == "=" || last == "(" || strings.HasSuffix(strings.TrimSpace(before), "]:"): // where only an address can stand
		w.out.WriteString(w.address(a))
	default:
		w.named(a, a)
	}
	w.out.WriteString(rest)
}

// reference writes #12, GH-12 or owner/repo#12, if it is one: neither part of a word nor
// of an address.
func (w *writer) reference(s string, from, to int, repo, digits string) {
	whole := s[from:to]
	if w.Reference == nil || from > 0 && !strings.ContainsRune(" \t([{,;:!?.\"'*_~>|-", rune(s[from-1])) || to < len(s) && wordByte(s[to]) {
		w.out.WriteString(whole)
		return
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n == 0 {
		w.out.WriteString(whole)
		return
	}
	if from > 0 && s[from-1] == '[' { // the words of a link
		w.out.WriteString(whole)
		return
	}
	here, name := w.Reference(repo, n)
	if here == "" {
		w.out.WriteString(whole)
		return
	}
	w.links++
	w.out.WriteString("[" + name + "](" + here + ")")
}

func wordByte(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= 0x80
}

var (
	imgSource = regexp.MustCompile(`(?i)\ssrc\s*=\s*["']?(https?://[^\s"'<>()]+)`)
	imgAlt    = regexp.MustCompile(`(?i)\salt\s*=\s*"([^"<>\[\]]*)"`)
)

// picture is an HTML picture as Markdown writes it; one without an address goes.
func picture(tag string) string {
	src := imgSource.FindStringSubmatch(tag)
	if src == nil {
		return ""
	}
	alt := ""
	if m := imgAlt.FindStringSubmatch(tag); m != nil {
		alt = m[1]
	}
	return "![" + alt + "](" + src[1] + ")"
}

// fold takes the tags of a fold away, whose text would go with them: only its
// summary stands out.
func fold(tag string) string {
	switch {
	case strings.HasPrefix(tag, "<br"):
		return "  \n"
	case strings.Contains(tag, "summary"):
		return "**"
	}
	return ""
}
