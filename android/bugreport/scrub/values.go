package scrub

import "bytes"

// labelled judges the value of a label and takes it out; it returns where
// reading goes on, 0 when the value is not what the label announced.
func (s *Scrubber) labelled(c class, w *word, i int) int {
	if i >= len(s.b) {
		return 0
	}
	switch c {
	case aPhone:
		return s.labelledPhone(w, i)
	case anIMEI, anIMSI, anICCID:
		return s.labelledNumber(c, i)
	case aMAC, aBSSID:
		if w.n >= 6 && w.n <= 7 && w.norm[0] == 'a' && s.about().phone {
			return s.labelledPhone(w, i)
		}
		return s.labelledMAC(c, w, i)
	case anSSID:
		return s.labelledSSID(i)
	case anIP:
		return 0 // by its shape
	case aDegree, aPair:
		return s.labelledPlace(c, i)
	case aCell:
		return s.labelledCell(i)
	case aHeader:
		return s.header(i)
	}
	free := c == aContact || c == aName || c == aText || c == aHost || c == aFile || c == anAccount
	from, to, end := s.value(i, free, c == aText || c == aContact)
	v := s.b[from:to]
	if harmless(v) || s.pseudonym(from, to) || table[string(w.norm[:w.n])].whole && from == i && nextLabel(s.b[i:min(len(s.b), i+40)], false) {
		return 0
	}
	if free && bytes.IndexByte(v, '{') >= 0 {
		return 0 // an object: its own fields follow
	}
	kind := Kind("")
	switch c {
	case anAccount:
		if !packageName(v) && !number(v) && !(w.n == 4 && (s.b[w.to] != '=' || systemUser(v))) {
			kind = Account
		}
	case aSecret:
		if len(v) >= 3 && v[0] != '/' && !(number(v) && bytes.HasSuffix(w.norm[:w.n], []byte("id"))) && !(number(v) && len(v) < 4) && !objectName(v) {
			kind = Token
		}
	case aToken:
		if secretLooking(v) || string(w.norm[:w.n]) == "pass" && len(v) >= 6 && hasDigit(v) && named(v) && plain(v) {
			kind = Token
		}
	case aContact:
		if !packageName(v) && !number(v) && named(v) {
			kind = Contact
		}
	case aName:
		if bytes.Contains(s.low, []byte("account")) && bytes.Contains(s.low, []byte("type")) && !packageName(v) && !number(v) && named(v) {
			if bytes.IndexByte(v, '@') >= 0 {
				return 0 // an address, by its shape
			}
			kind = Account
		} else if s.about().person && !packageName(v) && !number(v) && named(v) && v[0] != '/' {
			kind = Contact
		}
	case aText:
		if l := table[string(w.norm[:w.n])]; l.whole && l.class == aText && !bytes.Contains(s.low, []byte("sms")) && !bytes.Contains(s.low, []byte("mms")) && !bytes.Contains(s.low, []byte("mail")) {
			break // body, subject: only where messages are spoken of
		}
		if named(v) && !number(v) {
			kind = Message
		}
	case aFile:
		if w.n == 5 && !bytes.Contains(s.low, []byte("_data")) && !bytes.Contains(s.low, []byte("media")) {
			break // a title, but not a file's
		}
		if named(v) {
			kind = File
		}
	case aHost:
		if named(v) && !number(v) && !packageName(v) {
			kind = Host
		}
	case aSerial:
		if len(v) >= 6 && len(v) <= 32 && countDigits(v) < len(v)+1 && hasDigit(v) && plain(v) {
			if kind = Serial; len(v) > 17 && v[0] == '8' && v[1] == '9' && countDigits(v) == len(v) {
				kind = ICCID
			}
		}
	case aDeviceID:
		if len(v) >= 14 && len(v) <= 16 && countDigits(v) == len(v) {
			kind = IMEI
		} else if identifier(v) {
			kind = DeviceID
		} else {
			return 0
		}
	}
	if kind == "" {
		return 0
	}
	s.add(kind, from, to)
	return end
}

