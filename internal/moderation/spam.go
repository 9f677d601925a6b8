package moderation

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Allowance is what a member's level of trust allows in one post and in a time;
// package member/trust says how much.
type Allowance struct {
	Links    int // to other sites, in one post
	Mentions int // in one post
	Hourly   int // posts in an hour
	Daily    int // threads in 24 hours
}

// Check says which bound a text passes: "links", "mentions", or none. home is
// the site's own host, to which links are free.
func (a Allowance) Check(text, home string) (field string, most int) {
	if n := len(Links(text, home)); n > a.Links {
		return "links", a.Links
	}
	if n := len(mention.FindAllString(text, -1)); n > a.Mentions {
		return "mentions", a.Mentions
	}
	return "", 0
}

// Writing is what a member is about to publish.
type Writing struct {
	Title, Body string
	Home        string        // the site's own host
	Took        time.Duration // from the empty form to here; 0: unknown
}

// Writer is who writes, as far as it matters.
type Writer struct {
	Name   string
	Level  int           // of trust
	Age    time.Duration // of the account
	Posts  int           // published before, not counting hidden ones
	Recent []string      // texts of theirs and of other newcomers' within a day
	Last   time.Duration // since their last post; 0: it is the first
}

// Sign is something that posts of spammers have, and seldom others.
type Sign string

// Signs.
const (
	ManyLinks    Sign = "many-links"
	OnlyLinks    Sign = "only-links"   // little text beside them
	Shortened    Sign = "shortened"    // a link that hides where it leads
	Repeated     Sign = "repeated"     // nearly the same was just written
	Hurried      Sign = "hurried"      // faster than anyone types
	JustJoined   Sign = "just-joined"  // minutes ago; counts only beside others
	ContactBait  Sign = "contact-bait" // asks to go on elsewhere
	MixedScripts Sign = "mixed-scripts"
	Shouting     Sign = "shouting"
	MadeUpName   Sign = "made-up-name" // counts only beside others
)

// points of each sign, and how many hold a post for a moderator.
var points = map[Sign]int{
	ManyLinks: 2, OnlyLinks: 2, Shortened: 2, Repeated: 3, Hurried: 2, JustJoined: 1, ContactBait: 2, MixedScripts: 2, Shouting: 1, MadeUpName: 1,
}

const holdAt = 3

// trustedPosts: who has so many posts that stand, or a level of 1, is past this.
const trustedPosts = 5

// Judge says whether a first post looks so much like spam that a human shall
// look before others do, and by which signs. It never rejects.
func Judge(w Writing, by Writer) (hold bool, signs []Sign) {
	if by.Level >= 1 || by.Posts >= trustedPosts {
		return false, nil
	}
	text := w.Title + "\n" + w.Body
	links := Links(text, w.Home)
	bare := anyLink.ReplaceAllString(text, "")
	mark := func(sign Sign, is bool) {
		if is {
			signs = append(signs, sign)
		}
	}
	mark(ManyLinks, len(links) >= 2)
	mark(OnlyLinks, len(links) >= 1 && letters(bare) < 60)
	mark(Shortened, slices.ContainsFunc(links, isShortener))
	mark(Repeated, slices.ContainsFunc(by.Recent, func(old string) bool { return similar(text, old) >= 0.8 }))
	mark(Hurried, w.Took > 0 && w.Took < typing(text) || by.Last > 0 && by.Last < 10*time.Second)
	mark(ContactBait, bait.MatchString(text))
	mark(MixedScripts, mixed(bare))
	mark(Shouting, shouts(bare))
	sum := 0
	for _, s := range signs {
		sum += points[s]
	}
	if sum > 0 {
		mark(JustJoined, by.Age < 10*time.Minute)
		mark(MadeUpName, madeUp.MatchString(by.Name))
		sum = 0
		for _, s := range signs {
			sum += points[s]
		}
	}
	return sum >= holdAt, signs
}

var (
	anyLink = regexp.MustCompile(`(?i)\b(?:https?://|www\.)[^\s<>()\[\]"']+`)
	mention = regexp.MustCompile(`(?:^|[^\pL\pN_/.@])@[\pL\pN][\pL\pN_.-]*`)
	// Where a conversation shall go on: messengers, and prices beside a promise.
	bait   = regexp.MustCompile(`(?i)\b(?:t\.me/|telegram\s*[:@]|whats\s?app\s*[:+]|wa\.me/|(?:bit|lite)coin\s+wallet|seed\s+phrase|casino|viagra|loan\s+offer|weight\s+loss|seo\s+services?|recover(?:y)?\s+(?:lost|stolen)\s+(?:crypto|funds|bitcoin)|imei\s+unlock\s+service)|加微信|微信号|办证|代开发票`)
	madeUp = regexp.MustCompile(`^[\pL]*\d{4,}$|^[bcdfghjklmnpqrstvwxz]{6,}\d*$`)
)

