package bugreport

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"

	"github.com/fridayos/friday/android/bugreport/logcat"
)

// What Looks reads at most.
const (
	looksText = 64 << 20 // bytes of text, unpacked, of all files
	looksDeep = 2        // zips within zips
	looksZip  = 32 << 20 // bytes of a zip within a zip
)

// Looks says whether a file is, or holds, what Read is for: a bugreport, a log, a
// tombstone or traces. It goes by the content alone, whatever the file is called,
// and looks into gzip and into zips at any depth of folders. What cannot be looked
// into as far as that, a damaged zip or one of many layers, counts as one: the
// caller is about to show it to others. Memory is bounded whatever is in it.
func Looks(r io.ReaderAt, size int64) bool {
	l := looking{left: looksText}
	return l.file(r, size, 0)
}

type looking struct{ left int64 }

func (l *looking) file(r io.ReaderAt, size int64, depth int) bool {
	head := make([]byte, 4096)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	head = head[:n]
	switch {
	case isZip(head):
		return l.zip(r, size, depth)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bufio.NewReader(io.NewSectionReader(r, 0, size)))
		return err != nil || l.stream(z, depth+1)
	}
	return tombstone(head) || l.text(io.NewSectionReader(r, 0, size))
}

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

func (l *looking) zip(r io.ReaderAt, size int64, depth int) bool {
	z, err := zip.NewReader(r, size)
	if err != nil || len(z.File) > maxFiles || depth > looksDeep {
		return true
	}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		e, err := f.Open()
		if err != nil {
			return true
		}
		found := l.stream(e, depth+1)
		e.Close()
		if found || l.left <= 0 {
			return true
		}
	}
	return false
}

// stream looks at a file that lies in another.
func (l *looking) stream(r io.Reader, depth int) bool {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) && len(head) == 0 {
		return true
	}
	switch {
	case isZip(head):
		whole, err := io.ReadAll(io.LimitReader(b, looksZip+1))
		if l.left -= int64(len(whole)); err != nil || len(whole) > looksZip || l.left <= 0 {
			return true
		}
		return l.zip(bytes.NewReader(whole), int64(len(whole)), depth)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		return err != nil || depth > looksDeep || l.stream(z, depth+1)
	}
	return tombstone(head) || l.text(b)
}

// text reads lines until they say what they are. What has a NUL at its start is
// no text.
func (l *looking) text(r io.Reader) bool {
	b := bufio.NewReaderSize(r, 64<<10)
	if head, _ := b.Peek(512); bytes.IndexByte(head, 0) >= 0 && !bytes.HasPrefix(head, []byte{0xff, 0xfe}) {
		return false
	}
	var c lineCount
	var facts factFinder
	for {
		line, err := b.ReadSlice('\n')
		if l.left -= int64(len(line)); l.left <= 0 {
			return true // longer than what people write
		}
		line = bytes.TrimRight(line, "\r\n")
		if facts.line(line); c.line(line) {
			return true
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return c.log() || facts.facts().Fingerprint != ""
		}
	}
}

// lineCount counts what kinds of line a text has.
type lineCount struct{ all, loose, strict, props int }

// Lines that stand in nothing but what Android prints.
var only = []string{"== dumpstate: ", "*** *** *** *** ***", "Build fingerprint: '", "DUMP OF SERVICE ", "--------- beginning of ", "------ SYSTEM LOG", "------ EVENT LOG", "------ KERNEL LOG",
	"----- pid ", "Cmd line: ", "DALVIK THREADS"}

// line counts a line, and says whether it alone tells that the text is a log.
func (c *lineCount) line(line []byte) bool {
	if len(bytes.TrimSpace(line)) == 0 {
		return false
	}
	c.all++
	for _, start := range only {
		if bytes.HasPrefix(line, []byte(start)) {
			return true
		}
	}
	if bytes.HasPrefix(line, []byte("[ro.")) && bytes.Contains(line, []byte("]: [")) {
		c.props++
	}
	if e, ok := logcat.Parse(line); ok {
		if len(e.Time) > 0 || len(e.PID) > 0 {
			c.strict++
		} else if !strings.ContainsAny(string(e.Tag), " ") {
			c.loose++
		}
	}
	return c.strict+c.props >= 2
}

// log judges the whole text: two lines that only logs have, or many that look as
// a log's, with nothing but a tag, do. One in a letter does not.
func (c *lineCount) log() bool {
	return c.strict+c.props > 0 && c.all <= 3 || c.loose >= 3 && c.loose*2 > c.all
}
