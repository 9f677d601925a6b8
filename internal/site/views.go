package site

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
)

// option is one choice of a form.
type option struct {
	Value, Word string
	On          bool
}

// stateView is a state as a mark with its word, and perhaps where.
type stateView struct {
	Mark                  line.Mark
	Word, Release, Device string
}

// threadRow is a thread in a list.
type threadRow struct {
	ID                          int64
	Path, Title, KindWord, Part string
	Votes, Replies, More        int
	Hidden                      bool
	States                      []stateView
	LastAt                      time.Time
}

func rows(threads []feedback.Thread) []threadRow {
	var all []threadRow
	for _, t := range threads {
		r := threadRow{ID: t.ID, Path: threadPath(t.ID, t.Title), Title: t.Title, KindWord: tell.Kind(t.Kind), Part: t.Part,
			Votes: t.Votes, Replies: t.Posts - 1, Hidden: t.Hidden, LastAt: t.LastAt}
		for i, d := range t.Devices {
			if i == 3 {
				r.More = len(t.Devices) - 3
				break
			}
			r.States = append(r.States, deviceStateView(d))
		}
		all = append(all, r)
	}
	return all
}

func deviceStateView(d feedback.DeviceState) stateView {
	w := tell.State(d.State)
	v := stateView{Mark: w.Mark, Word: w.Text, Device: d.Device}
	switch d.State {
	case feedback.InRelease, feedback.OnHandset, feedback.Confirmed:
		v.Release = d.Release
	}
	return v
}

// threadPath is an address that explains itself: /t/41-camera-zoom-crash.
func threadPath(id int64, title string) string {
	var b strings.Builder
	gap := true
	for _, r := range strings.ToLower(title) {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			if b.Len() > 48 {
				break
			}
			b.WriteRune(r)
			gap = false
		case !gap && b.Len() <= 48:
			b.WriteByte('-')
			gap = true
		}
	}
	if slug := strings.Trim(b.String(), "-"); slug != "" {
		return "/t/" + strconv.FormatInt(id, 10) + "-" + slug
	}
	return "/t/" + strconv.FormatInt(id, 10)
}

// threadID reads the number that a thread's address begins with.
func threadID(address string) (int64, error) {
	digits, _, _ := strings.Cut(address, "-")
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id <= 0 || digits[0] == '+' || digits[0] == '0' {
		return 0, errNotFound
	}
	return id, nil
}

// catalogue is the devices by codename.
type catalogue struct {
	names map[string]string
	order []string
}

func readCatalogue(tx *db.Tx) (catalogue, error) {
	list, err := device.List(tx)
	if err != nil {
		return catalogue{}, err
	}
	c := catalogue{names: map[string]string{}}
	for _, d := range list {
		if _, ok := c.names[d.Codename]; !ok {
			c.order = append(c.order, d.Codename)
		}
		if _, ok := c.names[d.Codename]; !ok || d.Variant == "" {
			c.names[d.Codename] = d.Name
		}
	}
	return c, nil
}

// name is what people call a device; its codename if nobody said.
func (c catalogue) name(codename string) string {
	if n := c.names[codename]; n != "" {
		return n
	}
	return codename
}

func (c catalogue) options(on ...string) []option {
	var all []option
	for _, codename := range c.order {
		all = append(all, option{codename, c.name(codename), slices.Contains(on, codename)})
	}
	return all
}

// options makes the choices of a list of words.
func options(values []string, on string, name func(string) string) []option {
	var all []option
	for _, v := range values {
		all = append(all, option{v, name(v), v == on})
	}
	return all
}

func itself(s string) string { return s }

// names looks members' names up, each once; one who left has none.
type names map[int64]string

func (n names) of(tx *db.Tx, id int64) (string, error) {
	if id == 0 {
		return "", nil
	}
	if name, ok := n[id]; ok {
		return name, nil
	}
	m, err := member.ByID(tx, id)
	if err != nil && !isMissing(err) {
		return "", err
	}
	n[id] = m.Name
	return m.Name, nil
}
