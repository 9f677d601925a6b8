package scrub

import "bytes"

// mark is how a kind of key begins, and how long such a key is at least.
type mark struct {
	text  string
	least int
}

// marks are the beginnings by which services' keys are known, by first byte.
var marks = func() (by [256][]mark) {
	for _, m := range []mark{
		{"eyJ", 20}, {"ya29.", 12}, {"1//0", 20}, {"4/0A", 20}, {"AIza", 30}, {"ghp_", 20}, {"gho_", 20}, {"ghu_", 20}, {"ghs_", 20}, {"ghr_", 20}, {"github_pat_", 22},
		{"glpat-", 15}, {"xoxb-", 12}, {"xoxp-", 12}, {"xoxa-", 12}, {"xoxs-", 12}, {"xoxr-", 12}, {"xapp-", 12}, {"sk_live_", 16}, {"sk_test_", 16}, {"rk_live_", 16}, {"pk_live_", 16}, {"sk-", 24},
		{"AKIA", 20}, {"ASIA", 20}, {"EAAB", 30}, {"EAAC", 30}, {"EAAG", 30}, {"SG.", 30}, {"npm_", 30}, {"hf_", 30}, {"GOCSPX-", 20}, {"dop_v1_", 30}, {"shpat_", 30}, {"LTAI", 16}, {"oauth2rt_", 16},
		{"APA91b", 40}, {"whsec_", 20}, {"pypi-", 30}, {"aas_et/", 20}, {"oauth2_4/", 20}, {"g.a000", 20},
	} {
		by[m.text[0]] = append(by[m.text[0]], m)
	}
	return by
}()

var marked = func() (by [256]bool) {
	for i := range marks {
		by[i] = marks[i] != nil
	}
	return by
}()

func keyByte(c byte) bool {
	return alnum(c) || c == '-' || c == '_' || c == '.' || c == '/' || c == '+' || c == '=' || c == '~'
}

// tokens finds keys by how they begin, and what stands behind "Bearer".
func (s *Scrubber) tokens() {
	b := s.b
	for i := s.from; i < len(b) && s.groups&hasMark != 0; i++ {
		if !marked[b[i]] {
			continue
		}
		list := marks[b[i]]
		if i > 0 && (alnum(b[i-1]) || b[i-1] == '_') {
			continue
		}
		for _, m := range list {
			if len(b)-i < m.least || string(b[i:i+len(m.text)]) != m.text {
				continue
			}
			end := i
			for end < len(b) && keyByte(b[end]) {
				end++
			}
			if end-i < m.least || m.text == "eyJ" && !bytes.Contains(b[i:end], []byte(".")) && end-i < 40 {
				continue
			}
			from := i
			if m.text == "APA91b" { // a registration's id stands before it
				for from > 0 && (keyByte(b[from-1]) || b[from-1] == ':') {
					from--
				}
			}
			s.add(Token, from, end)
			i = end - 1
			break
		}
	}
	if s.groups&hasScheme == 0 {
		return
	}
	for _, scheme := range schemes {
		for at := s.from; ; {
			k := bytes.Index(s.low[at:], scheme)
			if k < 0 {
				break
			}
			from := at + k + len(scheme)
			at = from
			if k := from - len(scheme); k > 0 && alnum(b[k-1]) {
				continue
			}
			end := from
			for end < len(b) && keyByte(b[end]) {
				end++
			}
			if v := b[from:end]; len(v) >= 8 && hasDigit(v) && !packageName(v) && s.low[from] != '/' {
				s.add(Token, from, end)
				at = end
			}
		}
	}
	s.userinfo()
	if i := bytes.Index(b[s.from:], []byte(":AA")); i > 0 && bytes.Contains(s.low, []byte("bot")) { // Telegram's bots
		i += s.from
		from := i
		for from > 0 && digit(b[from-1]) {
			from--
		}
		end := i + 1
		for end < len(b) && (alnum(b[end]) || b[end] == '_' || b[end] == '-') {
			end++
		}
		if i-from >= 8 && end-i >= 30 {
			s.add(Token, from, end)
		}
	}
}

var schemes = words("bearer ", "bearer%20", "authorization: basic ", "authorization=basic ", "proxy-authorization: basic ", "oauth ", "googlelogin auth=", "--password ", "--token ", "--secret ", "password is ")

// userinfo finds https://name:password@host.
func (s *Scrubber) userinfo() {
	for at := s.from; ; {
		k := bytes.Index(s.b[at:], []byte("://"))
		if k < 0 {
			return
		}
		from := at + k + 3
		at = from
		end := from
		colon := -1
		for end < len(s.b) && end-from < 256 && s.b[end] > ' ' && s.b[end] != '/' && s.b[end] != '@' && s.b[end] != '?' && s.b[end] != '"' {
			if s.b[end] == ':' && colon < 0 {
				colon = end
			}
			end++
		}
		if end < len(s.b) && s.b[end] == '@' && colon > 0 && end > colon+1 {
			s.add(Token, from, end)
			at = end
		}
	}
}

// privateKey takes out what lies between the lines of a PEM block that hold a
// private key.
func (s *Scrubber) privateKey() bool {
	const begin, end = "-----begin ", "-----end "
	if !s.secret {
		i := bytes.Index(s.low, []byte(begin))
		if i < 0 {
			return false
		}
		if k := bytes.Index(s.low[i:], []byte("private key")); k < 0 || k > 40 {
			return false
		}
		rest := i + len(begin)
		if k := bytes.Index(s.low[rest:], []byte("-----")); k >= 0 {
			rest += k + 5
		}
		if k := bytes.Index(s.low[rest:], []byte(end)); k >= 0 {
			s.add(Token, rest, rest+k)
		} else {
			s.secret = true
			s.add(Token, rest, len(s.b))
		}
		return true
	}
	from := min(s.from, len(s.b))
	if i := bytes.Index(s.low, []byte(end)); i >= 0 {
		s.secret = false
		s.add(Token, from, i)
		return true
	}
	v := bytes.TrimSpace(s.b[from:])
	for _, c := range v {
		if !keyByte(c) && c != ':' && c != ' ' && c != ',' {
			s.secret = false // the block has no end: other text follows
			return false
		}
	}
	s.add(Token, from, len(s.b))
	return true
}
