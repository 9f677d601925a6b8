package text

import "strings"

// Op says what happened to a line between two versions.
type Op int

// The operations.
const (
	Same Op = iota
	Removed
	Added
)

// Line is one line of a comparison, without its end.
type Line struct {
	Op   Op
	Text string
}

// maxCells bounds the table that Diff fills: beyond it the changed middle is
// shown as removed and added whole. A post of 20,000 characters has far fewer
// lines than would reach it, unless someone means harm.
const maxCells = 1 << 20

// Diff compares two texts line by line: the fewest lines removed and added that
// lead from old to new, removed ones first where they meet.
func Diff(old, new string) []Line {
	a, b := strings.Split(old, "\n"), strings.Split(new, "\n")
	var head, tail []Line
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, Line{Same, a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append(tail, Line{Same, a[len(a)-1]})
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	out := append(head, middle(a, b)...)
	for i := len(tail) - 1; i >= 0; i-- {
		out = append(out, tail[i])
	}
	return out
}

// middle compares by the longest common subsequence.
func middle(a, b []string) (out []Line) {
	width := len(b) + 1
	var common []uint16 // [i][j]: of a[i:] and b[j:]
	if (len(a)+1)*width <= maxCells {
		common = make([]uint16, (len(a)+1)*width)
		for i := len(a) - 1; i >= 0; i-- {
			for j := len(b) - 1; j >= 0; j-- {
				if a[i] == b[j] {
					common[i*width+j] = common[(i+1)*width+j+1] + 1
				} else {
					common[i*width+j] = max(common[(i+1)*width+j], common[i*width+j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case common != nil && i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, Line{Same, a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common == nil || common[(i+1)*width+j] >= common[i*width+j+1]):
			out = append(out, Line{Removed, a[i]})
			i++
		default:
			out = append(out, Line{Added, b[j]})
			j++
		}
	}
	return out
}
