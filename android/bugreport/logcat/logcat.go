// Package logcat reads lines as Android's logcat prints them: the formats
// brief, process, tag, thread, time, threadtime and long, with the modifiers
// year, zone, usec, nsec, uid, epoch and monotonic, and lines of the kernel's
// log. What it does not read: the binary log, and colours.
//
// The formats are those of system/logging/liblog/logprint.cpp.
package logcat

import "bytes"

// Entry is one line, cut into its parts, which point into the line.
type Entry struct {
	Time     []byte // as printed; empty in brief, process, tag and thread
	PID      []byte // digits; empty in the format tag
	Priority byte   // one of VDIWEFS; 0 for a kernel line
	Tag      []byte // empty in thread and for a kernel line
	Message  []byte
	Long     bool // the header of the long format: the message's lines follow
	Kernel   bool
}

// Parse cuts a line, without its line feed; ok is false when it is no log line.
func Parse(line []byte) (e Entry, ok bool) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) < 4 {
		return Entry{}, false
	}
	switch c := line[0]; {
	case c == '<':
		if n := bytes.IndexByte(line[:min(len(line), 8)], '>'); n > 1 && digits(line[1:n]) == n-1 {
			return kernel(line[n+1:])
		}
		return Entry{}, false
	case c == '[':
		if e, ok := long(line); ok {
			return e, true
		}
		return kernel(line)
	case c >= '0' && c <= '9', c == ' ':
		return dated(line)
	case priority(c):
		return undated(line, Entry{})
	}
	return Entry{}, false
}

func priority(c byte) bool {
	switch c {
	case 'V', 'D', 'I', 'W', 'E', 'F', 'S', 'A':
		return true
	}
	return false
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return n
}

func spaces(b []byte) int {
	n := 0
	for n < len(b) && b[n] == ' ' {
		n++
	}
	return n
}

// stamp measures the time at the start of b: "11-27 10:11:12.123", with a year,
// more digits or a zone; or seconds, as epoch and monotonic print them.
func stamp(b []byte) int {
	at := spaces(b)
	n := digits(b[at:])
	if n == 0 {
		return 0
	}
	if at+n < len(b) && b[at+n] == '.' { // seconds
		frac := digits(b[at+n+1:])
		if frac < 3 {
			return 0
		}
		return at + n + 1 + frac
	}
	if at > 0 {
		return 0
	}
	if n == 4 && len(b) > 5 && b[4] == '-' { // the year
		at = 5
	}
	const shape = "dd-dd dd:dd:dd.ddd"
	if len(b) < at+len(shape) {
		return 0
	}
	for i := range len(shape) {
		c := b[at+i]
		if shape[i] == 'd' && (c < '0' || c > '9') || shape[i] != 'd' && c != shape[i] && !(shape[i] == '.' && c == ',') {
			return 0
		}
	}
	at += len(shape)
	at += digits(b[at:])
	if at+6 <= len(b) && b[at] == ' ' && (b[at+1] == '+' || b[at+1] == '-') && digits(b[at+2:at+6]) == 4 {
		at += 6
	}
	return at
}

// dated reads time, threadtime and their kin.
func dated(line []byte) (Entry, bool) {
	n := stamp(line)
	if n == 0 || n >= len(line) || line[n] != ' ' {
		return Entry{}, false
	}
	e := Entry{Time: bytes.TrimLeft(line[:n], " ")}
	rest := line[n+spaces(line[n:]):]
	if len(rest) > 2 && priority(rest[0]) && (rest[1] == '/' || rest[1] == '(') {
		return undated(rest, e)
	}
	// [uid] pid tid priority tag: message
	var fields [3][]byte
	count := 0
	for count < 3 {
		end := bytes.IndexByte(rest, ' ')
		if end <= 0 || end > 24 {
			return Entry{}, false
		}
		if end == 1 && priority(rest[0]) && count >= 2 {
			break
		}
		fields[count] = rest[:end]
		count++
		rest = rest[end+spaces(rest[end:]):]
	}
	if len(rest) < 2 || !priority(rest[0]) || rest[1] != ' ' || count < 2 {
		return Entry{}, false
	}
	e.PID, e.Priority = fields[count-2], rest[0]
	if digits(e.PID) != len(e.PID) || digits(fields[count-1]) != len(fields[count-1]) {
		return Entry{}, false
	}
	rest = rest[2:]
	tag, message, ok := cutTag(rest)
	if !ok {
		return Entry{}, false
	}
	e.Tag, e.Message = tag, message
	return e, true
}

