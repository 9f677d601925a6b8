package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/token"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

const base = "https://os.example.org"

// world is an API with a community behind it. Every answer it gives is judged by openapi.yaml.
type world struct {
	*testing.T
	d       *db.DB
	s       *Server
	now     time.Time
	judge   validator.Validator
	members map[string]member.Member
	tokens  map[string]string
	seen    map[string]bool // operations answered with 2xx, "GET /threads"
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{T: t, d: d, now: time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC), members: map[string]member.Member{}, tokens: map[string]string{}, seen: map[string]bool{}}
	d.SetClock(func() time.Time { return w.now })
	var err error
	files, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if w.s, err = New(Options{DB: d, Train: &train.Train{DB: d, Schedule: train.DefaultSchedule(time.UTC)}, BaseURL: base, Uploads: upload.NewStore(files)}); err != nil {
		t.Fatal(err)
	}
	w.generous()
	w.judge = openJudge(t)
	for _, p := range []struct {
		name    string
		roles   []member.Role
		devices []string
		scopes  []token.Scope
	}{
		{"ana", nil, nil, []token.Scope{token.Read, token.Write}},
		{"ben", nil, nil, []token.Scope{token.Read}},
		{"mo", []member.Role{member.Maintainer}, []string{"umi"}, token.Scopes()},
		{"kim", []member.Role{member.Moderator}, nil, token.Scopes()},
		{"ada", []member.Role{member.Admin}, nil, []token.Scope{token.Write}},
	} {
		hash, err := member.NewPasswords(member.TestCost()).Hash(t.Context(), p.name, "a sentence is good")
		if err != nil {
			t.Fatal(err)
		}
		w.write(func(tx *db.Tx) error {
			m, err := member.Register(tx, p.name, hash)
			if err == nil && p.roles != nil {
				err = member.SetRoles(tx, m, m.ID, p.roles, p.devices)
			}
			if err != nil {
				return err
			}
			if w.members[p.name], err = member.ByID(tx, m.ID); err != nil {
				return err
			}
			_, w.tokens[p.name], err = token.New(tx, m.ID, m.Name, "test", p.scopes, time.Hour)
			return err
		})
	}
	w.write(func(tx *db.Tx) error {
		for _, one := range []device.Device{
			{Codename: "umi", Vendor: "Xiaomi", Name: "Mi 10", Boot: bootprofile.Profile{Trust: bootprofile.CustomKey, Slots: bootprofile.VirtualAB, Flash: bootprofile.Fastboot, PayloadMinor: 7, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}},
			{Codename: "hlte", Vendor: "Samsung", Name: "=cmd|' /C calc'!A0", Boot: bootprofile.Profile{Trust: bootprofile.None, Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}},
		} {
			if err := device.Put(tx, one); err != nil {
				return err
			}
		}
		b := catalog.Build{Device: "umi", Version: "26.11.20", Commit: "c1", Fingerprint: "f", Incremental: "1", PatchLevel: "2026-11-05", SDK: 35, Timestamp: 100, CreatedAt: w.now,
			Stock: blob.Digest{1}, Report: blob.Digest{2}, Images: []catalog.Partition{{Name: "system", Digest: blob.Digest{3}, Size: 4096}}}
		b.ID = catalog.BuildID(b.Device, b.Version, b.Images)
		return catalog.PutBuild(tx, b)
	})
	return w
}

// generous lets the test ask as often as it likes.
func (w *world) generous() {
	l := limit.New(1e6, 1e6, 100)
	w.s.limits = limits{l, l, l, l}
}

