// Package scrub takes private data out of the text that Android prints: logs,
// dumps of services, stack traces. Each value gives way to a pseudonym that is
// the same for the same value within one report and means nothing in another:
// "<email-kqzvfbw>" is seven letters of an HMAC under a key that only the
// Scrubber holds.
//
// It knows values by their own shape (an address with an @, a number that
// passes Luhn's test and begins as an IMEI does), by their label (ssid=,
// "accountName":, [ro.serialno]: […]) and by the place where Android prints
// them (Location[gps 1,2 …], Account {name=…}, RIL requests). What a build or a
// crash is known by is kept: versions, build ids, packages, addresses in stack
// traces, times, hashes.
//
// It is no proof that nothing private is left: free text that people wrote is
// not understood, and pictures and binary logs must not be passed through it.
//
// Every line is read a bounded number of times, whatever it holds; nothing
// grows with the text but a small table of names that were learnt from labels.
package scrub

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"maps"
	"slices"

	"github.com/fridayos/friday/android/bugreport/logcat"
)

// Kind is a sort of private data.
type Kind string

// The kinds, as they are counted and as pseudonyms begin.
const (
	Email       Kind = "email"
	Phone       Kind = "phone"
	IMEI        Kind = "imei" // and MEID, ESN
	IMSI        Kind = "imsi"
	ICCID       Kind = "iccid"
	MAC         Kind = "mac" // of Wi-Fi, Bluetooth and the like
	BSSID       Kind = "bssid"
	SSID        Kind = "ssid"
	IP          Kind = "ip"
	Account     Kind = "account"
	Token       Kind = "token" // passwords, keys, cookies, what signs a person in
	Coordinates Kind = "coordinates"
	Cell        Kind = "cell" // the identity of a radio cell, which is a place
	Contact     Kind = "contact"
	File        Kind = "file" // a name in shared storage
	Host        Kind = "host" // names of handsets and of hosts in private networks
	Serial      Kind = "serial"
	DeviceID    Kind = "device_id" // ANDROID_ID, advertising ids
	Message     Kind = "message"   // text of messages and notifications
)

// Kinds lists every Kind.
func Kinds() []Kind {
	return []Kind{Email, Phone, IMEI, IMSI, ICCID, MAC, BSSID, SSID, IP, Account, Token, Coordinates, Cell, Contact, File, Host, Serial, DeviceID, Message}
}

// KeySize is the length of a Scrubber's key in bytes.
const KeySize = 32

// Scrubber scrubs one report. It is used by one goroutine.
type Scrubber struct {
	sum    hash.Hash
	counts map[Kind]int
	learnt map[string]Kind // quoted names that a label has told
	secret bool            // within a private key
	hex    Kind            // the hex dump that follows is of this kind

	b, low []byte // the line, and its lower case
	from   int    // where its message begins
	spans  []span
	sumBuf [sha256.Size]byte
	groups group
	bytes  byteClass // in its message
	tagged group     // of the tag
}

// span is what is taken out of a line.
type span struct {
	from, to int
	kind     Kind
}

// New makes a Scrubber with a key of its own, which nobody learns.
func New() *Scrubber {
	var key [KeySize]byte
	_, _ = rand.Read(key[:]) // never fails
	return NewKeyed(key)
}

// NewKeyed makes a Scrubber with a given key: the same key and text give the
// same pseudonyms. Who holds the key can test guesses; throw it away.
func NewKeyed(key [KeySize]byte) *Scrubber {
	return &Scrubber{sum: hmac.New(sha256.New, key[:]), counts: map[Kind]int{}, learnt: map[string]Kind{}}
}

// Counts tells how many values of each kind were taken out so far.
func (s *Scrubber) Counts() map[Kind]int { return maps.Clone(s.counts) }

// Text scrubs lines of text.
func (s *Scrubber) Text(text string) string {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		line, rest, feed := bytes.Cut([]byte(text), []byte("\n"))
		out = s.Line(out, line)
		if feed {
			out = append(out, '\n')
		}
		text = string(rest)
	}
	return string(out)
}

// Line appends the scrubbed line, given without its line feed, to dst.
func (s *Scrubber) Line(dst, line []byte) []byte {
	s.begin(line)
	if (s.groups&hasBlock != 0 || s.secret || s.hex != "") && (s.privateKey() || s.hexDump()) {
		return s.replace(dst)
	}
	if s.bytes&separating != 0 || s.groups&hasVerb != 0 {
		s.labels()
	}
	s.tokens()
	if s.groups&hasAt != 0 {
		s.emails()
	}
	if s.groups&hasRoot != 0 {
		s.paths()
	}
	if s.groups&hasURI != 0 {
		s.uris()
	}
	s.places()
	if s.groups&hasWifi != 0 {
		s.wifi()
	}
	s.names()
	if s.addressed() {
		s.addresses()
	}
	if s.bytes&numeric != 0 {
		s.numbers()
	}
	return s.replace(dst)
}

