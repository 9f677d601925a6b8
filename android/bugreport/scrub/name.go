package scrub

import "bytes"

// names finds names of persons, accounts and handsets by the place where they
// are printed.
func (s *Scrubber) names() {
	s.vcard()
	s.bonded()
	if s.groups&hasHost != 0 {
		s.hosts()
	}
	if s.groups&hasPossessive != 0 {
		s.possessive()
	}
	if s.groups&hasName == 0 {
		return
	}
	if s.groups&hasAccount != 0 {
		for _, mark := range accounts {
			s.after(mark, s.account)
		}
	}
	if s.groups&hasUser != 0 {
		s.users()
	}
	if s.groups&hasCaller != 0 {
		for _, mark := range callers {
			s.after(mark, s.caller)
		}
	}
	if s.groups&hasContact != 0 {
		s.contacts()
	}
	if s.groups&hasHostname != 0 {
		s.hostnames()
	}
	if s.groups&hasAdvertising != 0 && (bytes.Contains(s.low, []byte("advertis")) || bytes.Contains(s.low, []byte("gaid"))) {
		s.uuids()
	}
	if s.groups&hasCode != 0 {
		s.codes()
	}
}

// Marks behind which names stand, and codes.
var (
	accounts = []string{"account {name=", "account{name=", "account[name="}
	callers  = []string{"call from ", "call to ", "message from ", "sms from ", "msg from ", "missed call from ", "calling ", "caller is "}
	codes    = []string{"otp is ", "code is ", "pin is ", "passcode is ", "otp: ", "code: ", "pin: "}
)

func (s *Scrubber) users() {
	s.after("userinfo{", func(i int) int { // UserInfo{0:Anna:4c13}
		n := countDigits(s.b[i:])
		if n == 0 || at(s.b, i+n) != ':' {
			return i
		}
		from := i + n + 1
		k := bytes.IndexAny(s.b[from:], ":}")
		if k <= 0 || harmless(s.b[from:from+k]) {
			return from
		}
		s.add(Contact, from, from+k)
		return from + k
	})
}

func (s *Scrubber) contacts() {
	s.after("contact ", func(i int) int {
		if end := s.capitals(i); bytes.IndexByte(s.b[i:end], ' ') > 0 {
			s.add(Contact, i, end)
			return end
		}
		return i
	})
}

func (s *Scrubber) hostnames() {
	s.after("hostname ", func(i int) int {
		end := i
		for end < len(s.b) && (alnum(s.b[end]) || s.b[end] == '-' || s.b[end] == '.' || s.b[end] >= 0x80) {
			end++
		}
		if v := s.b[i:end]; named(v) && bytes.ContainsAny(v, "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") && !packageName(v) {
			s.add(Host, i, end)
		}
		return end
	})
}

func (s *Scrubber) codes() {
	for _, mark := range codes {
		s.after(mark, func(i int) int {
			n := countDigits(s.b[i:])
			if n >= 4 && n <= 8 && !alnum(at(s.b, i+n)) && (s.about().phone || mark[0] == 'o') {
				s.add(Token, i, i+n)
			}
			return i + n
		})
	}
}

func (s *Scrubber) account(i int) int {
	end := bytes.Index(s.b[i:], []byte(", type"))
	if k := bytes.IndexAny(s.b[i:], "}]"); end < 0 || k >= 0 && k < end {
		end = k
	}
	if end <= 0 || s.taken(i) {
		return i
	}
	if v := s.b[i : i+end]; !harmless(v) {
		s.spans = append(s.spans, span{i, i + end, s.accountKind(v)})
	}
	return i + end
}

func (s *Scrubber) accountKind(v []byte) Kind {
	if s.pseudonymBytes(v) {
		return Account
	}
	if bytes.IndexByte(v, '@') > 0 {
		return Email
	}
	return Account
}

func (s *Scrubber) pseudonymBytes(v []byte) bool {
	return len(v) > pseudonymLetters+2 && v[0] == '<' && v[len(v)-1] == '>'
}

// caller takes up to three words with capital letters: "call from Anna Maier".
func (s *Scrubber) caller(i int) int {
	if q := at(s.b, i); q == '"' || q == '\'' {
		if n := bytes.IndexByte(s.b[i+1:], q); n > 0 && named(s.b[i+1:i+1+n]) && !packageName(s.b[i+1:i+1+n]) {
			s.add(Contact, i+1, i+1+n)
			return i + n + 2
		}
		return i
	}
	end := s.capitals(i)
	w := s.b[i:end]
	if end-i < 2 || !s.about().phone || bytes.IndexByte(w, ' ') < 0 && hump(w) {
		return i
	}
	s.add(Contact, i, end)
	return end
}

// uuids takes identifiers such as 38400000-8cf0-11bd-b23e-10b96e40000d.
func (s *Scrubber) uuids() {
	for i := s.from; i+36 <= len(s.b); i++ {
		v := s.b[i : i+36]
		if v[8] == '-' && v[13] == '-' && v[18] == '-' && v[23] == '-' && identifier(v) && !alnum(at(s.b, i-1)) && !alnum(at(s.b, i+36)) {
			s.add(DeviceID, i, i+36)
			i += 35
		}
	}
}

// capitals measures up to four words that begin with a capital letter, as names do.
func (s *Scrubber) capitals(i int) int {
	end, words := i, 0
	for k := i; words < 4; words++ {
		c := at(s.b, k)
		if !(c >= 'A' && c <= 'Z') && c < 0x80 {
			break
		}
		for k < len(s.b) && (letter(s.b[k]) || s.b[k] >= 0x80 || s.b[k] == '-' || s.b[k] == '\'' && letter(at(s.b, k+1))) {
			k++
		}
		if next := at(s.b, k); next == '.' && letter(at(s.b, k+1)) || digit(next) || next == '_' || next == '(' || next == '{' || next == '@' || next == '#' || next == '/' || next == '=' || next == ':' && at(s.b, k+1) == ':' {
			break // a class, a method
		}
		end = k
		if at(s.b, k) != ' ' {
			break
		}
		k++
	}
	return end
}