func openJudge(t *testing.T) validator.Validator {
	t.Helper()
	doc, err := libopenapi.NewDocument(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return v
}

func (w *world) write(fn func(tx *db.Tx) error) {
	w.Helper()
	if err := w.d.Write(context.Background(), fn); err != nil {
		w.Fatal(err)
	}
}

type answer struct {
	*http.Response
	text []byte
}

// call asks, has the request and the answer judged, and returns the answer.
// A request that is wrong by intent is judged only by its answer.
func (w *world) call(method, path, who string, body any) answer {
	w.Helper()
	return w.ask(method, path, who, body, nil)
}

func (w *world) ask(method, path, who string, body any, header http.Header) answer {
	w.Helper()
	kind := "application/json"
	text, file := body.([]byte)
	if file {
		kind = "application/octet-stream"
	} else if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			w.Fatal(err)
		}
	}
	make := func() *http.Request {
		r := httptest.NewRequest(method, base+Prefix+path, bytes.NewReader(text))
		if body != nil {
			r.Header.Set("Content-Type", kind)
		}
		if who != "" {
			r.Header.Set("Authorization", "Bearer "+w.tokens[who])
		}
		for k, v := range header {
			r.Header[k] = v
		}
		return r
	}
	out := httptest.NewRecorder()
	w.s.ServeHTTP(out, make())
	resp := out.Result()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	if resp.StatusCode < 400 {
		if ok, errs := w.judge.ValidateHttpRequest(make()); !ok && who != "" {
			w.Errorf("%s %s was taken; openapi.yaml refuses it: %v", method, path, errs[0])
		}
		for _, r := range routes {
			if r.method == method && matches(r.path, path) {
				w.seen[r.method+" "+r.path] = true
			}
		}
	}
	if described := resp.StatusCode != 405 && (resp.StatusCode != 404 || strings.HasPrefix(path, "/threads/") && strings.Count(path, "/") < 4); described && resp.StatusCode != 304 && len(got) > 0 && resp.Header.Get("Content-Type") != "application/yaml" && !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/csv") && !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/atom") {
		if ok, errs := w.judge.ValidateHttpResponse(make(), resp); !ok {
			w.Errorf("%s %s answered %d %s; openapi.yaml says %v: %v", method, path, resp.StatusCode, got, errs[0].Message, errs[0].SchemaValidationErrors)
		}
	}
	if resp.StatusCode >= 400 && (resp.Header.Get("Content-Type") != "application/problem+json" || !bytes.Contains(got, []byte(`"type":"about:blank"`))) {
		w.Errorf("%s %s: the error is %s %s", method, path, resp.Header.Get("Content-Type"), got)
	}
	return answer{resp, got}
}

func matches(pattern, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	a, b := strings.Split(pattern, "/"), strings.Split(path, "/")
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s string) bool {
		i := slices.Index(a, s)
		return !strings.HasPrefix(s, "{") && s != b[i]
	})
}

func (a answer) want(w *world, status int) answer {
	w.Helper()
	if a.StatusCode != status {
		w.Errorf("answered %d %s, expected %d", a.StatusCode, a.text, status)
	}
	return a
}

func (a answer) into(w *world, v any) {
	w.Helper()
	if err := json.Unmarshal(a.text, v); err != nil {
		w.Errorf("%s: %v", a.text, err)
	}
}

