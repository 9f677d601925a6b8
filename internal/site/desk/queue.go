package desk

import (
	"errors"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/page"
)

// subjectView is what something looks like to who judges or flags it.
type subjectView struct {
	What            string // "post", in words
	Title, Path, By string
	HTML            template.HTML
	Whole           bool // or only its beginning
	Below           []page.FileView
	Hidden, Locked  bool
}

// bodyBudget is how many bytes of HTML of a post the desk shows.
const bodyBudget = 14_000

func viewSubject(c *page.Call, s subject) subjectView {
	v := subjectView{What: c.Text.T("moderation.kind." + s.Kind), Title: s.Title, Path: s.Path, By: s.By, Hidden: s.Thread.Hidden, Locked: s.Thread.Locked}
	v.HTML, v.Whole, v.Below = c.Shown(s.Body, s.Files, bodyBudget)
	return v
}

type queueView struct {
	Cases   []caseRow
	Appeals []appealRow
}

type caseRow struct {
	Path, What, Title, By string
	Flags                 int
	Held, Hidden, Unseen  bool // Unseen: in a private thread that the viewer may not see
	Signs                 []string
	At                    time.Time
}

type appealRow struct {
	decisionView
	Mine bool // the viewer decided it: another moderator answers
}

// Queue is what waits for the moderators.
func Queue(c *page.Call) error {
	var v queueView
	err := c.Read(func(tx *db.Tx) error {
		cases, err := moderation.Queue(tx, 100)
		if err != nil {
			return err
		}
		for _, k := range cases {
			row, err := rowOf(c, tx, k)
			if err != nil {
				return err
			}
			v.Cases = append(v.Cases, row)
		}
		appeals, err := moderation.Appeals(tx)
		if err != nil {
			return err
		}
		who := page.Names{}
		for _, d := range appeals {
			row, err := viewDecision(c, tx, who, d)
			if err != nil {
				return err
			}
			v.Appeals = append(v.Appeals, appealRow{row, d.ActorID == c.Viewer.ID || d.AuthorID == c.Viewer.ID})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("queue", page.Page{Title: c.Text.T("queue.headline"), Nav: "desk", Body: v})
}

func rowOf(c *page.Call, tx *db.Tx, k moderation.Case) (caseRow, error) {
	row := caseRow{Path: deskPath(k.Subject), What: c.Text.T("moderation.kind." + k.Subject.Kind), Flags: k.Flags, Held: k.Held, Hidden: k.AutoHidden, At: k.OpenedAt}
	for _, s := range k.Signs {
		row.Signs = append(row.Signs, c.Text.T("moderation.sign."+string(s)))
	}
	s, err := read(c, tx, k.Subject)
	if page.IsMissing(err) || errors.Is(err, page.ErrNotFound) {
		row.Unseen = true
		return row, nil
	}
	row.Title, row.By = s.Title, s.By
	return row, err
}

func deskPath(s moderation.Subject) string {
	return "/desk/" + s.Kind + "/" + strconv.FormatInt(s.ID, 10)
}

type judgeView struct {
	subjectView
	Action       string
	Case         int64
	Held         bool
	Signs        []string
	Flags        []flagRow
	Past         []decisionView // about this
	Of           []decisionView // about its author
	Warnings     int
	Suspended    time.Time
	Actions      []page.Choice
	Measures     []page.Choice
	Days         []page.Choice
	Reason, Law  string
	Field, Error string
	Own          bool
}

type flagRow struct {
	By, Reason, Note string
	Known            bool
	At               time.Time
}

// suspensions are the ends that the form offers, in days.
var suspensions = []int{1, 3, 7, 14, 30, 90, 365}

// Judge shows a subject, what was said against it, and the form to decide.
func Judge(c *page.Call) error { return showJudge(c, nil) }

func showJudge(c *page.Call, refused *feedback.InputError) error {
	v := judgeView{Action: c.R.URL.Path}
	err := c.Read(func(tx *db.Tx) error { return v.fill(c, tx) })
	if err != nil {
		return err
	}
	f := c.R.PostForm
	for _, a := range v.actions(c) {
		v.Actions = append(v.Actions, page.Choice{Value: string(a), Word: c.Text.T("moderation.action." + string(a)), On: string(a) == f.Get("action")})
	}
	for _, m := range moderation.Measures() {
		word := "moderation.measure.nothing"
		if m != moderation.Nothing {
			word = "moderation.measure." + string(m)
		}
		v.Measures = append(v.Measures, page.Choice{Value: string(m), Word: c.Text.T(word), On: string(m) == f.Get("measure")})
	}
	for _, d := range suspensions {
		v.Days = append(v.Days, page.Choice{Value: strconv.Itoa(d), Word: c.Text.N("moderation.days", d), On: strconv.Itoa(d) == f.Get("days")})
	}
	v.Reason, v.Law = f.Get("reason"), f.Get("law")
	status := 200
	if refused != nil {
		v.Field, v.Error, status = refused.Field, refused.Message, 422
	}
	return c.Render(status, "judge", page.Page{Title: v.Title, Nav: "desk", Body: v})
}

// actions are those that fit the subject.
func (v judgeView) actions(c *page.Call) []moderation.Action {
	switch c.R.PathValue("kind") {
	case moderation.Thread:
		return moderation.Actions()
	case moderation.Member:
		return []moderation.Action{moderation.Keep}
	}
	return []moderation.Action{moderation.Keep, moderation.Hide, moderation.Takedown}
}

func (v *judgeView) fill(c *page.Call, tx *db.Tx) error {
	s, err := named(c, tx)
	if err != nil {
		return err
	}
	v.subjectView = viewSubject(c, s)
	v.Own = s.AuthorID == c.Viewer.ID
	v.Action = deskPath(s.Subject)
	who := page.Names{}
	if err := v.fillCase(c, tx, who, s.Subject); err != nil {
		return err
	}
	past, err := moderation.Decided(tx, s.Subject)
	if err != nil {
		return err
	}
	if v.Past, err = viewDecisions(c, tx, who, past); err != nil || s.AuthorID == 0 {
		return err
	}
	standing, err := moderation.StandingOf(tx, s.AuthorID)
	if err != nil {
		return err
	}
	v.Warnings, v.Suspended = standing.Warnings, standing.Suspension.Until
	of, err := moderation.Of(tx, s.AuthorID)
	if err != nil {
		return err
	}
	of = slices.DeleteFunc(of, func(d moderation.Decision) bool {
		return d.Subject == s.Subject || d.Action == moderation.Keep && d.Measure == moderation.Nothing
	})
	v.Of, err = viewDecisions(c, tx, who, of[:min(len(of), 20)])
	return err
}

func (v *judgeView) fillCase(c *page.Call, tx *db.Tx, who page.Names, s moderation.Subject) error {
	k, err := moderation.OpenCase(tx, s)
	if errors.Is(err, moderation.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v.Case, v.Held = k.ID, k.Held
	for _, sign := range k.Signs {
		v.Signs = append(v.Signs, c.Text.T("moderation.sign."+string(sign)))
	}
	flags, err := moderation.FlagsOf(tx, k.ID)
	if err != nil {
		return err
	}
	for _, f := range flags {
		name, err := who.Of(tx, f.FlaggerID)
		if err != nil {
			return err
		}
		v.Flags = append(v.Flags, flagRow{By: name, Reason: c.Text.T("moderation.reason." + string(f.Reason)), Note: f.Note, Known: f.Known, At: f.At})
	}
	return nil
}

// Decide takes a moderator's decision.
func Decide(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	f := c.R.PostForm
	r := moderation.Ruling{Action: moderation.Action(f.Get("action")), Measure: moderation.Measure(f.Get("measure")), Reason: f.Get("reason"), Law: f.Get("law")}
	if days, err := strconv.Atoi(f.Get("days")); err == nil && days > 0 && days <= 366 {
		r.Until = c.Now().Add(time.Duration(days) * 24 * time.Hour)
	}
	caseID, err := strconv.ParseInt(f.Get("case"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	err = c.Write(func(tx *db.Tx) error {
		s, err := named(c, tx)
		if err != nil {
			return err
		}
		_, effects, err := moderation.Decide(tx, s.About, actor(c), caseID, r)
		if err != nil {
			return refuse(c, err)
		}
		return reputation.Apply(tx, c.Viewer.ID, effects)
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return showJudge(c, input)
	}
	if err != nil {
		return err
	}
	return c.Redirect("/desk", "decided")
}

// decisionView is a decision as a page shows it.
type decisionView struct {
	ID                             int64
	Path, What, Action, Measure    string
	Reason, Law, By, LiftedBy, Why string
	At, Until, LiftedAt            time.Time
	Words, Answer, AnsweredBy      string
	AppealedAt, AnsweredAt         time.Time
	Granted, Appealable, Lifted    bool
	HTML                           template.HTML
}

func viewDecisions(c *page.Call, tx *db.Tx, who page.Names, all []moderation.Decision) (views []decisionView, err error) {
	for _, d := range all {
		v, err := viewDecision(c, tx, who, d)
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	return views, nil
}

func viewDecision(c *page.Call, tx *db.Tx, who page.Names, d moderation.Decision) (v decisionView, err error) {
	v = decisionView{ID: d.ID, Path: subjectPath(d.Subject), What: c.Text.T("moderation.kind." + d.Subject.Kind), Action: c.Text.T("moderation.did." + string(d.Action)),
		Reason: d.Reason, Law: d.Law, At: d.At, Until: d.Until, LiftedAt: d.LiftedAt, Lifted: !d.LiftedAt.IsZero(), Why: d.LiftedWhy, Appealable: d.Appealable()}
	if d.Measure != moderation.Nothing {
		v.Measure = c.Text.T("moderation.did." + string(d.Measure))
	}
	if v.By, err = who.Of(tx, d.ActorID); err == nil {
		v.LiftedBy, err = who.Of(tx, d.LiftedBy)
	}
	if a := d.Appeal; a != nil && err == nil {
		v.Words, v.Answer, v.AppealedAt, v.AnsweredAt, v.Granted = a.Words, a.Answer, a.At, a.AnsweredAt, a.Granted
		v.AnsweredBy, err = who.Of(tx, a.AnsweredBy)
	}
	return v, err
}

// subjectPath is where a subject is found: whoever may not see it finds nothing there.
func subjectPath(s moderation.Subject) string {
	id := strconv.FormatInt(s.ID, 10)
	switch s.Kind {
	case moderation.Thread:
		return "/t/" + id
	case moderation.Post:
		return "/p/" + id
	case moderation.Upload:
		return "/u/" + id + "/file"
	}
	return ""
}

// Lift takes a decision back.
func Lift(c *page.Call) error {
	return onDecision(c, "lifted", func(tx *db.Tx, id int64) error {
		effects, err := moderation.Lift(tx, actor(c), id, c.R.PostForm.Get("reason"))
		if err != nil {
			return refuse(c, err)
		}
		return reputation.Apply(tx, c.Viewer.ID, effects)
	})
}

// Answer answers an appeal.
func Answer(c *page.Call) error {
	return onDecision(c, "answered", func(tx *db.Tx, id int64) error {
		effects, err := moderation.Answer(tx, actor(c), id, c.R.PostForm.Get("granted") == "yes", c.R.PostForm.Get("answer"))
		if err != nil {
			return refuse(c, err)
		}
		return reputation.Apply(tx, c.Viewer.ID, effects)
	})
}

func onDecision(c *page.Call, done string, fn func(tx *db.Tx, id int64) error) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	id, err := number(c.R.PathValue("decision"))
	if err != nil {
		return err
	}
	if err := c.Write(func(tx *db.Tx) error { return fn(tx, id) }); err != nil {
		return err
	}
	return c.Redirect("/desk", done)
}

type logView struct {
	Entries []logRow
	Earlier string
}

type logRow struct {
	At                          time.Time
	Actor, Action, Subject, Why string
	Path                        string
}

const logPage = 50

// Log is the audit log of the moderators' work.
func Log(c *page.Call) error {
	before, _ := strconv.ParseInt(c.R.URL.Query().Get("before"), 10, 64) // anything else is the newest page
	var v logView
	err := c.Read(func(tx *db.Tx) error {
		all, err := audit.List(tx, audit.Filter{Action: "moderation.", Before: max(0, before), Limit: logPage})
		if err == nil && len(all) == logPage {
			v.Earlier = "/desk/log?before=" + strconv.FormatInt(all[len(all)-1].ID, 10)
		}
		v.Entries = logRows(c, all, deskPath)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("log", page.Page{Title: c.Text.T("log.headline"), Nav: "desk", Body: v})
}

// logRows are entries of the audit log; place says where a subject is found.
func logRows(c *page.Call, all []audit.Event, place func(moderation.Subject) string) (rows []logRow) {
	for _, e := range all {
		kind, text, _ := strings.Cut(e.Subject, " ")
		id, _ := strconv.ParseInt(text, 10, 64) // we wrote it
		row := logRow{At: e.At, Actor: e.Actor, Action: c.Text.T("log.did." + strings.TrimPrefix(e.Action, "moderation.")), Subject: c.Text.T("moderation.kind." + kind), Path: place(moderation.Subject{Kind: kind, ID: id})}
		var detail struct{ Reason, Answer string }
		if unmarshal(e.Detail, &detail) == nil {
			row.Why = detail.Reason + detail.Answer
		}
		rows = append(rows, row)
	}
	return rows
}