// harmless are values that say that there is none, or that were masked before.
func harmless(v []byte) bool {
	if len(v) == 0 || len(v) > 1 && (v[0] == '<' && v[len(v)-1] == '>') {
		return true
	}
	marks := 0
	for _, c := range v {
		if c == '*' || c == 'x' || c == 'X' || c == '-' || c == '.' || c == '#' || c == '?' || c == ' ' || c == '_' {
			marks++
		}
	}
	if marks == len(v) {
		return true
	}
	if len(v) > 16 {
		return bytes.Contains(v, []byte("REDACTED"))
	}
	switch string(bytes.ToLower(v)) {
	case "null", "true", "false", "none", "unknown", "empty", "0", "-1", "default", "nil", "n/a", "undefined", "[removed]", "removed", "redacted", "[redacted]", "enabled", "disabled", "yes", "no", "root", "system", "(null)", "not set", "off", "on", "any", "owner", "<null>", "all", "self", "android", "guest":
		return true
	}
	return false
}

// number: digits with a sign, a point, a unit's letter or 0x.
func number(v []byte) bool {
	if bytes.HasPrefix(v, []byte("0x")) {
		return true
	}
	for _, c := range v {
		if !digit(c) && c != '.' && c != '-' && c != '+' && c != ',' {
			return false
		}
	}
	return true
}

// packageName: words joined by points, the first one as packages begin.
func packageName(v []byte) bool {
	first, rest, ok := bytes.Cut(v, []byte("."))
	if !ok || len(rest) == 0 {
		return false
	}
	switch string(first) {
	case "com", "org", "net", "android", "androidx", "java", "javax", "kotlin", "kotlinx", "dalvik", "libcore", "vendor", "de", "io", "cn", "eu", "app", "tv", "me", "uk", "fr", "ru", "jp", "in", "it", "hardware":
		return !bytes.ContainsAny(v, " @")
	}
	return false
}

// objectName: what Object.toString prints, and dumps of objects.
func objectName(v []byte) bool {
	return packageName(v) || bytes.ContainsAny(v, "{") || bytes.HasPrefix(v, []byte("Binder"))
}

// named: there is a letter in it.
func named(v []byte) bool {
	for _, c := range v {
		if letter(c) || c >= 0x80 {
			return true
		}
	}
	return false
}

// systemUser: users of Linux that are no persons.
func systemUser(v []byte) bool {
	if len(v) > 1 && v[0] == 'u' && digit(v[1]) {
		return true
	}
	switch string(bytes.ToLower(v)) {
	case "shell", "radio", "bluetooth", "wifi", "media", "nobody", "userdebug", "user", "eng", "current", "mediacodec", "cameraserver", "audioserver", "logd", "keystore", "graphics", "gps", "nfc", "vpn", "install", "drm", "adb", "secondary", "primary", "app":
		return true
	}
	return false
}

func hasDigit(v []byte) bool { return bytes.ContainsAny(v, "0123456789") }