func TestDescriptionIsOpenAPI(t *testing.T) {
	if ok, errs := openJudge(t).ValidateDocument(); !ok {
		t.Errorf("openapi.yaml is no OpenAPI 3.1: %v %v", errs[0].Message, errs[0].SchemaValidationErrors)
	}
	doc, err := libopenapi.NewDocument(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		t.Fatal(err)
	}
	var described, routed []string
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method := range item.GetOperations().FromOldest() {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	for _, r := range routes {
		routed = append(routed, r.method+" "+Prefix+r.path)
	}
	slices.Sort(described)
	slices.Sort(routed)
	if !slices.Equal(described, routed) {
		t.Errorf("described:\n%s\nrouted:\n%s", strings.Join(described, "\n"), strings.Join(routed, "\n"))
	}
}

func TestEverythingOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.call("GET", "/openapi.yaml", "", nil).want(w, 200)
		r := w.call("POST", "/threads", "ana", map[string]any{"kind": "bug", "title": "Camera crashes on zoom", "body": "It **crashes**.", "part": "Camera", "build": "26.11.13", "devices": []string{"umi", "hlte"}}).want(w, 201)
		if r.Header.Get("Location") != base+Prefix+"/threads/1" {
			t.Errorf("Location is %q", r.Header.Get("Location"))
		}
		w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "Hello", "body": "Hi."}).want(w, 201)
		var one threadJSON
		w.call("GET", "/threads/1", "", nil).want(w, 200).into(w, &one)
		if *one.Author != "ana" || one.You != nil || len(one.Devices) != 2 || one.Devices[0].State != "reported" {
			t.Errorf("the thread is %+v", one)
		}
		w.call("GET", "/threads/1", "ana", nil).want(w, 200).into(w, &one)
		if one.You == nil || !one.You.Voted || len(one.You.Devices) != 2 {
			t.Errorf("for its author it is %+v", one.You)
		}
		w.call("POST", "/threads/1/posts", "ana", map[string]any{"body": "On 3x."}).want(w, 201)
		var posts struct{ Posts []postJSON }
		w.call("GET", "/threads/1/posts?page=1", "", nil).want(w, 200).into(w, &posts)
		if len(posts.Posts) != 2 || posts.Posts[1].Body != "On 3x." {
			t.Errorf("the posts are %+v", posts)
		}
		w.call("GET", "/threads/1/posts?page=2", "", nil).want(w, 404)
		w.call("PUT", "/threads/2/vote", "mo", nil).want(w, 204)
		w.call("DELETE", "/threads/2/vote", "mo", nil).want(w, 204)
		w.call("PUT", "/threads/2/watch", "mo", nil).want(w, 204)
		w.call("DELETE", "/threads/2/watch", "mo", nil).want(w, 204)
		w.call("POST", "/threads/1/affected", "mo", map[string]any{"device": "umi"}).want(w, 204)
		w.call("POST", "/threads/1/affected", "mo", map[string]any{"device": nil}).want(w, 204)
		w.call("POST", "/threads/1/marks", "mo", map[string]any{"state": "recorded", "device": "umi"}).want(w, 204)
		w.call("POST", "/threads/1/marks", "mo", map[string]any{"state": "declined", "device": "umi", "reason": "It is the lens."}).want(w, 204)
		w.call("POST", "/threads/1/objection", "ana", map[string]any{"reason": "It is not."}).want(w, 204)
		w.call("GET", "/threads/1/steps", "", nil).want(w, 200)
		build := feedback.Build{ID: "b2", Device: "umi", Version: "26.11.27", Timestamp: 200}
		w.write(func(tx *db.Tx) error {
			if err := feedback.FixMerged(tx, 1, "c2"); err != nil {
				return err
			}
			if err := feedback.FixInRelease(tx, 1, "26.11.27", build); err != nil {
				return err
			}
			_, err := feedback.HandsetRuns(tx, w.members["ana"].ID, build)
			return err
		})
		var asks struct{ Asks []askJSON }
		w.call("GET", "/me/asks", "ana", nil).want(w, 200).into(w, &asks)
		if len(asks.Asks) != 1 || asks.Asks[0].Release != "26.11.27" {
			t.Errorf("the asks are %+v", asks)
		}
		w.call("POST", "/threads/1/answers", "ana", map[string]any{"device": "umi", "verdict": "works"}).want(w, 204)
		w.call("POST", "/threads/1/answers", "ana", map[string]any{"device": "umi", "verdict": "works"}).want(w, 409)
		w.call("GET", "/me", "ana", nil).want(w, 200)
		w.call("GET", "/devices", "", nil).want(w, 200)
		w.call("GET", "/devices/umi", "", nil).want(w, 200)
		w.call("GET", "/releases?limit=3", "", nil).want(w, 200)
		if err := w.s.Train.Skip(t.Context(), "26.11.20", "ada", "Holiday."); err != nil {
			t.Fatal(err)
		}
		w.call("GET", "/releases/26.11.20", "", nil).want(w, 200)
		w.shipped()
		w.call("GET", "/releases/26.11.20/devices/umi/rollouts", "", nil).want(w, 200)
		w.call("GET", "/members/ANA", "", nil).want(w, 200)
		w.call("PUT", "/threads/2/hidden", "kim", map[string]any{"reason": "It shows a phone number."}).want(w, 204)
		w.call("GET", "/threads/2", "kim", nil).want(w, 200)
		w.call("DELETE", "/threads/2/hidden", "kim", map[string]any{"reason": "It shows a phone number."}).want(w, 204)
		for _, list := range []string{"threads", "devices", "releases"} {
			w.call("GET", "/export/"+list+".csv", "", nil).want(w, 200)
			r := w.call("GET", "/export/"+list+".json", "", nil).want(w, 200)
			var rows []map[string]any
			r.into(w, &rows)
			if len(rows) == 0 {
				t.Errorf("%s.json is empty", list)
			}
		}
		for _, path := range []string{"/threads.atom", "/threads.atom?part=Camera&device=umi", "/threads/1/posts.atom", "/threads/1/polls.atom", "/devices.atom", "/releases.atom", "/devices/umi/releases.atom"} {
			w.call("GET", path, "", nil).want(w, 200)
		}
		w.more(posts.Posts)
		w.call("GET", "/threads?kind=bug&state=confirmed&open=false&device=umi&part=Camera&author=ana&release=26.11.27&q=zoom&order=votes&limit=1", "", nil).want(w, 200)
		for _, r := range routes {
			if !w.seen[r.method+" "+r.path] {
				t.Errorf("%s %s was never answered well", r.method, r.path)
			}
		}
	})
}

