package discourse

import (
	"math/big"
	"testing"
)

// TestShortName: 3781504209452600 is hjNv8tS3K in the alphabet that Discourse uses.
func TestShortName(t *testing.T) {
	if got := shortName(big.NewInt(3781504209452600).Text(16)); got != "hjNv8tS3K" {
		t.Errorf("shortName gives %q", got)
	}
	for _, none := range []string{"", "0", "x", "-1"} {
		if got := shortName(none); got != "" {
			t.Errorf("shortName(%q) gives %q, want none", none, got)
		}
	}
}

// TestUnescape holds the table of COPY's escapes (PostgreSQL's manual, "COPY").
func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`plain`: "plain", `a\tb\nc\rd\\e`: "a\tb\nc\rd\\e", `\b\f\v`: "\b\f\v", `\101\7\0611`: "A\a11", `\x41\x4g\xg`: "A\x04gxg", `\q\.`: "q.", `é\u00e9`: "éu00e9",
	} {
		if got, err := unescape([]byte(in)); err != nil || got != want {
			t.Errorf("unescape(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := unescape([]byte(`a\`)); err == nil {
		t.Error(`a column may end in \`)
	}
}

func TestParseSite(t *testing.T) {
	for in, want := range map[string]string{"https://Forum.Example.org/": "https://forum.example.org", "http://localhost:3000": "http://localhost:3000",
		"forum.example.org": "", "https://a/b": "", "https://u@a": "", "ftp://a": "", "https://a?x": "", "https://": "", "https://a b": ""} {
		u, err := ParseSite(in)
		if (err == nil) != (want != "") || err == nil && u.String() != want {
			t.Errorf("ParseSite(%q) = %v, %v; want %q", in, u, err, want)
		}
	}
}
