package site

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
)

// From the cut until phones have it, no page tells that a release fixes a private
// report: neither its number nor that there is one more.
func TestPrivateFixIsNotCounted(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.people()
	w.devices()
	var private int64
	w.write(func(tx *db.Tx) error {
		n := feedback.NewThread{Kind: feedback.Bug, Title: "A hole", Body: "This opens it.", AuthorID: w.ids["ana"], Part: "Camera", Devices: []string{"umi"}, Private: true, Named: []int64{w.ids["mo"]}}
		hole, err := feedback.New(tx, n)
		if err != nil {
			return err
		}
		private = hole.ID
		n.Title, n.Private, n.Named = "Open", false, nil
		open, err := feedback.New(tx, n)
		if err != nil {
			return err
		}
		if err := catalog.PutRelease(tx, catalog.Release{Name: "26.09.04", Commit: "c1", CutAt: w.now, Fixes: []int64{open.ID, private}}); err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO train_releases (release, state, departs_at, opened_at, changed_at, reason) VALUES ('26.09.04', 'shipping', $1, $1, $1, '')`, w.now)
		return err
	})
	for _, who := range []string{"", "ben", "kim"} {
		for _, path := range []string{"/", "/r", "/r/26.09.04", "/train"} {
			page := w.get(who, path).Body.String()
			if strings.Contains(page, fmt.Sprint(private)) || strings.Contains(page, "A hole") {
				t.Errorf("%s tells %q of the private thread", path, who)
			}
			if strings.Contains(page, "2 fixes") || strings.Contains(page, "<dd>2</dd>") {
				t.Errorf("%s counts the private thread for %q", path, who)
			}
		}
	}
	if home := w.get("", "/").Body.String(); !strings.Contains(home, "<dd>1</dd>") {
		t.Error("the home page does not count the public fix: the test looks in the wrong place")
	}
	if list := w.get("", "/r").Body.String(); !strings.Contains(list, "1 fix") {
		t.Error("the list of releases does not count the public fix: the test looks in the wrong place")
	}
}
