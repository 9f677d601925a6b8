package markdown

import (
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// attacks are what should stay text, wherever it is put.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'"--></style></title><svg onload=alert(1)>`, `<a href="javascript:alert(1)">x</a>`,
	`[x](javascript:alert(1))`, `[x](data:text/html;base64,PHNjcmlwdD4=)`, `![x](http://evil.example/x.png)`, `<iframe src=//evil.example>`, "`<b onclick=alert(1)>`",
	`[x](http://evil.example "\" onmouseover=\"alert(1)")`, `<style>*{display:none}</style>`, `{{.Viewer}}`, `<form action=//evil.example><button>x`, "[a]: javascript:alert(1)\n\n[a]",
	`<http://x/" onclick="alert(1)>`, "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>", "[x](vbscript:msgbox)", "[x](  JaVaScRiPt:alert(1))", "[x](&#106;avascript:alert(1))",
}

func TestMarkdown(t *testing.T) {
	md := New()
	for in, want := range map[string]string{
		"**a** *b* `c`":         "<p><strong>a</strong> <em>b</em> <code>c</code></p>\n",
		"# One\n\n### Three":    "<h3>One</h3>\n<h4>Three</h4>\n",
		"<b>x</b>":              "<p>x</p>\n",
		"https://a.example/b":   `<p><a href="https://a.example/b" rel="nofollow noreferrer">https://a.example/b</a></p>` + "\n",
		"[t](/t/41)":            `<p><a href="/t/41" rel="nofollow noreferrer">t</a></p>` + "\n",
		"[t](javascript:x)":     "<p>t</p>\n",
		"![p](https://x/p.png)": "<p></p>\n",
		"~~old~~":               "<p><del>old</del></p>\n",
		"> q":                   "<blockquote>\n<p>q</p>\n</blockquote>\n",
	} {
		if got := string(md.HTML(in)); got != want {
			t.Errorf("%q becomes\n%q, expected\n%q", in, got, want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, a := range attacks {
		f.Add(a)
	}
	f.Add("# h\n\n- a\n- b\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n> q")
	md := New()
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 20_000 {
			return
		}
		out := string(md.HTML(in))
		doc, err := html.ParseFragment(strings.NewReader(out), nil)
		if err != nil {
			t.Fatal(err)
		}
		allowed := " html head body p br hr strong em del code pre blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td a "
		var walk func(n *html.Node)
		walk = func(n *html.Node) {
			if n.Type == html.ElementNode {
				if !strings.Contains(allowed, " "+n.Data+" ") {
					t.Errorf("<%s> comes out of %q", n.Data, in)
				}
				for _, a := range n.Attr {
					if a.Key != "href" && a.Key != "rel" && a.Key != "start" {
						t.Errorf("%s=%q comes out of %q", a.Key, a.Val, in)
					}
					if scheme, _, ok := strings.Cut(strings.ToLower(a.Val), ":"); a.Key == "href" && ok && !strings.ContainsAny(scheme, "/?#") &&
						scheme != "http" && scheme != "https" && scheme != "mailto" {
						t.Errorf("a link to %q comes out of %q", a.Val, in)
					}
				}
			}
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				walk(c)
			}
		}
		for _, n := range doc {
			walk(n)
		}
	})
}
