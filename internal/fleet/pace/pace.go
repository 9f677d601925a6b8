// Package pace is how long handsets take from one stage of an update to the next:
// a sketch of durations that sums of any nodes, regions and builds can be put
// together from without losing anything, as it is made of counts alone.
//
// A duration is counted in a class, each a tenth wider than the one before, so that
// a quantile read from the counts is within Error of the true one, whatever the
// durations are (the logarithmic histogram of DDSketch: Masson, Rim and Lee, VLDB
// 2019, with all classes kept). From a second to MaxDuration there are Classes of
// them, so a sketch has at most so many counts.
//
// It measures nothing and keeps nothing: package outcome does.
package pace

import (
	"math"
	"time"
)

// Step is from one stage of an update to another.
type Step string

// The steps, in the order in which a handset takes them; Whole is the first three
// together.
const (
	Download Step = "download" // from the offer to downloaded
	Apply    Step = "apply"    // from downloaded to applied, verifying included
	Restart  Step = "restart"  // from applied to booted: mostly, until its owner restarts it
	Whole    Step = "whole"    // from the offer to booted
	Settle   Step = "settle"   // from booted to healthy
)

// Steps returns all there are.
func Steps() []Step { return []Step{Download, Apply, Restart, Whole, Settle} }

const (
	// MaxDuration is the longest that is told apart; longer ones count as it. An
	// offer's token lives as long.
	MaxDuration = 30 * 24 * time.Hour
	// Classes is how many there are: one for less than a second, and those up to MaxDuration.
	Classes = 156
	// Error is how far a quantile may be from the true one, as a part of it; below
	// a second it is off by half a second at most.
	Error = (growth - 1) / (growth + 1)

	growth = 1.1
)

// Class is the class of a duration; a negative one has that of 0.
func Class(d time.Duration) int {
	s := min(d, MaxDuration).Seconds()
	if s < 1 {
		return 0
	}
	// Logarithms of what lies on a class's edge may fall on either side of it.
	c := int(math.Log(s) / math.Log(growth))
	for math.Pow(growth, float64(c)) > s {
		c--
	}
	for math.Pow(growth, float64(c+1)) <= s {
		c++
	}
	return 1 + c
}

// Duration is what stands for a class: no duration of the class is further from it
// than Error times the duration.
func Duration(class int) time.Duration {
	if class <= 0 {
		return time.Second / 2
	}
	low := math.Pow(growth, float64(class-1))
	return time.Duration(low * (1 + Error) * float64(time.Second))
}

// Sketch is how many durations there are of each class. The zero value is empty,
// and can be read.
type Sketch map[int]int64

// Add counts n durations of a class; s must not be nil.
func (s Sketch) Add(class int, n int64) { s[max(0, min(class, Classes-1))] += n }

// Merge counts all that o has; s must not be nil.
func (s Sketch) Merge(o Sketch) {
	for class, n := range o {
		s.Add(class, n)
	}
}

// N is how many durations were counted.
func (s Sketch) N() (n int64) {
	for _, one := range s {
		n += one
	}
	return n
}

// Quantile is the duration that a part q of all is not above, 0 to 1, within
// Error; 0 of an empty sketch.
func (s Sketch) Quantile(q float64) time.Duration {
	n := s.N()
	if n <= 0 {
		return 0
	}
	rank := max(1, int64(math.Ceil(min(q, 1)*float64(n))))
	for class := range Classes {
		if rank -= s[class]; rank <= 0 {
			return Duration(class)
		}
	}
	return MaxDuration
}
