package trace

import (
	"bytes"
	"strings"

	"github.com/fridayos/friday/android/bugreport/logcat"
)

// Finder finds crashes in lines of text, in the order in which they come. Lines
// of several processes and logs may be mixed: what belongs together is told by
// process and tag. Its memory is bounded by MaxCrashes.
type Finder struct {
	open    map[stream]*record
	order   []stream // the streams that are open, the oldest first
	found   []Crash
	seen    map[string]bool // by kind, process and fingerprint
	skipANR bool            // the dumps of threads that follow are not of a process that hung
	long    *stream         // the long format's header: message lines follow
}

// stream is where the lines of one crash come from.
type stream struct{ tag, pid string }

// state is what a record waits for.
type state byte

const (
	header state = iota // what the crash is
	stack               // frames
	ended
)

// record is a crash being read.
type record struct {
	crash    Crash
	state    state
	lines    int
	causes   int      // exceptions seen in the chain
	main     bool     // the main thread of an ANR's dump
	aside    bool     // frames of a suppressed exception follow
	fallback []string // frames of the machinery, if there is nothing else
}

// NewFinder returns a Finder for one report.
func NewFinder() *Finder {
	return &Finder{open: map[stream]*record{}, seen: map[string]bool{}}
}

// Section tells the Finder that another part of the report begins: whatever is
// open ends. Dumps of threads count as an ANR only where anr is true.
func (f *Finder) Section(anr bool) {
	f.endAll()
	f.skipANR, f.long = !anr, nil
}

// Line takes the next line, without its line feed.
func (f *Finder) Line(line []byte) {
	const longest = 4096
	if len(line) > longest {
		line = line[:longest]
	}
	e, ok := logcat.Parse(line)
	switch {
	case ok && e.Long:
		f.long = &stream{string(e.Tag), string(e.PID)}
	case ok && e.Kernel:
		f.message(stream{tag: "kernel"}, e.Message)
	case ok:
		f.long = nil
		f.message(stream{string(e.Tag), string(e.PID)}, e.Message)
	case f.long != nil && len(line) > 0:
		f.message(*f.long, line)
	default:
		f.message(stream{}, bytes.TrimSuffix(line, []byte("\r")))
	}
}

// Crashes ends the reading and returns what was found, each crash once.
func (f *Finder) Crashes() []Crash {
	f.endAll()
	return merge(f.found)
}

