package search

import (
	"fmt"
	"strings"
	"testing"
)

var keys = []string{"device", "state", "app", "fixed-in", "kind", "by", "lang"}

// show writes a question in one line.
func show(q Query) string {
	var out []string
	for _, f := range q.Filters {
		out = append(out, fmt.Sprintf("%s%s=%s", map[bool]string{true: "not "}[f.Not], f.Key, f.Value))
	}
	term := func(sign string, t Term) {
		text := sign + strings.Join(t.steps, "+")
		if t.prefix {
			text += "*"
		}
		if t.whole != "" {
			text += "/" + t.whole
		}
		out = append(out, text)
	}
	for _, t := range q.Terms {
		term("", t)
	}
	for _, t := range q.Without {
		term("-", t)
	}
	for _, p := range q.Problems {
		out = append(out, fmt.Sprintf("!%s(%s,%s)", p.Kind, p.Text, p.Like))
	}
	return strings.Join(out, " | ")
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"  ", ""},
		{"camera crash", "camera | crash"},
		{"device:hlte state:open app:Camera fixed-in:26.11.27 kind:bug by:name lang:zh \"quoted phrase\" -without",
			"device=hlte | state=open | app=Camera | fixed-in=26.11.27 | kind=bug | by=name | lang=zh | quoted+phrase | -without"},
		{`app:"Lock screen" -app:Camera`, "app=Lock screen | not app=Camera"},
		{"Device:HLTE", "device=HLTE"},
		{"device：hlte", "device=hlte"},
		{`-"black screen"`, "-black+screen"},
		{"“black screen” «se cierra» 「相机」", "black+screen | se+cierra | 相机"},
		{"“black screen\"", "black+screen"},
		{"wi-fi - -", "wi+fi/wifi"},
		{"cam*", "cam*"},
		{"相 相机崩溃", "相* | 相机+机崩+崩溃"},
		{"CameraService", "camera+service/cameraservice"},
		{"com.android.camera2", "com+android+camera2/com.android.camera2"},
		{"MIUI系统", "miui+系统"},
		{"devise:hlte", "devise+hlte | !unknown-key(devise:,device:)"},
		{"http://example.org error:17", "http+example+org | error+17"},
		{"state: open", "open | !no-value(state:,)"},
		{`app:""`, "!no-value(app:,)"},
		{`"black screen`, "black+screen | !open-quote(black screen,)"},
		{`device:"`, "!open-quote(,) | !no-value(device:,)"},
		{strings.Repeat("a ", 17), strings.TrimSuffix(strings.Repeat("a | ", 16), "") + "!too-long(,)"},
		{"x" + strings.Repeat(" ", 600) + "y", "x | !too-long(,)"},
		{strings.Repeat("by:a ", 17), strings.Repeat("by=a | ", 16) + "!too-long(,)"},
		{"!? ' \" \"", ""},
	} {
		if got := show(Parse(c.text, keys...)); got != c.want {
			t.Errorf("%q is read as\n  %s, want\n  %s", c.text, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`device:hlte "quoted phrase" -without`, "“相机 -app:\"", "devise:x ：", "-\"", "\xff:\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q := Parse(text, keys...)
		if len(q.Terms)+len(q.Without) > MaxTerms || len(q.Filters) > MaxTerms {
			t.Fatalf("%d terms, %d filters", len(q.Terms)+len(q.Without), len(q.Filters))
		}
		for _, term := range append(q.Terms, q.Without...) {
			if term.Empty() || len(term.steps) > phraseWords || strings.ContainsAny(strings.Join(term.steps, ""), "'\"\\ ") || strings.ContainsAny(term.whole, "'\"\\ ") {
				t.Fatalf("term %+v", term)
			}
		}
		for _, filter := range q.Filters {
			if filter.Value == "" {
				t.Fatalf("filter %+v", filter)
			}
		}
		Snippet(text, q.Terms, 40)
	})
}