// TestWhoMay is the matrix of callers and what each may do.
func TestWhoMay(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.call("POST", "/threads", "ana", map[string]any{"kind": "bug", "title": "Open", "body": "x", "part": "Camera", "devices": []string{"umi"}}).want(w, 201)
	w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "Hidden", "body": "x"}).want(w, 201)
	w.call("PUT", "/threads/2/hidden", "kim", map[string]any{"reason": "It shows a phone number."}).want(w, 204)
	bodies := map[string]any{
		"POST /threads":                    map[string]any{"kind": "talk", "title": "T", "body": "x"},
		"POST /threads/{thread}/posts":     map[string]any{"body": "x"},
		"POST /threads/{thread}/affected":  map[string]any{"device": nil},
		"POST /threads/{thread}/answers":   map[string]any{"device": "umi", "verdict": "works"},
		"POST /threads/{thread}/objection": map[string]any{"reason": "x"},
		"POST /threads/{thread}/marks":     map[string]any{"state": "planned", "device": "umi"},

		"PUT /threads/{thread}/accepted":          map[string]any{"post": 7},
		"POST /threads/{thread}/polls":            map[string]any{"question": "Which?", "choices": []string{"a", "b"}},
		"PUT /threads/{thread}/polls/{poll}/vote": map[string]any{"choices": []int{0}},
		"PUT /posts/{post}":                       map[string]any{"body": "Open, and edited."},
		"POST /posts/{post}/files":                []byte("a log"),
		"POST /flags":                             map[string]any{"thread": 1, "reason": "spam"},
	}
	// A post and a poll of the open thread, and of the hidden one.
	var post, poll [2]string
	for i, thread := range []string{"1", "2"} {
		var p struct{ Posts []postJSON }
		w.call("GET", "/threads/"+thread+"/posts", "kim", nil).want(w, 200).into(w, &p)
		post[i] = strconv.FormatInt(p.Posts[0].ID, 10)
		var made pollJSON
		w.call("POST", "/threads/"+thread+"/polls", "kim", map[string]any{"question": "Which?", "choices": []string{"a", "b"}}).want(w, 201).into(w, &made)
		poll[i] = strconv.FormatInt(made.ID, 10)
	}
	authors := []string{"PUT /posts/{post}", "POST /posts/{post}/files"} // not ada's, who has no scope moderate
	// What a caller without, with a weaker and with the right token is answered:
	// strangers 401, ben has read alone, ana no role, ada no scope moderate.
	for _, r := range routes {
		path := strings.NewReplacer("{thread}", "1", "{codename}", "umi", "{release}", "26.11.20", "{name}", "ana", "{list}", "threads.csv", "{post}", post[0], "{poll}", poll[0]).Replace(r.path)
		if r.method+" "+r.path == takesFile {
			path += "?name=a.txt"
		}
		body := bodies[r.method+" "+r.path]
		want := map[string][]int{"": {200, 404}, "ben": {200, 404}, "ana": {200, 404}, "ada": {200, 404}}
		switch r.scope {
		case token.Read:
			want = map[string][]int{"": {401}, "ben": {200}, "ana": {200}, "ada": {403}}
		case token.Write:
			want = map[string][]int{"": {401}, "ben": {403}, "ana": {200, 201, 204, 409, 422}, "ada": {201, 204, 409, 422}}
			if slices.Contains(authors, r.method+" "+r.path) {
				want["ada"] = []int{403}
			}
		case token.Moderate:
			want = map[string][]int{"": {401}, "ben": {403}, "ana": {403}, "ada": {403}}
		}
		for who, statuses := range want {
			if got := w.call(r.method, path, who, body); !slices.Contains(statuses, got.StatusCode) {
				t.Errorf("%s %s by %q: %d %s, expected %v", r.method, path, who, got.StatusCode, got.text, statuses)
			}
		}
		// A hidden thread does not exist for whoever is no moderator, whatever is done to it.
		if strings.Contains(r.path, "{thread}") || strings.Contains(r.path, "{post}") {
			hidden := strings.NewReplacer("{thread}", "2", "{post}", post[1], "{poll}", poll[1]).Replace(r.path)
			absent := strings.NewReplacer("{thread}", "999", "{post}", "999", "{poll}", "999").Replace(r.path)
			if r.method+" "+r.path == takesFile {
				hidden, absent = hidden+"?name=a.txt", absent+"?name=a.txt"
			}
			who := "ana"
			if r.scope == token.Moderate {
				who = "mo"
			}
			a, b := w.call(r.method, hidden, who, body), w.call(r.method, absent, who, body)
			if a.StatusCode != b.StatusCode || !bytes.Equal(a.text, b.text) || a.StatusCode == 200 || a.StatusCode == 204 {
				t.Errorf("%s %s by %s: %d %s for a hidden thread, %d %s for none", r.method, r.path, who, a.StatusCode, a.text, b.StatusCode, b.text)
			}
		}
	}
	// A maintainer of another device, and roles that a scope does not replace.
	w.call("POST", "/threads", "ana", map[string]any{"kind": "bug", "title": "On hlte", "body": "x", "part": "Camera", "devices": []string{"hlte"}}).want(w, 201)
	var list struct{ Threads []threadJSON }
	w.call("GET", "/threads?device=hlte&q=hlte", "", nil).into(w, &list)
	w.call("POST", fmt.Sprintf("/threads/%d/marks", list.Threads[0].ID), "mo", map[string]any{"state": "planned", "device": "hlte"}).want(w, 403)
	w.call("POST", fmt.Sprintf("/threads/%d/marks", list.Threads[0].ID), "mo", map[string]any{"state": "planned"}).want(w, 403)
	w.call("PUT", "/threads/1/hidden", "mo", map[string]any{"reason": "It shows a phone number."}).want(w, 403)
	// Lists and exports show no hidden thread, whoever asks.
	for _, who := range []string{"", "ana", "kim"} {
		for _, path := range []string{"/threads", "/threads?order=oldest", "/threads?q=Hidden", "/export/threads.csv", "/export/threads.json"} {
			if got := w.call("GET", path, who, nil); bytes.Contains(got.text, []byte(`"Hidden"`)) || bytes.Contains(got.text, []byte(",Hidden,")) {
				t.Errorf("%s shows a hidden thread to %q", path, who)
			}
		}
	}
}

