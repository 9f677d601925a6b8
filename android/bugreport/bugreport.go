// Package bugreport reads what Android hands out when something went wrong: a
// bugreport, zipped or plain, a piece of logcat, a tombstone (text or protobuf),
// ANR traces, drop box entries, the last kernel's log. It tells which device and
// build it is of and which crashes are in it, and writes the text without
// private data.
//
// It keeps text alone: pictures, binary logs and databases in a zip are left
// out. The rules of scrubbing are package scrub's, those of crashes package
// trace's. The shape of a bugreport is described by AOSP's
// frameworks/native/cmds/dumpstate (bugreport-format.md).
package bugreport

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fridayos/friday/android/bugreport/scrub"
	"github.com/fridayos/friday/android/bugreport/trace"
)

// MaxText is how much text is read at most, unpacked, unless Options say less.
const MaxText = 512 << 20

// Options say what Read does beside reading.
type Options struct {
	Scrubbed io.Writer // gets the text without private data; nil: nobody
	MaxText  int64     // bytes of text, unpacked, that are read at most; 0: MaxText
}

// Report is what a bugreport says.
type Report struct {
	Facts
	Crashes []trace.Crash      // each once, in the order of the report
	Removed map[scrub.Kind]int // how many values of each kind were taken out
	LeftOut int                // files of a zip that were not read: no text, or none that is wanted
	Text    int64              // bytes of text that were read
}

// Facts are what the report says of the handset.
type Facts struct {
	Device      string        // codename
	Version     string        // of Friday's build: ro.friday.version
	Model       string        // as the vendor sells it
	Build       string        // as the system calls itself: ro.build.display.id
	Fingerprint string        // ro.build.fingerprint
	Android     string        // version, such as 13
	PatchLevel  string        // date of the security patches
	Kernel      string        // release, such as 4.19.113-perf
	Uptime      time.Duration // 0: not told
	Taken       string        // when, by the handset's clock
}

// ErrTooLarge is in the error of reading more text than is allowed.
var ErrTooLarge = errors.New("it holds more text than is read")

// Read reads a report of size bytes. Bad input is an error that says what was
// found; memory is bounded whatever is in it.
func Read(r io.ReaderAt, size int64, o Options) (Report, error) {
	if o.MaxText <= 0 || o.MaxText > MaxText {
		o.MaxText = MaxText
	}
	if o.Scrubbed == nil {
		o.Scrubbed = io.Discard
	}
	x := newReading(o)
	if err := x.file(r, size); err != nil {
		return Report{}, fmt.Errorf("cannot read bugreport: %w", err)
	}
	return x.report()
}

// reading is a report on its way.
type reading struct {
	left    int64 // of the text that may be read
	limit   int64
	facts   factFinder
	finder  *trace.Finder
	scrub   *scrub.Scrubber
	out     *scrub.Writer
	leftOut int
	inZip   int // zips within zips that are being read
}

func newReading(o Options) *reading {
	x := &reading{left: o.MaxText, limit: o.MaxText, finder: trace.NewFinder(), scrub: scrub.New()}
	x.out = scrub.NewWriter(o.Scrubbed, x.scrub)
	x.out.Each = x.line
	return x
}

// line is given every line of text as it came.
func (x *reading) line(line []byte) {
	if anr, ok := section(line); ok {
		x.finder.Section(anr)
	}
	x.facts.line(line)
	x.finder.Line(line)
}

// file reads a file by what it begins with.
func (x *reading) file(r io.ReaderAt, size int64) error {
	head := make([]byte, 4096)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	head = head[:n]
	switch {
	case len(head) == 0:
		return errors.New("it is empty")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return x.zip(r, size)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return x.gzip(io.NewSectionReader(r, 0, size))
	case tombstone(head):
		return x.tombstone(io.NewSectionReader(r, 0, size))
	}
	return x.text(io.NewSectionReader(r, 0, size))
}

// text reads text from r; what has NUL bytes at its start is none.
func (x *reading) text(r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4096)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if i := bytes.IndexByte(head, 0); i >= 0 && !bytes.Contains(head, []byte("\n")) || bytes.Count(head, []byte{0}) > len(head)/8 {
		return fmt.Errorf("it is no text: byte %d is NUL; expected a bugreport (zip or text), logcat's output, a tombstone or traces", i)
	}
	n, err := io.Copy(struct{ io.Writer }{x.out}, io.LimitReader(b, x.left+1))
	if x.left -= n; x.left < 0 {
		return fmt.Errorf("%w: at most %d MiB, unpacked", ErrTooLarge, x.limit>>20)
	}
	return err
}

func (x *reading) gzip(r io.Reader) error {
	z, err := gzip.NewReader(bufio.NewReader(r))
	if err != nil {
		return err
	}
	return x.text(z)
}

// report ends the reading.
func (x *reading) report() (Report, error) {
	if err := x.out.Close(); err != nil {
		return Report{}, fmt.Errorf("cannot write scrubbed text: %w", err)
	}
	r := Report{Facts: x.facts.facts(), Crashes: x.finder.Crashes(), Removed: x.scrub.Counts(), LeftOut: x.leftOut, Text: x.limit - x.left}
	// What is shown of a crash is scrubbed too; its fingerprint says nothing.
	for i := range r.Crashes {
		c := &r.Crashes[i]
		c.Process, c.Cause = x.scrub.Text(c.Process), x.scrub.Text(c.Cause)
		for k, f := range c.Frames {
			c.Frames[k] = x.scrub.Text(f)
		}
	}
	r.Kernel, r.Model, r.Build = x.scrub.Text(r.Kernel), x.scrub.Text(r.Model), x.scrub.Text(r.Build)
	return r, nil
}

// section tells whether a line begins a part of the report, and whether dumps of
// threads in it are of a process that hung.
func section(line []byte) (anr, ok bool) {
	switch {
	case bytes.HasPrefix(line, []byte("------ ")):
		return bytes.Contains(line, []byte("LAST ANR")) || bytes.Contains(line, []byte("HISTORICAL ANR")), true
	case bytes.HasPrefix(line, []byte("DUMP OF SERVICE ")):
		return false, true
	case len(line) > 24 && line[4] == '-' && line[7] == '-' && line[10] == ' ' && line[13] == ':' && bytes.HasSuffix(line, []byte("bytes)")): // a drop box entry
		return bytes.Contains(line, []byte("_anr ")), true
	}
	return false, false
}
