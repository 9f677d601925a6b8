package site

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/train"
)

// firstPost is the first post of a thread.
func (w *world) firstPost(thread int64) (id string) {
	w.write(func(tx *db.Tx) error {
		posts, err := feedback.Posts(tx, feedback.Viewer{Moderates: true}, thread)
		if err == nil {
			id = strconv.FormatInt(posts[0].ID, 10)
		}
		return err
	})
	return id
}

// swelling are bodies that are far larger as HTML than as they were written.
var swelling = []string{
	strings.Repeat("&", feedback.MaxBody), strings.Repeat("<", feedback.MaxBody), strings.Repeat(strings.Repeat(">", 60)+"a\n\n", 300),
	strings.Repeat("|a", 90) + "\n" + strings.Repeat("|-", 90) + "\n" + strings.Repeat("|b\n", 100), strings.Repeat("- a\n", 4999), strings.Repeat("*a*", 6600),
	"```\n" + strings.Repeat("java.lang.IllegalStateException: \"x\" < y & z\n", 400) + "```", strings.Repeat("相机闪退。", 3999),
}

// phones puts so many more into the catalogue.
func (w *world) phones(n int) (all []string) {
	w.write(func(tx *db.Tx) error {
		for i := range n {
			codename := fmt.Sprintf("phone%03d", i)
			all = append(all, codename)
			if err := device.Put(tx, device.Device{Codename: codename, Vendor: "Maker", Name: fmt.Sprintf("Maker Phone %03d", i), Boot: bootprofile.Profile{Trust: bootprofile.None,
				Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}}); err != nil {
				return err
			}
		}
		return nil
	})
	return all
}

