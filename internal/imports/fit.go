package imports

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
)

// fit makes a title and a text such as the forum keeps. A title that is too long
// goes on in the text; a text that is too long ends with an ellipsis, and a post
// without one repeats its title or shows that there is none. It says if it cut.
func fit(title, body string) (string, string, bool) {
	cut := false
	title = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, title)), " ")
	body = strings.ToValidUTF8(body, "\uFFFD")
	body = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\x00", ""))
	if long := []rune(title); len(long) > feedback.MaxTitle {
		cut = true
		body = strings.TrimSpace("**" + title + "**\n\n" + body)
		title = strings.TrimSpace(string(long[:feedback.MaxTitle-1])) + "…"
	}
	if title == "" {
		title = "…"
	}
	if body == "" {
		body = title
	}
	if utf8.RuneCountInString(body) > elsewhere.MaxBody {
		cut = true
		body = string([]rune(body)[:elsewhere.MaxBody-1]) + "…"
	}
	return title, body, cut
}
