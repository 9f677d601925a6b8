package scrub

import (
	"bytes"

	"golang.org/x/net/publicsuffix"
)

// ats are the ways in which an @ is written.
var ats = words("@", "%40", "%2540", `\u0040`, "&#64;", "(at)", "[at]")

// emails finds addresses around each @.
func (s *Scrubber) emails() {
	for n, sign := range ats {
		if n > 0 && bytes.IndexByte(s.b, sign[0]) < 0 {
			continue
		}
		for at := s.from; ; {
			k := bytes.Index(s.b[at:], sign)
			if k < 0 {
				break
			}
			at += k
			if s.taken(at - 1) {
				at += len(sign)
				continue
			}
			if from, to, ok := s.emailAt(at, len(sign)); ok {
				s.add(Email, from, to)
				s.addressee(from)
				at = to
			} else {
				at += len(sign)
			}
		}
	}
}

// addressee takes the name before an address: "Anna Maier" <anna@example.com>.
func (s *Scrubber) addressee(i int) {
	b := s.b
	if i -= 1; at(b, i) != '<' || at(b, i-1) != ' ' {
		return
	}
	to := i - 1
	from := to
	if at(b, to-1) == '"' {
		to--
		if from = bytes.LastIndexByte(b[max(s.from, to-64):to], '"'); from < 0 {
			return
		}
		from += max(s.from, to-64) + 1
	} else {
		// Words that begin as names do, and no others.
		for k := to; k > s.from && to-k < 64; {
			start := k
			for start > s.from && (letter(b[start-1]) || b[start-1] >= 0x80 || b[start-1] == '.' || b[start-1] == '-') {
				start--
			}
			if start == k || b[start] >= 'a' && b[start] <= 'z' {
				break
			}
			if from = start; start == s.from || b[start-1] != ' ' {
				break
			}
			k = start - 1
		}
	}
	s.add(Contact, from, to)
}

func localByte(c byte) bool {
	return alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c >= 0x80
}

func domainByte(c byte) bool { return alnum(c) || c == '-' || c == '.' || c >= 0x80 }

func (s *Scrubber) emailAt(i, n int) (from, to int, ok bool) {
	b := s.b
	from = i
	for from > 0 && i-from < 64 && localByte(b[from-1]) {
		from--
	}
	for from < i && (b[from] == '.' || b[from] == '-') {
		from++
	}
	to = i + n
	for to < len(b) && to-i < 253 {
		if domainByte(b[to]) {
			to++
		} else if b[to] == '%' && to+2 < len(b) && b[to+1] == '2' && b[to+2]|0x20 == 'e' {
			to += 3
		} else {
			break
		}
	}
	for to > i+n && (b[to-1] == '.' || b[to-1] == '-') {
		to--
	}
	if from == i || to == i+n || at(b, from-1) == '@' || at(b, to) == '@' {
		return 0, 0, false // dalvik-cache joins the parts of paths with @
	}
	local, domain := b[from:i], b[i+n:to]
	if bytes.IndexByte(domain, '%') >= 0 {
		domain = bytes.ReplaceAll(bytes.ToLower(domain), []byte("%2e"), []byte("."))
	}
	dot := bytes.LastIndexByte(domain, '.')
	if dot <= 0 {
		return 0, 0, false
	}
	top := domain[dot+1:]
	if n := bytes.IndexByte(top, '-'); n > 0 && !bytes.HasPrefix(top, []byte("xn--")) { // "…com-inbox"
		to -= len(top) - n
		top, domain = top[:n], domain[:dot+1+n]
	}
	for len(top) > 0 && digit(top[len(top)-1]) && bytes.IndexByte(top, '-') < 0 && !bytes.HasPrefix(top, []byte("xn--")) { // "…com1": a number that follows
		top = top[:len(top)-1]
	}
	if len(top) < 2 || len(top) > 24 || !topLevel(top) || versioned(domain) || s.objectHash(local, domain) {
		return 0, 0, false
	}
	if bytes.HasPrefix(s.low[s.from:], []byte("linux version ")) || bytes.HasPrefix(s.low, []byte("kernel: linux version ")) || bytes.Contains(s.low[max(0, from-64):from], []byte("linux version ")) {
		return 0, 0, false // who built the kernel is a fact of the build
	}
	if string(top) == "so" && (packageName(local) || bytes.HasPrefix(local, []byte("lib")) || at(b, from-1) == '/' || bytes.IndexByte(domain, '-') >= 0) {
		return 0, 0, false // a library, not Somalia
	}
	return from, to, true
}

// topLevel: letters, and no ending of a file or of a service.
func topLevel(top []byte) bool {
	if bytes.HasPrefix(top, []byte("xn--")) {
		return true
	}
	for _, c := range top {
		if !letter(c) && c < 0x80 {
			return false
		}
	}
	switch string(top) {
	case "apk", "jar", "dex", "odex", "vdex", "oat", "art", "prof", "xml", "rc", "java", "kt", "img", "bin", "log", "json", "conf", "cfg", "png", "jpg", "impl", "default", "hal", "aidl", "capex", "apex", "legacy", "service", "txt", "pb", "toc", "cc", "cpp", "class", "proto", "smali", "fbs", "tmp", "db", "hidl", "passthrough", "widevine", "clearkey":
		return false
	}
	return true
}

// versioned: HIDL's interfaces are named android.hardware.radio@1.0-impl.
func versioned(domain []byte) bool {
	n := countDigits(domain)
	return n > 0 && n < 4 && at(domain, n) == '.' && digit(at(domain, n+1))
}

// objectHash: Object.toString prints com.foo.Bar@1a2b3c4, with a field behind it.
func (s *Scrubber) objectHash(local, domain []byte) bool {
	first, _, _ := bytes.Cut(domain, []byte("."))
	if len(first) < 5 || len(first) > 8 {
		return false
	}
	for _, c := range first {
		if !hexDigit(c) {
			return false
		}
	}
	if !hasDigit(first) || !packageName(local) && !bytes.ContainsAny(local, "ABCDEFGHIJKLMNOPQRSTUVWXYZ$") {
		return false
	}
	_, known := publicsuffix.PublicSuffix(string(bytes.ToLower(domain)))
	return !known || packageName(local)
}
