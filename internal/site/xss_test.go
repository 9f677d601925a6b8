package site

import (
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/fridayos/friday/internal/train"
)

// attacks are what should stay text, wherever it is put.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"--></style></title><svg onload=alert(1)>`, `<a href="javascript:alert(1)">x</a>`,
	`[x](javascript:alert(1))`, `[x](data:text/html;base64,PHNjcmlwdD4=)`, `![x](http://evil.example/x.png)`, `<iframe src=//evil.example>`, "`<b onclick=alert(1)>`",
	`[x](http://evil.example "\" onmouseover=\"alert(1)")`, `<style>*{display:none}</style>`, `{{.Viewer}}`, `<form action=//evil.example><button>x`, "[a]: javascript:alert(1)\n\n[a]",
	`<http://x/" onclick="alert(1)>`, "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", "[x](vbscript:msgbox)", "[x](  JaVaScRiPt:alert(1))", "[x](&#106;avascript:alert(1))",
}

// harmless walks a page without pictures and says what in it could act.
func harmless(t *testing.T, where, page string) {
	t.Helper()
	if strings.Contains(page, "<img") {
		t.Errorf("%s: the page has <img>", where)
	}
	harmlessWithPictures(t, where, page)
}

// harmlessWithPictures is harmless for a page that may show files of posts.
func harmlessWithPictures(t *testing.T, where, page string) {
	t.Helper()
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			switch n.Data {
			case "iframe", "object", "embed", "base", "style", "math":
				t.Errorf("%s: the page has <%s>", where, n.Data)
			case "img":
				if src := attribute(n, "src"); !strings.HasPrefix(src, "/u/") {
					t.Errorf("%s: a picture from %q", where, src)
				}
			}
			for _, a := range n.Attr {
				v := strings.ToLower(strings.TrimSpace(a.Val))
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "srcdoc":
					t.Errorf("%s: <%s %s=%q>", where, n.Data, a.Key, a.Val)
				case (a.Key == "href" || a.Key == "src" || a.Key == "action") && (strings.HasPrefix(v, "javascript:") || strings.HasPrefix(v, "data:") || strings.HasPrefix(v, "vbscript:")):
					t.Errorf("%s: <%s %s=%q>", where, n.Data, a.Key, a.Val)
				case (a.Key == "src" || a.Key == "action") && strings.Contains(v, "//"):
					t.Errorf("%s: <%s %s=%q> leads away", where, n.Data, a.Key, a.Val)
				case n.Data == "script" && a.Key == "src" && !strings.HasPrefix(v, "/static/"):
					t.Errorf("%s: a foreign script %q", where, a.Val)
				}
			}
			if n.Data == "script" && n.FirstChild != nil {
				t.Errorf("%s: a script in the page: %s", where, n.FirstChild.Data)
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
}

func TestXSSThroughEveryField(t *testing.T) {
	w := whole(t, openSQLite(t))
	look := func(name, as, path string) { harmless(t, name+" at "+path, w.get(as, path).Body.String()) }
	for _, a := range attacks {
		fresh(w)
		rec := w.post("ana", "/t/new", url.Values{"kind": {"bug"}, "title": {a}, "part": {"Camera"}, "device": {"umi"}, "build": {a[:min(64, len(a))]}, "body": {a}})
		if rec.Code != 303 {
			t.Fatalf("cannot file %q: %d", a, rec.Code)
		}
		path, _, _ := strings.Cut(rec.Header().Get("Location"), "?")
		number, _, _ := strings.Cut(path, "-")
		for form, v := range map[string]url.Values{
			"/reply": {"body": {a}}, "/mark": {"state": {"declined"}, "device": {"umi"}, "reason": {a}}, "/object": {"reason": {a}},
		} {
			as := map[bool]string{true: "mo", false: "ana"}[form == "/mark"]
			if rec := w.post(as, number+form, v); rec.Code != 303 && form != "/object" {
				t.Errorf("%s with %q: %d", form, a, rec.Code)
			}
		}
		u, _ := url.Parse(path)
		for _, p := range []string{u.EscapedPath(), "/", "/t", "/d/umi", "/m/ana"} {
			look("stored "+a, "ana", p)
		}
		// Reflected: what a page gets by its address or a refused form.
		q := url.QueryEscape(a)
		for _, p := range []string{"/t?q=" + q, "/t?kind=" + q, "/t?device=" + q, "/t?part=" + q, "/signin?next=" + q, "/first-run?code=" + q, "/?done=" + q, "/" + url.PathEscape(a), "/t/" + url.PathEscape(a), "/r/" + url.PathEscape(a), "/d/" + url.PathEscape(a), "/m/" + url.PathEscape(a)} {
			look("reflected "+a, "", p)
		}
		look("a new thread's device "+a, "ana", "/t/new?device="+q+"&kind="+q)
		for _, form := range []struct {
			path string
			v    url.Values
		}{
			{"/t/new", url.Values{"kind": {a}, "title": {a}, "part": {a}, "body": {a}, "build": {a}}}, {number + "/reply", url.Values{"body": {""}}},
			{"/signin", url.Values{"name": {a}, "next": {a}}}, {"/register", url.Values{"name": {a}, "password": {a}}}, {"/me/claim", url.Values{"device": {a}}},
		} {
			fresh(w)
			harmless(t, "refused "+a+" at "+form.path, w.post("ana", form.path, form.v).Body.String())
		}
		w.must(w.train.Hold(t.Context(), "26.11.27", []string{"umi"}, "ada", a))
		look("the train's reason "+a, "", "/train")
		look("the train's reason "+a, "", "/r/26.11.27")
		w.must(w.train.Ship(t.Context(), "26.11.27", train.ShipOptions{Devices: []string{"umi"}, Actor: "ada", Reason: "go on"}))
	}
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}
