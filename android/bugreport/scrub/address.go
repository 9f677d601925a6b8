package scrub

import (
	"bytes"
	"net/netip"
)

// addressed tells whether the message can hold an address: three dots between digits,
// five marks between hexadecimal digits, or two colons with nothing but such between.
func (s *Scrubber) addressed() bool {
	if s.bytes&addressing == 0 || s.bytes&numeric == 0 && s.bytes&separating == 0 {
		return false
	}
	b := s.b
	dots, marks := 0, 0
	for i := s.from; i < len(b); i++ {
		c := b[i]
		if classes[c]&addressing == 0 {
			continue
		}
		switch c {
		case '.':
			if digit(at(b, i-1)) && digit(at(b, i+1)) {
				dots++
			}
		case ':':
			j := i + 1
			for hexDigit(at(b, j)) {
				j++
			}
			if at(b, j) == ':' {
				return true
			}
		case '%':
			if i+2 < len(b) && b[i+1] == '3' && b[i+2]|0x20 == 'a' {
				marks++
			}
		default:
			if hexDigit(at(b, i-1)) && hexDigit(at(b, i+1)) {
				marks++
			}
		}
		if dots == 3 || marks == 5 {
			return true
		}
	}
	return false
}

// addresses finds MAC and IP addresses.
func (s *Scrubber) addresses() {
	b := s.b
	for i := s.from; i < len(b); {
		c := b[i]
		if c == '%' && i+2 < len(b) && hexDigit(b[i+1]) && hexDigit(b[i+2]) {
			i += 3
			continue
		}
		if !hexDigit(c) && (c != ':' || at(b, i+1) != ':') {
			i++
			continue
		}
		if end := s.macAt(i); end > 0 {
			i = end
			continue
		}
		if end := s.ip4At(i); end > 0 {
			i = end
			continue
		}
		// The rest of this run of letters, digits and colons.
		end := i
		colons := 0
		for end < len(b) && (hexDigit(b[end]) || b[end] == ':') {
			if b[end] == ':' {
				colons++
			}
			end++
		}
		if colons >= 2 && end-i <= 64 {
			if to := s.ip6(i, end); to > end {
				end = to
			}
		}
		if end == i {
			end++
		}
		for alnum(c) && end < len(b) && alnum(b[end]) { // a word that is not hexadecimal
			end++
		}
		i = end
	}
}

// separatorAt measures what parts a MAC address's bytes at i.
func separatorAt(b []byte, i int) int {
	switch c := at(b, i); {
	case c == ':' || c == '-' || c == '_':
		return 1
	case c == '%' && i+2 < len(b) && b[i+1] == '3' && b[i+2]|0x20 == 'a':
		return 3
	}
	return 0
}

// macAt takes the chain of bytes at i when it is an address; it returns the end
// of the chain, 0 when there is none.
func (s *Scrubber) macAt(i int) int {
	b := s.b
	if !hexDigit(at(b, i)) || !hexDigit(at(b, i+1)) || hexDigit(at(b, i+2)) {
		return 0
	}
	if p := at(b, i-1); alnum(p) && !(i >= 3 && b[i-3] == '%') {
		return 0
	}
	sep := separatorAt(b, i+2)
	if sep == 0 {
		return 0
	}
	mark := b[i+2]
	groups, end := 1, i+2
	for groups < 64 && separatorAt(b, end) == sep && b[end] == mark && hexDigit(at(b, end+sep)) && hexDigit(at(b, end+sep+1)) && !alnum(at(b, end+sep+2)) {
		groups++
		end += sep + 2
	}
	if groups < 6 {
		return 0
	}
	letters := 0
	for _, c := range b[i:end] {
		if letter(c) {
			letters++
		}
	}
	v := b[i:end]
	before := s.before(i, 48)
	labelled := bytes.Contains(before, []byte("mac")) || bytes.Contains(before, []byte("addr")) || bytes.Contains(before, []byte("ssid")) || bytes.Contains(before, []byte("dev_")) || bytes.Contains(before, []byte("blue"))
	switch {
	case groups > 8:
		return end // a certificate's digest
	case groups > 6 && letters == 0, mark != ':' && mark != '%' && letters == 0 && !labelled, mark == '_' && letters < 2 && !labelled:
		return end // a time
	case constantMAC(v):
		return end
	}
	kind := MAC
	if bytes.Contains(before, []byte("bssid")) || bytes.Contains(before, []byte("associat")) || bytes.Contains(s.low, []byte("ess]")) || s.about().wifi && (bytes.Contains(before, []byte(" ap")) || bytes.Contains(before, []byte("connection to")) || bytes.Contains(before, []byte("roam"))) {
		kind = BSSID
	}
	s.add(kind, i, end)
	return end
}

// constantMAC: addresses that stand for none: zeros, the broadcast's, and the one
// that Android shows to apps.
func constantMAC(v []byte) bool {
	first, rest := byte(0), true
	for k, n := 0, 0; k < len(v); k++ {
		c := v[k]
		if !hexDigit(c) {
			continue
		}
		if n == 0 {
			first = c
		} else if c|0x20 != first|0x20 && !(n == 1 && first == '0' && c == '2') || n > 1 && c != first && first != 'f' && first != 'F' {
			rest = false
		}
		n++
	}
	return rest && (first == '0' || first|0x20 == 'f')
}