var shorteners = map[string]bool{
	"bit.ly": true, "tinyurl.com": true, "goo.gl": true, "t.co": true, "is.gd": true, "cutt.ly": true, "ow.ly": true, "rb.gy": true,
	"rebrand.ly": true, "shorturl.at": true, "tiny.cc": true, "v.gd": true, "s.id": true, "t.ly": true, "adf.ly": true, "dwz.cn": true, "u.to": true,
}

// Links lists the hosts that a text links to, each link once, without home.
func Links(text, home string) []string {
	var hosts []string
	seen := map[string]bool{}
	for _, link := range anyLink.FindAllString(text, -1) {
		if key := strings.ToLower(strings.TrimRight(link, ".,;:!?")); !seen[key] {
			seen[key] = true
			_, host, found := strings.Cut(key, "://")
			if !found {
				host = key
			}
			if i := strings.IndexAny(host, "/?#"); i >= 0 {
				host = host[:i]
			}
			if i := strings.LastIndexByte(host, '@'); i >= 0 { // https://friday.example@evil.example/
				host = host[i+1:]
			}
			if host != strings.ToLower(home) || home == "" {
				hosts = append(hosts, host)
			}
		}
	}
	return hosts
}

func isShortener(host string) bool { return shorteners[strings.TrimPrefix(host, "www.")] }

func letters(s string) (n int) {
	for _, r := range s {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			n += 3 // says as much as a short word
		case unicode.IsLetter(r):
			n++
		}
	}
	return n
}

// typing is how long even a quick person takes for a text: 15 letters a second,
// which nobody reaches, since pasted logs are quick too and rightly so.
func typing(text string) time.Duration {
	n := utf8.RuneCountInString(text)
	if strings.Contains(text, "```") || strings.Count(text, "\n") > 20 || n > 3000 {
		return 2 * time.Second // a log was pasted
	}
	return min(20*time.Second, 2*time.Second+time.Duration(n)*time.Second/15)
}

// similar is the share of three-word runs (of three characters where a text has
// few words) that two texts have in common, 0 to 1; short texts never are.
func similar(a, b string) float64 {
	x, y := shingles(a), shingles(b)
	if len(x) < 4 || len(y) < 4 {
		return 0
	}
	both := 0
	for s := range x {
		if y[s] {
			both++
		}
	}
	return float64(both) / float64(len(x)+len(y)-both)
}

// maxShingled bounds what comparing costs.
const maxShingled = 4000

func shingles(text string) map[string]bool {
	text = strings.ToLower(text)
	if len(text) > maxShingled {
		text = strings.ToValidUTF8(text[:maxShingled], "")
	}
	set := map[string]bool{}
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) })
	if len(words) >= 8 {
		for i := range len(words) - 2 {
			set[words[i]+" "+words[i+1]+" "+words[i+2]] = true
		}
		return set
	}
	runes := []rune(strings.Join(words, " "))
	for i := range max(0, len(runes)-5) {
		set[string(runes[i:i+6])] = true
	}
	return set
}

// mixed finds words that draw letters from scripts that look alike: Latin with
// Cyrillic or Greek, as in "pаypаl" with two of them from Russian. One such
// word may be a unit (µA) or a typing error; two are not.
func mixed(text string) bool {
	n := 0
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if utf8.RuneCountInString(word) < 4 {
			continue
		}
		var latin, alike bool
		for _, r := range word {
			latin = latin || unicode.Is(unicode.Latin, r)
			alike = alike || unicode.In(r, unicode.Cyrillic, unicode.Greek) && r != 'µ' && r != 'μ'
		}
		if latin && alike {
			n++
		}
	}
	return n >= 2
}

// shouts says whether nearly all of a longer text is in capitals.
func shouts(text string) bool {
	upper, lower := 0, 0
	for _, r := range text {
		switch {
		case unicode.IsUpper(r):
			upper++
		case unicode.IsLower(r):
			lower++
		}
	}
	return upper >= 40 && upper > 4*lower
}