func TestTokensThatDoNot(t *testing.T) {
	w := newWorld(t, sqlite(t))
	for _, header := range []string{"Bearer x", "Bearer", "Basic YTpi", "bearer " + w.tokens["ana"] + "x", w.tokens["ana"]} {
		r := w.ask("GET", "/threads", "", nil, http.Header{"Authorization": {header}}).want(w, 401)
		if r.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: no WWW-Authenticate", header)
		}
	}
	w.ask("GET", "/threads", "", nil, http.Header{"Authorization": {"Bearer " + w.tokens["ana"], "Bearer " + w.tokens["ana"]}}).want(w, 401)
	w.now = w.now.Add(time.Hour)
	w.call("GET", "/me", "ana", nil).want(w, 401)
	w.now = w.now.Add(-time.Minute)
	w.call("GET", "/me", "ana", nil).want(w, 200)
	w.write(func(tx *db.Tx) error {
		all, err := token.List(tx, w.members["ana"].ID)
		if err != nil || all[0].UsedAt.IsZero() {
			t.Errorf("the last use is not noted: %+v %v", all, err)
		}
		return token.Revoke(tx, w.members["ana"].ID, "ana", all[0].ID)
	})
	w.call("GET", "/me", "ana", nil).want(w, 401)
}

// TestCookiesHaveNoAuthority: a session that signs in on the pages is nobody here.
func TestCookiesHaveNoAuthority(t *testing.T) {
	w := newWorld(t, sqlite(t))
	var session string
	w.write(func(tx *db.Tx) (err error) {
		session, err = member.NewSession(tx, w.members["ana"].ID, "test")
		return err
	})
	cookie := http.Header{"Cookie": {"friday=" + session + "; __Host-friday=" + session}}
	w.ask("POST", "/threads", "", map[string]any{"kind": "talk", "title": "T", "body": "x"}, cookie).want(w, 401)
	w.ask("GET", "/me", "", nil, cookie).want(w, 401)
}

