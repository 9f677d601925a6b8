package site

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/member"
)

// field is one that a form on a page has: what it may hold, and what it holds.
type field struct {
	kind   string // radio, checkbox, select, button, text
	values []string
	on     []string
}

// formOn reads the form of a page that goes to an address, as a browser without
// JavaScript has it; nil if there is none.
func formOn(t *testing.T, page, action string) map[string]*field {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var form map[string]*field
	var walk func(n *html.Node, in bool, options *field)
	walk = func(n *html.Node, in bool, options *field) {
		if n.Type == html.ElementNode {
			name := attribute(n, "name")
			get := func(kind string) *field {
				if form[name] == nil {
					form[name] = &field{kind: kind}
				}
				return form[name]
			}
			switch {
			case n.Data == "form":
				if in = attribute(n, "action") == action && attribute(n, "method") == "post"; in && form == nil {
					form = map[string]*field{}
				}
			case !in || name == "" && n.Data != "option":
			case n.Data == "option" && options != nil:
				options.values = append(options.values, attribute(n, "value"))
				if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "selected" }) {
					options.on = []string{attribute(n, "value")}
				}
			case n.Data == "select":
				options = get("select")
			case n.Data == "button":
				f := get("button")
				f.values = append(f.values, attribute(n, "value"))
			case n.Data == "textarea":
				f := get("text")
				if n.FirstChild != nil {
					f.on = []string{n.FirstChild.Data}
				}
			case n.Data == "input":
				kind := attribute(n, "type")
				if kind != "radio" && kind != "checkbox" {
					get("text").on = []string{attribute(n, "value")}
					break
				}
				f := get(kind)
				f.values = append(f.values, attribute(n, "value"))
				if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
					f.on = append(f.on, attribute(n, "value"))
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, in, options)
		}
	}
	walk(doc, false, nil)
	for _, f := range form {
		if f.kind == "select" && f.on == nil && len(f.values) > 0 {
			f.on = f.values[:1]
		}
	}
	return form
}

// fill looks at a page as a member, fills in the form there that goes to action and
// sends it: only what the page offers can be filled in or pressed.
func (w *world) fill(t *testing.T, as, at, action string, with url.Values) *httptest.ResponseRecorder {
	t.Helper()
	fresh(w)
	rec := w.get(as, at)
	if to := where(rec); rec.Code == 303 {
		rec = w.get(as, to)
	}
	form := formOn(t, rec.Body.String(), action)
	if form == nil {
		t.Fatalf("%s sees no form to %s on %s (%d)", as, action, at, rec.Code)
	}
	send := url.Values{}
	for name, f := range form {
		if f.kind != "button" && f.on != nil {
			send[name] = f.on
		}
	}
	for name, values := range with {
		f := form[name]
		if f == nil {
			t.Fatalf("the form to %s on %s has no field %s", action, at, name)
		}
		for _, v := range values {
			if f.kind != "text" && !slices.Contains(f.values, v) {
				t.Fatalf("%s of the form to %s on %s may be %q, not %q", name, action, at, f.values, v)
			}
		}
		send[name] = values
	}
	return w.post(as, action, send)
}

func (w *world) offers(t *testing.T, as, at, action string) bool {
	t.Helper()
	rec := w.get(as, at)
	if rec.Code == 303 {
		rec = w.get(as, where(rec))
	}
	return formOn(t, rec.Body.String(), action) != nil
}

