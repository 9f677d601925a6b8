package alike_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/alike"
	"github.com/fridayos/friday/internal/feedback/duplicate"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
)

const java = `I opened it and:
11-22 10:00:00.123  4242  4242 E AndroidRuntime: FATAL EXCEPTION: main
11-22 10:00:00.123  4242  4242 E AndroidRuntime: Process: com.android.camera2, PID: 4242
11-22 10:00:00.123  4242  4242 E AndroidRuntime: java.lang.NullPointerException: Attempt to invoke a method on a null object
11-22 10:00:00.123  4242  4242 E AndroidRuntime: 	at com.android.camera2.CameraActivity.onZoom(CameraActivity.java:214)
11-22 10:00:00.123  4242  4242 E AndroidRuntime: 	at com.android.camera2.ZoomBar.drag(ZoomBar.java:31)
`

func TestFollowsTheForum(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		file := func(title, body string) (id int64) {
			t.Helper()
			s.Must(func(tx *db.Tx) error {
				n, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: title, Body: body, AuthorID: Ana})
				id = n.ID
				return err
			})
			return id
		}
		camera := file("Camera closes when zooming", java)
		for i := range 450 { // several batches
			file(fmt.Sprintf("Talk number %d", i), "words")
		}
		f := alike.New(d)
		catchUp := func() {
			t.Helper()
			for more := true; more; {
				var err error
				if more, err = f.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		expect := func(what, title string, want ...int64) {
			t.Helper()
			var got []int64
			for _, c := range f.Like(duplicate.Query{Title: title, Limit: 3}) {
				if c.Alike >= duplicate.Worth {
					got = append(got, c.ID)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q finds %v, want %v", what, title, got, want)
			}
		}
		catchUp()
		if f.Len() != 451 {
			t.Fatalf("it knows %d threads, want 451", f.Len())
		}
		expect("filled", "camera closes zooming", camera)
		if c := f.Like(duplicate.Query{Title: "闪退", Crashes: alike.Crashes(java)}); len(c) == 0 || c[0].ID != camera || !c[0].Crash {
			t.Errorf("the same crash in another language finds %v, want %d", c, camera)
		}
		battery := file("Battery drains overnight", "by half")
		catchUp()
		expect("filed later", "battery drains", battery)
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, battery, Maintainer, true) })
		catchUp()
		expect("hidden", "battery drains overnight")
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, battery, Maintainer, false) })
		catchUp()
		expect("shown again", "battery drains", battery)
		if more, err := f.Step(t.Context()); more || err != nil {
			t.Errorf("nothing happened, but there is more: %v, %v", more, err)
		}
	})
}

func TestCrashes(t *testing.T) {
	if a := alike.Crashes(java); len(a) != 1 || len(a[0]) != 16 {
		t.Errorf("a pasted crash has the fingerprints %q, want one", a)
	}
	if a := alike.Crashes("It happens at night, at home."); len(a) != 0 {
		t.Errorf("a text has the fingerprints %q, want none", a)
	}
	var none *alike.Finder
	if got := none.Like(duplicate.Query{Title: "x"}); got != nil {
		t.Errorf("no finder finds %v", got)
	}
}