// merge leaves out an ANR or a watchdog's kill that is known by its reason alone
// where its stack was found too.
func merge(all []Crash) []Crash {
	type of struct {
		kind    Kind
		process string
	}
	traced := map[of]bool{}
	for _, c := range all {
		traced[of{c.Kind, baseProcess(c.Process)}] = traced[of{c.Kind, baseProcess(c.Process)}] || len(c.Frames) > 0
	}
	kept := make([]Crash, 0, len(all))
	for _, c := range all {
		if (c.Kind == ANR || c.Kind == Watchdog) && len(c.Frames) == 0 && traced[of{c.Kind, baseProcess(c.Process)}] {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

func (f *Finder) endAll() {
	for _, s := range f.order {
		f.end(s)
	}
	f.order = f.order[:0]
}

// end closes a stream's record and keeps the crash.
func (f *Finder) end(s stream) {
	r := f.open[s]
	if r == nil {
		return
	}
	delete(f.open, s)
	c := r.crash
	if len(c.Frames) == 0 {
		c.Frames = r.fallback
	}
	if c.Kind == "" || len(c.Frames) == 0 && c.Cause == "" || c.Kind == Native && c.Cause == "" {
		// Without a signal it is another thread of a crash, or a stack that was asked for.
		return
	}
	if c.Kind == ANR && len(c.Frames) > 0 {
		c.Cause = "" // the stack says more than the reason, which is not in every record
	}
	c.finish()
	key := string(c.Kind) + "\x00" + baseProcess(c.Process) + "\x00" + c.Fingerprint
	if !f.seen[key] && len(f.found) < MaxCrashes {
		f.seen[key] = true
		f.found = append(f.found, c)
	}
}

// begin opens a record, ending the one before it in its stream.
func (f *Finder) begin(s stream, kind Kind) *record {
	f.end(s)
	const most = 64
	if len(f.order) >= most {
		f.end(f.order[0])
		f.order = f.order[1:]
	}
	r := &record{crash: Crash{Kind: kind}}
	f.open[s] = r
	for i, o := range f.order {
		if o == s {
			f.order = append(f.order[:i], f.order[i+1:]...)
			break
		}
	}
	f.order = append(f.order, s)
	return r
}

// message takes one line of one stream.
func (f *Finder) message(s stream, line []byte) {
	text := strings.TrimRight(string(line), " \t")
	if f.start(s, text) {
		return
	}
	r := f.open[s]
	if r == nil {
		return
	}
	const most = 2000
	if r.lines++; r.lines > most || !r.read(text) {
		f.end(s)
	}
}

// read takes a line into the record; false when the record has ended.
func (r *record) read(text string) bool {
	switch r.crash.Kind {
	case Java:
		return r.java(text)
	case Native:
		return r.native(text)
	case ANR:
		return r.anr(text)
	case Watchdog:
		return r.watchdog(text)
	case Kernel:
		return r.kernel(text)
	}
	return false
}

func (r *record) frame(f string, machinery bool) {
	switch {
	case machinery && len(r.crash.Frames) == 0:
		if len(r.fallback) < MaxFrames {
			r.fallback = append(r.fallback, f)
		}
	case len(r.crash.Frames) < MaxFrames:
		r.crash.Frames = append(r.crash.Frames, f)
	}
}

// start recognises the line with which a crash begins.
func (f *Finder) start(s stream, text string) bool {
	trimmed := strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(trimmed, "FATAL EXCEPTION"), strings.HasPrefix(trimmed, "*** FATAL EXCEPTION IN SYSTEM PROCESS"):
		r := f.begin(s, Java)
		if strings.HasPrefix(trimmed, "***") {
			r.crash.Process = "system_server"
		}
		return true
	case strings.HasPrefix(trimmed, "*** *** *** *** ***"):
		f.begin(s, Native)
		return true
	case strings.HasPrefix(trimmed, "pid: ") && strings.Contains(trimmed, ">>> "):
		r := f.open[s]
		if r == nil || r.crash.Kind != Native || len(r.crash.Frames)+len(r.fallback) > 0 {
			r = f.begin(s, Native)
		}
		_, rest, _ := strings.Cut(trimmed, ">>> ")
		r.crash.Process, _, _ = strings.Cut(rest, " <<<")
		return true
	case strings.HasPrefix(trimmed, "ANR in "):
		r := f.begin(s, ANR)
		r.crash.Process, _, _ = strings.Cut(strings.TrimPrefix(trimmed, "ANR in "), " ")
		return true
	case strings.HasPrefix(trimmed, "----- pid "):
		if r := f.open[s]; r != nil && r.crash.Kind == Watchdog || f.skipANR {
			f.end(s)
			return true
		}
		f.skipANR = true // the first process of a dump is the one that hung
		f.begin(s, ANR).main = true
		return true
	case strings.Contains(trimmed, "*** WATCHDOG KILLING SYSTEM PROCESS: "):
		_, reason, _ := strings.Cut(trimmed, "PROCESS: ")
		r := f.begin(s, Watchdog)
		r.crash.Process, r.crash.Cause = "system_server", blockedIn(reason)
		return true
	case kernelStart(s, trimmed):
		if r := f.open[s]; r == nil || r.crash.Kind != Kernel {
			r = f.begin(s, Kernel)
			r.crash.Process, r.crash.Cause = "kernel", kernelCause(trimmed)
		} else if len(r.crash.Frames) == 0 && r.crash.Cause == "panic" {
			r.crash.Cause = kernelCause(trimmed)
		}
		return true
	case strings.HasPrefix(trimmed, "Process: ") && s.tag == "" && (f.open[s] == nil || f.open[s].crash.Kind == Java && f.open[s].causes > 0 || f.open[s].crash.Kind != Java):
		r := f.begin(s, Java) // an entry of the drop box
		r.crash.Process = strings.TrimPrefix(trimmed, "Process: ")
		return true
	}
	return false
}