func TestWrongRequests(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "T", "body": "x"}).want(w, 201)
	for _, c := range []struct {
		method, path string
		body         any
		status       int
		field        string
	}{
		{"GET", "/threads?kind=bugs", nil, 400, "kind"},
		{"GET", "/threads?state=gone", nil, 400, "state"},
		{"GET", "/threads?open=yes", nil, 400, "open"},
		{"GET", "/threads?limit=0", nil, 400, "limit"},
		{"GET", "/threads?limit=201", nil, 400, "limit"},
		{"GET", "/threads?limit=1e2", nil, 400, "limit"},
		{"GET", "/threads?order=random", nil, 400, "order"},
		{"GET", "/threads?cursor=!!", nil, 400, "cursor"},
		{"GET", "/threads?cursor=e30", nil, 400, "cursor"},
		{"GET", "/threads?order=votes&cursor=" + cursor{ID: 1}.String(), nil, 400, "cursor"},
		{"GET", "/threads?hidden=true", nil, 400, "hidden"},
		{"GET", "/threads?kind=bug&kind=idea", nil, 400, "kind"},
		{"GET", "/threads?q=%00", nil, 400, "q"},
		{"GET", "/threads?q=%ff", nil, 400, "q"},
		{"GET", "/threads?q=" + strings.Repeat("a", 1001), nil, 400, "q"},
		{"GET", "/threads?q=%zz", nil, 400, ""},
		{"GET", "/threads/0", nil, 404, ""},
		{"GET", "/threads/x", nil, 404, ""},
		{"GET", "/threads/99999999999999999999", nil, 404, ""},
		{"GET", "/threads/1/posts?page=-1", nil, 400, "page"},
		{"GET", "/devices/nobody", nil, 404, ""},
		{"GET", "/releases/26.01.01", nil, 404, ""},
		{"GET", "/members/nobody", nil, 404, ""},
		{"GET", "/export/threads.xml", nil, 404, ""},
		{"GET", "/export/members.csv", nil, 404, ""},
		{"GET", "/export/devices.csv?kind=bug", nil, 400, "kind"},
		{"GET", "/export/threads.csv?kind=bugs", nil, 400, "kind"},
		{"GET", "/nothing", nil, 404, ""},
		{"PATCH", "/threads/1", nil, 405, ""},
		{"POST", "/devices", map[string]any{}, 405, ""},
		{"POST", "/threads", map[string]any{"kind": "talk", "title": "", "body": "x"}, 422, "title"},
		{"POST", "/threads", map[string]any{"kind": "talk", "title": "T", "body": " "}, 422, "body"},
		{"POST", "/threads", map[string]any{"kind": "spam", "title": "T", "body": "x"}, 422, "kind"},
		{"POST", "/threads", map[string]any{"kind": "bug", "title": "T", "body": "x", "part": "Camera", "devices": []string{"nobody"}}, 422, "device"},
		// What a member may not set is no field at all.
		{"POST", "/threads", map[string]any{"kind": "talk", "title": "T", "body": "x", "author": "ada"}, 400, ""},
		{"POST", "/threads", map[string]any{"kind": "talk", "title": "T", "body": "x", "votes": 900}, 400, ""},
		{"POST", "/threads", []string{"x"}, 400, ""},
		{"POST", "/threads/1/posts", map[string]any{"body": strings.Repeat("x", maxBody)}, 413, ""},
		{"POST", "/threads/1/answers", map[string]any{"device": "umi", "verdict": "maybe"}, 422, "verdict"},
		{"POST", "/threads/1/affected", map[string]any{"device": "umi"}, 422, "device"},
	} {
		who := ""
		if c.method != "GET" {
			who = "ana"
		}
		r := w.call(c.method, c.path, who, c.body)
		var p problem
		r.into(w, &p)
		if r.StatusCode != c.status || p.Field != c.field || p.Status != c.status || p.Detail == "" {
			t.Errorf("%s %.60s: %d %s, expected %d about %q", c.method, c.path, r.StatusCode, r.text, c.status, c.field)
		}
	}
	for kind, text := range map[string]string{"text/plain": `{"body":"x"}`, "application/x-www-form-urlencoded": "body=x", "": `{"body":"x"}`, "application/json": `{"body":"x"} {"body":"y"}`,
		"application/json; charset=utf-8": "{\"body\":\"\xff\"}", "application/json;": strings.Repeat("[", 100_000)} {
		r := httptest.NewRequest("POST", base+Prefix+"/threads/1/posts", strings.NewReader(text))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", "Bearer "+w.tokens["ana"])
		out := httptest.NewRecorder()
		w.s.ServeHTTP(out, r)
		if out.Code != 415 && out.Code != 400 {
			t.Errorf("%q %.30q: %d %s", kind, text, out.Code, out.Body)
		}
	}
}