func (s *Scrubber) begin(line []byte) {
	s.b, s.spans = line, s.spans[:0]
	s.from = 0
	e, known := logcat.Parse(line)
	if known && !e.Kernel && bytes.HasSuffix(line, e.Message) {
		if s.from = len(line) - len(e.Message); e.Long {
			s.from = len(line)
		}
	}
	s.low = slices.Grow(s.low[:0], len(line))[:len(line)]
	var g group
	g, s.bytes = sift.of(line, s.low, s.from)
	if known {
		if s.tagged = 0; e.Long {
			s.tagged = g // the message follows, and the tag says what it is about
		}
	} else if len(line) > 0 && (line[0] == '-' || line[0] == '=') {
		s.tagged = 0 // another section
	}
	s.groups = s.tagged | g
}

// add takes b[from:to] out; of kinds that overlap, the first one wins, and the
// whole stretch goes.
func (s *Scrubber) add(kind Kind, from, to int) {
	for from < to && (s.b[from] == ' ' || s.b[from] == '\t') {
		from++
	}
	for to > from && (s.b[to-1] == ' ' || s.b[to-1] == '\t' || s.b[to-1] == '\r') {
		to--
	}
	if from >= to || s.pseudonym(from, to) {
		return
	}
	s.spans = append(s.spans, span{from, to, kind})
}

// taken tells whether a place is taken out already.
func (s *Scrubber) taken(at int) bool {
	for i := len(s.spans) - 1; i >= 0 && i >= len(s.spans)-16; i-- {
		if s.spans[i].from <= at && at < s.spans[i].to {
			return true
		}
	}
	return false
}

// pseudonym tells whether b[from:to] is one of ours: scrubbing twice changes nothing.
func (s *Scrubber) pseudonym(from, to int) bool {
	b := s.b[from:to]
	if len(b) < 2+pseudonymLetters || b[0] != '<' || b[len(b)-1] != '>' {
		return false
	}
	name, letters, ok := bytes.Cut(b[1:len(b)-1], []byte("-"))
	if !ok || len(letters) != pseudonymLetters {
		return false
	}
	for _, c := range letters {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return slices.Contains(Kinds(), Kind(name))
}

const pseudonymLetters = 7

// replace writes the line with its spans' pseudonyms.
func (s *Scrubber) replace(dst []byte) []byte {
	if len(s.spans) == 0 {
		return append(dst, s.b...)
	}
	// A stable sort: of spans that begin together, the first found is first.
	slices.SortStableFunc(s.spans, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	at := 0
	for i := 0; i < len(s.spans); {
		one := s.spans[i]
		for i++; i < len(s.spans) && s.spans[i].from < one.to; i++ {
			one.to = max(one.to, s.spans[i].to)
		}
		dst = append(dst, s.b[at:one.from]...)
		dst = s.name(dst, one.kind, s.b[one.from:one.to])
		s.counts[one.kind]++
		at = one.to
	}
	return append(dst, s.b[at:]...)
}

// name appends the pseudonym of a value.
func (s *Scrubber) name(dst []byte, kind Kind, value []byte) []byte {
	s.sum.Reset()
	var buf [128]byte
	s.sum.Write(canonical(buf[:0], kind, value))
	sum := s.sum.Sum(s.sumBuf[:0])
	dst = append(dst, '<')
	dst = append(dst, kind...)
	dst = append(dst, '-')
	for _, c := range sum[:pseudonymLetters] {
		dst = append(dst, 'a'+c%26)
	}
	return append(dst, '>')
}

// canonical gives the same bytes for the same value in another writing. The
// kind takes no part, so that a BSSID and a MAC address agree in their letters.
func canonical(dst []byte, kind Kind, value []byte) []byte {
	switch kind {
	case Phone, IMEI, IMSI, ICCID:
		for _, c := range value {
			if c >= '0' && c <= '9' || c >= 'a' && c <= 'f' && kind == IMEI {
				dst = append(dst, c)
			}
		}
		if len(dst) > 0 {
			return dst
		}
	case MAC, BSSID:
		v := bytes.ToLower(bytes.ReplaceAll(bytes.ToLower(value), []byte("%3a"), nil))
		for _, c := range v {
			if hexDigit(c) {
				dst = append(dst, c)
			}
		}
		return dst
	case Email, Account:
		v := bytes.ToLower(value)
		for _, at := range []string{"%2540", "%40", `\u0040`} {
			v = bytes.Replace(v, []byte(at), []byte("@"), 1)
		}
		return append(dst, v...)
	}
	return append(dst, value...)
}

// learn remembers a quoted name, so that it is known where no label stands.
func (s *Scrubber) learn(kind Kind, name []byte) {
	const most = 256
	if len(name) >= 2 && len(name) <= 64 && len(s.learnt) < most {
		s.learnt[string(name)] = kind
	}
}