// longThread has posts of every size, more steps than anyone reads, and is had on
// every one of very many phones, beside those that there are.
func (w *world) longThread(posts, phoneCount int) (id int64) {
	w.at(11, 28, 16)
	phones := []string{"umi", "hlte"}
	phones = append(phones, w.phones(phoneCount)...)
	w.write(func(tx *db.Tx) error {
		t, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: "The camera closes when the zoom is past five, on all of them", AuthorID: w.ids["ana"], Part: "Camera", Devices: phones[:min(20, len(phones))], Body: swelling[0]})
		id = t.ID
		return err
	})
	say := func(body string) {
		w.write(func(tx *db.Tx) error {
			_, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["ben"]}, id, body)
			return err
		})
	}
	for i := range posts {
		if i%37 < len(swelling) {
			say(swelling[i%37])
		} else {
			say(strings.Repeat("It happens here too, after an hour of use. ", 1+i%50))
		}
	}
	w.write(func(tx *db.Tx) error {
		for _, phone := range phones[min(20, len(phones)):] {
			if err := stake.MeToo(tx, feedback.Viewer{Member: w.ids["li"]}, id, phone); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range 60 {
		s := []feedback.State{feedback.NeedsInfo, feedback.Discussed}[i%2]
		w.now = w.now.Add(time.Minute)
		w.write(func(tx *db.Tx) error {
			return feedback.Mark(tx, w.ids["ada"], id, feedback.Word{State: s, Reason: strings.Repeat("&<\"", 600)})
		})
	}
	return id
}

// No page is larger than allowed, and nothing of a thread is lost to its bounds.
func TestLongThread(t *testing.T) {
	w := whole(t, openSQLite(t))
	id := w.longThread(120, 118)
	css := len(w.gzipped("/static/site.css")) + len(w.gzipped("/static/icon.svg"))
	get := func(as, path string) string {
		path, _, _ = strings.Cut(path, "#")
		rec := w.get(as, path)
		if rec.Code != http.StatusOK {
			t.Fatalf("%s: %d", path, rec.Code)
		}
		if n := rec.Body.Len() + css; n > mostBytes-1500 { // what headers take
			t.Errorf("%s as %q weighs %d bytes", path, as, n)
		}
		return rec.Body.String()
	}
	path := w.get("", "/t/"+strconv.FormatInt(id, 10)).Header().Get("Location")
	first := get("", path)
	pages, err := strconv.Atoi(regexp.MustCompile(`\?page=(\d+)">Latest`).FindStringSubmatch(first)[1])
	if err != nil || pages < 10 {
		t.Fatalf("%d pages: %v", pages, err)
	}
	anchor := regexp.MustCompile(`<li id="p(\d+)">`)
	wholePost := regexp.MustCompile(`href="(/p/\d+/whole)"`)
	var seen []string
	for n := 1; n <= pages; n++ {
		at := path
		if n > 1 {
			at = fmt.Sprintf("%s?page=%d", path, n)
		}
		body := get([]string{"", "ana", "ada"}[n%3], at)
		for _, m := range anchor.FindAllStringSubmatch(body, -1) {
			seen = append(seen, m[1])
			if to := w.get("", "/p/"+m[1]).Header().Get("Location"); to != at+"#p"+m[1] {
				t.Errorf("post %s leads to %s, expected %s", m[1], to, at)
			}
		}
		if m := wholePost.FindStringSubmatch(body); m != nil && n < 4 {
			for part := 1; ; part++ {
				if !strings.Contains(get("", fmt.Sprintf("%s?page=%d", m[1], part)), fmt.Sprintf(`%s?page=%d"`, m[1], part+1)) {
					break
				}
			}
		}
	}
	var want []string
	w.write(func(tx *db.Tx) error {
		posts, err := feedback.Posts(tx, feedback.Viewer{Moderates: true}, id)
		for _, p := range posts {
			want = append(want, strconv.FormatInt(p.ID, 10))
		}
		return err
	})
	if strings.Join(seen, " ") != strings.Join(want, " ") {
		t.Errorf("%d posts are shown, %d were written, or in another order", len(seen), len(want))
	}
	steps, phones := 0, 0
	for n := 1; ; n++ {
		body := get("", fmt.Sprintf("/t/%d/way?page=%d", id, n))
		steps, phones = steps+strings.Count(body, `class="event"`), phones+strings.Count(body, `class="way-head"`)
		if !strings.Contains(body, fmt.Sprintf(`way?page=%d"`, n+1)) {
			break
		}
	}
	if steps < 60 || phones != 120 {
		t.Errorf("the way has %d steps on %d phones, expected 60 or more on 120", steps, phones)
	}
	rec := w.post("ana", fmt.Sprintf("/t/%d/reply", id), url.Values{"body": {"The last word."}})
	if to := rec.Header().Get("Location"); !regexp.MustCompile(`\?page=\d+#p\d+$`).MatchString(to) || !strings.Contains(get("ana", to), "The last word.") {
		t.Errorf("a reply leads to %s", to)
	}
	if rec := w.post("ana", fmt.Sprintf("/t/%d/reply", id), url.Values{"body": {" "}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "The last word.") {
		t.Errorf("a refused reply: %d, and not below the last post", rec.Code)
	}
	for path, code := range map[string]int{"/p/1": 404, "/p/x": 404, "/p/1/whole": 404, "/t/999/way": 404, path + "?page=-1": 200, path + "?page=x": 200, path + "?page=99999999": 200} {
		if got := w.get("", path).Code; got != code {
			t.Errorf("%s: %d, expected %d", path, got, code)
		}
	}
	w.write(func(tx *db.Tx) error { return feedback.Hide(tx, id, w.ids["kim"], true) })
	for _, path := range []string{"/p/" + seen[0], "/p/" + seen[0] + "/whole", fmt.Sprintf("/t/%d/way", id)} {
		if got := w.get("ben", path).Code; got != 404 {
			t.Errorf("%s of a hidden thread: %d, expected 404", path, got)
		}
	}
}

func (w *world) gzipped(path string) string {
	r, _ := http.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	return w.send("", r).Body.String()
}

// A catalogue of many devices, each on every release, makes more pages, not larger ones.
func TestManyDevices(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.at(11, 20, 9)
	w.people()
	w.devices()
	w.phones(60)
	builds, held, fixes := map[string]string{}, map[string]string{}, []int64{}
	for i := range 60 {
		codename := fmt.Sprintf("phone%03d", i)
		if i%3 == 0 {
			held[codename] = strings.Repeat("& why ", 80)
		} else {
			builds[codename] = w.built(codename, "26.11.27", "")
		}
		w.write(func(tx *db.Tx) error {
			th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: strings.Repeat("<&>", 40), Body: "x", Part: "Camera", AuthorID: w.ids["ana"], Devices: []string{"umi", "hlte", codename}})
			fixes = append(fixes, th.ID)
			return err
		})
	}
	w.board("26.11.27", fixes, builds, held)
	w.at(11, 27, 17)
	w.must(w.train.Ship(t.Context(), "26.11.27", train.ShipOptions{Actor: "ada"}))
	css := len(w.gzipped("/static/site.css")) + len(w.gzipped("/static/icon.svg")) + len(w.gzipped("/static/site.js"))
	seen := map[string]bool{}
	for _, start := range []string{"/", "/t", "/d", "/d/phone001", "/r", "/r/26.11.27", "/train", "/m/ana"} {
		for n := 1; n < 100; n++ {
			path := start
			if n > 1 {
				path = fmt.Sprintf("%s?page=%d", start, n)
			}
			rec := w.get([]string{"", "ada"}[n%2], path)
			if weight := rec.Body.Len() + css; rec.Code != 200 || weight > mostBytes-1500 {
				t.Errorf("%s: %d, weighs %d bytes", path, rec.Code, weight)
			}
			for _, m := range regexp.MustCompile(`href="/d/(phone\d+)"`).FindAllStringSubmatch(rec.Body.String(), -1) {
				seen[start+" "+m[1]] = true
			}
			if !strings.Contains(rec.Body.String(), fmt.Sprintf(`%s?page=%d"`, start, n+1)) {
				break
			}
		}
	}
	for i := range 60 {
		for _, start := range []string{"/d", "/r/26.11.27"} {
			if key := fmt.Sprintf("%s phone%03d", start, i); !seen[key] {
				t.Errorf("%s is on none of the pages", key)
			}
		}
	}
}
