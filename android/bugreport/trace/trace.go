// Package trace finds crashes in what Android logs and stores: Java exceptions,
// native crashes, ANRs, the system's watchdog and kernel panics; and gives each
// a fingerprint, so that the same crash is one crash on every handset.
//
// A fingerprint is made of the crash's kind, the process, the exception or the
// signal, and the first frames, after what differs from build to build, from
// handset to handset and from language to language is left out: line numbers,
// addresses, offsets, the numbers of lambdas and anonymous classes, the text of
// messages, the places where apps are installed.
//
// The shapes are those of RuntimeInit and Throwable.printStackTrace (Java),
// debuggerd's tombstone_proto_to_text.cpp (native), ActivityManager and ART's
// dumps on SIGQUIT (ANR), com.android.server.Watchdog, and Linux' die and panic.
package trace

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Kind is a sort of crash.
type Kind string

// The kinds of crashes.
const (
	Java     Kind = "java"
	Native   Kind = "native"
	ANR      Kind = "anr"
	Watchdog Kind = "watchdog"
	Kernel   Kind = "kernel"
)

// What bounds a crash, whatever the log holds.
const (
	MaxFrames  = 64  // kept of a stack
	MaxCrashes = 200 // found by one Finder
	topFrames  = 5   // that make the fingerprint
)

// Crash is one crash.
type Crash struct {
	Kind        Kind
	Process     string   // as the system names it; empty if it is not told
	Cause       string   // class of the innermost exception, signal, reason of an ANR
	Frames      []string // normalised, the innermost first
	Fingerprint string   // 16 hexadecimal digits
}

// Top is the frame that says most: the first one that is not the machinery of
// crashing; the cause when there are no frames.
func (c *Crash) Top() string {
	if len(c.Frames) > 0 {
		return c.Frames[0]
	}
	return c.Cause
}

// finish fills the fingerprint in.
func (c *Crash) finish() {
	h := sha256.New()
	put := func(s string) { h.Write([]byte(s)); h.Write([]byte{0}) }
	put(string(c.Kind))
	put(baseProcess(c.Process))
	put(c.Cause)
	for i, f := range c.Frames {
		if i == topFrames {
			break
		}
		put(f)
	}
	c.Fingerprint = hex.EncodeToString(h.Sum(nil)[:8])
}

// baseProcess leaves out which of an app's processes it was: com.foo:remote.
func baseProcess(p string) string {
	p, _, _ = strings.Cut(p, ":")
	return strings.TrimSpace(p)
}
