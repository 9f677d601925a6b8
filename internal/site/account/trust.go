package account

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/page"
)

// medalView is a medal with how far a member is.
type medalView struct {
	Name, Rule string
	Have, Need int
	At         time.Time // won then; zero: not yet
}

// medals are all medals in the order of pages; those that a member has won stay,
// whatever the counts say now.
func medals(c *page.Call, counts trust.Counts, won []reputation.Won) (all []medalView) {
	for _, m := range trust.Medals(counts) {
		v := medalView{Name: c.Text.T("medal." + m.Key), Rule: c.Text.N("trust.medal."+m.Key, m.Need), Have: min(m.Have, m.Need), Need: m.Need}
		for _, w := range won {
			if w.Medal == m.Key {
				v.At = w.At
			}
		}
		all = append(all, v)
	}
	return all
}

// levelView is a level with what it asks for and what it allows.
type levelView struct {
	Key, Name string
	Asks      []string
	Yours     bool
}

// limitView is one limit over the levels, and why there is one.
type limitView struct {
	key, Name, Why string
	Values         []limitValue
}

type limitValue struct{ Level, Text string }

type trustView struct {
	Levels []levelView
	Limits []limitView
	Medals []medalView
	Counts *trust.Counts // the viewer's; nil: nobody
	Level  string
	Staff  bool // trusted as a moderator or maintainer
	Flag   int  // days that an upheld flag counts
}

// Trust is what levels of trust mean, and where the viewer stands.
func Trust(c *page.Call) error {
	v := trustView{Flag: int(trust.FlagTime.Hours() / 24), Limits: limits(c)}
	yours := trust.Level(-1)
	err := c.Read(func(tx *db.Tx) error {
		if c.Viewer.ID == 0 {
			v.Medals = medals(c, trust.Counts{}, nil)
			return nil
		}
		counts, err := reputation.CountsOf(tx, c.Viewer.Member)
		if err != nil {
			return err
		}
		won, err := reputation.MedalsOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		if yours, err = reputation.LevelOf(tx, c.Viewer.Member); err != nil {
			return err
		}
		v.Counts, v.Level, v.Medals = &counts, c.Text.T("trust.level."+yours.String()), medals(c, counts, won[c.Viewer.ID])
		v.Staff = c.Viewer.Moderates() || c.Viewer.Is(member.Maintainer)
		return nil
	})
	if err != nil {
		return err
	}
	for _, l := range trust.Levels() {
		v.Levels = append(v.Levels, levelView{Key: l.String(), Name: c.Text.T("trust.level." + l.String()), Asks: asks(c, l), Yours: l == yours})
	}
	return c.Show("trust", page.Page{Title: c.Text.T("trust.title"), Nav: "me", Body: v})
}

// asks is what a level asks for, by the numbers that decide it.
func asks(c *page.Call, l trust.Level) []string {
	switch l {
	case trust.Known:
		return []string{c.Text.T("trust.ask.known", "Days", trust.KnownDays, "Things", trust.KnownThings), c.Text.T("trust.ask.quiet", "Days", trust.QuietDays, "Posts", trust.QuietPosts)}
	case trust.Trusted:
		return []string{c.Text.T("trust.ask.trusted", "Days", trust.TrustedDays, "Things", trust.TrustedThings, "Fixes", trust.TrustedFixes)}
	}
	return []string{c.Text.T("trust.ask.new")}
}

// limits are what each level may do, as trust.LimitsOf has it.
func limits(c *page.Call) []limitView {
	all := []limitView{{key: "posts"}, {key: "threads"}, {key: "links"}, {key: "mentions"}, {key: "uploads"}, {key: "size"}}
	for i := range all {
		all[i].Name, all[i].Why = c.Text.T("trust.limit."+all[i].key+".name"), c.Text.T("trust.limit."+all[i].key+".why")
	}
	for _, level := range trust.Levels() {
		l := trust.LimitsOf(level)
		for i, n := range []int{l.PostsPerHour, l.ThreadsPerDay, l.LinksPerPost, l.MentionsInPost, l.UploadsPerDay, int(l.UploadBytes >> 20)} {
			all[i].Values = append(all[i].Values, limitValue{c.Text.T("trust.level." + level.String()), c.Text.N("trust.limit."+all[i].key+".most", n)})
		}
	}
	return all
}
