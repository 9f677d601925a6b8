// Package distinct is a sketch of how many different ones there were: HyperLogLog
// with 2^11 registers, a standard error of 2.3%, 2 KiB at most and far less of few.
// What is counted goes in as a hash that cannot be turned back, and sets a register:
// which ones there were is not in it. The same one counts once, whichever node it
// comes through and however often it is written.
package distinct

import (
	"encoding/base64"
	"fmt"

	"github.com/axiomhq/hyperloglog"
)

const precision = 11

// Error is the standard error of an estimate, as a part of it.
const Error = 0.023

// Sketch is one set. It is not safe for many at once.
type Sketch struct{ s *hyperloglog.Sketch }

// New makes an empty sketch.
func New() *Sketch {
	s, err := hyperloglog.NewSketch(precision, true)
	if err != nil { // a precision that it does not have
		panic(err)
	}
	return &Sketch{s}
}

// Insert counts whoever has a hash, all of whose bits are as good as random.
func (s *Sketch) Insert(hash uint64) { s.s.InsertHash(hash) }

// Merge counts all that o has; o stays what it is. A nil o has none.
func (s *Sketch) Merge(o *Sketch) error {
	if o == nil {
		return nil
	}
	if err := s.s.Merge(o.s); err != nil {
		return fmt.Errorf("cannot put sketches together: %w", err)
	}
	return nil
}

// Clone is a copy.
func (s *Sketch) Clone() *Sketch { return &Sketch{s.s.Clone()} }

// Count is how many different ones there were, about; 0 of nil.
func (s *Sketch) Count() int64 {
	if s == nil {
		return 0
	}
	return int64(s.s.Estimate())
}

// Text is how it is kept: base64. Of nil it is empty.
func (s *Sketch) Text() (string, error) {
	if s == nil {
		return "", nil
	}
	b, err := s.s.MarshalBinary()
	if err != nil {
		return "", fmt.Errorf("cannot write sketch: %w", err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// maxText bounds what Read looks at: a full sketch has 2 KiB and a few bytes.
const maxText = 8 << 10

// Read reads what Text wrote; nil for nothing.
func Read(text string) (*Sketch, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("cannot read sketch: it has %d bytes, at most %d are expected", len(text), maxText)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("cannot read sketch: %w", err)
	}
	s := New()
	if err := s.s.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("cannot read sketch: %w", err)
	}
	return s, nil
}
