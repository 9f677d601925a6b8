package member

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// How long a name may be, in characters.
const (
	minName = 2
	maxName = 32
)

// reserved names would let a member speak for the project, or break an address.
var reserved = []string{
	"abuse", "admin", "admins", "administrator", "all", "anonymous", "deleted", "everyone", "friday", "help",
	"here", "info", "maintainer", "mod", "moderator", "moderators", "new", "nobody", "null", "official", "postmaster",
	"register", "root", "security", "settings", "signin", "signout", "staff", "support", "system", "team", "undefined", "webmaster",
}

// scripts of which one name may use only one: their letters look alike.
var scripts = []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek}

// CheckName returns the name as it is stored, or an *Invalid: letters and
// digits of any script, single . - _ between them, 2 to 32 characters, no
// reserved word.
func CheckName(name string) (string, error) {
	if len(name) > 16*maxName || !utf8.ValidString(name) {
		return "", NewInvalid("name", "name-text", "it is too long, or not text")
	}
	name = norm.NFC.String(strings.TrimSpace(name))
	if n := utf8.RuneCountInString(name); n < minName || n > maxName {
		return "", NewInvalid("name", "name-length", "it must have {Least} to {N} characters", "Least", minName, "N", maxName)
	}
	letters, marks, last := 0, 0, '.'
	var used []*unicode.RangeTable
	for _, r := range name {
		switch {
		case unicode.IsLetter(r):
			letters, marks = letters+1, 0
			for _, script := range scripts {
				if unicode.Is(script, r) && !slices.Contains(used, script) {
					used = append(used, script)
				}
			}
		case unicode.IsDigit(r):
			marks = 0
		case unicode.IsMark(r) && !separator(last) && marks < 3: // beyond three they climb over other lines
			marks++
		case separator(r) && !separator(last):
			marks = 0
		default:
			return "", NewInvalid("name", "name-letters", "it may have letters and digits, and single . - _ between them")
		}
		last = r
	}
	switch {
	case separator(last):
		return "", NewInvalid("name", "name-end", "it may not end in . - or _")
	case letters == 0:
		return "", NewInvalid("name", "name-letter", "it must have a letter")
	case len(used) > 1:
		return "", NewInvalid("name", "name-mixed", "it mixes alphabets whose letters look alike")
	case slices.Contains(reserved, strings.Map(func(r rune) rune {
		if separator(r) {
			return -1
		}
		return r
	}, NameKey(name))):
		return "", NewInvalid("name", "name-reserved", "it is reserved")
	}
	return name, nil
}

func separator(r rune) bool { return r == '.' || r == '-' || r == '_' }

// NameKey is what must be unique: the name without its case and its forms of
// writing. SignIn takes all that have one key for one name, so whoever counts
// tries by name counts by it. Upper and then lower, so that ß and ſ, ς and σ fall together.
func NameKey(name string) string {
	return norm.NFKC.String(strings.ToLower(strings.ToUpper(norm.NFKC.String(strings.TrimSpace(name)))))
}
