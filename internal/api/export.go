package api

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
)

// table is a list on its way out, row by row, as CSV or as a JSON array.
type table interface {
	// row writes one row: its cells for CSV, and the value for JSON.
	row(cells []string, value any) error
	// end writes what follows the last row.
	end() error
}

// Cell makes a CSV cell that no spreadsheet takes for a formula: one that
// begins like a formula gets an apostrophe before it, which spreadsheets hide.
func Cell(s string) string {
	if t := strings.TrimLeft(s, " \u00a0"); t != "" && strings.ContainsRune("=+-@\t\r\n|%\uff1d\uff0b\uff0d\uff20", []rune(t)[0]) || strings.HasPrefix(s, "'") {
		return "'" + s
	}
	return s
}

type csvTable struct{ *csv.Writer }

func (t csvTable) row(cells []string, _ any) error {
	for i := range cells {
		cells[i] = Cell(strings.ReplaceAll(cells[i], "\r\n", "\n"))
	}
	return t.Write(cells)
}

func (t csvTable) end() error { t.Flush(); return t.Error() }

type jsonTable struct {
	*bufio.Writer
	rows int
}

func (t *jsonTable) row(_ []string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	before := ",\n"
	if t.rows == 0 {
		before = "[\n"
	}
	t.rows++
	_, _ = t.WriteString(before) // a bufio.Writer keeps its error
	_, err = t.Write(text)
	return err
}

func (t *jsonTable) end() error {
	if t.rows == 0 {
		_, _ = t.WriteString("[")
	}
	_, _ = t.WriteString("\n]\n")
	return t.Flush()
}

// export streams a whole list. It reads part by part, each on a snapshot of its
// own, so that a long list holds neither memory nor the database.
func (c *call) export() error {
	name, format, _ := strings.Cut(c.r.PathValue("list"), ".")
	if format != "csv" && format != "json" {
		return errHidden
	}
	var columns []string
	var parts func(t table) error
	var names []string
	switch name {
	case "threads":
		columns, parts, names = threadColumns, c.exportThreads, filterNames
	case "devices":
		columns, parts = deviceColumns, c.exportDevices
	case "releases":
		columns, parts = releaseColumns, c.exportReleases
	default:
		return errHidden
	}
	q, err := c.query(names...)
	if err != nil {
		return err
	}
	if err := c.read(func(tx *db.Tx) error { _, _, err := filter(tx, q); return err }); err != nil {
		return err // while an error can still be told
	}
	h := c.w.Header()
	h.Set("Content-Disposition", `attachment; filename="`+name+"."+format+`"`)
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	var t table = csvTable{csv.NewWriter(c.w)}
	if format == "json" {
		h.Set("Content-Type", "application/json")
		t = &jsonTable{Writer: bufio.NewWriter(c.w)}
	}
	if c.r.Method == http.MethodHead {
		return nil
	}
	if format == "csv" {
		if err := t.row(append([]string(nil), columns...), nil); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	err = parts(t)
	if err == nil {
		err = t.end()
	}
	if err != nil { // the reader must see that this is not all
		if c.r.Context().Err() == nil {
			c.Log.Error("cannot export", "list", name, "err", err)
		}
		panic(http.ErrAbortHandler)
	}
	return nil
}

// later gives the next part of an answer its own time.
func (c *call) later() {
	_ = http.NewResponseController(c.w).SetWriteDeadline(time.Now().Add(maxAnswer))
}

var threadColumns = []string{"id", "url", "kind", "title", "part", "build", "author", "created_at", "last_at", "closed_at", "posts", "votes", "states"}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (c *call) exportThreads(t table) error {
	q, err := c.query(filterNames...)
	if err != nil {
		return err
	}
	var after *feedback.Place
	for more := true; more; {
		var part []threadJSON
		err := c.read(func(tx *db.Tx) error {
			part = nil
			f, none, err := filter(tx, q)
			if err != nil || none {
				more = false
				return err
			}
			f.Order, f.Limit, f.After = feedback.Oldest, maxListed, after
			var threads []feedback.Thread
			if threads, more, err = feedback.List(tx, c.inForum(), f); err != nil {
				return err
			}
			for _, one := range threads {
				out, err := c.toThread(tx, one)
				if err != nil {
					return err
				}
				part = append(part, out)
			}
			return nil
		})
		if err != nil {
			return err
		}
		c.later()
		for _, one := range part {
			if err := t.row(threadCells(one), one); err != nil {
				return err
			}
			after = &feedback.Place{ID: one.ID}
		}
	}
	return nil
}

func threadCells(t threadJSON) []string {
	var states []string
	for _, d := range t.Devices {
		on := "any"
		if d.Device != nil {
			on = *d.Device
		}
		states = append(states, on+"="+d.State)
	}
	author, closed := "", ""
	if t.Author != nil {
		author = *t.Author
	}
	if t.ClosedAt != nil {
		closed = stamp(*t.ClosedAt)
	}
	return []string{strconv.FormatInt(t.ID, 10), t.URL, t.Kind, t.Title, t.Part, t.Build, author, stamp(t.CreatedAt), stamp(t.LastAt), closed,
		strconv.Itoa(t.Posts), strconv.Itoa(t.Votes), strings.Join(states, " ")}
}

var deviceColumns = []string{"codename", "variant", "name", "vendor", "url", "newest_version", "newest_patch_level"}

// line is one row of a short list: read first, written when the database is free again.
type line struct {
	cells []string
	value any
}

func (c *call) lines(t table, fn func(tx *db.Tx) ([]line, error)) error {
	var all []line
	err := c.read(func(tx *db.Tx) (err error) { all, err = fn(tx); return err })
	if err != nil {
		return err
	}
	for _, l := range all {
		if err := t.row(l.cells, l.value); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) exportDevices(t table) error {
	return c.lines(t, func(tx *db.Tx) (lines []line, err error) {
		all, err := device.List(tx)
		if err != nil {
			return nil, err
		}
		for _, d := range all {
			one, err := c.toDevice(tx, d)
			if err != nil {
				return nil, err
			}
			cells := []string{one.Codename, one.Variant, one.Name, one.Vendor, one.URL, "", ""}
			if one.Newest != nil {
				cells[5], cells[6] = one.Newest.Version, one.Newest.PatchLevel
			}
			lines = append(lines, line{cells, one})
		}
		return lines, nil
	})
}

var releaseColumns = []string{"name", "url", "state", "departure", "cut_at", "commit", "fixes", "devices"}

// maxReleases is twenty years of weeks: the list is short enough to be read at once.
const maxReleases = 1100

func (c *call) exportReleases(t table) error {
	return c.lines(t, func(tx *db.Tx) (lines []line, err error) {
		s, err := c.Train.Status(tx, maxReleases)
		for _, r := range s.Releases {
			one := c.toRelease(r)
			var fixes, devices []string
			for _, id := range one.Fixes {
				fixes = append(fixes, strconv.FormatInt(id, 10))
			}
			for _, d := range one.Devices {
				devices = append(devices, d.Device+"="+d.State)
			}
			lines = append(lines, line{[]string{one.Name, one.URL, one.State, stamp(one.Departure), stamp(r.CutAt), one.Commit, strings.Join(fixes, " "), strings.Join(devices, " ")}, one})
		}
		return lines, err
	})
}