// cutTag cuts at the colon that ends a tag; a tag may have colons of its own,
// but no colon and space.
func cutTag(b []byte) (tag, message []byte, ok bool) {
	n := bytes.Index(b, []byte(": "))
	if n < 0 {
		if n = len(b) - 1; n < 0 || b[n] != ':' {
			return nil, nil, false
		}
		return bytes.TrimRight(b[:n], " "), nil, true
	}
	return bytes.TrimRight(b[:n], " "), b[n+2:], true
}

// undated reads what begins with a priority: brief, process, tag and thread.
func undated(line []byte, e Entry) (Entry, bool) {
	e.Priority = line[0]
	if line[1] == '(' { // process and thread
		end := bytes.IndexByte(line, ')')
		if end < 0 || end > 24 {
			return Entry{}, false
		}
		pid, _, _ := bytes.Cut(line[2:end], []byte(":"))
		if e.PID = bytes.TrimSpace(pid); len(e.PID) == 0 || digits(e.PID) != len(e.PID) {
			return Entry{}, false
		}
		e.Message = bytes.TrimPrefix(line[end+1:], []byte(" "))
		if n := bytes.LastIndex(e.Message, []byte("  (")); n >= 0 && e.Message[len(e.Message)-1] == ')' {
			e.Tag, e.Message = bytes.TrimSpace(e.Message[n+3:len(e.Message)-1]), e.Message[:n]
		}
		return e, true
	}
	if line[1] != '/' {
		return Entry{}, false
	}
	rest := line[2:]
	// The parenthesis with the process: a tag may hold others.
	for at := 0; at < min(len(rest), 256); at++ {
		if rest[at] == ':' && (at+1 == len(rest) || rest[at+1] == ' ') { // the format tag
			e.Tag = bytes.TrimRight(rest[:at], " ")
			e.Message = rest[min(at+2, len(rest)):]
			return e, at > 0
		}
		if rest[at] != '(' {
			continue
		}
		end := bytes.IndexByte(rest[at:min(len(rest), at+24)], ')')
		if end < 0 || at+end+1 >= len(rest) || rest[at+end+1] != ':' {
			continue
		}
		inner := rest[at+1 : at+end]
		if n := bytes.LastIndexByte(inner, ':'); n >= 0 { // uid:pid
			inner = inner[n+1:]
		}
		if inner = bytes.TrimSpace(inner); len(inner) == 0 || digits(inner) != len(inner) {
			continue
		}
		e.PID, e.Tag = inner, bytes.TrimRight(rest[:at], " ")
		e.Message = bytes.TrimPrefix(rest[at+end+2:], []byte(" "))
		return e, true
	}
	return Entry{}, false
}

// long reads "[ 11-27 10:11:12.123  1234: 5678 D/Tag ]".
func long(line []byte) (Entry, bool) {
	if !bytes.HasPrefix(line, []byte("[ ")) || line[len(line)-1] != ']' {
		return Entry{}, false
	}
	inner := line[2 : len(line)-1]
	n := stamp(inner)
	if n == 0 {
		return Entry{}, false
	}
	e := Entry{Time: bytes.TrimLeft(inner[:n], " "), Long: true}
	rest := bytes.TrimLeft(inner[n:], " ")
	slash := bytes.IndexByte(rest, '/')
	if slash < 1 || !priority(rest[slash-1]) {
		return Entry{}, false
	}
	e.Priority, e.Tag = rest[slash-1], bytes.TrimSpace(rest[slash+1:])
	ids := bytes.FieldsFunc(rest[:slash-1], func(r rune) bool { return r == ' ' || r == ':' })
	if len(ids) < 2 {
		return Entry{}, false
	}
	e.PID = ids[len(ids)-2]
	return e, digits(e.PID) == len(e.PID)
}

// kernel reads "[   12.345678] message".
func kernel(line []byte) (Entry, bool) {
	if len(line) < 4 || line[0] != '[' {
		return Entry{}, false
	}
	end := bytes.IndexByte(line[:min(len(line), 64)], ']')
	if end < 0 {
		return Entry{}, false
	}
	inner := line[1:end]
	at := spaces(inner)
	whole := digits(inner[at:])
	if whole == 0 || at+whole >= len(inner) || inner[at+whole] != '.' {
		return Entry{}, false
	}
	frac := digits(inner[at+whole+1:])
	if after := inner[at+whole+1+frac:]; frac < 3 || len(after) > 0 && after[0] != ' ' {
		return Entry{}, false
	}
	return Entry{Time: inner[at : at+whole+1+frac], Kernel: true, Message: bytes.TrimPrefix(line[end+1:], []byte(" "))}, true
}
