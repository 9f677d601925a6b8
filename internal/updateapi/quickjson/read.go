// Package quickjson reads and writes the JSON of a check-in and of an outcome
// as package encoding/json does, at a fraction of its cost: these are nearly all
// that a server does for a fleet.
//
// It is not a JSON library. What is written as programs write it (no escapes, no
// text beyond ASCII, whole numbers, known names) it reads by itself; of all else
// it says so, and the caller gives it to encoding/json. So there is one meaning
// of a request, and one text of an answer, whichever way it went; a fuzz target
// compares them, and a test fails when a field of package wire is not known here.
package quickjson

import (
	"strings"

	"github.com/fridayos/friday/internal/wire"
)

// CheckIn reads a check-in; false: ask encoding/json. The texts in v are
// parts of text.
func CheckIn(text string, v *wire.CheckIn) bool {
	r := begin(text, v)
	for r.name() {
		switch r.key {
		case "device":
			r.str(&v.Device)
		case "variant":
			r.str(&v.Variant)
		case "fingerprint":
			r.str(&v.Fingerprint)
		case "vbmeta_digest":
			r.str(&v.VBMetaDigest)
		case "incremental":
			r.str(&v.Incremental)
		case "timestamp":
			v.Timestamp = r.number()
		case "patch_level":
			r.str(&v.PatchLevel)
		case "rollback_index":
			v.RollbackIndex = r.natural()
		case "slot":
			r.str(&v.Slot)
		case "channel":
			r.str(&v.Channel)
		case "region":
			r.str(&v.Region)
		case "carrier":
			r.str(&v.Carrier)
		case "base_version":
			r.str(&v.BaseVersion)
		case "bucket":
			v.Bucket = int(r.number())
		case "days_since_last":
			v.DaysSinceLast = int(r.number())
		case "utc_offset":
			v.UTCOffset = int(r.number())
		case "early":
			v.Early = r.yes()
		case "delay_days":
			v.DelayDays = int(r.number())
		case "wait_good":
			v.WaitGood = int(r.number())
		case "failed_here":
			v.FailedHere = r.texts()
		case "modified":
			v.Modified = r.yes()
		case "ticket":
			r.str(&v.Ticket)
		case "agent":
			r.str(&v.Agent)
		default:
			r.lost = true
		}
	}
	return end(&r, v)
}

// Outcome reads an outcome; false: ask encoding/json. The texts in v are
// parts of text.
func Outcome(text string, v *wire.Outcome) bool {
	r := begin(text, v)
	for r.name() {
		switch r.key {
		case "token":
			r.str(&v.Token)
		case "ticket":
			r.str(&v.Ticket)
		case "event":
			r.str((*string)(&v.Event))
		case "stage":
			r.str(&v.Stage)
		case "code":
			r.str(&v.Code)
		case "detail":
			r.str(&v.Detail)
		case "incremental":
			r.str(&v.Incremental)
		default:
			r.lost = true
		}
	}
	return end(&r, v)
}

// Token reads what an offer's token says; false: ask encoding/json. The texts in
// v are parts of text.
func Token(text string, v *wire.OfferToken) bool {
	r := begin(text, v)
	for r.name() {
		switch r.key {
		case "id":
			r.str(&v.ID)
		case "rollout":
			v.Rollout = r.number()
		case "release":
			r.str(&v.Release)
		case "device":
			r.str(&v.Device)
		case "channel":
			r.str(&v.Channel)
		case "from":
			r.str(&v.From)
		case "to":
			r.str(&v.To)
		case "region":
			r.str(&v.Region)
		case "package":
			r.str(&v.Package)
		case "claim":
			v.Claim = r.number()
		case "handset":
			v.Handset = r.natural()
		case "expires":
			v.Expires = r.number()
		default:
			r.lost = true
		}
	}
	return end(&r, v)
}

// reader goes through one object. What it does not know for certain makes it
// lost, and from then on it reads nothing.
type reader struct {
	text  string
	at    int
	key   string
	begun bool
	ended bool
	lost  bool
}

func begin[T any](text string, v *T) reader {
	var zero T
	*v = zero
	return reader{text: text}
}

// end says whether all of the text was one object, and understood; else it
// leaves nothing in v.
func end[T any](r *reader, v *T) bool {
	if r.ended && !r.lost && r.space() == 0 && r.at == len(r.text) {
		return true
	}
	var zero T
	*v = zero
	return false
}

// space skips white space and says which byte comes; 0 at the end.
func (r *reader) space() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// take reads one byte that has to come.
func (r *reader) take(c byte) {
	if r.space() != c {
		r.lost = true
		return
	}
	r.at++
}

// name reads up to the next value, and its name into key; false where none comes.
func (r *reader) name() bool {
	switch {
	case r.lost || r.ended:
		return false
	case !r.begun:
		r.begun = true
		if r.take('{'); r.space() != '}' {
			break
		}
		r.at, r.ended = r.at+1, true
		return false
	case r.space() == '}':
		r.at, r.ended = r.at+1, true
		return false
	default:
		r.take(',')
	}
	r.str(&r.key)
	r.take(':')
	return !r.lost
}

// str reads one text.
func (r *reader) str(to *string) {
	if r.take('"'); r.lost {
		return
	}
	for i := r.at; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			*to, r.at = r.text[r.at:i], i+1
			return
		case c < ' ' || c == '\\' || c > '~':
			r.lost = true
			return
		}
	}
	r.lost = true
}

// maxTexts bounds a list: a longer one is not what a handset sends.
const maxTexts = 64

func (r *reader) texts() []string {
	list := []string{}
	if r.take('['); r.lost {
		return nil
	}
	if r.space() == ']' {
		r.at++
		return list
	}
	for len(list) < maxTexts {
		var one string
		if r.str(&one); r.lost {
			return nil
		}
		if list = append(list, one); r.space() == ']' {
			r.at++
			return list
		}
		if r.take(','); r.lost {
			return nil
		}
	}
	r.lost = true
	return nil
}

// maxDigits are so few that no number overflows.
const maxDigits = 18

func (r *reader) natural() (n uint64) {
	first := r.space()
	i := r.at
	for ; i < len(r.text) && '0' <= r.text[i] && r.text[i] <= '9'; i++ {
		if i-r.at == maxDigits {
			r.lost = true
			return 0
		}
		n = n*10 + uint64(r.text[i]-'0')
	}
	// 007 is no number, 1.5 and 1e3 are for encoding/json.
	if i == r.at || first == '0' && i-r.at > 1 || i < len(r.text) && strings.IndexByte(".eE", r.text[i]) >= 0 {
		r.lost = true
		return 0
	}
	r.at = i
	return n
}

func (r *reader) number() int64 {
	if r.space() != '-' {
		return int64(r.natural())
	}
	r.at++
	if r.at < len(r.text) && (r.text[r.at] < '0' || r.text[r.at] > '9') {
		r.lost = true // "- 1"
		return 0
	}
	return -int64(r.natural())
}

func (r *reader) yes() bool {
	r.space()
	for _, word := range []string{"true", "false"} {
		if strings.HasPrefix(r.text[r.at:], word) {
			r.at += len(word)
			return word == "true"
		}
	}
	r.lost = true
	return false
}
