package site

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
)

// The week's three questions are put once, by a maintainer, and stand on the
// release's page and in their thread.
func TestWeeklyQuestions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		const release, path = "26.11.27", "/r/26.11.27"
		if page := w.get("mo", path).Body.String(); !strings.Contains(page, `action="/r/26.11.27/polls"`) {
			t.Fatal("a maintainer is not offered to ask")
		}
		if page := w.get("ana", path).Body.String(); strings.Contains(page, `action="/r/26.11.27/polls"`) {
			t.Error("a member is offered to ask")
		}
		rec := w.post("mo", path+"/polls", nil)
		if rec.Code != 303 || !strings.Contains(where(rec), "/polls?done=polled") {
			t.Fatalf("asking: %d to %q %s", rec.Code, where(rec), rec.Body)
		}
		var polls []poll.Poll
		w.write(func(tx *db.Tx) (err error) { polls, err = poll.About(tx, feedback.Viewer{}, release); return err })
		if len(polls) != 3 || polls[0].Choices[0].Words != "Camera closes at 5× zoom" || len(polls[1].Choices) != poll.MaxChoices || polls[0].EndsAt.IsZero() {
			t.Fatalf("%d polls: %+v", len(polls), polls)
		}
		if rec := w.post("ada", path+"/polls", nil); rec.Code != 422 || !strings.Contains(rec.Body.String(), "asked already") {
			t.Errorf("asking twice: %d", rec.Code)
		}
		if rec := w.post("ana", where(rec)[:strings.Index(where(rec), "?")]+"/"+strconv.FormatInt(polls[0].ID, 10), url.Values{"choice": {"0"}}); rec.Code != 303 {
			t.Fatalf("voting: %d %s", rec.Code, rec.Body)
		}
		if page := w.get("ana", path).Body.String(); !strings.Contains(page, "<bdi>Camera closes at 5× zoom</bdi> · 100 %") {
			t.Error("who voted does not see what leads on the release's page")
		}
		if page := w.get("ben", path).Body.String(); strings.Contains(page, "100 %") || strings.Count(page, "Vote, and see what others say.") != 3 {
			t.Error("who has not voted sees what leads, or is not asked to vote")
		}
		thread := strings.TrimSuffix(where(rec), "/polls?done=polled")
		if page := w.get("", w.path(thread)).Body.String(); strings.Count(page, thread+"/polls#poll") != 3 {
			t.Error("the thread does not lead to its polls")
		}
	})
}

// Between the cut and the shipping, and after, a release says nothing of threads
// that its reader may not know of.
func TestReleasesKeepPrivateThreads(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		id := w.private("ana", "mo")
		const release = "26.12.4"
		w.at(12, 3, 10)
		w.tokens["mo"], w.tokens["kim"] = w.session("mo"), w.session("kim")
		umi := w.builds("26.11.27")["umi"]
		private, err := strconv.ParseInt(id, 10, 64)
		w.must(err)
		w.board(release, []int64{1, private}, map[string]string{"umi": w.built("umi", release, umi.ID)}, nil)
		w.write(func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE releases SET notes = $2 WHERE name = $1", release, "Fixed: #1")
			return err
		})
		for _, path := range []string{"/", "/r", "/r/" + release, "/train", "/d/umi", "/t"} {
			for _, as := range []string{"", "ben", "kim", "ada"} {
				page := w.get(as, path).Body.String()
				if strings.Contains(page, id) || strings.Contains(page, "lock screen lets anyone") {
					t.Errorf("%q sees the private thread on %s", as, path)
				}
			}
		}
		page := w.get("", "/r").Body.String()
		if row := page[strings.Index(page, ">"+release+"<"):]; !strings.Contains(row[:strings.Index(row, "</li>")], "1 fix") {
			t.Error("the list of releases counts the private thread")
		}
		if page := w.get("", "/r/"+release).Body.String(); strings.Contains(page, "Fixed: #1") || !strings.Contains(page, "Camera closes at 5× zoom") {
			t.Error("what the train wrote for want of notes stands beside the list of fixes, or the list is not there")
		}
	})
}
