package page

import (
	"fmt"
	"strconv"
)

// Paging is where a page stands among those of a long list; the template "pages"
// shows it.
type Paging struct {
	Number, Pages  int    // from 1
	Earlier, Later string // addresses; empty: there is none
}

// Pages says which of so many pages at path is asked for by ?page=, the nearest that
// there is.
func (c *Call) Pages(path string, pages int) Paging {
	asked, _ := strconv.Atoi(c.R.URL.Query().Get("page")) // anything else is the first
	p := Paging{Pages: max(pages, 1)}
	p.Number = min(max(asked, 1), p.Pages)
	if p.Number == 2 {
		p.Earlier = path
	} else if p.Number > 2 {
		p.Earlier = fmt.Sprintf("%s?page=%d", path, p.Number-1)
	}
	if p.Number < p.Pages {
		p.Later = fmt.Sprintf("%s?page=%d", path, p.Number+1)
	}
	return p
}

// On is what of a list stands on a page that has room for so many.
func On[T any](p Paging, all []T, room int) []T {
	from := min((p.Number-1)*room, len(all))
	return all[from:min(from+room, len(all))]
}

// Needed is how many pages a list of n needs, so many on each.
func Needed(n, room int) int { return (n + room - 1) / room }