// TestWalk: by its cursor a list is whole and in order, also while others write.
func TestWalk(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for i := range 23 {
			w.write(func(tx *db.Tx) error {
				w.now = w.now.Add(time.Second * time.Duration(i%3)) // some at the same time
				th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: fmt.Sprint("Thread ", i), Body: "x", AuthorID: w.members["ana"].ID})
				if err == nil && i%4 == 0 {
					err = stake.Vote(tx, feedback.Viewer{Member: w.members["ben"].ID}, th.ID, true)
				}
				return err
			})
		}
		for _, order := range []string{"newest", "votes", "oldest"} {
			var whole, walked []int64
			var part struct {
				Threads []threadJSON
				Next    *string
			}
			w.call("GET", "/threads?limit=200&order="+order, "", nil).into(w, &part)
			for _, one := range part.Threads {
				whole = append(whole, one.ID)
			}
			path := "/threads?limit=4&order=" + order
			for n := 0; ; n++ {
				part.Threads, part.Next = nil, nil
				r := w.call("GET", path, "", nil)
				r.into(w, &part)
				for _, one := range part.Threads {
					walked = append(walked, one.ID)
				}
				if part.Next == nil {
					break
				}
				if !strings.Contains(r.Header.Get("Link"), *part.Next) || n > 30 {
					t.Fatalf("Link is %q", r.Header.Get("Link"))
				}
				path = "/threads?limit=4&order=" + order + "&cursor=" + *part.Next
				if order == "newest" && n == 1 { // a new thread shifts nothing
					w.now = w.now.Add(time.Minute)
					w.call("POST", "/threads", "mo", map[string]any{"kind": "talk", "title": "Meanwhile", "body": "x"}).want(w, 201)
				}
			}
			if !slices.Equal(whole, walked) {
				t.Errorf("%s: walked %v, expected %v", order, walked, whole)
			}
		}
	})
}

func TestETags(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "T", "body": "x"}).want(w, 201)
	for _, path := range []string{"/openapi.yaml", "/threads", "/threads/1", "/threads/1/posts", "/devices", "/releases"} {
		tag := w.call("GET", path, "", nil).want(w, 200).Header.Get("ETag")
		for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
			if r := w.ask("GET", path, "", nil, http.Header{"If-None-Match": {header}}).want(w, 304); len(r.text) != 0 {
				t.Errorf("%s: 304 has a body", path)
			}
		}
		w.ask("GET", path, "", nil, http.Header{"If-None-Match": {`"x"`}}).want(w, 200)
		if r := w.ask("HEAD", path, "", nil, nil); r.Header.Get("ETag") != tag || len(r.text) != 0 {
			t.Errorf("HEAD %s: %q, %d bytes", path, r.Header.Get("ETag"), len(r.text))
		}
	}
	tag := w.call("GET", "/threads/1", "", nil).Header.Get("ETag")
	w.call("PUT", "/threads/1/vote", "mo", nil).want(w, 204)
	w.ask("GET", "/threads/1", "", nil, http.Header{"If-None-Match": {tag}}).want(w, 200)
}

func TestLimits(t *testing.T) {
	w := newWorld(t, sqlite(t))
	s, err := New(w.s.Options)
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
	var last answer
	for range 200 {
		if last = w.call("GET", "/devices", "", nil); last.StatusCode != 200 {
			break
		}
	}
	if last.StatusCode != 429 || last.Header.Get("Retry-After") == "" || last.Header.Get("Retry-After") == "0" {
		t.Errorf("a stranger who floods is answered %d, Retry-After %q", last.StatusCode, last.Header.Get("Retry-After"))
	}
	for range 20 {
		if last = w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "T", "body": "x"}); last.StatusCode != 201 {
			break
		}
	}
	last.want(w, 429)
	w.call("GET", "/me", "ana", nil).want(w, 200) // reading goes on
}

