package scrub

import "bytes"

// numbers finds IMEI, IMSI, ICCID and telephone numbers without a label.
func (s *Scrubber) numbers() {
	b := s.b
	if s.groups&hasDial != 0 {
		s.dialled()
	}
	for i := s.from; i < len(b); {
		switch c := b[i]; {
		case c > '9':
			i++
		case c == '+' || c == '%' && i+2 < len(b) && b[i+1] == '2' && b[i+2]|0x20 == 'b':
			n := 1
			if c == '%' {
				n = 3
			}
			if end := s.international(i, n); end > 0 {
				i = end
				continue
			}
			i += n
		case c == '(':
			if end := s.american(i); end > 0 {
				i = end
				continue
			}
			i++
		case digit(c):
			i = s.numberAt(i)
		default:
			i++
		}
	}
}

// dialled finds numbers behind the modem's command to dial, and in addresses of chats.
func (s *Scrubber) dialled() {
	b := s.b
	s.after("atd", func(i int) int { // the modem's command to dial
		if n, count := dialled(b[i:min(len(b), i+32)]); count >= 5 && !alnum(at(s.b, i-4)) {
			s.add(Phone, i, i+n)
			return i + n
		}
		return i
	})
	s.after("wa.me/", func(i int) int {
		if n := countDigits(b[i:]); n >= 7 && n <= 15 {
			s.add(Phone, i, i+n)
			return i + n
		}
		return i
	})
}

// numberAt judges the digits at i and returns where they end.
func (s *Scrubber) numberAt(i int) int {
	b := s.b
	n := countDigits(b[i:])
	end := i + n
	p := at(b, i-1)
	if s.taken(i) || letter(p) && !s.escaped(i) && !(n >= 14 && s.labelGlued(i)) {
		return end
	}
	if n >= 14 && (!letter(at(b, end)) || at(b, end)|0x20 == 'f') && at(b, end) != '.' {
		if kind := s.identity(i, n); kind != "" {
			if at(b, end)|0x20 == 'f' {
				end++
			}
			s.add(kind, i, end)
		}
		return end
	}
	if p == '.' && digit(at(b, i-2)) || p == '+' {
		return end
	}
	if c := at(b, end); n <= 8 && n >= 2 && (c == '-' || c == ' ' || c == '/') && digit(at(b, end+1)) {
		if to := s.grouped(i); to > 0 {
			return to
		}
	}
	if n == 3 || n == 1 && b[i] == '1' {
		if to := s.american(i); to > 0 {
			return to
		}
	}
	if n >= 2 && n <= 15 && !letter(at(b, end)) && s.about().phone {
		if to := s.spoken(i); to > 0 {
			return to
		}
	}
	return end
}

// labelGlued: IMEI356938035643809, imei_3569….
func (s *Scrubber) labelGlued(i int) bool {
	before := s.low[max(0, i-5):i]
	return bytes.Contains(before, []byte("imei")) || bytes.Contains(before, []byte("imsi")) || bytes.Contains(before, []byte("ccid")) || bytes.HasSuffix(before, []byte("_"))
}

// identity tells what 14 to 22 digits are, if they name a handset or a SIM.
func (s *Scrubber) identity(i, n int) Kind {
	v := s.b[i : i+n]
	before := s.before(i, 48)
	has := func(w string) bool { return bytes.Contains(before, []byte(w)) }
	switch {
	case n <= 17 && (has("imei") || has("meid") || has("device_identity") || has("device id") || has("deviceid")):
		return IMEI
	case n <= 16 && (has("imsi") || has("subscriber")):
		return IMSI
	case n >= 17 && n <= 22 && (has("iccid") || has("sim serial") || has("icc_id") || has("ccid")):
		return ICCID
	case (n == 19 || n == 20) && v[0] == '8' && v[1] == '9' && (luhn(v) || s.about().phone):
		return ICCID
	case n == 15 && reporting(v) && luhn(v) && !s.timed(i):
		return IMEI
	case n == 16 && reporting(v) && s.about().phone && !s.timed(i):
		return IMEI
	case n == 15 && v[0] >= '2' && v[0] <= '7' && s.about().phone && !s.timed(i):
		return IMSI
	}
	return ""
}

