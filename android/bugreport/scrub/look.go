package scrub

import "bytes"

func digit(c byte) bool    { return c >= '0' && c <= '9' }
func letter(c byte) bool   { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func alnum(c byte) bool    { return digit(c) || letter(c) }
func hexDigit(c byte) bool { return digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

// small are bytes in lower case.
var small = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	for c := byte('A'); c <= 'Z'; c++ {
		t[c] = c | 0x20
	}
	return t
}()

// byteClass is what bytes are to a search that looks for them: it need not be made
// in a line without.
type byteClass byte

const (
	numeric    byteClass = 1 << iota // a digit
	separating                       // may stand between a label and its value
	dot
	addressing // part an address's pieces
)

var classes = func() (t [256]byteClass) {
	for c := '0'; c <= '9'; c++ {
		t[c] |= numeric
	}
	for _, c := range "=:%>\"'" {
		t[c] |= separating
	}
	t['.'] |= dot
	for _, c := range ".:-_%" {
		t[c] |= addressing
	}
	return t
}()

// at returns b[i], 0 beyond the ends.
func at(b []byte, i int) byte {
	if i < 0 || i >= len(b) {
		return 0
	}
	return b[i]
}

// countDigits counts the digits at the start of b.
func countDigits(b []byte) int {
	n := 0
	for n < len(b) && digit(b[n]) {
		n++
	}
	return n
}

// context is what a line is about, where a value's own shape is not enough.
type context struct{ phone, wifi, net, person, sensor bool }

var (
	phoneWords  = words("ril", "telephony", "telecom", "dial", "sms", "mms", "imsi", "iccid", "sim", "msisdn", "gsm", "phone", "call", "subscri", "icc", "incall", "uicc", "ims", "ussd", "voicemail")
	wifiWords   = words("wifi", "wlan", "wpa_supplicant", "ssid", "hostapd", "wi-fi", "supplicant", "softap", "networkinfo", "networkagent")
	netWords    = words("ip", "addr", "address", "dns", "gateway", "route", "server", "host", "dhcp", "connect", "connected", "connecting", "socket", "inet", "via", "src", "dst", "proxy", "ping", "lease", "subnet", "netd", "tcp", "udp", "http", "https", "peer", "remote", "local", "endpoint", "vpn", "resolve", "interface", "wlan0", "rmnet0", "from", "to")
	personWords = words("contact", "caller", "person{", "participant", "attendee", "sender", "recipient", "vcard", "people", "bluetoothdevice", "bonded", "phone=", "phone\":", "mobile=", "email=", "email\":")
	sensorWords = words("sensor", "matrix", "accel", "gyro", "scale", "rect", "touch", "motion", "vector", "quaternion", "transform", "color", "gravity", "magnet")
)

func words(w ...string) [][]byte {
	all := make([][]byte, len(w))
	for i := range w {
		all[i] = []byte(w[i])
	}
	return all
}

// about says what the line is about.
func (s *Scrubber) about() context {
	g := s.groups
	return context{phone: g&aboutPhone != 0, wifi: g&aboutWifi != 0, net: g&aboutNet != 0, person: g&aboutPerson != 0, sensor: g&aboutSensor != 0}
}

// containsWord tells whether text holds one of the words whole.
func containsWord(text []byte, list [][]byte) bool {
	for _, w := range list {
		for rest := text; ; {
			i := bytes.Index(rest, w)
			if i < 0 {
				break
			}
			if (i == 0 || !alnum(rest[i-1])) && !letter(at(rest, i+len(w))) {
				return true
			}
			rest = rest[i+len(w):]
		}
	}
	return false
}

// before returns, in lower case, up to n bytes of what stands before i, within
// the same clause.
func (s *Scrubber) before(i, n int) []byte {
	from := max(0, i-n)
	text := s.low[from:i]
	if k := bytes.LastIndexAny(text, ",;|&}\t"); k >= 0 {
		text = text[k+1:]
	}
	return text
}

// wordBefore returns the last word before i, beyond marks such as := and quotes.
func (s *Scrubber) wordBefore(i int) []byte {
	end := i
	for end > 0 && i-end < 12 && !alnum(s.low[end-1]) && s.low[end-1] != '_' {
		end--
	}
	from := end
	for from > 0 && end-from < 40 && (alnum(s.low[from-1]) || s.low[from-1] == '_') {
		from--
	}
	return s.low[from:end]
}
