package strict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Pos is a place in a YAML file; line and column count from one.
type Pos struct{ Line, Col int }

// Problem is one mistake in a file.
type Problem struct {
	File    string // as the errors name it
	Pos     Pos    // zero: the file as a whole
	Message string
	Hint    string // what to do about it; may be empty
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Pos.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Pos.Line, p.Pos.Col)
	}
	b.WriteString(": " + p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems are all the mistakes found, in the order of files and lines.
type Problems []Problem

// maxProblems bounds what one check reports.
const maxProblems = 100

func (ps Problems) Error() string {
	lines := make([]string, 0, len(ps))
	for _, p := range ps {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Add notes a problem; hint may be empty.
func (ps *Problems) Add(file string, at Pos, hint, format string, args ...any) {
	*ps = append(*ps, Problem{File: file, Pos: at, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// Err returns the problems as an error, or nil if there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
	ps = slices.Compact(ps)
	if more := len(ps) - maxProblems; more > 0 {
		ps = append(ps[:maxProblems:maxProblems], Problem{File: ps[maxProblems].File, Message: fmt.Sprintf("and %d more", more)})
	}
	return ps
}

// Meant proposes the word of a list that was meant by a mistyped one.
func Meant(word string, among []string) string {
	if near := Nearest(word, among); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// OneOf proposes the word that was meant, or lists all there are if few.
func OneOf(word string, among []string) string {
	if hint := Meant(word, among); hint != "" {
		return hint
	}
	if len(among) == 0 || len(among) > 12 {
		return ""
	}
	sorted := slices.Clone(among)
	slices.Sort(sorted)
	return "there are " + strings.Join(sorted, ", ")
}

// Nearest is the word of a list that is most like one that was mistyped; "" if
// none is like it.
func Nearest(word string, among []string) string {
	best, bestAt := "", 1+max(1, len(word)/3)
	for _, w := range among {
		if len(w)-len(word) > bestAt || len(word)-len(w) > bestAt || w == word {
			continue
		}
		if d := distance(word, w); d < bestAt || d == bestAt && best != "" && w < best {
			best, bestAt = w, d
		}
	}
	return best
}

// distance counts the letters to put in, drop, change or swap with their
// neighbour on the way from a to b.
func distance(a, b string) int {
	if len(a) > 256 || len(b) > 256 {
		return 256
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
