package scrub

import "bytes"

// labelledPlace takes the degrees behind a label, or both behind one.
func (s *Scrubber) labelledPlace(c class, i int) int {
	b := s.b
	for n := 0; n < 16 && i < len(b) && !digit(b[i]) && b[i] != '-' && b[i] != '+'; n++ {
		if b[i] == ';' || b[i] == '}' || b[i] == '\n' {
			return 0
		}
		i++
	}
	end, decimals, whole := degree(b, i)
	if end == 0 || letter(at(b, end)) && at(b, end) != 'N' && at(b, end) != 'S' && at(b, end) != 'E' && at(b, end) != 'W' && at(b, end) != 'L' {
		return 0
	}
	both := bytes.Contains(s.low, []byte("lng")) || bytes.Contains(s.low, []byte("lon"))
	if decimals < 2 && whole < 6 && !(decimals == 1 && both && bytes.Contains(s.low, []byte("lat"))) && !bytes.HasPrefix(b[end:], []byte("°")) {
		return 0
	}
	if c == aPair {
		k := end
		for n := 0; n < 6 && (at(b, k) == ',' || at(b, k) == ' ' || at(b, k) == '%' || at(b, k) == '2' && at(b, k-1) == '%' || at(b, k)|0x20 == 'c' && at(b, k-1) == '2'); n++ {
			k++
		}
		second, decimals, _ := degree(b, k)
		if second == 0 || decimals < 2 || k == end || at(b, second) == ',' && (digit(at(b, second+1)) || at(b, second+1) == ' ' && digit(at(b, second+2))) {
			return 0
		}
		end = second
	}
	if bytes.HasPrefix(b[end:], []byte("°")) {
		end = minutes(b, end)
	}
	s.add(Coordinates, i, end)
	return end
}

// minutes goes on over 48° 8′ 14.6″ N from the first sign.
func minutes(b []byte, i int) int {
	end := i
	for n := 0; n < 40 && end < len(b); n++ {
		c := b[end]
		if c < 0x80 && !digit(c) && c != '.' && c != '\'' && c != '"' && c != ' ' && c != 'N' && c != 'S' && c != 'E' && c != 'W' {
			break
		}
		end++
	}
	return end
}

// degree measures a number at i: its end, its digits after and before the point.
func degree(b []byte, i int) (end, decimals, whole int) {
	k := i
	if at(b, k) == '-' || at(b, k) == '+' {
		k++
	}
	whole = 0
	for digit(at(b, k)) {
		k++
		whole++
	}
	if whole == 0 || whole > 10 {
		return 0, 0, 0
	}
	if at(b, k) == '.' {
		n := 0
		for digit(at(b, k+1+n)) || at(b, k+1+n) == '*' {
			n++
		}
		if n > 0 {
			k, decimals = k+1+n, n
		}
	}
	if e := at(b, k); (e == 'E' || e == 'e') && decimals > 0 && (digit(at(b, k+1)) || at(b, k+1) == '-' && digit(at(b, k+2))) {
		k += 2
		for digit(at(b, k)) {
			k++
		}
	}
	return k, decimals, whole
}

// places finds coordinates by the place where they are printed.
func (s *Scrubber) places() {
	if s.bytes&dot != 0 && s.bytes&numeric != 0 && s.precise() {
		s.pairs()
	}
	if s.groups&hasPlace == 0 {
		return
	}
	s.after("location[", func(i int) int { // Location[gps 48.137154,11.576124 hAcc=5 …]
		for n := 0; n < 24 && i < len(s.b) && s.b[i] != ' ' && s.b[i] != ']'; n++ {
			i++
		}
		i++
		return s.run(i, "+-0123456789.,*")
	})
	s.after("geo:", func(i int) int { return s.run(i, "+-0123456789.,") })
	s.after("latlng(", func(i int) int { return s.run(i, "+-0123456789., ") })
	s.after("point(", func(i int) int { return s.run(i, "+-0123456789. ") })
	s.after("point (", func(i int) int { return s.run(i, "+-0123456789. ") })
	s.after("$g", s.sentence)
	s.after("$b", s.sentence)
	s.cellLocation()
	if bytes.Contains(s.b, []byte("°")) {
		s.degrees()
	}
}

// precise tells whether two numbers have four decimals at least.
func (s *Scrubber) precise() bool {
	n := 0
	for i := s.from; n < 2; n++ {
		for {
			k := bytes.IndexByte(s.b[i:], '.')
			if k < 0 {
				return false
			}
			i += k + 1
			decimals := 0
			for decimals < 4 && (digit(at(s.b, i+decimals)) || at(s.b, i+decimals) == '*') {
				decimals++
			}
			if decimals == 4 {
				break
			}
		}
	}
	return true
}

// after calls fn behind each mark; fn returns where to go on.
func (s *Scrubber) after(mark string, fn func(i int) int) {
	for at := s.from; at < len(s.low); {
		k := bytes.Index(s.low[at:], []byte(mark))
		if k < 0 {
			return
		}
		at = max(at+k+len(mark), fn(at+k+len(mark)))
	}
}

// run takes the stretch of given bytes at i, if there is a pair of numbers in it.
func (s *Scrubber) run(i int, set string) int {
	end := i
	for end < len(s.b) && end-i < 64 && bytes.IndexByte([]byte(set), s.b[end]) >= 0 {
		end++
	}
	for end > i && (s.b[end-1] == ',' || s.b[end-1] == '.') {
		end--
	}
	if end-i >= 3 && hasDigit(s.b[i:end]) && bytes.ContainsAny(s.b[i:end], ", ") {
		s.add(Coordinates, i, end)
		return end
	}
	return i
}

