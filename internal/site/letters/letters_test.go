package letters

import (
	"html/template"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/notice"
)

var now = time.Date(2026, 11, 27, 18, 0, 0, 0, time.UTC)

func writer(t *testing.T) *Writer {
	t.Helper()
	w, err := New(nil, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// entries is one of every kind, and of every word that a kind has.
func entries() (all []notice.Entry) {
	add := func(k notice.Kind, words ...string) {
		for _, word := range words {
			all = append(all, notice.Entry{Notice: notice.Notice{ID: int64(len(all) + 1), Kind: k, ThreadID: 41, Word: word, Release: "26.11.27", Device: "umi", ActorID: 7},
				Title: "Zoom <closes> it", Actor: "ana", DeviceName: "Xiaomi Mi 10", Where: "https://os.example.org/t/41"})
		}
	}
	add(notice.Ask, "asked")
	add(notice.Fix, "released", "pulled")
	add(notice.Mention, "mention", "quote", "accepted")
	add(notice.Reply, "posted")
	for _, s := range feedback.AllStates() {
		add(notice.State, string(s))
	}
	add(notice.State, "objected", "merged", "unmerged", "split", "moved", "opened")
	add(notice.System, "webhook-disabled", "something else")
	return all
}

var languages = []string{"en", "es", "hi", "zh"}

// Every notice is said in every language, in words of its own, with what it names.
func TestEveryNoticeIsSaid(t *testing.T) {
	w := writer(t)
	said := map[string]string{}
	for _, e := range entries() {
		for _, lang := range languages {
			line := w.Line(lang, e)
			if strings.Contains(line, "notice.") || strings.Contains(line, "{{") || strings.Contains(line, "<no value>") || e.Kind != notice.System && !strings.Contains(line, e.Title) {
				t.Errorf("%s %s in %s: %q", e.Kind, e.Word, lang, line)
			}
			if at := string(e.Kind) + " " + e.Word; said[line] != "" && said[line] != at {
				t.Errorf("%s in %s says the same as %s: %q", at, lang, said[line], line)
			} else {
				said[line] = at
			}
		}
	}
	if a, b := w.Line("", entries()[0]), w.Line("xx", entries()[0]); a != b || !strings.HasPrefix(a, "Your Xiaomi") {
		t.Errorf("in no language that there is: %q, %q", a, b)
	}
	gone := entries()[6]
	if gone.Actor = ""; !strings.HasPrefix(w.Line("en", gone), "Someone ") {
		t.Errorf("of who is gone: %q", w.Line("en", gone))
	}
}

func TestLetter(t *testing.T) {
	w := writer(t)
	for _, lang := range languages {
		l := notice.Letter{Lang: lang, Site: "Ember", To: "ben & co", Entries: entries(), Settings: "https://os.example.org/notices/settings", Stop: "https://os.example.org/notices/stop?s=abc"}
		m, err := w.Letter(l)
		if err != nil {
			t.Fatal(err)
		}
		check(t, lang, m)
		for _, e := range l.Entries {
			if !strings.Contains(m.Text, "- "+w.Line(lang, e)+"\n"+e.Where+"\n") || !strings.Contains(m.HTML, template.HTMLEscapeString(w.Line(lang, e))) {
				t.Errorf("in %s the letter lacks %q", lang, w.Line(lang, e))
			}
		}
		if strings.Contains(m.HTML, "<closes>") || !strings.Contains(m.HTML, "ben &amp; co") || !strings.Contains(m.HTML, `href="https://os.example.org/notices/stop?s=abc"`) {
			t.Errorf("in %s the HTML is %s", lang, m.HTML)
		}
		one := l
		one.Entries = l.Entries[:1]
		if m, err = w.Letter(one); err != nil || m.Subject != w.Line(lang, l.Entries[0]) {
			t.Errorf("of one notice the subject is %q, %v", m.Subject, err)
		}
		one.Entries[0].Title = strings.Repeat("चित्र", 300)
		if m, err = w.Letter(one); err != nil || len(m.Subject) > mail.MaxSubject || strings.Contains(m.Subject, "\uFFFD") {
			t.Errorf("the subject has %d bytes: %v", len(m.Subject), err)
		}
	}
}

// check reads what every letter must have.
func check(t *testing.T, lang string, m mail.Message) {
	t.Helper()
	for part, s := range map[string]string{"subject": m.Subject, "text": m.Text, "HTML": m.HTML} {
		if s == "" || strings.Contains(s, "letter.") || strings.Contains(s, "notice.kind") || strings.Contains(s, "<no value>") || strings.Contains(s, "{{") {
			t.Errorf("in %s the %s is %q", lang, part, s)
		}
	}
	if strings.ContainsAny(m.Subject, "\r\n") || !strings.Contains(m.Text, "\n-- \n") {
		t.Errorf("in %s the subject has lines, or the text no foot: %q", lang, m.Subject)
	}
	doc, err := html.Parse(strings.NewReader(m.HTML))
	if err != nil {
		t.Fatal(err)
	}
	attr := ""
	for n := range doc.Descendants() {
		if n.Data == "script" || n.Data == "img" || n.Data == "link" || n.Data == "style" {
			t.Errorf("in %s the HTML has a %s", lang, n.Data)
		}
		for _, a := range n.Attr {
			if n.Data == "html" && a.Key == "lang" {
				attr = a.Val
			}
			if a.Key == "href" && !strings.HasPrefix(a.Val, "https://os.example.org/") {
				t.Errorf("in %s the HTML leads to %q", lang, a.Val)
			}
		}
	}
	if attr != lang {
		t.Errorf("in %s the HTML says that it is %q", lang, attr)
	}
}

func TestWeek(t *testing.T) {
	w := writer(t)
	fixed := func(title, device string) notice.Fixed {
		return notice.Fixed{Title: title, Where: "https://os.example.org/t/7", Device: device, Release: "26.11.27"}
	}
	week := &notice.Week{
		Edition: notice.Edition{Week: "26.11.27", Release: "26.11.27", Left: now.Add(-2 * time.Hour), Fixes: []int64{1, 2, 3}, Notes: "## Camera\n\n- zoom ([thread 1](/t/1)) <script>alert(1)</script>",
			Stops: []notice.EditionStop{{Device: "umi", Left: true}, {Device: "lt26i", Left: true}, {Device: "apollo", Left: true}, {Device: "hlte"}}},
		Where: "https://os.example.org/r/26.11.27", Names: []string{"Xiaomi Mi 10", "Xperia S"}, Held: []notice.HeldPhone{{Name: "Galaxy Note 3", Reason: "3 of 40 rebooted."}},
		Mine: []notice.Fixed{fixed("Zoom closes it", "Xiaomi Mi 10"), fixed("A dark theme", "")}, Asks: []notice.Fixed{fixed("Silent alarm", "Xperia S")},
		Polls: []notice.OpenPoll{{Question: "What did you like most?", Where: "https://os.example.org/t/6/polls"}},
	}
	days := map[string]string{"en": "Fri 27 Nov", "es": "vie 27 nov", "zh": "11月27日 周五", "hi": "शुक्र, 27 नव॰"}
	mine := map[string]string{"en": "26.11.27 fixes 2 things that you have", "es": "26.11.27 arregla 2 cosas que te pasan", "zh": "26.11.27 修复了你遇到的 2 个问题", "hi": "26.11.27 से आपकी 2 समस्याएँ ठीक होंगी"}
	for _, lang := range languages {
		l := notice.Letter{Lang: lang, Site: "Ember", To: "ben", Week: week, Settings: "https://os.example.org/notices/settings", Stop: "https://os.example.org/notices/stop?s=abc"}
		m, err := w.Letter(l)
		if err != nil {
			t.Fatal(err)
		}
		check(t, lang, m)
		for _, want := range []string{days[lang], "Xiaomi Mi 10", "Xperia S", "Galaxy Note 3", "3 of 40 rebooted.", "Zoom closes it", "A dark theme", "Silent alarm", "What did you like most?", "https://os.example.org/t/6/polls", "Camera"} {
			if !strings.Contains(m.Text, want) || !strings.Contains(m.HTML, want) {
				t.Errorf("in %s the week lacks %q:\n%s", lang, want, m.Text)
			}
		}
		if m.Subject != mine[lang] || strings.Contains(m.HTML, "<script") || !strings.Contains(m.HTML, `href="https://os.example.org/t/1"`) {
			t.Errorf("in %s the subject is %q, the HTML %s", lang, m.Subject, m.HTML)
		}
	}
	// Plural forms, and nothing of one's own.
	for lang, want := range map[string][2]string{
		"en": {"26.11.27 is on its way, with 1 fix", "26.11.27 fixes 1 thing that you have"}, "es": {"26.11.27 está en camino, con 1 arreglo", "26.11.27 arregla 1 cosa que te pasa"},
		"hi": {"26.11.27 निकल चुका है, 1 सुधार के साथ", "26.11.27 से आपकी 1 समस्या ठीक होगी"}, "zh": {"26.11.27 已发车，带来 1 项修复", "26.11.27 修复了你遇到的 1 个问题"},
	} {
		small := *week
		small.Fixes, small.Mine = []int64{1}, nil
		m, err := w.Letter(notice.Letter{Lang: lang, Week: &small})
		small.Mine = week.Mine[:1]
		n, err2 := w.Letter(notice.Letter{Lang: lang, Week: &small})
		if m.Subject != want[0] || n.Subject != want[1] || err != nil || err2 != nil {
			t.Errorf("in %s: %q and %q, expected %q; %v, %v", lang, m.Subject, n.Subject, want, err, err2)
		}
	}
}
