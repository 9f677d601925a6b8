package scrub

// group is a set of hints that a line gives: what it is about, and which of the
// slower searches can find anything in it.
type group uint32

const (
	aboutPhone group = 1 << iota
	aboutWifi
	aboutNet
	aboutPerson
	aboutSensor
	hasScheme
	hasPlace
	hasWifi
	hasName
	hasHost
	hasURI
	hasRoot
	hasBlock // a key or a hex dump
	hasAt
	hasPossessive
)

// hint is a text that tells of a group.
type hint struct {
	text  string
	group group
	start bool // only where a word begins
	whole bool // only as a word
}

func hints() []hint {
	var all []hint
	put := func(g group, start, whole bool, list [][]byte) {
		for _, w := range list {
			all = append(all, hint{string(w), g, start, whole})
		}
	}
	put(aboutPhone, true, false, phoneWords)
	put(aboutWifi, true, false, wifiWords)
	put(aboutNet, false, true, netWords)
	put(aboutPerson, true, false, personWords)
	put(aboutSensor, true, false, sensorWords)
	put(hasScheme, false, false, schemes)
	put(hasScheme, false, false, words("://", ":aa"))
	put(hasPlace, false, false, words("location", "latlng(", "geo:", "point(", "point (", "$g", "$b", "°"))
	put(hasWifi, false, false, words("ssid ", "\"", "direct-", "[wpa", "[ess", "[wep", "[rsn", "[ibss", "[wps", "[open", "[owe", "[sae"))
	put(hasName, false, false, words("account", "userinfo{", "call", "message from", "sms from", "msg from", "contact ", "hostname ", "advertis", "gaid", "otp", "code", "pin"))
	put(hasHost, false, false, privateZones)
	put(hasHost, false, false, words("android-"))
	put(hasPossessive, false, false, words("'s ", "’s "))
	put(hasURI, false, false, words("content://"))
	put(hasRoot, false, false, words("storage", "mnt", "data/media", "data%2fmedia", `data\/media`, "data%252fmedia", "sdcard", "external_s", "primary", "documents/", "provider/"))
	put(hasBlock, false, false, words("-----begin ", "hexdump"))
	put(hasAt, false, false, ats)
	return all
}

// sieve is a deterministic automaton (Aho and Corasick's) that finds all hints
// of a line in one pass.
type sieve struct {
	class [256]uint8 // bytes that no hint tells apart share a class
	n     int
	next  []uint16 // state × class
	found [][]hint // by state
}

var sift = newSieve(hints())

func newSieve(all []hint) *sieve {
	v := &sieve{n: 1}
	for _, h := range all {
		for i := range len(h.text) {
			if c := h.text[i]; v.class[c] == 0 {
				v.class[c] = uint8(v.n)
				v.n++
			}
		}
	}
	row := func() { v.next = append(v.next, make([]uint16, v.n)...); v.found = append(v.found, nil) }
	row()
	for _, h := range all {
		at := 0
		for i := range len(h.text) {
			cell := at*v.n + int(v.class[h.text[i]])
			if v.next[cell] == 0 {
				v.next[cell] = uint16(len(v.found))
				row()
			}
			at = int(v.next[cell])
		}
		v.found[at] = append(v.found[at], h)
	}
	// Breadth first, so that a state's fallback is complete before it is used.
	fall := make([]int, len(v.found))
	var queue []int
	for c := range v.n {
		if to := int(v.next[c]); to != 0 {
			queue = append(queue, to)
		}
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		v.found[at] = append(v.found[at], v.found[fall[at]]...)
		for c := range v.n {
			to := int(v.next[at*v.n+c])
			if to == 0 {
				v.next[at*v.n+c] = v.next[fall[at]*v.n+c]
				continue
			}
			fall[to] = int(v.next[fall[at]*v.n+c])
			queue = append(queue, to)
		}
	}
	return v
}

// of returns the groups of a text in lower case.
func (v *sieve) of(text []byte) group {
	var g group
	state := 0
	for i, c := range text {
		state = int(v.next[state*v.n+int(v.class[c])])
		for _, h := range v.found[state] {
			if g&h.group != 0 {
				continue
			}
			if from := i + 1 - len(h.text); (h.start || h.whole) && from > 0 && (letter(text[from-1]) || h.whole && digit(text[from-1])) || h.whole && letter(at(text, i+1)) {
				continue
			}
			g |= h.group
		}
	}
	return g
}