func TestSuspended(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "T", "body": "x"}).want(w, 201)
	w.write(func(tx *db.Tx) error {
		ana := w.members["ana"].ID
		about := moderation.About{Subject: moderation.Subject{Kind: moderation.Thread, ID: 1}, AuthorID: ana}
		_, _, err := moderation.Decide(tx, about, moderation.Actor{ID: w.members["kim"].ID, Name: "kim"}, 0,
			moderation.Ruling{Action: moderation.Keep, Measure: moderation.Suspend, Reason: "Advertising.", Until: w.now.Add(48 * time.Hour)})
		return err
	})
	var one struct{ Posts []postJSON }
	w.call("GET", "/threads/1/posts", "", nil).want(w, 200).into(w, &one)
	place := strings.NewReplacer("{thread}", "1", "{post}", strconv.FormatInt(one.Posts[0].ID, 10), "{poll}", "1")
	for _, r := range routes { // whatever is written, and nothing else
		if r.scope != token.Write {
			continue
		}
		body := map[string]any{"POST /threads": map[string]any{"kind": "talk", "title": "T", "body": "x"}, "PUT /posts/{post}": map[string]any{"body": "x"}, "POST /threads/{thread}/posts": map[string]any{"body": "x"},
			"POST /threads/{thread}/affected": map[string]any{"device": nil}, "POST /threads/{thread}/answers": map[string]any{"device": "umi", "verdict": "works"}, "POST /threads/{thread}/objection": map[string]any{"reason": "x"},
			"PUT /threads/{thread}/accepted": map[string]any{"post": 7}, "POST /threads/{thread}/polls": map[string]any{"question": "Which?", "choices": []string{"a", "b"}},
			"PUT /threads/{thread}/polls/{poll}/vote": map[string]any{"choices": []int{0}}, "POST /posts/{post}/files": []byte("a log"), "POST /flags": map[string]any{"member": "kim", "reason": "spam"}}[r.method+" "+r.path]
		path := place.Replace(r.path)
		if r.method+r.path == "POST/posts/{post}/files" {
			path += "?name=a.txt"
		}
		if got := w.call(r.method, path, "ana", body); got.StatusCode != 403 || !bytes.Contains(got.text, []byte("suspended")) {
			t.Errorf("%s %s by who is suspended: %d %s, expected 403", r.method, r.path, got.StatusCode, got.text)
		}
	}
	w.call("GET", "/me", "ana", nil).want(w, 200)
	w.call("POST", "/threads", "mo", map[string]any{"kind": "talk", "title": "T", "body": "x"}).want(w, 201)
}

// TestSpreadsheets: no cell of an export begins a formula, and CSV readers get back what was written.
func TestSpreadsheets(t *testing.T) {
	for in, out := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "  =1": "'  =1", "|x": "'|x", "%0": "'%0", "＝1": "'＝1",
		"'=1": "''=1", "": "", "plain": "plain", "26.11.27": "26.11.27", "a=b": "a=b", "\u00a0=1": "'\u00a0=1",
	} {
		if got := Cell(in); got != out {
			t.Errorf("Cell(%q) is %q, expected %q", in, got, out)
		}
	}
	w := newWorld(t, sqlite(t))
	titles := []string{`=HYPERLINK("http://x","y")`, `+cmd|' /C calc'!A0`, "-2+3", "@x", `a "quoted", title`, "plain"}
	w.write(func(tx *db.Tx) error {
		for _, title := range titles {
			if _, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: title, Body: "x", AuthorID: w.members["ana"].ID}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, list := range []string{"threads", "devices"} {
		r := w.call("GET", "/export/"+list+".csv", "", nil).want(w, 200)
		rows, err := csv.NewReader(bytes.NewReader(r.text)).ReadAll()
		if err != nil || len(rows) < 3 {
			t.Fatal(err, len(rows))
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r|%", rune(cell[0])) {
					t.Errorf("the cell %q is a formula", cell)
				}
			}
		}
		if !strings.HasPrefix(r.Header.Get("Content-Disposition"), "attachment") {
			t.Error("the file opens in the browser")
		}
	}
	r := w.call("GET", "/export/threads.json", "", nil).want(w, 200)
	var rows []threadJSON
	r.into(w, &rows)
	for i, title := range titles {
		if rows[i].Title != title {
			t.Errorf("JSON has %q, expected %q", rows[i].Title, title)
		}
	}
}

// TestLongExport: more than fits one part comes whole.
func TestLongExport(t *testing.T) {
	w := newWorld(t, sqlite(t))
	const n = 2*maxListed + 7
	w.write(func(tx *db.Tx) error {
		for i := range n {
			if _, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: fmt.Sprint("Thread ", i), Body: "x", AuthorID: w.members["ana"].ID}); err != nil {
				return err
			}
		}
		return nil
	})
	var rows []threadJSON
	w.call("GET", "/export/threads.json", "", nil).want(w, 200).into(w, &rows)
	if len(rows) != n || rows[n-1].ID != n {
		t.Errorf("%d rows, expected %d", len(rows), n)
	}
}

func sqlite(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func FuzzReadCursor(f *testing.F) {
	for _, s := range []string{"", "e30", cursor{ID: 5}.String(), cursor{Order: feedback.Hot, ID: 5, At: 7, Votes: 2}.String(), "!"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := readCursor(s, feedback.Hot)
		if (p == nil) != (err != nil || s == "") || p != nil && p.ID <= 0 {
			t.Errorf("%q: %+v %v", s, p, err)
		}
	})
}