// plain: letters and digits, as serial numbers are.
func plain(v []byte) bool {
	for _, c := range v {
		if !alnum(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// secretLooking: long, of a key's letters, with digits and letters among them.
func secretLooking(v []byte) bool {
	if len(v) < 16 || packageName(v) || bytes.HasPrefix(v, []byte("0x")) {
		return false
	}
	var digits, letters int
	for _, c := range v {
		switch {
		case digit(c):
			digits++
		case letter(c):
			letters++
		case c == '-' || c == '_' || c == '.' || c == '/' || c == '+' || c == '=' || c == '~' || c == '%' || c == ':':
		default:
			return false
		}
	}
	return digits >= 2 && letters >= 4
}

// identifier: hexadecimal or decimal digits, or a UUID.
func identifier(v []byte) bool {
	if len(v) < 8 || len(v) > 64 {
		return false
	}
	n := 0
	for _, c := range v {
		if !hexDigit(c) && c != '-' {
			return false
		}
		if digit(c) {
			n++
		}
	}
	return n >= 2
}

// header takes a header's value: "Authorization: Bearer x", "Cookie: a=b; c=d".
func (s *Scrubber) header(i int) int {
	from, to := i, len(s.b)
	if c := at(s.b, i); c == '"' || c == '\'' || c == '[' {
		if c == '[' {
			c = ']'
		}
		from++
		if n := bytes.IndexByte(s.b[from:], c); n >= 0 {
			to = from + n
		}
	} else if n := bytes.IndexAny(s.b[from:], "\"'}]"); n >= 0 {
		to = from + n
	}
	for _, scheme := range []string{"bearer ", "basic ", "oauth ", "digest ", "token ", "googlelogin "} {
		if bytes.HasPrefix(s.low[from:to], []byte(scheme)) {
			from += len(scheme)
		}
	}
	if harmless(s.b[from:to]) || to-from < 6 || bytes.HasPrefix(s.low[from:], []byte("0x")) {
		return 0
	}
	s.add(Token, from, to)
	return to
}

// labelledPhone takes the number behind a label; of labels that say much else,
// only what can be dialled.
func (s *Scrubber) labelledPhone(w *word, i int) int {
	from, to, _ := s.value(i, true, false)
	for from < to && bytes.IndexByte([]byte("/ <{"), s.b[from]) >= 0 {
		from++
	}
	n, count := dialled(s.b[from:to])
	if at(s.b, from+n) == '@' || at(s.b, from+n) == '%' {
		return 0 // an address that begins with a number
	}
	least := 5
	whole := table[string(w.norm[:w.n])].whole
	if lead := at(s.b, from); whole && w.n < 8 && lead != '0' && lead != '+' && letter(at(s.b, w.from-2)) && s.b[w.from-1] == ' ' && !s.about().phone && !containsWhole(s.wordBefore(w.from), spokenWords) {
		return 0 // "frame number: 123456789"
	}
	if whole {
		switch string(w.norm[:w.n]) {
		case "tel", "telprompt", "smsto", "sms", "mms", "mmsto", "callto", "sip", "sips", "dial", "atd", "clip", "cnum", "callerid", "phone", "mobile":
		default:
			if !s.about().phone && !s.about().person && at(s.b, from) != '+' {
				least = 9
			}
			if s.about().net && w.norm[0] == 'a' && at(s.b, from) != '+' && !s.about().phone {
				return 0 // an address in memory or in a network
			}
		}
	}
	if n == 0 || count < least || count > 18 {
		if string(w.norm[:w.n]) == "from" || string(w.norm[:w.n]) == "sender" || string(w.norm[:w.n]) == "recipient" || string(w.norm[:w.n]) == "caller" {
			return s.labelled(aName, w, i)
		}
		return 0
	}
	if next := at(s.b, from+n); letter(next) && next != 'x' || next == '.' && digit(at(s.b, from+n+1)) {
		return 0 // a time, a size, a version
	}
	if whole && s.b[from] != '+' && millis(s.b[from:from+n]) {
		return 0
	}
	s.add(Phone, from, from+n)
	return from + n
}

// millis: milliseconds since 1970, as logs print times.
func millis(v []byte) bool {
	return len(v) == 13 && v[0] == '1' && countDigits(v) == 13 && v[1] >= '4'
}

// dialled measures what can be dialled at the start of b, and counts its digits.
func dialled(b []byte) (length, count int) {
	last := 0
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case digit(c):
			count++
			last = i + 1
		case c == '+' && (i == 0 || b[i-1] == '*' || b[i-1] == '#'), c == '*', c == '#':
			last = i + 1
		case c == '%' && i == 0 && i+2 < len(b) && b[i+1] == '2' && b[i+2]|0x20 == 'b':
			i += 2
		case c == '%' && i+2 < len(b) && b[i+1] == '2' && b[i+2] == '0':
			i += 2
		case c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/' || c == ',':
			if i-last >= 2 && last > 0 || c == ',' {
				return last, count
			}
		default:
			return last, count
		}
	}
	return last, count
}

// labelledNumber takes the digits of an IMEI, IMSI or ICCID; a MEID is in hex.
func (s *Scrubber) labelledNumber(c class, i int) int {
	limit := min(len(s.b), i+48)
	for i < limit && !hexDigit(s.b[i]) {
		if s.b[i] == ',' || s.b[i] == ';' || s.b[i] == '}' {
			return 0
		}
		i++
	}
	if at(s.b, i) == '0' && at(s.b, i+1)|0x20 == 'x' {
		i += 2
	}
	kind, least, most := IMEI, 14, 17
	switch c {
	case anIMSI:
		kind, least, most = IMSI, 6, 16
	case anICCID:
		kind, least, most = ICCID, 10, 32
	case anIMEI:
		least = 8 // an ESN
	}
	count, to := 0, i
	for j := i; j < len(s.b) && count < most; j++ {
		ch := s.b[j]
		if hexDigit(ch) && (digit(ch) || kind != IMSI) {
			count++
			to = j + 1
		} else if ch != '-' && ch != ' ' && ch != '/' || j-to >= 1 {
			break
		}
	}
	if count < least || !hasDigit(s.b[i:to]) || letter(at(s.b, to)) || bytes.Count(s.b[i:to], []byte("0")) == count {
		return 0
	}
	s.add(kind, i, to)
	return to
}

// labelledMAC takes an address that is written without colons; the others are
// known by their shape.
func (s *Scrubber) labelledMAC(c class, w *word, i int) int {
	from, to, end := s.value(i, false, false)
	v := s.b[from:to]
	if bytes.HasPrefix(v, []byte("0x")) {
		from, v = from+2, v[2:]
	}
	n := 0
	for _, ch := range v {
		if hexDigit(ch) {
			n++
		} else if ch != '.' && ch != '-' && ch != ':' {
			return 0
		}
	}
	if n != 12 || constantMAC(v) || table[string(w.norm[:w.n])].whole && (len(v) != 12 || !bytes.ContainsAny(v, "ABCDEF") || from > 1 && s.b[from-1] == 'x') {
		return 0
	}
	if c == aBSSID {
		s.add(BSSID, from, to)
	} else {
		s.add(MAC, from, to)
	}
	return end
}

// labelledSSID takes a network's name, which may hold blanks and commas.
func (s *Scrubber) labelledSSID(i int) int {
	from, to, end := s.value(i, true, false)
	if c := at(s.b, i); c != '"' && c != '\'' && c != '\\' {
		// WifiInfo.toString: SSID: name, BSSID: …
		if k := bytes.Index(s.low[from:min(len(s.low), from+96)], []byte(", bssid")); k >= 0 {
			from, to, end = i, i+k, i+k
			if k > 1 && s.b[from] == '"' && s.b[to-1] == '"' {
				from, to = from+1, to-1
			}
		}
	}
	v := s.b[from:to]
	if harmless(v) || bytes.HasPrefix(s.low[from:], []byte("<unknown ssid>")) || number(v) && len(v) < 3 || s.b[from] == '<' {
		return 0
	}
	s.learn(SSID, v)
	s.add(SSID, from, to)
	return end
}

// labelledCell takes the numbers that name a cell, where cells are spoken of.
func (s *Scrubber) labelledCell(i int) int {
	low := s.low
	if len(low) > 2048 {
		low = low[max(0, i-1024):min(len(low), i+1024)]
	}
	if !bytes.Contains(low, []byte("cell")) && !bytes.Contains(low, []byte("lac")) && !bytes.Contains(low, []byte("mcc")) && !bytes.Contains(low, []byte("tac")) {
		return 0
	}
	from, to, end := s.value(i, false, false)
	n := countDigits(s.b[from:to])
	hex := bytes.HasPrefix(s.b[from:to], []byte("0x"))
	if !hex && (n < 2 || n != to-from || string(s.b[from:to]) == "2147483647" || string(s.b[from:to]) == "9223372036854775807") {
		return 0
	}
	s.add(Cell, from, to)
	return end
}
