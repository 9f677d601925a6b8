package moderation

import (
	"slices"
	"time"
)

// Flag is one member's word against a subject.
type Flag struct {
	ID        int64
	CaseID    int64
	FlaggerID int64
	Reason    Reason
	Note      string
	Weight    int // thousandths of an unknown member's
	Known     bool
	Origin    string
	At        time.Time
	Outcome   string // "", Upheld, Dismissed
}

// Outcomes of a flag.
const (
	Upheld    = "upheld"
	Dismissed = "dismissed"
)

// Flagger is who flags, as far as it matters.
type Flagger struct {
	ID                int64
	Name              string
	Level             int    // of trust; from 1 on a member is known
	Origin            string // opaque; flags with the same count as one voice
	upheld, dismissed int    // of the flags decided so far
}

// weigh gives the weight of a member's flag, in thousandths: 1000 for one with
// no record, up to 1900 where all were upheld, down to 100 where none were;
// newcomers' count half. It is the mean of a Beta distribution that begins even.
func weigh(f Flagger) int {
	w := 2000 * (f.upheld + 1) / (f.upheld + f.dismissed + 2)
	if f.Level < 1 {
		w /= 2
	}
	return max(100, min(1900, w))
}

// How many voices hide something until it is reviewed, and how much may be
// hidden so at a time: more than that waits, in sight, for a moderator.
const (
	hidingVoices   = 3
	hidingWeight   = 3000
	maxHiddenAll   = 30 // cases open and hidden by flags
	maxHiddenOf    = 3  // of one author
	maxCounted     = 5  // undecided hidings that one member's flag may have part in
	flagsPerDay    = 20
	newFlagsPerDay = 5 // of a newcomer
)

// Hidden is what flags have hidden and nobody has decided yet.
type Hidden struct {
	All, OfAuthor int
	Of            map[int64]int // by flagger: hidings they have part in
}

// hides decides whether flags hide their subject until a human decides: enough
// independent, known members with enough weight among them. Newcomers' flags
// bring a case into the queue and hide nothing; flags from one origin are one
// voice; staff's words stay in sight; and there is a bound for all.
func hides(about About, flags []Flag, h Hidden) bool {
	if about.Staff || h.All >= maxHiddenAll || h.OfAuthor >= maxHiddenOf {
		return false
	}
	type voice struct {
		origin string
		alone  int // where no origin is known, each is its own
	}
	best := map[voice]int{}
	for i, f := range flags {
		if !f.Known || f.FlaggerID == 0 || h.Of[f.FlaggerID] >= maxCounted {
			continue
		}
		v := voice{origin: f.Origin}
		if f.Origin == "" {
			v.alone = i + 1
		}
		best[v] = max(best[v], f.Weight)
	}
	sum := 0
	for _, w := range best {
		sum += w
	}
	return len(best) >= hidingVoices && sum >= hidingWeight
}

// Ruling is what a moderator decides.
type Ruling struct {
	Action  Action
	Measure Measure
	Reason  string    // for the author; needed but for Keep
	Law     string    // of a Takedown: which right or law, whose demand
	Until   time.Time // of a Suspend
}

// check decides whether a ruling can be made, and cleans its words.
func (r Ruling) check(about About, by Actor, now time.Time) (Ruling, error) {
	var err error
	if r.Reason, err = words("reason", r.Reason, r.Action != Keep || r.Measure != Nothing); err != nil {
		return r, err
	}
	if r.Law, err = words("law", r.Law, r.Action == Takedown); err != nil {
		return r, err
	}
	switch {
	case !slices.Contains(Actions(), r.Action):
		return r, &Wrong{"action", Unknown}
	case !slices.Contains(Measures(), r.Measure):
		return r, &Wrong{"measure", Unknown}
	case r.Action == Lock && about.Kind != Thread, r.Action != Keep && about.Kind == Member:
		return r, &Wrong{"action", Unfit}
	case about.AuthorID != 0 && about.AuthorID == by.ID:
		return r, ErrOwn
	case r.Measure != Nothing && about.AuthorID == 0:
		return r, &Wrong{"measure", Unfit}
	case r.Measure != Nothing && about.Staff && !by.Admin:
		return r, ErrStaff
	case r.Measure == Suspend && r.Until.IsZero():
		return r, &Wrong{"until", Missing}
	case r.Measure == Suspend && r.Until.Sub(now) < MinSuspension:
		return r, &Wrong{"until", TooShort}
	case r.Measure == Suspend && r.Until.Sub(now) > MaxSuspension:
		return r, &Wrong{"until", TooLong}
	}
	if r.Action != Takedown {
		r.Law = ""
	}
	if r.Measure != Suspend {
		r.Until = time.Time{}
	}
	return r, nil
}

// effects says what a ruling does to its subject. Keep shows what was held back
// or hidden by flags.
func (r Ruling) effects(s Subject, kept bool) []Effect {
	yes, no := true, false
	switch {
	case r.Action == Hide, r.Action == Takedown:
		return []Effect{{Subject: s, Hidden: &yes}}
	case r.Action == Lock && kept:
		return []Effect{{Subject: s, Hidden: &no, Locked: &yes}}
	case r.Action == Lock:
		return []Effect{{Subject: s, Locked: &yes}}
	case kept && s.Kind != Member:
		return []Effect{{Subject: s, Hidden: &no}}
	}
	return nil
}

// undo says what lifting a ruling does.
func (r Ruling) undo(s Subject) []Effect {
	no := false
	switch r.Action {
	case Hide, Takedown:
		return []Effect{{Subject: s, Hidden: &no}}
	case Lock:
		return []Effect{{Subject: s, Locked: &no}}
	}
	return nil
}

// upholds says whether a ruling agrees with those who flagged.
func (r Ruling) upholds() bool { return r.Action != Keep || r.Measure != Nothing }
