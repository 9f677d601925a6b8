package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The bounds of what is said again, in lines. shown is what a log's last lines
// hold; width, in bytes, keeps a line one line there.
const (
	tailEach = 25
	tailAll  = 150
	shown    = 20
	width    = 220
)

// report prints the end, and whether all is well: nothing failed, and, unless
// optional is nil, nothing was skipped that does not match it.
func (t *tally) report(optional *regexp.Regexp) bool {
	byName := func(a, b outcome) int { return cmp.Compare(a.name, b.name) }
	slices.SortFunc(t.failed, byName)
	slices.SortFunc(t.skipped, byName)
	var missed []outcome
	for _, s := range t.skipped {
		words := strings.TrimSpace(strings.Join(s.said, " "))
		fmt.Fprintln(t.out, "skipped", s.name+":", words)
		if optional != nil && !optional.MatchString(words) {
			missed = append(missed, s)
		}
	}
	if t.packages == 0 {
		t.failed = append(t.failed, outcome{"no package was tested", nil})
	}
	for _, line := range again(t.failed) {
		fmt.Fprintln(t.out, line)
	}
	for _, line := range brief(t.failed, missed) {
		fmt.Fprintln(t.out, line)
	}
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", t.passed, len(t.failed), len(t.skipped))
	return len(t.failed) == 0 && len(missed) == 0
}

// again returns the failures with the part of what they said that matters most,
// at most tailAll lines.
func again(failed []outcome) []string {
	var all []string
	for i, f := range failed {
		part := append([]string{"", "failed " + f.name}, excerpt(f.said, tailEach)...)
		if len(all)+len(part) > tailAll {
			return append(all, "", fmt.Sprintf("and %d more failed, whose words stand above", len(failed)-i))
		}
		all = append(all, part...)
	}
	return all
}

// excerpt returns the last n lines, or n lines from where the cause is named
// if that is further up, as above a panic's goroutines.
func excerpt(said []string, n int) []string {
	from := max(0, len(said)-n)
	if at, ok := cause(said); ok && at < from {
		from = max(0, at-2)
	}
	return clip(said[from:min(len(said), from+n)])
}

// brief returns at most shown lines that name every failure and, as far as there
// is room, up to three lines that tell most of each.
func brief(failed, missed []outcome) []string {
	if len(failed)+len(missed) == 0 {
		return nil
	}
	lines := []string{"", "FAILED:"}
	room := shown - len(lines)
	n := len(failed) + len(missed)
	each := min(3, max(0, room/n-1))
	add := func(verb string, o outcome) {
		lines = append(lines, verb+" "+o.name)
		for _, line := range telling(o.said, each) {
			lines = append(lines, "    "+strings.TrimSpace(line))
		}
	}
	for i, o := range slices.Concat(failed, missed) {
		if len(lines) >= shown-1 && i < n-1 {
			return append(lines, fmt.Sprintf("and %d more", n-i))
		}
		if i < len(failed) {
			add("failed", o)
		} else {
			add("must not be skipped", o)
		}
	}
	return lines
}

// A line that names the cause: of a crash, of a script, of a test. What comes
// first in the list is sought first.
var causes = []*regexp.Regexp{
	regexp.MustCompile(`^\s*(panic: |fatal error: |WARNING: DATA RACE)`),
	regexp.MustCompile(`^\s*FAIL: `),
	regexp.MustCompile(`^\s*\w+_test\.go:\d+: `),
}

// cause returns where the cause is named first.
func cause(said []string) (int, bool) {
	for _, re := range causes {
		if i := slices.IndexFunc(said, re.MatchString); i >= 0 {
			return i, true
		}
	}
	return 0, false
}

// framed is what the go command or a crash puts around the words that tell.
var framed = regexp.MustCompile(`^(PASS|FAIL|FAIL\t.*|goroutine \d+ .*|# .*)$`)

// telling returns n lines: from the cause on; of a script, whose last commands
// say why it failed, those up to it; without either the last.
func telling(said []string, n int) []string {
	said = slices.DeleteFunc(slices.Clone(said), framed.MatchString)
	at, ok := cause(said)
	from := max(0, len(said)-n)
	switch {
	case ok && causes[1].MatchString(said[at]):
		from = max(0, at+1-n)
	case ok:
		from = at
	}
	return clip(said[from:min(len(said), from+n)])
}

// clip shortens long lines.
func clip(said []string) []string {
	short := make([]string, len(said))
	for i, line := range said {
		if len(line) > width {
			line = strings.ToValidUTF8(line[:width], "") + "…"
		}
		short[i] = line
	}
	return short
}
