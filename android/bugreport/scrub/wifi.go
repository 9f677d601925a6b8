package scrub

import "bytes"

// suffixes stand behind a quoted network's name: "name"WPA_PSK.
var suffixes = words("wpa", "none", "sae", "wep", "owe", "suite", "ieee8021x", "wapi", "open", "psk", "eap")

// wifi finds names of networks without a label of their own, and quoted names
// that a label told before.
func (s *Scrubber) wifi() {
	if s.groups&hasSSID != 0 {
		s.spokenSSID()
	}
	if s.groups&hasMatch != 0 && bytes.Contains(s.low, []byte("ssid match")) {
		s.after("literal: ", func(i int) int {
			if n := bytes.IndexByte(s.b[i:], '}'); n > 0 {
				s.add(SSID, i, i+n)
				return i + n
			}
			return i
		})
	}
	s.quoted()
	if s.groups&hasFlags != 0 {
		s.scanResult()
	}
	if s.groups&hasDirect != 0 {
		s.directs()
	}
}

func (s *Scrubber) spokenSSID() {
	s.after("ssid ", func(i int) int {
		q := at(s.b, i)
		if q != '"' && q != '\'' {
			before := s.low[max(0, i-12):i]
			for _, verb := range [...]string{"to ssid ", "with ssid ", "from ssid ", "network ssid "} {
				if end := i + bytes.IndexAny(append(s.b[i:min(len(s.b), i+33):min(len(s.b), i+33)], ' '), " ,;"); bytes.HasSuffix(before, []byte(verb)) && end > i && !harmless(s.b[i:end]) {
					s.add(SSID, i, end)
					return end
				}
			}
			return i
		}
		if n := bytes.IndexByte(s.b[i+1:], q); n > 0 {
			s.learn(SSID, s.b[i+1:i+1+n])
			s.add(SSID, i+1, i+1+n)
			return i + n + 2
		}
		return i
	})
}

// flags are how the columns of a scan's results that say how a network is kept
// begin.
var flags = []string{"[wpa", "[ess", "[wep", "[rsn", "[ibss", "[wps", "[open", "[owe", "[sae"}

func (s *Scrubber) directs() {
	s.after("direct-", func(i int) int { // Wi-Fi Direct's groups
		if i+3 > len(s.b) || !alnum(s.b[i]) || !alnum(s.b[i+1]) || s.b[i+2] != '-' || alnum(at(s.b, i-8)) || s.taken(i) {
			return i
		}
		end := i + 3
		for end < len(s.b) && segmentByte(s.b[end]) {
			end++
		}
		s.add(SSID, i-7, end)
		return end
	})
}

func (s *Scrubber) quoted() {
	b := s.b
	for i := s.from; i < len(b); {
		k := bytes.IndexByte(b[i:], '"')
		if k < 0 {
			return
		}
		from := i + k + 1
		n := bytes.IndexByte(b[from:min(len(b), from+66)], '"')
		if n < 0 {
			i = from
			continue
		}
		to := from + n
		i = to + 1
		if n == 0 || s.taken(from) {
			continue
		}
		if kind, ok := s.learnt[string(b[from:to])]; ok {
			s.add(kind, from, to)
			continue
		}
		next := bytes.TrimLeft(s.low[to+1:min(len(b), to+12)], "-_ ")
		for _, suffix := range suffixes {
			if bytes.HasPrefix(next, suffix) && !letter(at(next, len(suffix))) && at(b, to+1) != ' ' && (s.about().wifi || suffix[0] == 'w') {
				s.learn(SSID, b[from:to])
				s.add(SSID, from, to)
				break
			}
		}
		if s.taken(from) || !s.about().wifi {
			i = from // this quote may be the closing one: the next word may be the name
			if s.taken(from) {
				i = to + 1
			}
			continue
		}
		switch string(s.wordBefore(from - 1)) {
		case "network", "to", "ap", "extra", "wifi", "hotspot", "networkid", "for", "from", "join", "joined", "selected":
			if !packageName(b[from:to]) && !harmless(b[from:to]) {
				s.learn(SSID, b[from:to])
				s.add(SSID, from, to)
				continue
			}
		}
		i = from
	}
}

// scanResult finds the name in a line of scan results, before or behind the
// flags: 00:11:22:33:44:55  2437  -50  12.5  name  [WPA2-PSK-CCMP][ESS].
func (s *Scrubber) scanResult() {
	first := -1
	for _, f := range flags {
		if k := bytes.Index(s.low[s.from:], []byte(f)); k >= 0 && (first < 0 || k+s.from < first) {
			first = k + s.from
		}
	}
	if first < 0 {
		return
	}
	b := s.b
	start := s.from
	for start < len(b) && (b[start] == ' ' || b[start] == '\t') {
		start++
	}
	mac := start
	for mac < first && (hexDigit(b[mac]) || b[mac] == ':') {
		mac++
	}
	if mac-start != 17 {
		return
	}
	// wpa_cli: the name is the last field.
	if tab := bytes.LastIndexByte(b, '\t'); tab > first {
		if name := b[tab+1:]; len(name) > 0 {
			s.learn(SSID, name)
			s.add(SSID, tab+1, len(b))
		}
		return
	}
	i := mac
	for { // columns of numbers
		k := i
		for k < first && (b[k] == ' ' || b[k] == '\t') {
			k++
		}
		end := k
		for end < first && b[end] > ' ' {
			end++
		}
		if k == i || end == k || !column(b[k:end]) {
			i = k
			break
		}
		i = end
	}
	if i < first {
		name := bytes.TrimSpace(b[i:first])
		s.learn(SSID, name)
		s.add(SSID, i, first)
	}
}

// column: a frequency, a signal's strength, an age such as 12.5 or >1000.0.
func column(v []byte) bool {
	for _, c := range v {
		if !digit(c) && c != '-' && c != '.' && c != '>' && c != '(' && c != ')' && c != ':' && c != '/' {
			return false
		}
	}
	return hasDigit(v)
}

// hexDump takes out dumps of names and keys, as wpa_supplicant prints them on
// this line or the next ones.
func (s *Scrubber) hexDump() bool {
	i := bytes.Index(s.low, []byte("hexdump"))
	if i >= 0 {
		s.hex = ""
		switch before := s.low[s.from:i]; {
		case bytes.Contains(before, []byte("ssid")):
			s.hex = SSID
		case bytes.Contains(before, []byte("psk")), bytes.Contains(before, []byte("key")), bytes.Contains(before, []byte("pass")), bytes.Contains(before, []byte("pmk")), bytes.Contains(before, []byte("ptk")), bytes.Contains(before, []byte("gtk")):
			s.hex = Token
		case bytes.Contains(before, []byte("identity")):
			s.hex = Account
		}
		if s.hex == "" {
			return false
		}
		if k := bytes.Index(s.b[i:], []byte("):")); k >= 0 {
			from := i + k + 2
			if rest := bytes.TrimSpace(s.b[from:]); len(rest) > 0 && rest[0] != '[' {
				s.add(s.hex, from, len(s.b))
				s.hex = ""
			}
			return true
		}
		return false
	}
	if s.hex == "" {
		return false
	}
	v := bytes.TrimLeft(s.b[min(s.from, len(s.b)):], " \t")
	if len(v) < 3 || !hexDigit(v[0]) || !hexDigit(v[1]) || v[2] != ' ' {
		s.hex = ""
		return false
	}
	s.add(s.hex, s.from, len(s.b))
	return true
}
