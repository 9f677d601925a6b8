package office

import (
	"html/template"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// stations is how many releases a device's line shows.
const stations = 12

type deviceCard struct {
	Codename, Name, Runs string
	Open                 int
	Line                 line.Map
}

// How much stands on one page; a page stays below 60 kB, whatever there is.
const (
	cardsOnPage    = 20 // devices
	rowsOnPage     = 20 // releases
	devicesInRow   = 8  // of a release
	tracksOnPage   = 6
	packagesOnPage = 24
	fixesOnPage    = 12
	notesBudget    = 10_000 // bytes of HTML
)

type devicesView struct {
	page.Paging
	Cards []deviceCard
}

// Devices is every device with its last stations.
func Devices(c *page.Call) error {
	var v devicesView
	err := c.Read(func(tx *db.Tx) error {
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		st, err := c.Site.Train.Status(tx, 6)
		if err != nil {
			return err
		}
		v.Paging = c.Pages("/d", page.Needed(len(cat.Codenames), cardsOnPage))
		for _, codename := range page.On(v.Paging, cat.Codenames, cardsOnPage) {
			open, _, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{Device: codename, Open: true, Limit: 200})
			if err != nil {
				return err
			}
			card := deviceCard{Codename: codename, Name: cat.Name(codename), Open: len(open), Line: tell.DeviceLine(c.Text, codename, st.Releases)}
			card.Line.Scale = "card"
			for i := range card.Line.Stops { // the reasons stand on the device's own page
				if stop := &card.Line.Stops[i]; stop.Mark != line.Here {
					stop.Note = tell.Mark(c.Text, stop.Mark)
				}
			}
			builds, err := catalog.Builds(tx, codename)
			if err != nil {
				return err
			}
			if len(builds) > 0 {
				card.Runs = builds[0].Version
			}
			v.Cards = append(v.Cards, card)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("devices", page.Page{Title: c.Text.T("devices.title"), Nav: "devices", Feed: "/api/forum/v1/devices.atom", Body: v})
}

type fact struct {
	Name, Value string
	Code        bool
}

type deviceView struct {
	Codename, Name string
	Line           line.Map
	Threads        []page.ThreadRow
	Facts          []fact
	Packages       []packageView
}

// Device is one device.
func Device(c *page.Call) error {
	codename := c.R.PathValue("codename")
	var v deviceView
	err := c.Read(func(tx *db.Tx) error {
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		if _, ok := cat.Names[codename]; !ok {
			return page.ErrNotFound
		}
		d, err := device.ByCodename(tx, codename)
		if err != nil {
			return err
		}
		v.Codename, v.Name, v.Facts = codename, cat.Name(codename), bootFacts(c, d)
		st, err := c.Site.Train.Status(tx, stations)
		if err != nil {
			return err
		}
		v.Line = tell.DeviceLine(c.Text, codename, st.Releases)
		threads, _, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{Device: codename, Open: true, Order: feedback.Hot, Limit: 12})
		if err != nil {
			return err
		}
		v.Threads = c.Rows(threads)
		builds, err := catalog.Builds(tx, codename)
		if err != nil || len(builds) == 0 {
			return err
		}
		v.Facts = append(v.Facts, fact{c.Text.T("fact.newest"), builds[0].Version, true}, fact{c.Text.T("fact.patch"), builds[0].PatchLevel, true}, fact{c.Text.T("fact.fingerprint"), builds[0].Fingerprint, true})
		packages, err := catalog.PackagesTo(tx, builds[0].ID)
		if err != nil {
			return err
		}
		v.Packages, err = packageViews(c, tx, packages)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("device", page.Page{Title: v.Name + " (" + v.Codename + ")", Nav: "devices", Feed: "/api/forum/v1/devices/" + v.Codename + "/releases.atom", Body: v})
}

// bootFacts says in words what a phone checks.
func bootFacts(c *page.Call, d device.Device) []fact {
	trust := map[bootprofile.Trust]string{bootprofile.CustomKey: "custom", bootprofile.Unlocked: "unlocked",
		bootprofile.VerifiedBoot1: "vb1", bootprofile.None: "none"}
	slots := map[bootprofile.Slots]string{bootprofile.AB: "ab", bootprofile.VirtualAB: "virtual",
		bootprofile.VirtualABCompressed: "compressed", bootprofile.Single: "single"}
	facts := []fact{{c.Text.T("fact.vendor"), d.Vendor, false}, {c.Text.T("fact.boot"), said(c, "trust.", trust[d.Boot.Trust]), false},
		{c.Text.T("fact.updates"), said(c, "slots.", slots[d.Boot.Slots]), false}, {c.Text.T("fact.install"), string(d.Boot.Flash), true}}
	if d.Boot.Kernel != "" {
		facts = append(facts, fact{c.Text.T("fact.kernel"), d.Boot.Kernel, true})
	}
	return slices.DeleteFunc(facts, func(f fact) bool { return f.Value == "" })
}

// said is a message by its last word; nothing for no word.
func said(c *page.Call, prefix, word string) string {
	if word == "" {
		return ""
	}
	return c.Text.T(prefix + word)
}

type packageView struct{ Device, File, Words, Href, Size, SHA256 string }

func packageViews(c *page.Call, tx *db.Tx, packages []catalog.Package) ([]packageView, error) {
	var all []packageView
	for _, p := range packages {
		v := packageView{Device: p.Device, File: p.File, Words: c.Text.T("packages.whole"), Size: tell.Size(c.Text, p.Size), SHA256: p.Digest.String(),
			Href: wire.PackagePath(p.Digest.String(), p.File)}
		if p.From != "" {
			from, err := catalog.BuildByID(tx, p.From)
			if err != nil && !page.IsMissing(err) {
				return nil, err
			}
			if v.Words = c.Text.T("packages.before"); from.Version != "" {
				v.Words = c.Text.T("packages.from", "Version", from.Version)
			}
		}
		all = append(all, v)
	}
	return all, nil
}

type releaseRow struct {
	Name, Reason, Fixes string
	CutAt               time.Time
	Devices             []releaseDevice
	More                int // devices that are not named
}

type releasesView struct {
	page.Paging
	Releases []releaseRow
}

type releaseDevice struct {
	Device string
	State  page.State
}

// Releases is every release of a year.
func Releases(c *page.Call) error {
	var v releasesView
	err := c.Read(func(tx *db.Tx) error {
		st, err := c.Site.Train.Status(tx, 52)
		if err != nil {
			return err
		}
		v.Paging = c.Pages("/r", page.Needed(len(st.Releases), rowsOnPage))
		for _, r := range page.On(v.Paging, st.Releases, rowsOnPage) {
			row := releaseRow{Name: r.Name, Reason: tell.Said(c.Text, r.Reason), CutAt: r.CutAt}
			fixes, err := feedback.Seen(tx, c.Viewer.InForum(), r.Fixes)
			if err != nil {
				return err
			}
			if len(fixes) > 0 {
				row.Fixes = c.Text.N("releases.fixes", len(fixes))
			}
			row.More = max(0, len(r.Devices)-devicesInRow)
			for _, d := range r.Devices[:len(r.Devices)-row.More] {
				mark, _ := tell.DeviceMark(c.Text, d)
				row.Devices = append(row.Devices, releaseDevice{d.Device, page.State{Mark: mark, Word: tell.Device(c.Text, d)}})
			}
			v.Releases = append(v.Releases, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("releases", page.Page{Title: c.Text.T("releases.title"), Nav: "releases", Feed: "/api/forum/v1/releases.atom", Body: v})
}

type releaseView struct {
	page.Paging
	Crashes              []signalView // that are new or grew
	Name, Commit, Reason string
	CutAt                time.Time
	State                page.State
	Notes                template.HTML
	Tracks               []trackView
	Fixes                []page.ThreadRow
	Packages             []packageView
	Polls                []releasePoll
	CanAsk               bool // the week's questions
}

// trackView is one device of a release on its track.
type trackView struct {
	Device, Name, Channel, Counts, Reason, Trouble string
	Where                                          string   // the rollout's own page
	Stopped                                        []string // in which regions, and why
	State                                          page.State
	Line                                           line.Map
}

func tracks(c *page.Call, r *train.ReleaseStatus, cat page.Catalogue) []trackView {
	var all []trackView
	for _, d := range r.Devices {
		if len(d.Rollouts) == 0 {
			w := tell.DeviceState(c.Text, d.State)
			all = append(all, trackView{Device: d.Device, Name: cat.Name(d.Device), State: page.State{Mark: w.Mark, Word: w.Text}, Line: tell.TrackLine(c.Text, d, nil), Reason: tell.Said(c.Text, d.Reason), Trouble: tell.Trouble(w.Mark)})
			continue
		}
		for i := range d.Rollouts {
			ro := &d.Rollouts[i]
			w := tell.Rollout(c.Text, ro.State)
			v := trackView{Device: d.Device, Name: cat.Name(d.Device), Channel: ro.Channel, State: page.State{Mark: w.Mark, Word: w.Text},
				Line: tell.TrackLine(c.Text, d, ro), Reason: tell.Said(c.Text, ro.Reason), Counts: tell.Counts(c.Text, ro.Counts), Trouble: tell.Trouble(w.Mark)}
			if r.Name != "" {
				v.Where = tell.RolloutPage(&ro.Rollout)
			}
			if part := tell.RolloutPart(&ro.Rollout); part != "" {
				v.Channel = c.Text.T("track.region", "Channel", ro.Channel, "Region", part)
			}
			if v.Trouble == "" {
				v.Reason = ""
			}
			for _, s := range ro.Regions {
				v.Stopped = append(v.Stopped, c.Text.T("track.stopped", "Region", s.Region, "Reason", s.Reason))
			}
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b trackView) int { // those in trouble first
		rank := map[string]int{string(line.Halted): 0, string(line.Held): 1, "": 2}
		return rank[a.Trouble] - rank[b.Trouble]
	})
	return all
}

// madeNotes are those that the train makes where nobody wrote any: the fixes, which
// the page lists anyway.
var madeNotes = regexp.MustCompile(`\AFixed:( #\d+)+\z`)

// Release is one release.
func Release(c *page.Call) error {
	name := c.R.PathValue("release")
	if len(name) > 32 || strings.ContainsRune(name, 0) {
		return page.ErrNotFound
	}
	var v releaseView
	err := c.Read(func(tx *db.Tx) error {
		r, err := c.Site.Train.ReleaseStatus(tx, name)
		if err != nil {
			return err
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		w := tell.Train(c.Text, r.State)
		v = releaseView{Name: r.Name, Commit: r.Commit[:min(12, len(r.Commit))], Reason: tell.Said(c.Text, r.Reason), CutAt: r.CutAt, State: page.State{Mark: w.Mark, Word: w.Text}}
		if r.Fixes, err = feedback.Seen(tx, c.Viewer.InForum(), r.Fixes); err != nil { // a fix is on its way in private until it is out
			return err
		}
		var notes []template.HTML
		if strings.TrimSpace(r.Notes) != "" && !madeNotes.MatchString(r.Notes) {
			notes = c.Site.Markdown.Parts(r.Notes, notesBudget)
		}
		var packages []catalog.Package
		for _, d := range r.Devices {
			packages = append(packages, d.Packages...)
		}
		all := tracks(c, &r, cat)
		v.Paging = c.Pages("/r/"+url.PathEscape(r.Name), max(len(notes), page.Needed(len(all), tracksOnPage), page.Needed(len(packages), packagesOnPage), page.Needed(len(r.Fixes), fixesOnPage)))
		v.Tracks = page.On(v.Paging, all, tracksOnPage)
		for _, part := range page.On(v.Paging, notes, 1) {
			v.Notes = part
		}
		for _, id := range page.On(v.Paging, r.Fixes, fixesOnPage) {
			t, err := feedback.ByID(tx, c.Viewer.InForum(), id)
			if page.IsMissing(err) || err == nil && t.Hidden {
				continue
			}
			if err != nil {
				return err
			}
			v.Fixes = append(v.Fixes, c.Rows([]feedback.Thread{t})...)
		}
		for _, d := range r.Devices {
			signals, err := signalViews(c, tx, d.Device, r.Name)
			if err != nil {
				return err
			}
			v.Crashes = append(v.Crashes, signals...)
		}
		if v.Polls, err = releasePolls(c, tx, r.Name); err != nil {
			return err
		}
		left := r.State == train.Shipping || r.State == train.Settled
		v.CanAsk = len(v.Polls) == 0 && left && c.Viewer.May(page.Maintainer)
		v.Packages, err = packageViews(c, tx, page.On(v.Paging, packages, packagesOnPage))
		if err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("release", page.Page{Title: v.Name, Nav: "releases", Feed: page.ThreadsFeed("release", v.Name), Body: v})
}
