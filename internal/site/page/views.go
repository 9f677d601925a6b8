package page

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/search"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/site/tongue"
)

// Choice is one choice of a form.
type Choice struct {
	Value, Word string
	On          bool
}

// State is a state as a mark with its word, and perhaps where.
type State struct {
	Mark                  line.Mark
	Word, Release, Device string
}

// ThreadRow is a thread in a list.
type ThreadRow struct {
	ID                       int64
	Path, Title, Lang, About string
	Foreign                  string // what its language is called, if it is not the reader's
	Votes, Replies, More     int
	Hidden                   bool
	States                   []State
	LastAt                   time.Time
	Found                    []search.Part // where a search found it, beside its title
	FoundAt                  string        // the post's address
}

// Language is what a thread is written in: as its author or a moderator said, else
// as its title looks.
func Language(t feedback.Thread) string {
	if t.Lang != "" {
		return t.Lang
	}
	return tongue.Guess(t.Title)
}

// About is a thread's kind, and the part of the system that it belongs to.
func (c *Call) About(t feedback.Thread) string {
	kind := tell.Kind(c.Text, t.Kind)
	if t.Part == "" {
		return kind
	}
	return c.Text.T("list.kind-in", "Kind", kind, "Part", tell.Part(c.Text, t.Part))
}

// Rows are threads as a list shows them.
func (c *Call) Rows(threads []feedback.Thread) []ThreadRow {
	var all []ThreadRow
	for _, t := range threads {
		r := ThreadRow{ID: t.ID, Path: ThreadPath(t.ID, t.Title), Title: t.Title, About: c.About(t),
			Votes: t.Votes, Replies: t.Posts - 1, Hidden: t.Hidden, LastAt: t.LastAt, Lang: Language(t)}
		if r.Lang != "" && tongue.Base(r.Lang) != tongue.Base(c.Text.Lang) {
			r.Foreign = tongue.Name(r.Lang)
		}
		for i, d := range t.Devices {
			if i == 3 {
				r.More = len(t.Devices) - 3
				break
			}
			r.States = append(r.States, c.State(d))
		}
		all = append(all, r)
	}
	return all
}

// State is where a thread stands on a device.
func (c *Call) State(d feedback.DeviceState) State {
	w := tell.State(c.Text, d.State)
	v := State{Mark: w.Mark, Word: w.Text, Device: d.Device}
	switch d.State {
	case feedback.InRelease, feedback.OnHandset, feedback.Confirmed:
		v.Release = d.Release
	}
	return v
}

// ThreadPath is an address that explains itself: /t/41-camera-zoom-crash.
func ThreadPath(id int64, title string) string {
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

// ThreadID reads the number that a thread's address begins with.
func ThreadID(address string) (int64, error) {
	digits, _, _ := strings.Cut(address, "-")
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || id <= 0 || digits[0] == '+' || digits[0] == '0' {
		return 0, ErrNotFound
	}
	return id, nil
}

// Catalogue is the devices by codename.
type Catalogue struct {
	Names     map[string]string
	Codenames []string
}

// ReadCatalogue reads all devices.
func ReadCatalogue(tx *db.Tx) (Catalogue, error) {
	list, err := device.List(tx)
	if err != nil {
		return Catalogue{}, err
	}
	c := Catalogue{Names: map[string]string{}}
	for _, d := range list {
		if _, ok := c.Names[d.Codename]; !ok {
			c.Codenames = append(c.Codenames, d.Codename)
		}
		if _, ok := c.Names[d.Codename]; !ok || d.Variant == "" {
			c.Names[d.Codename] = d.Name
		}
	}
	return c, nil
}

// Name is what people call a device; its codename if nobody said.
func (c Catalogue) Name(codename string) string {
	if n := c.Names[codename]; n != "" {
		return n
	}
	return codename
}

// Choices are the devices for a form.
func (c Catalogue) Choices(on ...string) []Choice {
	var all []Choice
	for _, codename := range c.Codenames {
		all = append(all, Choice{codename, c.Name(codename), slices.Contains(on, codename)})
	}
	return all
}

// Choices makes the choices of a list of words.
func Choices(values []string, on string, name func(string) string) []Choice {
	var all []Choice
	for _, v := range values {
		all = append(all, Choice{v, name(v), v == on})
	}
	return all
}

// Names looks members' names up, each once; one who left has none.
type Names map[int64]string

// Read reads the names of many at once.
func (n Names) Read(tx *db.Tx, members []int64) error {
	all, err := member.Names(tx, members...)
	for _, id := range members {
		n[id] = all[id]
	}
	return err
}

// Of is a member's name; empty for nobody, and for one who left.
func (n Names) Of(tx *db.Tx, id int64) (string, error) {
	if id == 0 {
		return "", nil
	}
	if name, ok := n[id]; ok {
		return name, nil
	}
	m, err := member.ByID(tx, id)
	if err != nil && !IsMissing(err) {
		return "", err
	}
	n[id] = m.Name
	return m.Name, nil
}

// Elsewhere is the name of who wrote something at another service; empty for
// members, and for who left.
func Elsewhere(tx *db.Tx, id int64) (string, error) {
	who, ok, err := elsewhere.ByID(tx, id)
	if err != nil || !ok {
		return "", err
	}
	return who.Name + " (" + ServiceName(who.Service, who.Place) + ")", nil
}

// ServiceName is what people call another service: by its name where there is
// one of it, or by its host.
func ServiceName(service, place string) string {
	if service == "github" {
		return "GitHub"
	}
	return place
}

// Known refuses devices that the catalogue does not have.
func Known(tx *db.Tx, devices ...string) error {
	cat, err := ReadCatalogue(tx)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if _, ok := cat.Names[d]; !ok {
			return mistake.New("device", "device-unknown", "There is no such phone in the catalogue.")
		}
	}
	return nil
}