// TestTheWholeWay is the story of one report on two phones through each of its
// states, by the forms that pages offer alone; only commits, releases and handsets
// come from elsewhere.
func TestTheWholeWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.at(11, 20, 9)
		w.people()
		w.join("hal", member.Maintainer, "hlte")
		w.devices()
		builds := map[string]feedback.Build{}
		build := func(codename, version string) feedback.Build {
			b := feedback.Build{ID: w.built(codename, version, ""), Device: codename, Version: version, Timestamp: w.now.Unix()}
			builds[codename+version] = b
			return b
		}
		ok := func(rec *httptest.ResponseRecorder) string {
			t.Helper()
			if rec.Code != 303 {
				t.Fatalf("answer %d: %s", rec.Code, rec.Body)
			}
			return where(rec)
		}
		refused := func(rec *httptest.ResponseRecorder, words string) {
			t.Helper()
			if rec.Code != 422 || !strings.Contains(rec.Body.String(), words) {
				t.Errorf("answer %d without %q", rec.Code, words)
			}
		}
		old := build("umi", "26.11.20")
		runs := func(who string, b feedback.Build) {
			w.write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, w.ids[who], b); return err })
		}
		runs("ana", old)
		w.at(11, 20, 10)

		// Reported.
		path := ok(w.fill(t, "ana", "/t/new", "/t/new", url.Values{"kind": {"bug"}, "title": {"Alarm is silent"}, "part": {"Clock"}, "device": {"umi", "hlte"}, "body": {"No sound at seven."}}))
		path = strings.TrimSuffix(path, "?done=filed")
		state := func(device string) (s feedback.State) {
			w.write(func(tx *db.Tx) error {
				th, err := feedback.ByID(tx, feedback.Viewer{}, 1)
				for _, d := range th.Devices {
					if d.Device == device {
						s = d.State
					}
				}
				return err
			})
			return s
		}
		at := func(umi, hlte feedback.State, words ...string) {
			t.Helper()
			if a, b := state("umi"), state("hlte"); a != umi || b != hlte {
				t.Fatalf("it is %s on umi and %s on hlte, expected %s and %s", a, b, umi, hlte)
			}
			w.says(t, "", path, words...)
		}
		mark := func(as string, with url.Values) *httptest.ResponseRecorder {
			return w.fill(t, as, path, "/t/1/mark", with)
		}
		at(feedback.Reported, feedback.Reported, "Reported", "on build")

		// Recorded, on one phone by who speaks for it; nobody speaks for the other's.
		ok(mark("mo", url.Values{"state": {"recorded"}, "device": {"umi"}}))
		if rec := w.post("mo", "/t/1/mark", url.Values{"state": {"recorded"}, "device": {"hlte"}}); rec.Code != 403 {
			t.Errorf("a maintainer speaks for another's phone: %d", rec.Code)
		}
		at(feedback.Recorded, feedback.Reported, "Recorded")

		// More have it: on another phone, by a thread of their own that is merged in,
		// and by pressing the button. Beside the votes stands the share of the phones.
		ok(w.fill(t, "ben", path, "/t/1/metoo", url.Values{"device": {"hlte"}}))
		ok(w.fill(t, "li", "/t/new", "/t/new", url.Values{"kind": {"bug"}, "title": {"No alarm in the morning"}, "part": {"Clock"}, "device": {"umi"}, "body": {"It stays quiet."}}))
		ok(w.fill(t, "kim", "/t/2/tools", "/t/2/merge", url.Values{"into": {"1"}}))
		if to := where(w.get("", "/t/2")); to != path {
			t.Errorf("the merged thread leads to %q", to)
		}
		w.write(func(tx *db.Tx) error {
			return fleet.AddDays(tx, map[fleet.Day]int64{{Device: "umi", Day: w.now.Unix() / 86400, Gap: 28}: 400})
		})
		w.at(11, 20, 13) // active handsets are counted anew now and then
		w.says(t, "", path, "2 members have it", "0.5 % of its active handsets")

		// Needs information, and declined, only with a reason.
		refused(mark("mo", url.Values{"state": {"needs-information"}, "device": {"umi"}}), "Say why")
		ok(mark("mo", url.Values{"state": {"needs-information"}, "device": {"umi"}, "reason": {"Which ringtone?"}}))
		at(feedback.NeedsInfo, feedback.Reported, "Which ringtone?")
		refused(mark("mo", url.Values{"state": {"declined"}, "device": {"umi"}}), "Say why")
		ok(mark("mo", url.Values{"state": {"declined"}, "device": {"umi"}, "reason": {"The speaker is off at night."}}))
		at(feedback.Declined, feedback.Reported, "The speaker is off at night.")

		// The reporter objects once; a maintainer sees it and answers.
		if w.offers(t, "ben", path, "/t/1/object") {
			t.Error("somebody else may object")
		}
		ok(w.fill(t, "ana", path, "/t/1/object", url.Values{"reason": {"It rang last week."}}))
		at(feedback.Discussed, feedback.Reported, "It rang last week.")
		w.says(t, "mo", "/objections", "It rang last week.")
		w.says(t, "mo", path, `href="/objections"`)
		ok(mark("mo", url.Values{"state": {"declined"}, "device": {"umi"}, "reason": {"It is meant so."}}))
		w.says(t, "mo", "/objections", "!It rang last week.")
		if w.offers(t, "ana", path, "/t/1/object") {
			t.Error("the reporter may object twice")
		}
		refused(w.post("ana", "/t/1/object", url.Values{"reason": {"Again."}}), "You objected once already")
		ok(mark("mo", url.Values{"state": {"planned"}, "device": {"umi"}}))
		at(feedback.Planned, feedback.Reported, "Planned")

		// A fix that is said, and none that is not: with a build of that phone.
		refused(mark("mo", url.Values{"state": {"closed"}, "device": {"umi"}, "reason": {"Done."}, "fixed": {"yes"}}), "build")
		refused(mark("mo", url.Values{"state": {"closed"}, "device": {"umi"}}), "Say why")
		at(feedback.Planned, feedback.Reported)

		// Fix merged, in a release on one phone, on the reporter's handset.
		w.at(11, 24, 10)
		w.write(func(tx *db.Tx) error { return feedback.FixMerged(tx, 1, "c0ffee") })
		at(feedback.Merged, feedback.Merged, "Fix merged", "c0ffee")
		w.at(11, 27, 17)
		fix := build("umi", "26.11.27")
		w.write(func(tx *db.Tx) error { return feedback.FixInRelease(tx, 1, "26.11.27", fix) })
		at(feedback.InRelease, feedback.Merged, "26.11.27")
		asked := func(who string, yes bool) {
			t.Helper()
			if got := w.offers(t, who, "/", "/t/1/answer"); got != yes {
				t.Errorf("%s is asked: %v, expected %v", who, got, yes)
			}
		}
		runs("ana", old)
		for _, who := range []string{"ana", "ben", "li", "mo"} {
			asked(who, false)
		}
		runs("ana", fix)
		asked("ana", true)
		asked("li", false) // merged in, and their own phone does not have it yet
		at(feedback.OnHandset, feedback.Merged, "On the handset")

		// Still broken, said from an older build, reopens nothing.
		runs("ana", old)
		ok(w.fill(t, "ana", "/", "/t/1/answer", url.Values{"verdict": {"broken"}}))
		at(feedback.OnHandset, feedback.Merged)
		// Whoever was merged in is asked once their own phone has it; there it reopens.
		runs("li", fix)
		asked("li", true)
		w.says(t, "li", "/", "is on your Xiaomi Mi 10")
		ok(w.fill(t, "li", "/", "/t/1/answer", url.Values{"verdict": {"broken"}}))
		at(feedback.StillThere, feedback.Merged, "Still broken")

		// The next train: confirmed by both, one of whom cannot tell first.
		w.at(12, 1, 10)
		w.write(func(tx *db.Tx) error { return feedback.FixMerged(tx, 1, "deadbeef") })
		w.at(12, 4, 17)
		w.tokens["ana"], w.tokens["ben"], w.tokens["li"], w.tokens["hal"] = w.session("ana"), w.session("ben"), w.session("li"), w.session("hal")
		again, note3 := build("umi", "26.12.4"), build("hlte", "26.12.4")
		w.write(func(tx *db.Tx) error { return feedback.FixInRelease(tx, 1, "26.12.4", again) })
		runs("ana", again)
		ok(w.fill(t, "ana", "/me", "/t/1/answer", url.Values{"verdict": {"unsure"}}))
		at(feedback.OnHandset, feedback.Merged)
		runs("li", again)
		ok(w.fill(t, "li", "/", "/t/1/answer", url.Values{"verdict": {"works"}}))
		at(feedback.Confirmed, feedback.Merged, "Confirmed in", "26.12.4")

		// The other phone, whose updater is another's: its member says so, and is asked.
		w.write(func(tx *db.Tx) error { return feedback.FixInRelease(tx, 1, "26.12.4", note3) })
		at(feedback.Confirmed, feedback.InRelease)
		asked("ben", false)
		if w.offers(t, "mo", path, "/t/1/installed") {
			t.Error("who does not have it is offered to say that it is installed")
		}
		ok(w.fill(t, "ben", path, "/t/1/installed", url.Values{"device": {"hlte"}}))
		asked("ben", true)
		at(feedback.Confirmed, feedback.OnHandset)
		ok(w.fill(t, "ben", "/", "/t/1/answer", url.Values{"verdict": {"works"}}))
		at(feedback.Confirmed, feedback.Confirmed)
		w.says(t, "", path, "Confirmed after")
	})
}
