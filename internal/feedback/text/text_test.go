package text

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMentions(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"@ana does it?", []string{"ana"}},
		{"Thanks @ana, @ben and @ana.", []string{"ana", "ben"}},
		{"(@ana)", []string{"ana"}},
		{"@li.wei-2_b. @x.", []string{"li.wei-2_b", "x"}},
		{"mail ana@example.org, https://a.example/@ben", nil},
		{"`@ana` ``x ` @ben`` @cem", []string{"cem"}},
		{"`an open one @ana", []string{"ana"}},
		{"```\n@ana\n```\n@ben\n~~~~ go\n@cem\n~~~\n@dan\n~~~~~\n@eve", []string{"ben", "eve"}},
		{"> @ana wrote\n@ben", []string{"ben"}},
		{"@李伟 @अनु @Ömer", []string{"李伟", "अनु", "Ömer"}},
		{"@ @@ @@ana @-x @.", nil},
		{"@" + strings.Repeat("x", 65), nil},
	} {
		if got := Mentions(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q mentions %q, expected %q", c.text, got, c.want)
		}
	}
	var many strings.Builder
	for i := range 100 {
		many.WriteString("@m" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + " ")
	}
	if got := len(Mentions(many.String())); got != MaxMentions {
		t.Errorf("%d members are mentioned, expected %d at most", got, MaxMentions)
	}
}

func TestQuote(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"One.\n\n\nTwo.", "> One.\n>\n> Two.\n\n"},
		{"> older\n\nMine.", "> Mine.\n\n"},
		{"> older", ""},
		{"", ""},
		{"x\r\ny  ", "> x\n> y\n\n"},
	} {
		if got := Quote(c.text); got != c.want {
			t.Errorf("%q is quoted as %q, expected %q", c.text, got, c.want)
		}
	}
}

func TestDiff(t *testing.T) {
	show := func(lines []Line) string {
		var b strings.Builder
		for _, l := range lines {
			b.WriteString(" -+"[l.Op:l.Op+1] + l.Text + "|")
		}
		return b.String()
	}
	for _, c := range []struct{ old, new, want string }{
		{"a", "a", " a|"},
		{"a", "b", "-a|+b|"},
		{"a\nb\nc", "a\nx\nc", " a|-b|+x| c|"},
		{"a\nc", "a\nb\nc", " a|+b| c|"},
		{"a\nb\nc\nd", "b\nd\ne", "-a| b|-c| d|+e|"},
	} {
		if got := show(Diff(c.old, c.new)); got != c.want {
			t.Errorf("from %q to %q: %s, expected %s", c.old, c.new, got, c.want)
		}
	}
	long := strings.Repeat("x\ny\n", 4000)
	checkDiff(t, long+"a", "b\n"+long)
	if got := Diff(strings.Repeat("a\n", 3000), strings.Repeat("b\n", 3000)); len(got) != 6001 {
		t.Errorf("beyond the bound the comparison has %d lines, expected 6001", len(got))
	}
}

// checkDiff reads both texts back out of the comparison.
func checkDiff(t *testing.T, old, new string) {
	t.Helper()
	var a, b []string
	for _, l := range Diff(old, new) {
		if l.Op != Added {
			a = append(a, l.Text)
		}
		if l.Op != Removed {
			b = append(b, l.Text)
		}
	}
	if strings.Join(a, "\n") != old || strings.Join(b, "\n") != new {
		t.Errorf("from %.40q to %.40q: the comparison loses lines", old, new)
	}
}

func FuzzDiff(f *testing.F) {
	f.Add("a\nb", "b\nc")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, old, new string) {
		if len(old)+len(new) > 4000 {
			t.Skip()
		}
		checkDiff(t, old, new)
	})
}

func FuzzMentions(f *testing.F) {
	for _, s := range []string{"@ana `@b` @c", "```\n@a\n", "@\xff", "@a.-_@b", "> @x\n~~~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, name := range Mentions(s) {
			if name == "" || utf8.RuneCountInString(name) > maxName || !strings.Contains(s, "@"+name) {
				t.Errorf("%q mentions %q", s, name)
			}
		}
		Quote(s)
	})
}
