package prose

import (
	"fmt"
	"strings"
	"testing"
)

func rules() Rules {
	return Rules{Quotes: true, Quoted: func(topic, post int64) string { return fmt.Sprintf("/old/%d/%d", topic, post) },
		Link: func(a string) (string, string) {
			if n, ok := strings.CutPrefix(a, "https://old/"); ok {
				return "/old/" + n, "rom#" + n
			}
			return "", ""
		},
		Reference: func(repo string, n int64) (string, string) {
			if repo == "" {
				return fmt.Sprintf("/old/%d", n), fmt.Sprintf("rom#%d", n)
			}
			return fmt.Sprintf("https://x/%s/%d", repo, n), fmt.Sprintf("%s#%d", repo, n)
		}}
}

func TestRewrite(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		links          int
	}{
		{"nothing", "Plain *text*, 12 of it.", "Plain *text*, 12 of it.", 0},
		{"reference", "See #12, (#13) and #14.", "See [rom#12](/old/12), ([rom#13](/old/13)) and [rom#14](/old/14).", 3},
		{"the other way", "GH-12, not XGH-13 or a/b-GH-14x", "[rom#12](/old/12), not XGH-13 or a/b-GH-14x", 1},
		{"elsewhere", "As a/b#3 says", "As [a/b#3](https://x/a/b/3) says", 1},
		{"no reference", `a#1 #x #0 #12a \#5 https://other/#7 &#39; #`, `a#1 #x #0 #12a \#5 https://other/#7 &#39; #`, 0},
		{"heading", "# 12\n## #13", "# 12\n## [rom#13](/old/13)", 1},
		{"bare address", "At https://old/5. Not https://other/5.", "At [rom#5](/old/5). Not https://other/5.", 1},
		{"address in brackets", "<https://old/5> <https://other/5>", "[rom#5](/old/5) <https://other/5>", 1},
		{"link", `[the old one](https://old/5) [x](https://old/6 "t")`, `[the old one](/old/5) [x](/old/6 "t")`, 2},
		{"words of a link", "[#12](https://other/1) [https://old/5](https://old/5)", "[#12](https://other/1) [https://old/5](/old/5)", 1},
		{"definition", "[1]: https://old/5", "[1]: /old/5", 1},
		{"code", "`#12` and ``a ` #13`` but #14 and ` open #15", "`#12` and ``a ` #13`` but [rom#14](/old/14) and ` open [rom#15](/old/15)", 2},
		{"fence", "#1\n```\n#2\n~~~\n```\n#3", "[rom#1](/old/1)\n```\n#2\n~~~\n```\n[rom#3](/old/3)", 2},
		{"longer fence", "````\n```\n#2\n````\n#3", "````\n```\n#2\n````\n[rom#3](/old/3)", 1},
		{"open fence", "```\n#2", "```\n#2", 0},
		{"indented", "text\n\n    #2\n    #3\n\nend #4", "text\n\n    #2\n    #3\n\nend [rom#4](/old/4)", 1},
		{"quoted code", "> ```\n> #2\n> ```\n> #3", "> ```\n> #2\n> ```\n> [rom#3](/old/3)", 1},
		{"picture", `<img width="3" alt="shot" src="https://pics/a.png">`, "![shot](https://pics/a.png)", 0},
		{"picture without address", `a<img src="javascript:alert(1)">b`, "ab", 0},
		{"fold", "<details><summary>Log</summary>\n\nx\n</details>", "**Log**\n\nx\n", 0},
		{"windows", "a\r\n#1\r\n", "a\n[rom#1](/old/1)", 1},
		{"quote", "[quote=\"ana, post:3, topic:12, full:true\"]\nHello #1\n[/quote]\nYes", "> [ana](/old/12/3):\n> \n> Hello [rom#1](/old/1)\n\nYes", 2},
		{"quote of nobody", "[quote]a[/quote] b", "> a\n\nb", 0},
		{"quotes in quotes", "[quote=\"a\"]\n[quote=\"b\"]\nin\n[/quote]\nout\n[/quote]", "> a:\n> \n> \n> > b:\n> > \n> > in\n> \n> out\n", 0},
		{"quote left open", "[quote]\nx", "> x", 0},
		{"quote never opened", "x[/quote]", "x[/quote]", 0},
		{"details", "[details=\"Log\"]\nx\n[/details]", "**Log**\nx\n", 0},
	} {
		got, links := rules().Rewrite(c.in)
		if got != c.want || links != c.links {
			t.Errorf("%s: Rewrite(%q) = %q, %d; want %q, %d", c.name, c.in, got, links, c.want, c.links)
		}
	}
}

// FuzzRewrite: no text grows beyond what quotes and links add, and code stays.
func FuzzRewrite(f *testing.F) {
	for _, s := range []string{"", "#1", "[quote=\"a, post:1, topic:2\"]\nx\n[/quote]", "```\n#1\n```", "<img src=https://a/b>", "https://old/1", "[a](https://old/1)",
		strings.Repeat("[quote]", 30) + "x", strings.Repeat("`", 50) + "#1", "\x00\xff#1", "[details]\n[/details]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, _ := rules().Rewrite(s)
		if most := 64 + 70*len(s); len(out) > most {
			t.Fatalf("%d bytes became %d, want at most %d", len(s), len(out), most)
		}
		fenced := "```\n" + strings.ReplaceAll(strings.ReplaceAll(s, "`", "'"), "\r", "") + "\n```"
		if got, links := rules().Rewrite(fenced); links != 0 || got != fenced {
			t.Fatalf("code was changed: %q to %q", fenced, got)
		}
	})
}
