package markdown

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

func TestPictures(t *testing.T) {
	md := New()
	shot := Picture{Name: "my shot.png", Path: "/u/7/my%20shot.png", Small: "/u/7/my%20shot.png?small=1", Width: 576, Height: 1280}
	log := Picture{Name: "a.png", Path: "/u/8/a.png", Small: "/u/8/a.png", Width: 10, Height: 20}
	img := `<img src="/u/7/my%20shot.png?small=1" alt="the camera" width="576" height="1280" loading="lazy">`
	for in, want := range map[string]string{
		"![the camera](my%20shot.png)":             `<p><a href="/u/7/my%20shot.png" rel="nofollow noreferrer">` + img + "</a></p>\n",
		"![the camera](<./my shot.png> \"title\")": `<p><a href="/u/7/my%20shot.png" rel="nofollow noreferrer">` + img + "</a></p>\n",
		"[![the camera](<my shot.png>)](/t/41)":    `<p><a href="/t/41" rel="nofollow noreferrer">` + img + "</a></p>\n",
		"![](a.png)":                               `<p><a href="/u/8/a.png" rel="nofollow noreferrer"><img src="/u/8/a.png" alt="a.png" width="10" height="20" loading="lazy"></a></p>` + "\n",
		"![of *another*](/u/9/b.png)":              "<p>of <em>another</em></p>\n",
		"![far](https://evil.example/a.png)":       "<p>far</p>\n",
		"![x](javascript:alert(1))":                "<p>x</p>\n",
		`<img src="/u/9/x.png">`:                   "",
		"> ![](a.png)":                             `<blockquote>` + "\n" + `<p><a href="/u/8/a.png" rel="nofollow noreferrer"><img src="/u/8/a.png" alt="a.png" width="10" height="20" loading="lazy"></a></p>` + "\n</blockquote>\n",
	} {
		if got := string(md.HTMLWith(in, []Picture{shot, log})); strings.TrimSpace(strings.ReplaceAll(got, `"/>`, `">`)) != strings.TrimSpace(want) {
			t.Errorf("%q becomes\n%q, expected\n%q", in, got, want)
		}
	}
	if got := string(md.HTMLWith("![x](a.png)", nil)); strings.Contains(got, "img") {
		t.Errorf("a post without pictures shows %q", got)
	}
	if got := string(md.HTMLWith("![x](a.png)", []Picture{{Name: "a.png", Path: "javascript:alert(1)", Small: "//evil.example/x"}})); strings.Contains(got, "evil") || strings.Contains(got, "javascript") {
		t.Errorf("a picture from elsewhere: %q", got)
	}
	if got := md.Names("![a](x.png) ![b](x.png) [l](y.png)\n\n> ![c](<z z.png>)"); !slices.Equal(got, []string{"x.png", "z z.png"}) {
		t.Errorf("the pictures are %q", got)
	}
}

// Whatever is written, a page loads nothing but the post's own pictures.
func FuzzPictures(f *testing.F) {
	for _, a := range attacks {
		f.Add(a + " ![p](a.png)")
	}
	f.Add("![a ![b](a.png) c](a.png) [![d](a.png)](a.png)")
	md := New()
	own := []Picture{{Name: "a.png", Path: "/u/8/a.png", Small: "/u/8/a.png?small=1", Width: 10, Height: 20}}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 20_000 {
			return
		}
		doc, err := html.Parse(strings.NewReader(string(md.HTMLWith(in, own))))
		if err != nil {
			t.Fatal(err)
		}
		for n := range doc.Descendants() {
			for _, a := range n.Attr {
				if a.Key == "src" && a.Val != own[0].Small || strings.HasPrefix(a.Key, "on") || a.Key == "style" || n.Data == "script" {
					t.Errorf("<%s %s=%q> comes out of %q", n.Data, a.Key, a.Val, in)
				}
			}
		}
	})
}
