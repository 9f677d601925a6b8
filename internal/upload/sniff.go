package upload

import (
	"bytes"
	"unicode/utf8"
)

// sniffed is how much of a file's beginning tells its type.
const sniffed = 16

// sniff tells a type by a file's first bytes; Text where nothing else fits, to
// be checked as it is read.
func sniff(head []byte) string {
	switch {
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return PNG
	case bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return JPEG
	case bytes.HasPrefix(head, []byte("GIF87a")), bytes.HasPrefix(head, []byte("GIF89a")):
		return gifType
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return webpType
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return Zip
	}
	return Text
}

// textCheck is a writer that looks whether what passes is text. Logs of phones
// hold a few odd bytes; programs, archives and documents hold zeros and many.
type textCheck struct {
	all, odd int64
	zero     bool
	rest     []byte // of a character that is cut by the end of a write
}

// oddIn: one byte of so many may be neither text nor line end.
const oddIn = 50

func (c *textCheck) Write(p []byte) (int, error) {
	n := len(p)
	c.all += int64(n)
	if c.zero = c.zero || bytes.IndexByte(p, 0) >= 0; c.zero {
		return n, nil
	}
	if len(c.rest) > 0 {
		p = append(c.rest, p...)
		c.rest = nil
	}
	for len(p) > 0 {
		if p[0] < utf8.RuneSelf {
			if p[0] < ' ' && p[0] != '\n' && p[0] != '\r' && p[0] != '\t' && p[0] != '\f' && p[0] != '\x1b' || p[0] == 0x7f {
				c.odd++
			}
			p = p[1:]
			continue
		}
		if !utf8.FullRune(p) {
			c.rest = bytes.Clone(p)
			break
		}
		r, size := utf8.DecodeRune(p)
		if r == utf8.RuneError && size == 1 || r >= 0x80 && r < 0xa0 {
			c.odd++
		}
		p = p[size:]
	}
	return n, nil
}

// text says whether all that was written is text.
func (c *textCheck) text() bool {
	return !c.zero && (c.odd+int64(len(c.rest)))*oddIn <= c.all
}
