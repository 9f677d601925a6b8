package site

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/train"
)

// givenCodes reads the rooms' source: each code of a mistake with the values that
// it names, and the places where a mistake is made without a code.
func givenCodes(t *testing.T) (codes map[string][]string, without []string) {
	t.Helper()
	codes = map[string][]string{}
	files := token.NewFileSet()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.HasPrefix(path, "../mistake/") || strings.HasPrefix(path, "../api/") { // programs read English
			return err
		}
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if name := called(n); name != "mistake.New" && name != "NewInvalid" && name != "member.NewInvalid" {
					return true
				}
				code, ok := literal(n.Args[1])
				if !ok {
					t.Errorf("%s: the code is no constant", files.Position(n.Pos()))
					return true
				}
				for i := 3; i < len(n.Args); i += 2 {
					name, _ := literal(n.Args[i])
					codes[code] = append(codes[code], name)
				}
				codes[code] = append(codes[code], "")
			case *ast.CompositeLit:
				if name := typeName(n.Type); slices.Contains([]string{"InputError", "feedback.InputError", "mistake.Mistake", "member.Invalid"}, name) {
					without = append(without, files.Position(n.Pos()).String())
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes, without
}

func called(n *ast.CallExpr) string {
	if id, ok := n.Fun.(*ast.Ident); ok {
		return id.Name
	}
	return typeName(n.Fun)
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if id, ok := e.X.(*ast.Ident); ok {
			return id.Name + "." + e.Sel.Name
		}
	}
	return ""
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// Every code that the rooms can give is said in each language, naming nothing that
// is not given, and no message is for a code that nobody gives.
func TestEveryMistakeIsSaid(t *testing.T) {
	codes, without := givenCodes(t)
	if len(codes) < 80 {
		t.Fatalf("%d codes are found; the search is broken", len(codes))
	}
	for _, place := range without {
		if !strings.HasPrefix(place, "page/errors.go") && !strings.HasPrefix(place, "../site/page/errors.go") && !strings.HasPrefix(place, "../member/member.go") {
			t.Errorf("%s makes a mistake without a code: mistake.New, or page.Refuse with a message", place)
		}
	}
	all := messages(t)
	said := map[string][]string{}
	for code, names := range codes {
		said["wrong."+code] = names
	}
	for _, book := range []*mistake.Book{train.Sayings(), fleet.Sayings()} {
		for _, code := range book.Codes() {
			said["said."+book.Room()+"."+code] = book.Names(code)
		}
	}
	for _, lang := range []string{"en", "zh", "es", "hi"} {
		for _, key := range slices.Sorted(maps.Keys(said)) {
			message := all[lang][key]
			if message == "" {
				t.Errorf("%s: %s is missing", lang, key)
			}
			for _, m := range placeholder.FindAllStringSubmatch(message, -1) {
				if !slices.Contains(said[key], m[1]) {
					t.Errorf("%s: %s says %s, which is not given", lang, key, m[1])
				}
			}
			if slices.Contains(said[key], "N") && !strings.Contains(message, "other: ") {
				t.Errorf("%s: %s counts, and has no plural", lang, key)
			}
		}
		for key := range all[lang] {
			if (strings.HasPrefix(key, "wrong.") || strings.HasPrefix(key, "said.")) && said[key] == nil && !bare(train.Sayings(), key) && !bare(fleet.Sayings(), key) {
				t.Errorf("%s: %s is for a code that nobody gives", lang, key)
			}
		}
	}
}

// bare says whether a key is a sentence of the book that names nothing.
func bare(b *mistake.Book, key string) bool {
	code, ok := strings.CutPrefix(key, "said."+b.Room()+".")
	return ok && slices.Contains(b.Codes(), code)
}

// english is two words of it or more.
var english = regexp.MustCompile(`(?i)\b(the|a|an|is|are|it|of|to|in|on|and|not|this|that|by|was|no|for|with|must|may|has|have|at|one|there)\b[ ,]+[a-z]{2,}|\b[a-z]{3,} (is|are|must|may|has|was|of|the|to) `)

// written is what people wrote, the longest first: pages show it as it stands.
func (w *world) written() (all []string) {
	w.write(func(tx *db.Tx) error {
		for _, from := range []string{"title FROM threads", "reason FROM thread_facts", "question FROM polls", "words FROM poll_choices", "reason FROM mod_decisions",
			"words FROM mod_appeals", "answer FROM mod_appeals", "note FROM mod_flags", "body FROM posts", "reason FROM train_log WHERE actor <> 'train'", "reason FROM train_devices", "reason FROM rollouts", "note FROM webhooks"} {
			some, err := db.All(tx, func(s db.Scanner) (words string, err error) { return words, s.Scan(&words) }, "SELECT "+from)
			if err != nil {
				return err
			}
			for _, words := range some {
				if _, _, said := train.Sayings().Read(words); !said && len(words) > 1 {
					all = append(all, strings.Join(strings.Fields(words), " "))
				}
			}
		}
		return nil
	})
	slices.SortFunc(all, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(all)
}

// foreign returns what a page in another language says in English. What people
// wrote, names and codes are left out.
func foreign(t *testing.T, lang, page string, written []string) (found []string) {
	t.Helper()
	ours := func(s string) bool {
		if !english.MatchString(s) {
			return false
		}
		s = strings.Join(strings.Fields(s), " ")
		for _, words := range written {
			if s = strings.ReplaceAll(s, words, ""); strings.HasSuffix(s, "…") { // the beginning of what someone wrote
				for i := range len(s) {
					if rest := strings.TrimSuffix(s[i:], "…"); len(rest) > 20 && strings.HasPrefix(words, rest) {
						s = s[:i]
						break
					}
				}
			}
		}
		return english.MatchString(s)
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode {
			if slices.Contains([]string{"script", "style", "code", "pre", "textarea", "head"}, n.Data) {
				return
			}
			if l := attribute(n, "lang"); l != "" && l != lang || strings.Contains(attribute(n, "class"), "prose") || strings.Contains(attribute(n, "class"), "code") {
				return
			}
			for _, key := range []string{"aria-label", "title", "placeholder", "alt", "data-label"} {
				if s := attribute(n, key); ours(s) {
					found = append(found, key+"="+s)
				}
			}
		}
		if n.Type == html.TextNode && ours(n.Data) {
			found = append(found, strings.Join(strings.Fields(n.Data), " "))
		}
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			walk(child)
		}
	}
	walk(doc)
	return found
}

// in asks for an answer in a language.
func (w *world) in(lang, as, method, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Accept-Language", lang)
	return w.send(as, r)
}

// No page speaks English to a reader of another language.
func TestNoEnglishForOthers(t *testing.T) {
	w := whole(t, openSQLite(t))
	first := w.firstPost(w.longThread(60, 0))
	written := w.written()
	for _, lang := range []string{"zh", "hi"} {
		// What forms answer to those who fill them in wrongly.
		long := strings.Repeat("x", 30_000)
		for _, f := range []struct {
			as, path string
			form     url.Values
		}{
			{"ana", "/t/new", url.Values{}},
			{"ana", "/t/new", url.Values{"kind": {"bug"}}},
			{"ana", "/t/new", url.Values{"kind": {"bug"}, "title": {long[:200]}}},
			{"ana", "/t/new", url.Values{"kind": {"bug"}, "title": {"x"}}},
			{"ana", "/t/new", url.Values{"kind": {"talk"}, "title": {"x"}, "body": {long}}},
			{"ana", "/t/new", url.Values{"kind": {"bug"}, "title": {"x"}, "body": {"x"}, "part": {"Camera"}, "device": {"nosuch"}}},
			{"ana", "/t/1/reply", url.Values{"body": {" "}}},
			{"ana", "/t/1/metoo", url.Values{"device": {"nosuch"}}},
			{"ana", "/t/5/metoo", url.Values{"device": {""}}},
			{"ana", "/t/1/answer", url.Values{"verdict": {"x"}}},
			{"ben", "/t/4/object", url.Values{"reason": {"x"}}},
			{"li", "/t/4/object", url.Values{"reason": {""}}},
			{"ben", "/t/5/accept", url.Values{"post": {first}}},
			{"ana", "/t/6/polls", url.Values{"question": {""}}},
			{"li", "/t/6/polls", url.Values{"question": {"x"}, "choices": {"a"}}},
			{"kim", "/t/6/merge", url.Values{"into": {"6"}}},
			{"kim", "/t/6/merge", url.Values{"into": {"1"}}},
			{"kim", "/t/6/merge", url.Values{"into": {"99999"}}},
			{"kim", "/t/6/split", url.Values{"title": {"x"}, "kind": {"talk"}}},
			{"kim", "/t/6/move", url.Values{"title": {""}, "kind": {"talk"}}},
			{"ada", "/t/3/mark", url.Values{"state": {"declined"}}},
			{"ada", "/m/ada/roles", url.Values{}},
			{"", "/register", url.Values{"name": {"x"}, "password": {password}}},
			{"", "/register", url.Values{"name": {"somebody"}, "password": {"short"}}},
			{"", "/register", url.Values{"name": {"ana"}, "password": {password}}},
			{"ada", "/train/cut", url.Values{}},
			{"ada", "/train/cut", url.Values{"rev": {"HEAD"}}},
			{"ada", "/train/skip", url.Values{"release": {"26.11.27"}, "reason": {"x"}}},
			{"ada", "/train/skip", url.Values{"release": {"nosuch"}, "reason": {"x"}}},
			{"ada", "/train/move", url.Values{"release": {"26.11.27"}, "verb": {"ship"}, "device": {"hlte"}, "reason": {"x"}}},
			{"ada", "/train/move", url.Values{"release": {"26.11.27"}, "verb": {"ship"}, "device": {"nosuch"}, "reason": {"x"}}},
			{"ada", "/train/move", url.Values{"release": {"26.11.20"}, "verb": {"next"}, "device": {"umi"}, "reason": {"x"}}},
			{"ana", "/flag/thread/2", url.Values{"reason": {"nosuch"}}},
			{"ana", "/me/tokens", url.Values{}},
			{"ana", "/me/claim", url.Values{"device": {"nosuch"}}},
		} {
			fresh(w)
			rec := w.in(lang, f.as, "POST", f.path, f.form)
			if rec.Code < 400 {
				t.Errorf("%s takes %v: %d", f.path, f.form, rec.Code)
			}
			for _, s := range foreign(t, lang, rec.Body.String(), written) {
				t.Errorf("%s with %.60v answers in %s %q", f.path, f.form, lang, s)
			}
		}
	}
	report := w.log("ana", sampleLog("com.android.camera2", "Open.run"), "1")
	w.log("ben", sampleLog("com.android.camera2", "Open.run"), "")
	hook, delivery, stop := w.reached()
	names := strings.NewReplacer("{hook}", hook, "{delivery}", delivery, "{stop}", stop, "{report}", report, "{crash}", w.crashOf(report), "{first}", first, "{first1}", w.firstPost(1), "{second}", w.post2(1), "{edited}", w.edited(6), "{question}", w.question(), "{private}", w.private("ana", "mo"), "{split}", w.split("lt26i"))
	w.moderated()
	written = w.written()
	for _, lang := range []string{"zh", "hi"} {
		for _, p := range browserPages {
			rec := w.in(lang, p.as, "GET", names.Replace(p.path), nil)
			for _, s := range foreign(t, lang, rec.Body.String(), written) {
				t.Errorf("%s in %s says %q", p.name, lang, s)
			}
		}
	}
}
