package stocktest

import (
	"encoding/binary"
	"fmt"
	"io"
)

// kind is what content looks like to a compressor.
type kind uint8

const (
	noise kind = iota // pictures, sound, packed archives: does not shrink
	code              // programs: shrinks to a third or so
	text              // XML, scripts: shrinks to a sixth or so
	mixed             // packages: code, text and noise in turn
)

const piece = 4096

// synthetic is content that is made when it is read, so that a system of any
// size takes no memory. It is an io.ReaderAt.
type synthetic struct {
	kind kind
	seed uint64
	size int64
}

// ReadAt makes the content at off.
func (s *synthetic) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read at %d", off)
	}
	var buf [piece]byte
	n := 0
	for n < len(p) && off < s.size {
		s.fill(buf[:], uint64(off/piece))
		c := copy(p[n:], buf[off%piece:min(piece, s.size-off/piece*piece)])
		n += c
		off += int64(c)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *synthetic) fill(b []byte, block uint64) {
	start := random(s.seed ^ (block+1)*0xff51afd7ed558ccd)
	r := random(start.next()) // not start itself: the blocks' numbers would overlap
	k := s.kind
	if k == mixed {
		chooser := random(s.seed ^ (block/8+7)*0xbf58476d1ce4e5b9) // runs of 32 KiB
		k = [...]kind{noise, noise, code, code, text}[chooser.below(5)]
	}
	switch k {
	case noise:
		for i := 0; i+8 <= len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], r.next())
		}
	case code:
		s.code(b, &r)
	default:
		prose(b, &r)
	}
}

// code writes words of four bytes, most of them from a set that the file uses
// again and again, as instructions and offsets are.
func (s *synthetic) code(b []byte, r *random) {
	for i := 0; i+4 <= len(b); i += 4 {
		x := r.next()
		word := uint32(x >> 32)
		switch {
		case x&7 < 5: // a common instruction of the file
			word = uint32((s.seed ^ (x>>8&63)*0x94d049bb133111eb) >> 16)
		case x&7 < 7: // a small number
			word = uint32(x>>8) & 0xff
		}
		binary.LittleEndian.PutUint32(b[i:], word)
	}
}

var words = [...]string{
	"<item name=\"", "\">", "</item>\n", "android.permission.", "com.android.", "service", " = ", "true", "false",
	"<string name=\"", "</string>\n", "settings", "config_", "u:object_r:", ":s0", "\n    ", "media", "camera", "audio",
	"network", "provider", "receiver", "<permission name=\"", "\" />\n", "priority", "user", "group", "system", "class",
	"on property:", "sys.boot_completed=1\n", "start ", "value", "default", "layout_", "width", "height", "display",
}

func prose(b []byte, r *random) {
	for i := 0; i < len(b); {
		x := r.next()
		i += copy(b[i:], words[x%uint64(len(words))])
		if x>>32&3 == 0 && i < len(b) {
			i += copy(b[i:], fmt.Sprintf("%d", x>>40&0xfffff))
		}
	}
}

// random is SplitMix64: the same numbers on every machine and in every version
// of Go.
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int { return int(r.next() % uint64(n)) }

// seedOf mixes texts into a seed.
func seedOf(seed uint64, parts ...string) uint64 {
	h := seed ^ 0xcbf29ce484222325
	for _, p := range parts {
		for i := range len(p) {
			h = (h ^ uint64(p[i])) * 0x100000001b3
		}
		h = (h ^ 0xff) * 0x100000001b3
	}
	r := random(h)
	return r.next()
}