// hump: a name of a program: CamelCase or CAPITALS.
func hump(v []byte) bool {
	upper := 0
	for _, c := range v {
		if c >= 'A' && c <= 'Z' {
			upper++
		}
	}
	return upper > 1
}

// vcard takes the lines of a vCard, RFC 6350, that say who somebody is.
func (s *Scrubber) vcard() {
	v := s.b[s.from:]
	colon := bytes.IndexByte(v, ':')
	if colon < 1 || colon > 64 || colon+1 >= len(v) {
		return
	}
	key, _, typed := bytes.Cut(v[:colon], []byte(";"))
	kind := Kind("")
	switch string(key) {
	case "FN", "NICKNAME", "ADR", "BDAY":
		kind = Contact
	case "N":
		if bytes.IndexByte(v[colon:], ';') > 0 {
			kind = Contact
		}
	case "TEL":
		kind = Phone
	case "EMAIL":
		kind = Email
	case "ORG", "TITLE", "NOTE", "PHOTO":
		if typed {
			kind = Contact
		}
	}
	if kind != "" && len(bytes.Trim(v[colon+1:], "; ")) > 0 {
		s.add(kind, s.from+colon+1, len(s.b))
	}
}

// bonded takes the name of a paired device behind its address and its kind:
// 00:11:22:33:44:55 [ DUAL ][ 0x5A020C ] Anna's headset.
func (s *Scrubber) bonded() {
	b := s.b
	i := s.from
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	if len(b)-i < 20 || at(b, i+2) != ':' || at(b, i+14) != ':' {
		return
	}
	k := i + 17
	rest := bytes.TrimLeft(b[k:], " \t=>")
	if len(rest) == 0 || rest[0] != '[' && rest[0] != '(' {
		return
	}
	low := bytes.ToLower(rest[:min(len(rest), 12)])
	if !bytes.Contains(low, []byte("dual")) && !bytes.Contains(low, []byte("br/edr")) && !bytes.Contains(low, []byte("le")) && !bytes.Contains(low, []byte("unknown")) {
		return
	}
	end := len(b)
	from := end - len(rest)
	for {
		n := bytes.IndexAny(b[from:], "])")
		if n < 0 {
			return
		}
		from += n + 1
		for from < end && (b[from] == ' ' || b[from] == '\t') {
			from++
		}
		if c := at(b, from); c != '[' && c != '(' {
			break
		}
	}
	if from < end && named(b[from:end]) {
		s.learn(Host, b[from:end])
		s.add(Host, from, end)
	}
}

var privateZones = words(".local", ".lan", ".fritz.box", ".home.arpa", ".localdomain", ".intranet", ".speedport.ip", ".home.lan", ".corp", ".ts.net")

// hosts finds names in private networks, and the name that Android gives to
// DHCP: android- and the ANDROID_ID.
func (s *Scrubber) hosts() {
	for _, zone := range privateZones {
		for at_ := s.from; ; {
			k := bytes.Index(s.low[at_:], zone)
			if k < 0 {
				break
			}
			end := at_ + k + len(zone)
			at_ = end
			if c := at(s.b, end); alnum(c) || c == '_' || c == '(' || c == '.' && alnum(at(s.b, end+1)) || c == '-' {
				continue
			}
			from := end - len(zone)
			for from > s.from && (alnum(s.b[from-1]) || s.b[from-1] == '-' || s.b[from-1] == '.' || s.b[from-1] == '_' || s.b[from-1] >= 0x80) {
				from--
			}
			v := s.b[from : end-len(zone)]
			if len(v) == 0 || packageName(s.b[from:end]) || at(s.b, from-1) == '@' || at(s.b, from-1) == '$' || string(zone) == ".local" && bytes.IndexByte(v, '_') >= 0 {
				continue
			}
			s.add(Host, from, end)
		}
	}
	s.after("android-", func(i int) int {
		n := i
		for n < len(s.b) && hexDigit(s.b[n]) {
			n++
		}
		if n-i == 16 && !alnum(at(s.b, n)) && hasDigit(s.b[i:n]) && !alnum(at(s.b, i-9)) {
			s.add(Host, i-8, n)
		}
		return n
	})
}

// possessive finds handsets' names as their owners let them be: "Anna's Pixel 8".
func (s *Scrubber) possessive() {
	for _, mark := range [...]string{"'s ", "’s ", `\'s `} {
		s.after(mark, func(i int) int {
			rest := s.low[i:min(len(s.low), i+24)]
			device := false
			for _, d := range [...]string{"pixel", "phone", "iphone", "galaxy", "buds", "airpods", "watch", "tablet", "ipad", "laptop", "macbook", "car", "headset", "redmi", "mi ", "xiaomi", "oneplus", "s2", "s1", "tv", "headphones", "earbuds", "handy"} {
				if bytes.HasPrefix(rest, []byte(d)) {
					device = true
					break
				}
			}
			k := i - len(mark)
			from := k
			for from > s.from && (letter(s.b[from-1]) || s.b[from-1] >= 0x80) {
				from--
			}
			if !device || from == k || s.b[from] >= 'a' && s.b[from] <= 'z' || s.taken(from) {
				return i
			}
			s.add(Host, from, k)
			return i
		})
	}
}