// sentence takes the data of those NMEA 0183 sentences that hold a place:
// $GPGGA,123519,4807.038,N,01131.000,E,…
func (s *Scrubber) sentence(i int) int {
	if i+5 >= len(s.b) || s.b[i+4] != ',' {
		return i
	}
	switch string(s.low[i+1 : i+4]) {
	case "gga", "rmc", "gll", "gns":
	default:
		return i
	}
	end := i + 5
	for end < len(s.b) && s.b[end] != '*' && s.b[end] > ' ' && s.b[end] < 0x7f {
		end++
	}
	if !hasDigit(s.b[i+5 : end]) {
		return end
	}
	s.add(Coordinates, i+5, end)
	return end
}

// pairs finds two numbers that can be a latitude and a longitude, each with at
// least four decimals, and no third one beside them.
func (s *Scrubber) pairs() {
	b := s.b
	lastEnd := -10
	for i := s.from; i < len(b); {
		if !digit(b[i]) {
			i++
			continue
		}
		from := i
		if at(b, i-1) == '-' || at(b, i-1) == '+' {
			from--
		}
		end, decimals, whole := degree(b, i)
		if end == 0 {
			i += countDigits(b[i:])
			continue
		}
		i = end
		if decimals < 4 || whole > 3 || letter(at(b, from-1)) || at(b, from-1) == '.' {
			if decimals > 0 {
				lastEnd = end
			}
			continue
		}
		k := end
		if bytes.HasPrefix(s.low[k:], []byte("%2c")) {
			k += 3
		} else {
			for k < len(b) && k-end < 3 && (b[k] == ',' || b[k] == ' ' && (at(b, end) == ',' || k > end) || b[k] == ';' || b[k] == '/') {
				k++
			}
		}
		if k == end && at(b, k) == ' ' && decimals > 4 && (bytes.Contains(s.low, []byte("geo ")) || bytes.Contains(s.low, []byte("gps")) || bytes.Contains(s.low, []byte("coord"))) {
			k++
		}
		third := from-lastEnd <= 3
		lastEnd = end
		if k == end {
			continue
		}
		second, decimals2, whole2 := degree(b, k)
		if second == 0 || decimals2 < 4 || whole2 > 3 || third {
			continue
		}
		next := at(b, second)
		if letter(next) && !(next == 'N' || next == 'E') || next == ',' && (digit(at(b, second+1)) || at(b, second+1) == '-' || at(b, second+1) == ' ' && (digit(at(b, second+2)) || at(b, second+2) == '-' && digit(at(b, second+3)))) && !s.mapped(from) {
			continue
		}
		if !within(b[from:end], 90) && !within(b[from:end], 180) || !within(b[k:second], 180) || s.about().sensor || bytes.Contains(s.wordBefore(from), []byte("ratio")) {
			continue
		}
		s.add(Coordinates, from, second)
		i, lastEnd = second, second
	}
}

// mapped: in the address of a map, @48.13,11.57,15z.
func (s *Scrubber) mapped(i int) bool { return at(s.b, i-1) == '@' }

// within: a number of degrees that is less than limit and not nothing.
func within(v []byte, limit int) bool {
	n := 0
	zero := true
	point := false
	for _, c := range v {
		if c == '.' {
			point = true
		} else if digit(c) {
			zero = zero && c == '0'
			if !point {
				n = n*10 + int(c-'0')
			}
		}
	}
	return n < limit && !zero
}

// degrees finds 48°08'14.6"N 11°34'31.9"E.
func (s *Scrubber) degrees() {
	sign := []byte("°")
	for at := s.from; ; {
		k := bytes.Index(s.b[at:], sign)
		if k < 0 {
			return
		}
		k += at
		from := k
		for from > 0 && k-from < 12 && (digit(s.b[from-1]) || s.b[from-1] == '.' || s.b[from-1] == '-') {
			from--
		}
		end := k + len(sign)
		if c := s.b[min(end, len(s.b)-1)]; from == k || end >= len(s.b) || c != ' ' && !digit(c) && c != 'N' && c != 'S' && c != 'E' && c != 'W' || c == ' ' && !digit(s.b[min(end+1, len(s.b)-1)]) {
			at = end // a temperature, an angle
			continue
		}
		n := minutes(s.b, end)
		if !bytes.ContainsAny(s.b[end:n], "NSEW'") {
			at = end
			continue
		}
		s.add(Coordinates, from, n)
		at = n
	}
}

// cellLocation finds GsmCellLocation.toString: [lac,cid,psc].
func (s *Scrubber) cellLocation() {
	if !bytes.Contains(s.low, []byte("celllocation")) && !bytes.Contains(s.low, []byte("cell location")) {
		return
	}
	i := bytes.IndexByte(s.b[s.from:], '[')
	if i < 0 {
		return
	}
	i += s.from + 1
	end := i
	for end < len(s.b) && (digit(s.b[end]) || s.b[end] == ',' || s.b[end] == '-') {
		end++
	}
	if at(s.b, end) == ']' && bytes.Count(s.b[i:end], []byte(",")) >= 2 && countDigits(s.b[i:]) > 1 {
		s.add(Cell, i, end)
	}
}
