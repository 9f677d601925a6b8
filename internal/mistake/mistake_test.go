package mistake

import (
	"errors"
	"fmt"
	"testing"
)

func TestMistake(t *testing.T) {
	m := New("title", "title-long", "The title has {N} characters; at most {Most} fit.", "N", 150, "Most", 140)
	if got, want := m.Error(), "The title has 150 characters; at most 140 fit."; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
	if got := Of(fmt.Errorf("cannot file: %w", m)); got != m {
		t.Errorf("in a chain of errors %v is found, expected %v", got, m)
	}
	if got := Of(errors.Join(errors.New("another"), m)); got != m {
		t.Errorf("among joined errors %v is found, expected %v", got, m)
	}
	if got := Of(errors.New("another")); got != nil {
		t.Errorf("%v is found where there is none", got)
	}
}

func TestFill(t *testing.T) {
	for _, c := range []struct {
		sentence string
		values   []any
		want     string
	}{
		{"plain", nil, "plain"},
		{"{A} and {B}", []any{"A", "{B}", "B", 2}, "{B} and 2"},
		{"{A} {A}", []any{"A", "x"}, "x x"},
		{"{Missing}", []any{"A", "x"}, "{Missing}"},
		{"odd {A}", []any{"A"}, "odd {A}"},
	} {
		if got := Fill(c.sentence, c.values...); got != c.want {
			t.Errorf("%q with %v is %q, expected %q", c.sentence, c.values, got, c.want)
		}
	}
}

func TestBook(t *testing.T) {
	b := NewBook("room", map[string]string{
		"built":  "built",
		"refuse": "cannot ship {Release} to {Device}: it is {State}",
		"why":    "cannot ship {Release} to {Device}: it is {State}: {Reason}",
		"left":   "{N} of {All} devices are ready",
		"dots":   "its patch (level) is {Level}.",
	})
	for _, c := range []struct {
		code   string
		values []any
		text   string
	}{
		{"built", nil, "built"},
		{"refuse", []any{"Release", "26.11.27", "Device", "umi", "State", "held"}, "cannot ship 26.11.27 to umi: it is held"},
		{"why", []any{"Release", "26.11.27", "Device", "umi", "State", "held", "Reason", "no stock: none\nat all"}, "cannot ship 26.11.27 to umi: it is held: no stock: none\nat all"},
		{"left", []any{"N", 3, "All", "40"}, "3 of 40 devices are ready"},
		{"dots", []any{"Level", "x"}, "its patch (level) is x."},
	} {
		if got := b.Say(c.code, c.values...); got != c.text {
			t.Errorf("%s says %q, expected %q", c.code, got, c.text)
		}
		code, values, ok := b.Read(c.text)
		if !ok || code != c.code || fmt.Sprint(values) != fmt.Sprint(c.values) {
			t.Errorf("%q is read as %s %v, expected %s %v", c.text, code, values, c.code, c.values)
		}
		m := b.New("f", c.code, c.values...)
		if m.Field != "f" || m.Code != "room."+c.code || m.Message != c.text {
			t.Errorf("the mistake is %+v", m)
		}
	}
	for _, text := range []string{"", "builts", "someone's own words", "3 of 40 devices are ready."} {
		if code, _, ok := b.Read(text); ok {
			t.Errorf("%q is read as %s", text, code)
		}
	}
	if got := b.Say("no-such"); got != "no-such" {
		t.Errorf("an unknown code is said %q", got)
	}
}

func FuzzRead(f *testing.F) {
	b := NewBook("room", map[string]string{"a": "{N} of {All}: {Why}", "b": "x{A}y{B}z"})
	f.Add("3 of 4: x")
	f.Add("xyz")
	f.Fuzz(func(t *testing.T, s string) {
		if code, values, ok := b.Read(s); ok && values[1] != nil && code == "b" && b.Say(code, values...) != s {
			t.Errorf("%q is read as %s %v, which says %q", s, code, values, b.Say(code, values...))
		}
	})
}
