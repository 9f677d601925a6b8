package scrub

import "strings"

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
	hasVerb    // between a label and its value
	hasMark    // how a service's key begins
	hasAccount // and what else names() looks for
	hasUser
	hasCaller
	hasContact
	hasHostname
	hasAdvertising
	hasCode
	hasSSID // and what else wifi() looks for
	hasMatch
	hasFlags
	hasDirect
	hasDial
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
	put(hasWifi, false, false, words("\""))
	put(hasWifi|hasSSID, false, false, words("ssid "))
	put(hasWifi|hasMatch, false, false, words("ssid match"))
	put(hasWifi|hasFlags, false, false, words(flags...))
	put(hasWifi|hasDirect, false, false, words("direct-"))
	put(hasName|hasAccount, false, false, words(accounts...))
	put(hasName|hasUser, false, false, words("userinfo{"))
	put(hasName|hasCaller, false, false, words(callers...))
	put(hasName|hasContact, false, false, words("contact "))
	put(hasName|hasHostname, false, false, words("hostname "))
	put(hasName|hasAdvertising, false, false, words("advertis", "gaid"))
	put(hasName|hasCode, false, false, words(codes...))
	put(hasDial, false, false, words("atd", "wa.me/"))
	for _, v := range verbs {
		put(hasVerb, false, false, words(" "+string(v)))
	}
	for _, list := range marks {
		for _, m := range list {
			put(hasMark, true, false, words(strings.ToLower(m.text)))
		}
	}
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
	class [256]uint8 // bytes that no hint tells apart share a class, capital letters their small one's
	n     int
	next  []uint32 // state × class: where the next state's row begins; its lowest bit, whether hints end there
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
	row := func() { v.next = append(v.next, make([]uint32, v.n)...); v.found = append(v.found, nil) }
	row()
	for _, h := range all {
		at := 0
		for i := range len(h.text) {
			cell := at*v.n + int(v.class[h.text[i]])
			if v.next[cell] == 0 {
				v.next[cell] = uint32(len(v.found))
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
	for c := byte('A'); c <= 'Z'; c++ {
		v.class[c] = v.class[c|0x20]
	}
	for cell, to := range v.next {
		v.next[cell] = to * uint32(v.n) << 1
		if len(v.found[to]) > 0 {
			v.next[cell]++
		}
	}
	return v
}

// of returns the groups of a text and what bytes it has behind from, and writes it in
// lower case to low.
func (v *sieve) of(text, low []byte, from int) (g group, has byteClass) {
	state := uint32(0)
	low = low[:len(text)]
	for i, c := range text {
		low[i] = small[c]
		if i >= from {
			has |= classes[c]
		}
		state = v.next[state>>1+uint32(v.class[c])]
		if state&1 == 0 {
			continue
		}
		for _, h := range v.found[state>>1/uint32(v.n)] {
			if g&h.group == h.group {
				continue
			}
			if from := i + 1 - len(h.text); (h.start || h.whole) && from > 0 && (letter(text[from-1]) || h.whole && digit(text[from-1])) || h.whole && letter(at(text, i+1)) {
				continue
			}
			g |= h.group
		}
	}
	return g, has
}
