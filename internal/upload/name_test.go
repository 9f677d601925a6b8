package upload

import (
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestSafeName(t *testing.T) {
	for _, c := range []struct{ name, mime, want string }{
		{"shot.png", PNG, "shot.png"},
		{"SHOT.JPG", JPEG, "SHOT.jpg"},
		{"shot.webp", PNG, "shot.png"},
		{"../../etc/passwd", Text, "passwd.txt"},
		{`C:\Users\ana\shot.png`, PNG, "shot.png"},
		{"", PNG, "file.png"},
		{"...", Text, "file.txt"},
		{".bashrc", Text, "bashrc.txt"},
		{"gpj\u202egnp.exe", PNG, "gpjgnp.exe.png"},
		{"a\u200b\u2066b\u2069.txt", Text, "ab.txt"},
		{"a\x00b\nc.txt", Text, "ab c.txt"},
		{"NUL.txt", Text, "_NUL.txt"},
		{"com1", Zip, "_com1.zip"},
		{"command.log", Text, "command.log"},
		{"run.bat", Text, "run.bat.txt"},
		{"a.html", Text, "a.html.txt"},
		{"a b   c.log", Text, "a b c.log"},
		{`<img src=x onerror="alert(1)">.png`, PNG, "_img src=x onerror=_alert(1)__.png"},
		{"100%.log", Text, "100_.log"},
		{"画面.png", PNG, "画面.png"},
		{"cafe\u0301.png", PNG, "café.png"},
		{"\xff\xfe.png", PNG, "_.png"},
		{"-rf.txt", Text, "rf.txt"},
		{"x.zip. . ", Zip, "x.zip"},
		{strings.Repeat("é", 200) + ".png", PNG, strings.Repeat("é", 58) + ".png"},
	} {
		if got := SafeName(c.name, c.mime); got != c.want {
			t.Errorf("%q is kept as %q, expected %q", c.name, got, c.want)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	for _, seed := range []string{"a.png", "../x", "\u202egnp.exe", "con", strings.Repeat("x", 300), ". .", "a/", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for mime, endings := range map[string]string{PNG: ".png", JPEG: ".jpg .jpeg", Zip: ".zip", Text: ".txt .log .md .json .csv .patch .diff .prop .conf .yaml .yml"} {
			got := SafeName(name, mime)
			bad := func(r rune) bool {
				return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune(`/\<>:"|?*%`, r)
			}
			if !utf8.ValidString(got) || len(got) > maxName || strings.ContainsFunc(got, bad) || strings.HasPrefix(got, ".") || strings.TrimSpace(got) != got {
				t.Errorf("%q became %q", name, got)
			}
			if ending := path.Ext(got); ending == got || !strings.Contains(" "+endings+" ", " "+ending+" ") {
				t.Errorf("%q of %s ends in %q", name, mime, ending)
			}
			if again := SafeName(got, mime); again != got {
				t.Errorf("%q became %q and then %q", name, got, again)
			}
		}
	})
}