// ip4At takes the dotted quad at i; it returns its end, 0 when there is none.
func (s *Scrubber) ip4At(i int) int {
	b := s.b
	if !digit(b[i]) || digit(at(b, i-1)) || at(b, i-1) == '.' && digit(at(b, i-2)) || letter(at(b, i-1)) && at(b, i-1)|0x20 != 'v' && !s.escaped(i) {
		return 0
	}
	var octets [4]int
	end := i
	for k := range 4 {
		if k > 0 {
			if at(b, end) != '.' {
				return 0
			}
			end++
		}
		n := 0
		for n < 4 && digit(at(b, end+n)) {
			octets[k] = octets[k]*10 + int(b[end+n]-'0')
			n++
		}
		if n == 0 || n > 3 || octets[k] > 255 || n > 1 && b[end] == '0' {
			return 0
		}
		end += n
	}
	if at(b, end) == '.' && digit(at(b, end+1)) || at(b, end) == '.' && letter(at(b, end+1)) || letter(at(b, end)) && at(b, end) != 'n' || at(b, end) == '_' {
		// A version of more parts, or with a word: 12.5.9.0.RJBCNXM.
		for end < len(b) && (alnum(b[end]) || b[end] == '.' || b[end] == '_') {
			end++
		}
		return end
	}
	if s.private4(octets, i, end) {
		s.add(IP, i, end)
	}
	return end
}

// escaped: the digit at i stands behind %2F, %3D and the like.
func (s *Scrubber) escaped(i int) bool {
	return i >= 3 && s.b[i-3] == '%' && hexDigit(s.b[i-2]) && hexDigit(s.b[i-1])
}

// private4 tells an address from a version and from what stands for none.
func (s *Scrubber) private4(o [4]int, from, to int) bool {
	b := s.b
	switch {
	case o[0] == 0 || o[0] == 127 || o[0] >= 240 || o[0] == 224 && o[1] == 0 && o[2] == 0 || o == [4]int{239, 255, 255, 250}:
		return false
	case o[0] == 192 && o[1] == 168, o[0] == 172 && o[1] >= 16 && o[1] < 32, o[0] == 169 && o[1] == 254:
		return true
	}
	if s.versionBefore(from) || at(b, to) == '-' && letter(at(b, to+1)) || at(b, to) == '+' {
		return false
	}
	if at(b, to) == ':' && digit(at(b, to+1)) || at(b, to) == '/' && digit(at(b, to+1)) || at(b, from-1) == '/' || at(b, from-1) == '@' || s.about().net {
		return true
	}
	small := true
	for _, n := range o {
		small = small && n <= 25
	}
	return !small || o[0] == 10 && o[1] == 0
}

var versionWords = words("version", "ver", "versionname", "release", "rev", "revision", "build", "firmware", "fw", "driver", "sdk", "update", "v", "patch", "baseband", "bootloader", "radio", "chrome", "webview", "app", "miui", "agent", "mozilla", "gms", "plugin", "library", "lib", "engine", "upgrade", "upgraded", "package")

// versionBefore tells whether what stands before i announces a version.
func (s *Scrubber) versionBefore(i int) bool {
	switch p := at(s.b, i-1); {
	case p == '-' || p == '_' || p|0x20 == 'v' || p|0x20 == 'r':
		return letter(p) || alnum(at(s.b, i-2))
	case p == '/':
		// Chrome/119.0.6045.66 has a name of one word before it; Java prints
		// host/10.0.0.1 with the host's, in small letters.
		from := i - 1
		for from > 0 && (alnum(s.b[from-1]) || s.b[from-1] == '-' || s.b[from-1] == '.' || s.b[from-1] == '_') {
			from--
		}
		if name := s.b[from : i-1]; len(name) > 0 {
			upper := name[0] >= 'A' && name[0] <= 'Z'
			return upper && bytes.IndexByte(name, '.') < 0 || containsWord(s.low[from:i-1], words("okhttp", "curl", "dalvik", "chrome", "cronet", "python", "java", "volley", "nginx"))
		}
	}
	before := s.before(i, 28)
	if containsWord(before, versionWords) {
		return true
	}
	return bytes.Contains(before, []byte("version")) || bytes.Contains(before, []byte("firmware"))
}

// ip6 takes the address in b[i:end], a run of hexadecimal digits and colons; it
// returns the address's end, 0 when there is none.
func (s *Scrubber) ip6(i, end int) int {
	b := s.b
	if alnum(at(b, i-1)) && b[i] == ':' || i > 0 && (letter(b[i-1]) || b[i-1] == '_') && !s.escaped(i) {
		return 0 // C++ scopes
	}
	for end > i+1 && b[end-1] == ':' && b[end-2] != ':' {
		end--
	}
	if at(b, end) == '.' && digit(at(b, end-1)) && digit(at(b, end+1)) { // ::ffff:10.0.0.1
		k := end
		for k < len(b) && k-end < 12 && (digit(b[k]) || b[k] == '.') {
			k++
		}
		if a, err := netip.ParseAddr(string(b[i:k])); err == nil && a.Is4In6() {
			s.add(IP, i, k)
			return k
		}
	}
	if letter(at(b, end)) || at(b, end) == '_' {
		return 0
	}
	a, err := netip.ParseAddr(string(b[i:end]))
	if err != nil || !a.Is6() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.As16() == [16]byte{0: 0xfe, 1: 0x80} {
		return 0
	}
	if bytes.Count(b[i:end], []byte(":")) != 7 && !routable(a) {
		return 0 // dead::beef may be a name in C++
	}
	s.add(IP, i, end)
	return end
}

// routable: of a range that is in use: global, local, link-local, mapped.
func routable(a netip.Addr) bool {
	b := a.As16()
	return b[0]&0xe0 == 0x20 || b[0]&0xfe == 0xfc || b[0] == 0xfe && b[1]&0xc0 == 0x80 || a.Is4In6() || b[0] == 0 && b[1] == 0x64
}
