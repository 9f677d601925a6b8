package account

import (
	"time"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/upload"
	"github.com/fridayos/friday/internal/webhook"
)

// Term is how long one kind of thing about people is kept: until then after the
// moment that its words name. The sweeps go by the same constants.
type Term struct {
	Key string // of its words
	For time.Duration
}

// Terms are all terms, in the order of the page.
func Terms() []Term {
	return []Term{
		{"address", member.AddressTime}, {"origin", moderation.OriginAge},
		{"idle", member.IdleTime}, {"session", member.SessionLife}, {"pending", member.PendingTime}, {"code", member.CodeTime}, {"name", member.FormerNameTime},
		{"log", crash.Keep}, {"draft", crash.KeepDraft}, {"removed", upload.RemovedAge}, {"loose", upload.OrphanAge},
		{"outcome", outcome.ClaimKept}, {"days", fleet.DaysKept},
		{"quiz", member.QuizTime}, {"place", member.PlaceTime},
		{"notice", notice.Kept}, {"delivery", webhook.Kept}, {"letter", jobs.FailedKept},
	}
}

type termView struct{ What, Why, Long string }

// Privacy is what is kept about people, how long, and what is not.
func Privacy(c *page.Call) error {
	var v struct {
		Terms     []termView
		Yours     bool // the viewer is a member
		Mail      bool
		Elsewhere bool // members may sign in by other services
	}
	v.Yours, v.Mail, v.Elsewhere = c.Viewer.ID != 0, c.Site.Mail, len(c.Site.Services.Names()) > 0
	for _, t := range Terms() {
		v.Terms = append(v.Terms, termView{c.Text.T("privacy.what." + t.Key), c.Text.T("privacy.why." + t.Key), c.Text.N("moderation.days", int(t.For/(24*time.Hour)))})
	}
	return c.Show("privacy", page.Page{Title: c.Text.T("privacy.title"), Body: v})
}
