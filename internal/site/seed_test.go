package site

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

// world is a site with a community in it, some weeks old.
type world struct {
	t       testing.TB
	d       *db.DB
	train   *train.Train
	now     time.Time
	handler http.Handler
	files   *upload.Store
	// fileBlobs is where files lie.
	fileBlobs *blob.Store
	reports   *blob.Store
	places    *strings.Replacer
	tokens    map[string]string // by member's name
	ids       map[string]int64
}

const password = "a sentence is good"

var cheap = member.NewPasswords(member.TestCost())

func newWorld(t testing.TB, d *db.DB) *world {
	w := &world{t: t, d: d, now: time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC), tokens: map[string]string{}, ids: map[string]int64{}}
	d.SetClock(func() time.Time { return w.now })
	w.train = &train.Train{DB: d, Schedule: train.DefaultSchedule(time.UTC)}
	files, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w.files, w.fileBlobs = upload.NewStore(files), files
	if w.reports, err = blob.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	w.handler, err = New(Options{DB: d, Train: w.train, Reports: w.reports, BaseURL: "http://127.0.0.1", Passwords: cheap, Uploads: w.files})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) write(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.Write(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) at(month, day, hour int) {
	w.now = time.Date(2026, time.Month(month), day, hour, 20, 0, 0, time.UTC)
}

// people registers members and signs them in.
func (w *world) people() {
	for _, p := range []struct {
		name    string
		role    member.Role
		devices []string
	}{
		{"ana", "", nil}, {"ben", "", nil}, {"li", "", nil},
		{"mo", member.Maintainer, []string{"umi"}}, {"kim", member.Moderator, nil}, {"ada", member.Admin, nil},
	} {
		w.join(p.name, p.role, p.devices...)
	}
}

func (w *world) devices() {
	w.write(func(tx *db.Tx) error {
		for _, d := range []device.Device{
			{Codename: "umi", Vendor: "Xiaomi", Name: "Xiaomi Mi 10", Boot: bootprofile.Profile{Trust: bootprofile.CustomKey, Slots: bootprofile.AB, Kernel: "5.10", Flash: bootprofile.Fastboot, PayloadMinor: 6, UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"}}},
			{Codename: "hlte", Vendor: "Samsung", Name: "Galaxy Note 3", Boot: bootprofile.Profile{Trust: bootprofile.None, Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}},
			{Codename: "lt26i", Vendor: "Sony", Name: "Xperia S", Boot: bootprofile.Profile{Trust: bootprofile.Unlocked, Slots: bootprofile.Single, Flash: bootprofile.Fastboot, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}},
		} {
			if err := device.Put(tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func digest(parts ...any) blob.Digest { return sha256.Sum256([]byte(fmt.Sprint(parts...))) }

// built is a build of a device with its packages, as a worker leaves them.
func (w *world) built(codename, release, from string) string {
	images := []catalog.Partition{{Name: "system", FS: "erofs", Digest: digest(codename, release), Size: 1_900_000_000}}
	b := catalog.Build{Device: codename, Version: release, Commit: digest(release).String()[:40], Incremental: release, PatchLevel: "2026-11-05", SDK: 35,
		Fingerprint: "Xiaomi/umi/umi:15/AQ3A.240912.001/V816.0.3:user/release-keys", Timestamp: w.now.Unix(), RollbackIndex: 1, Stock: digest(codename), Images: images, Report: digest("report")}
	b.ID = catalog.BuildID(codename, release, images)
	w.write(func(tx *db.Tx) error {
		if err := catalog.PutBuild(tx, b); err != nil {
			return err
		}
		p := catalog.Package{Digest: digest("full", b.ID), Size: 1_412_345_678, Kind: catalog.Full, Device: codename, To: b.ID, File: "friday-" + release + "-" + codename + "-full.zip",
			PayloadOffset: 1000, PayloadSize: 1_400_000_000, Properties: "FILE_HASH=x", ProvenAt: tx.Now()}
		if err := catalog.PutPackage(tx, p); err != nil || from == "" {
			return err
		}
		p.Digest, p.Size, p.PayloadSize, p.Kind, p.From, p.File = digest("inc", b.ID), 48_200_000, 48_000_000, catalog.Incremental, from, "friday-"+release+"-"+codename+"-from-last.zip"
		return catalog.PutPackage(tx, p)
	})
	return b.ID
}

// board puts a release on the train as a cut and a worker would have: frozen,
// built and in the test ring. Building is not what these tests are about.
func (w *world) board(release string, fixes []int64, builds map[string]string, held map[string]string) {
	w.write(func(tx *db.Tx) error {
		if err := catalog.PutRelease(tx, catalog.Release{Name: release, Commit: digest(release).String()[:40], Fixes: fixes, CutAt: tx.Now(), Builds: builds,
			Notes: "## Camera\n\n- **Fix:** zoom beyond 5× no longer closes the camera ([thread 1](/t/1))\n- **New:** the last mode is remembered\n\n## Battery\n\n- **Optimization:** 4 % less at night"}); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO train_releases (release, state, reason, opened_at, departs_at, changed_at) VALUES ($1, 'testing', '', $2, $2, $2)
			ON CONFLICT (release) DO UPDATE SET state = 'testing'`, release, tx.Now()); err != nil {
			return err
		}
		put := func(codename, state, reason, build string) error {
			list := "[]"
			if len(fixes) > 0 {
				list = strings.ReplaceAll(fmt.Sprint(fixes), " ", ",")
			}
			_, err := tx.Exec(`INSERT INTO train_devices (release, device, state, reason, build, stock, fixes, changed_at) VALUES ($1, $2, $3, $4, $5, '', $6, $7)`,
				release, codename, state, reason, build, list, tx.Now())
			return err
		}
		for codename, build := range builds {
			if err := put(codename, "ready", "", build); err != nil {
				return err
			}
		}
		for codename, reason := range held {
			if err := put(codename, "held", reason, ""); err != nil {
				return err
			}
		}
		for i, step := range []string{"open", "frozen", "testing"} {
			if _, err := tx.Exec(`INSERT INTO train_log (id, release, device, from_state, to_state, actor, reason, at) VALUES ($1, $2, '', '', $3, 'ada', $4, $5)`,
				db.NewID(), release, step, []string{"commits gather for it", "cut from a commit", "every phone is ready or held"}[i], tx.Now().Add(time.Duration(i)*time.Hour)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var everyone = []fleet.Stage{{Percent: 100}}

// weeks runs eleven weeks of trains, the last ones with something to tell.
func (w *world) weeks() {
	ctx := context.Background()
	last := map[string]string{}
	day := time.Date(2026, 9, 11, 0, 0, 0, 0, time.UTC)
	for i := range 11 {
		w.now = day.AddDate(0, 0, 7*i).Add(-30 * time.Hour)
		name := w.train.Schedule.Name(day.AddDate(0, 0, 7*i))
		if i == 3 {
			w.must(w.train.Skip(ctx, name, "ada", "1 October: the worker and its people rest."))
			continue
		}
		builds, held := map[string]string{}, map[string]string{}
		for _, codename := range []string{"umi", "hlte", "lt26i"} {
			if codename == "lt26i" && i < 4 {
				continue
			}
			if codename == "hlte" && i == 6 {
				held[codename] = "3 of 40 test handsets rebooted in the camera (thread 2)."
				continue
			}
			builds[codename] = w.built(codename, name, last[codename])
			last[codename] = builds[codename]
		}
		w.board(name, nil, builds, held)
		w.now = w.now.Add(30*time.Hour + 17*time.Hour)
		w.must(w.train.Ship(ctx, name, train.ShipOptions{Stages: everyone, Actor: "ada"}))
		w.must(w.train.Tick(ctx))
		if i == 8 {
			w.now = w.now.Add(5 * time.Hour)
			w.must(w.train.Halt(ctx, name, []string{"lt26i"}, "mo", "Boot loops on two enrolled handsets."))
		}
	}
}

// threads files what a community talks about.
func (w *world) threads() {
	file := func(by string, n feedback.NewThread) (id int64) {
		n.AuthorID = w.ids[by]
		w.write(func(tx *db.Tx) error {
			t, err := feedback.New(tx, n)
			id = t.ID
			return err
		})
		return id
	}
	say := func(id int64, by, body string) {
		w.write(func(tx *db.Tx) error {
			_, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids[by]}, id, body)
			return err
		})
	}
	mark := func(id int64, s feedback.State, device, reason string) {
		w.write(func(tx *db.Tx) error {
			return feedback.Mark(tx, w.ids["mo"], id, feedback.Word{State: s, Device: device, Reason: reason})
		})
	}
	w.at(11, 14, 9)
	zoom := file("ana", feedback.NewThread{Kind: feedback.Bug, Title: "Camera closes at 5× zoom", Part: "Camera", Build: "26.11.13", Devices: []string{"umi", "hlte"},
		Body: "I open the camera, drag the zoom past **5×**, and it closes. Every time since 26.11.13.\n\n1. Open Camera\n2. Drag the zoom slider to the end\n3. It is gone\n\n> The preview freezes for a second before.\n\n```\nFATAL EXCEPTION: CameraThread\njava.lang.IllegalStateException: zoom ratio 5.2 out of range [1.0, 5.0]\n    at com.android.camera.ZoomControl.setRatio(ZoomControl.java:212)\n```\nExpected: it stops at the end, like last week."})
	w.at(11, 14, 11)
	w.write(func(tx *db.Tx) error { return stake.MeToo(tx, feedback.Viewer{Member: w.ids["ben"]}, zoom, "hlte") })
	say(zoom, "ben", "Same here on the Note 3, from about 4×. Video mode is fine.")
	w.at(11, 15, 10)
	mark(zoom, feedback.Recorded, "", "")
	say(zoom, "mo", "Thank you both; the stack trace says it all. The driver reports `5.0` as its end and our slider goes to `5.2`.")
	w.at(11, 10, 8)
	night := file("ben", feedback.NewThread{Kind: feedback.Bug, Title: "Battery loses a fifth overnight in flight mode", Part: "Battery", Devices: []string{"hlte"}, Body: "From 80 to 61 in seven hours."})
	w.at(11, 11, 8)
	mark(night, feedback.NeedsInfo, "", "A bugreport taken in the morning would show what stays awake.")
	w.at(11, 12, 8)
	idea := file("li", feedback.NewThread{Kind: feedback.Idea, Title: "Remember the last camera mode", Part: "Camera", Body: "Portrait, please, when I left it in portrait."})
	mark(idea, feedback.Planned, "", "")
	declined := file("li", feedback.NewThread{Kind: feedback.Idea, Title: "Record calls without telling the other side", Part: "Phone", Body: "Would be handy."})
	mark(declined, feedback.Declined, "", "It is against the law in most places where our members live.")
	file("ana", feedback.NewThread{Kind: feedback.Question, Title: "How do I go back to last week's build?", Body: "Is there a way without wiping?"})
	file("li", feedback.NewThread{Kind: feedback.Talk, Title: "Popcorn for whoever fixed the keyboard", Body: "It no longer lags. *Thank you.*"})
	sound := file("ana", feedback.NewThread{Kind: feedback.Bug, Title: "Left speaker crackles at low volume", Part: "Sound", Devices: []string{"umi"}, Body: "Below a third."})
	w.at(11, 13, 9)
	last := w.builds("26.11.20")
	w.write(func(tx *db.Tx) error {
		if err := feedback.FixMerged(tx, sound, digest("sound").String()[:40]); err != nil {
			return err
		}
		return feedback.FixInRelease(tx, sound, "26.11.20", last["umi"])
	})
	w.at(11, 21, 9)
	w.write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, w.ids["ana"], last["umi"]); return err })
	w.at(11, 21, 12)
	w.write(func(tx *db.Tx) error {
		return feedback.Answer(tx, feedback.Viewer{Member: w.ids["ana"]}, sound, "umi", feedback.Works)
	})
	w.write(func(tx *db.Tx) error { // ben says more
		posts, err := feedback.Posts(tx, feedback.Everything(), zoom)
		if err == nil {
			_, err = revision.Edit(tx, feedback.Viewer{Member: w.ids["ben"]}, posts[1].ID, posts[1].Body+"\n\nThe front camera is fine too.")
		}
		return err
	})
	w.write(func(tx *db.Tx) error {
		li := feedback.Viewer{Member: w.ids["li"]}
		id, err := poll.New(tx, li, poll.NewPoll{ThreadID: 6, Question: "What did you like most?", Choices: []string{"The keyboard", "The camera", "The quiet nights"}, Release: "26.11.20"})
		if err == nil {
			err = poll.Vote(tx, li, id, 0)
		}
		return errors.Join(err, order.Point(tx, li, night, zoom))
	})
	for _, name := range []string{"ben", "li", "mo", "kim"} {
		w.write(func(tx *db.Tx) error { return stake.Vote(tx, feedback.Viewer{Member: w.ids[name]}, zoom, true) })
	}
	w.write(func(tx *db.Tx) error { return stake.Vote(tx, feedback.Viewer{Member: w.ids["ana"]}, idea, true) })
}

// thisWeek is a release that ships on one phone, is held on another, and asks
// ana whether it works.
func (w *world) thisWeek() {
	ctx := context.Background()
	const name = "26.11.27"
	w.at(11, 24, 10)
	w.write(func(tx *db.Tx) error { return feedback.FixMerged(tx, 1, digest("zoom").String()[:40]) })
	last := w.builds("26.11.20")
	w.at(11, 26, 10)
	builds := map[string]string{"umi": w.built("umi", name, last["umi"].ID), "lt26i": w.built("lt26i", name, "")}
	w.board(name, []int64{1}, builds, map[string]string{"hlte": "Its build waits for stock firmware that Samsung has not published yet."})
	w.at(11, 27, 17)
	w.must(w.train.Ship(ctx, name, train.ShipOptions{Actor: "ada"}))
	w.must(w.train.Halt(ctx, name, []string{"lt26i"}, "mo", "Two enrolled handsets failed to boot."))
	w.at(11, 27, 20)
	umi := w.builds(name)["umi"]
	w.write(func(tx *db.Tx) error {
		code, err := member.NewClaimCode(tx, w.ids["ana"], "umi")
		if err != nil {
			return err
		}
		_, err = member.RedeemClaim(tx, code, "umi")
		return err
	})
	w.write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, w.ids["ana"], umi); return err })
	w.at(11, 28, 14)
}

func (w *world) builds(release string) map[string]feedback.Build {
	all := map[string]feedback.Build{}
	w.write(func(tx *db.Tx) error {
		r, err := catalog.ReleaseByName(tx, release)
		if err != nil {
			return err
		}
		for codename, id := range r.Builds {
			b, err := catalog.BuildByID(tx, id)
			if err != nil {
				return err
			}
			all[codename] = feedback.Build{ID: b.ID, Device: codename, Version: b.Version, Timestamp: b.Timestamp}
		}
		return nil
	})
	return all
}

// whole is the community with all of its weeks.
func whole(t testing.TB, d *db.DB) *world {
	w := newWorld(t, d)
	w.people()
	w.devices()
	w.weeks()
	w.threads()
	w.thisWeek()
	for name, id := range w.ids { // the first sessions ran out weeks ago
		w.write(func(tx *db.Tx) (err error) {
			w.tokens[name], err = member.NewSession(tx, id, "Mozilla/5.0 (Linux; Android 15) Firefox/145.0")
			return err
		})
	}
	return w
}

// get and post ask as a member ("" is someone not signed in).
func (w *world) get(as, path string) *httptest.ResponseRecorder {
	return w.send(as, httptest.NewRequest(http.MethodGet, path, nil))
}

func (w *world) post(as, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.send(as, r)
}

func (w *world) send(as string, r *http.Request) *httptest.ResponseRecorder {
	if token := w.tokens[as]; token != "" {
		r.AddCookie(&http.Cookie{Name: "friday", Value: token})
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// join registers a member, gives a role and signs in.
func (w *world) join(name string, role member.Role, devices ...string) {
	w.t.Helper()
	m, err := cheap.Register(context.Background(), w.d, name, password)
	w.must(err)
	w.write(func(tx *db.Tx) (err error) {
		if role != "" {
			if err := member.SetRoles(tx, member.Member{Name: "setup"}, m.ID, []member.Role{role}, devices); err != nil {
				return err
			}
		}
		w.ids[name] = m.ID
		w.tokens[name], err = member.NewSession(tx, m.ID, "Mozilla/5.0 (Linux; Android 15) Firefox/145.0")
		return err
	})
}

// openSQLite is a fresh database for tests that are not about databases.
func openSQLite(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