// luhn is the check of ISO/IEC 7812-1.
func luhn(v []byte) bool {
	sum := 0
	for k := range v {
		d := int(v[len(v)-1-k] - '0')
		if k%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

// reporting: an IMEI begins with the body that allotted it, two digits.
func reporting(v []byte) bool {
	switch string(v[:2]) {
	case "01", "33", "35", "44", "45", "49", "50", "51", "52", "53", "54", "86", "91", "98", "99":
		return true
	}
	return false
}

// timed: the number is said to be a time, a size or the like.
func (s *Scrubber) timed(i int) bool {
	w := s.wordBefore(i)
	for _, t := range [...]string{"time", "nano", "stamp", "bytes", "size", "hash", "seq", "vsync", "ns", "uptime", "elapsed", "duration", "addr", "offset", "cookie", "fence", "frame", "present", "deadline", "when", "since"} {
		if bytes.Contains(w, []byte(t)) {
			return true
		}
	}
	return at(s.b, i-1) == '.' || at(s.b, i-1) == '@'
}

// grouped finds IMEI as they are printed on boxes (35-693803-564380-9) and
// ICCID in groups of four.
func (s *Scrubber) grouped(i int) int {
	b := s.b
	var digits [24]byte
	var sizes [8]int
	groups, n, end := 0, 0, i
	sep := byte(0)
	for at(b, end) != 0 && groups < len(sizes) {
		k := countDigits(b[end:])
		if k == 0 || n+k > len(digits) {
			break
		}
		copy(digits[n:], b[end:end+k])
		sizes[groups] = k
		groups, n, end = groups+1, n+k, end+k
		c := at(b, end)
		if c != '-' && c != ' ' && c != '/' || sep != 0 && c != sep || !digit(at(b, end+1)) {
			break
		}
		sep = c
		end++
	}
	if groups < 3 || alnum(at(b, end)) {
		return 0
	}
	v := digits[:n]
	shape := sizes[:groups]
	boxed := groups == 4 && (shape[0] == 2 && shape[1] == 6 && shape[2] == 6 || shape[0] == 6 && shape[1] == 2 && shape[2] == 6)
	switch {
	case n == 15 && boxed && luhn(v):
		s.add(IMEI, i, end)
	case (n == 19 || n == 20) && v[0] == '8' && v[1] == '9' && shape[0] == 4 && luhn(v):
		s.add(ICCID, i, end)
	default:
		return 0
	}
	return end
}

// american finds (212) 555-0123, 212-555-0123 and 1-212-555-0123.
func (s *Scrubber) american(i int) int {
	b := s.b
	p := at(b, i-1)
	if alnum(p) || p == '-' || p == '.' || p == '_' || p == '/' && digit(at(b, i-2)) {
		return 0
	}
	k := i
	if b[k] == '1' && (at(b, k+1) == '-' || at(b, k+1) == '.') {
		k += 2
	}
	open := at(b, k) == '('
	if open {
		k++
	}
	three := func(k int) bool {
		return at(b, k) >= '2' && at(b, k) <= '9' && digit(at(b, k+1)) && digit(at(b, k+2)) && !digit(at(b, k+3))
	}
	if !three(k) {
		return 0
	}
	k += 3
	sep := byte(0)
	if open {
		if at(b, k) != ')' {
			return 0
		}
		k++
		if at(b, k) == ' ' || at(b, k) == '-' {
			k++
		}
	} else {
		if sep = at(b, k); sep != '-' && sep != '.' {
			return 0
		}
		k++
	}
	if !three(k) {
		return 0
	}
	k += 3
	if c := at(b, k); c != '-' && c != '.' && !(open && c == ' ') || sep != 0 && c != sep {
		return 0
	}
	k++
	if countDigits(b[k:]) != 4 {
		return 0
	}
	k += 4
	if c := at(b, k); letter(c) || (c == '-' || c == '.' || c == ':') && alnum(at(b, k+1)) || sep == '.' && s.versionBefore(i) {
		return 0
	}
	s.add(Phone, i, k)
	return k
}

// international finds +49 151 23456789, with n bytes for the plus.
func (s *Scrubber) international(i, n int) int {
	b := s.b
	if s.taken(i) || alnum(at(b, i-1)) && !s.escaped(i) || at(b, i-1) == '+' || !digit(at(b, i+n)) || b[i+n] == '0' {
		return 0
	}
	length, count := dialled(b[i+n : min(len(b), i+n+32)])
	end := i + n + length
	// A number that follows the telephone number is no part of it.
	for count > 15 {
		k := bytes.LastIndexAny(b[i+n:end], " -./")
		if k < 0 {
			return 0
		}
		end = i + n + k
		count = 0
		for _, c := range b[i+n : end] {
			if digit(c) {
				count++
			}
		}
	}
	next := at(b, end)
	if count < 7 || letter(next) && next != 'x' || next == '.' && digit(at(b, end+1)) || next == '_' {
		return 0
	}
	if b[i+n] == '1' && count != 11 && !s.about().phone {
		return 0
	}
	if !countryCode(b[i+n:end]) || count < 9 && !s.about().phone && !s.about().person {
		return 0
	}
	s.add(Phone, i, end)
	return end
}

// countryCode: the first digits are in use in ITU-T E.164.
func countryCode(v []byte) bool {
	two := 0
	for _, c := range v {
		if digit(c) {
			if two = two*10 + int(c-'0'); two >= 10 {
				break
			}
		}
	}
	if v[0] == '1' || v[0] == '7' {
		return true
	}
	switch two {
	case 28, 83, 89:
		return false
	}
	return two >= 20
}

var spokenWords = words("dial", "dialing", "dialling", "dialed", "dialled", "call", "calling", "called", "caller", "from", "to", "number", "sms", "mms", "msg", "message", "connect", "connecting", "clip", "cnum", "phone", "tel", "with", "contact", "redial", "recipient", "sender", "address", "msisdn", "voicemail", "ussd", "forward", "sendto", "startcall", "placecall", "incoming", "outgoing", "ringing", "reject", "answer", "blocked", "missed", "forwarding", "sendtext", "addr", "smsc")

// spoken finds national numbers where telephony is spoken of: "dialing 0151 23456789".
func (s *Scrubber) spoken(i int) int {
	b := s.b
	w := s.wordBefore(i)
	if !containsWhole(w, spokenWords) {
		return 0
	}
	if w := string(w); (w == "to" || w == "from" || w == "with" || w == "address" || w == "addr" || w == "message" || w == "msg") && b[i] != '0' && countDigits(b[i:]) < 9 {
		return 0
	}
	// Between the word and the number only marks: not another word's number.
	length, count := dialled(b[i:min(len(b), i+24)])
	end := i + length
	if count < 6 || count > 15 || alnum(at(b, end)) || millis(b[i:end]) || at(b, end) == '.' && digit(at(b, end+1)) || at(b, end) == ':' && digit(at(b, end+1)) {
		return 0
	}
	s.add(Phone, i, end)
	return end
}

func containsWhole(w []byte, list [][]byte) bool {
	for _, one := range list {
		if bytes.Equal(w, one) {
			return true
		}
	}
	return false
}
