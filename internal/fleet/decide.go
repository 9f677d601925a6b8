package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/wire"
)

// Snapshot is what offers are decided from. It is never changed once made, so
// that all requests of a node can share it.
type Snapshot struct {
	Revision int64
	Until    time.Time // the end of the lease: Decide offers nothing after it

	lines    map[lineKey][]*line          // newest build first
	packages map[string]Served            // by digest, hex
	versions map[string]string            // incrementals by build ID
	known    map[[2]string]*catalog.Build // by device and incremental
}

// Renewed is s with a lease until then.
func (s *Snapshot) Renewed(until time.Time) *Snapshot {
	next := *s
	next.Until = until
	return &next
}

// Incremental is what a build calls itself, if a rollout or a package of one has it.
func (s *Snapshot) Incremental(build string) (string, bool) {
	v, ok := s.versions[build]
	return v, ok
}

type lineKey struct{ device, channel string }

// line is one rollout with all that an offer of it needs.
type line struct {
	rollout Rollout
	build   *catalog.Build
	full    *catalog.Package
	from    map[string]source        // by the incremental of the build it starts from
	csigs   map[blob.Digest]blob.Ref // by package; nil: none
	order   order
	notes   string
	says    says
	parts   []*line // of the same release, for some of the handsets that this one is for
}

// says are reasons that a line gives to nearly all who ask: they are the same for
// each, and are put together once.
type says struct{ runs, older, turn string }

func (l *line) saying() says {
	r := &l.rollout
	return says{runs: fmt.Sprintf("the handset runs %s already", r.Release), older: fmt.Sprintf("%s is older than what the handset runs", r.Release),
		turn: fmt.Sprintf("%s is at %s, this handset's turn comes later", r.Release, r.Reach())}
}

type source struct {
	build *catalog.Build
	pkg   *catalog.Package
}

// Served says whether a package may be fetched now.
type Served struct {
	Package catalog.Package
	State   State // Complete: it may; Halted: not now; Pulled: never again
}

// Facts are what NewSnapshot is made from.
type Facts struct {
	Revision int64
	Rollouts []Rollout
	Builds   map[string]*catalog.Build     // by ID: those of the rollouts, and those that packages start from
	To       map[string][]*catalog.Package // by the build that they lead to
	Csigs    map[blob.Digest]catalog.Csig  // by package
	Notes    map[string]string             // by release
}

// NewSnapshot arranges facts for deciding. Until is left to the caller.
func NewSnapshot(f Facts) *Snapshot { return new(Snapshot).next(f, nil) }

// next is a snapshot of what s has, but for some devices, of which f has all
// rollouts: builds and packages do not change. Without devices it is of f alone.
func (s *Snapshot) next(f Facts, devices map[string]bool) *Snapshot {
	n := &Snapshot{Revision: f.Revision, lines: map[lineKey][]*line{}, packages: map[string]Served{}, versions: map[string]string{}, known: map[[2]string]*catalog.Build{}}
	if devices != nil {
		n.lines, n.packages, n.versions, n.known = maps.Clone(s.lines), maps.Clone(s.packages), maps.Clone(s.versions), maps.Clone(s.known)
		maps.DeleteFunc(n.lines, func(key lineKey, _ []*line) bool { return devices[key.device] })
		maps.DeleteFunc(n.packages, func(_ string, p Served) bool { return devices[p.Package.Device] })
	}
	fresh := map[lineKey][]*line{}
	for _, r := range f.Rollouts {
		if l := n.take(f, r); l != nil {
			key := lineKey{r.Device, r.Channel}
			fresh[key] = append(fresh[key], l)
		}
	}
	for _, b := range f.Builds {
		n.versions[b.ID] = b.Incremental
		key := [2]string{b.Device, b.Incremental}
		if have := n.known[key]; have == nil || cmp.Or(cmp.Compare(b.Timestamp, have.Timestamp), cmp.Compare(b.ID, have.ID)) > 0 {
			n.known[key] = b
		}
	}
	for key, lines := range fresh {
		n.lines[key] = inOrder(lines)
	}
	return n
}

// take makes a line of a rollout, and notes what it serves; nil if nobody can be
// offered it.
func (s *Snapshot) take(f Facts, r Rollout) *line {
	build := f.Builds[r.Build]
	if build == nil || r.State == Planned {
		return nil
	}
	s.versions[r.Build] = build.Incremental
	l := &line{rollout: r, build: build, order: newOrder(r.Release), notes: notes(&r, f.Notes[r.Release]), from: map[string]source{}}
	l.says = l.saying()
	for _, p := range f.To[r.Build] {
		s.serve(p, r.State)
		l.describe(s, p, f.Csigs)
		if p.Kind == catalog.Full {
			l.full = p
		} else if b := f.Builds[p.From]; b != nil {
			l.from[b.Incremental] = source{b, p}
		}
	}
	return l
}

// inOrder sorts the lines of a device and channel, the newest build first, and
// leaves out those behind one that is complete and for all: of them nothing is
// ever offered but what may not be skipped.
func inOrder(lines []*line) []*line {
	slices.SortFunc(lines, func(a, b *line) int {
		return cmp.Or(cmp.Compare(b.build.Timestamp, a.build.Timestamp), cmp.Compare(b.rollout.narrowness(), a.rollout.narrowness()), cmp.Compare(b.rollout.ID, a.rollout.ID))
	})
	setParts(lines)
	i := slices.IndexFunc(lines, (*line).forAll)
	if i < 0 {
		return lines
	}
	kept := lines[: i+1 : i+1]
	for _, l := range lines[i+1:] {
		if l.rollout.Conditions.Stepping {
			kept = append(kept, l)
		}
	}
	return kept
}

// notes are what people read about a release on the device. A rollback index
// never rises in silence: who goes back after that may be left with a phone that
// does not start.
func notes(r *Rollout, of string) string {
	if r.Conditions.Raises == 0 {
		return of
	}
	return strings.TrimLeft(of+fmt.Sprintf("\n\nThis release raises the rollback index to %d: builds from before it will not start on this phone any more.", r.Conditions.Raises), "\n")
}

// serve notes that a rollout in state has p. One that runs is enough to serve
// it; one that is halted outweighs those that are pulled.
func (s *Snapshot) serve(p *catalog.Package, state State) {
	rank := func(s State) int { return slices.Index([]State{"", Pulled, Halted, Complete}, s) }
	if state == Running || state == Held {
		state = Complete
	}
	digest := p.Digest.String()
	if rank(state) > rank(s.packages[digest].State) {
		s.packages[digest] = Served{*p, state}
	}
}

// Package says whether a package may be fetched; ok is false for one that no
// rollout ever had.
func (s *Snapshot) Package(digest string) (Served, bool) {
	p, ok := s.packages[digest]
	return p, ok
}

// forAll says whether l is complete and not restricted.
func (l *line) forAll() bool {
	r := &l.rollout
	return r.State == Complete && r.narrowness() == 0 && len(r.Regions) == 0 && !r.Conditions.narrow() && l.build.Variant == "" && l.full != nil &&
		!slices.ContainsFunc(l.parts, func(p *line) bool { return p.rollout.State != Complete || len(p.rollout.Regions) > 0 })
}

// Decision answers one check-in.
type Decision struct {
	Reason     string // why there is no offer; empty when there is one
	NeedsPlace bool   // it holds once a place in the stage was taken for it
	Recalled   bool   // what the handset runs was pulled
	LeaseOut   bool   // the snapshot is too old to decide anything
	Rollout    *Rollout
	Region     string // of the handset, as it is counted
	Build      *catalog.Build
	Package    *catalog.Package
	From       string // incremental of the handset's build, if it is known to the catalogue as a source
	Notes      string
}

// Offer says whether d is one.
func (d *Decision) Offer() bool { return d.Package != nil }

// Decide answers one check-in. It depends on nothing but its arguments; t is a
// ticket whose signature was verified, or nil. An offer that NeedsPlace holds
// once the caller has a place for it; without one, ask again with the rollout
// among those that are full.
func Decide(c *wire.CheckIn, t *wire.Ticket, s *Snapshot, now time.Time, full ...int64) Decision {
	if s == nil || !now.Before(s.Until) {
		return Decision{Reason: "this server has not heard of the rollouts for a while; ask again soon", LeaseOut: true}
	}
	if t != nil && now.Unix() >= t.Expires {
		t = nil
	}
	if why := refuseHandset(c, t); why != "" {
		return Decision{Reason: why}
	}
	lines := s.lines[lineKey{c.Device, c.Channel}]
	// On a build that was pulled, the way out is open at once.
	recalled := slices.ContainsFunc(lines, func(l *line) bool { return l.rollout.State == Pulled && l.runs(c) })
	first, meant := "", false // the reason that is about the newest release, and whether that one's part is for this handset
	for i, l := range lines {
		d := l.decide(c, t, now, recalled, full)
		if d.Offer() {
			step := mustStep(lines[i+1:], c)
			if step == nil {
				return d
			}
			d = Decision{Reason: fmt.Sprintf("%s comes after %s, which may not be skipped", l.rollout.Release, step.rollout.Release)}
		}
		if is := l.rollout.isFor(c); first == "" || is && !meant && l.rollout.Release == lines[0].rollout.Release {
			first, meant = d.Reason, is
		}
	}
	if first == "" {
		first = fmt.Sprintf("there is no release for %q on channel %q", c.Device, c.Channel)
	}
	if recalled {
		first = "what the handset runs was pulled, and there is no way out yet: " + first
	}
	return Decision{Reason: first, Recalled: recalled}
}

// decide answers one check-in with one rollout.
func (l *line) decide(c *wire.CheckIn, t *wire.Ticket, now time.Time, recalled bool, full []int64) Decision {
	why := l.refuse(c)
	place := false
	if why == "" && !recalled {
		place, why = l.turn(c, t, now, full)
	}
	if why != "" {
		return Decision{Reason: why}
	}
	p, from, why := l.choose(c)
	if why != "" {
		return Decision{Reason: why}
	}
	return Decision{Rollout: &l.rollout, Region: outcome.Region(c.Region), Build: l.build, Package: p, From: from, Notes: l.notes, NeedsPlace: place, Recalled: recalled}
}

// mustStep is a release among the older ones that the handset may not skip.
func mustStep(older []*line, c *wire.CheckIn) *line {
	for _, l := range older {
		if l.rollout.Conditions.Stepping && l.rollout.State != Pulled && l.build.Timestamp > c.Timestamp && !l.runs(c) && l.rollout.Conditions.refuse(&l.rollout, l.build, c) == "" {
			return l
		}
	}
	return nil
}

// runs says whether the handset runs l's build already.
func (l *line) runs(c *wire.CheckIn) bool {
	return c.Incremental == l.build.Incremental || c.VBMetaDigest != "" && strings.EqualFold(c.VBMetaDigest, l.build.VBMetaDigest)
}

// refuseHandset says why no release at all may be offered.
func refuseHandset(c *wire.CheckIn, t *wire.Ticket) string {
	switch {
	case wire.OpenChannel(c.Channel):
	case !slices.Contains(wire.Channels(), c.Channel):
		return fmt.Sprintf("there is no channel %q", c.Channel)
	case t == nil || !slices.Contains(t.Channels, c.Channel):
		return fmt.Sprintf("channel %s needs a ticket for it", c.Channel)
	}
	if !wire.IsPatchLevel(c.PatchLevel) {
		// Unknown counts as newest: a phone may wipe itself over an older one.
		return fmt.Sprintf("the handset's patch level is %q, not a date", c.PatchLevel)
	}
	if c.Bucket < 0 || c.Bucket >= wire.Buckets {
		return fmt.Sprintf("bucket %d is outside 0 to %d", c.Bucket, wire.Buckets-1)
	}
	return ""
}

// refuse says why l may not be offered to the handset, whenever its turn is.
func (l *line) refuse(c *wire.CheckIn) string {
	r, b := &l.rollout, l.build
	if why := r.Conditions.refuse(r, b, c); why != "" {
		return why
	}
	if why := l.leaves(c); why != "" {
		return why
	}
	switch {
	case l.runs(c):
		return l.says.runs
	case r.State == Pulled:
		return fmt.Sprintf("%s was pulled", r.Release)
	case r.State == Halted:
		return fmt.Sprintf("%s is halted", r.Release)
	case r.State == Planned:
		return fmt.Sprintf("%s has not begun", r.Release)
	case len(r.Regions) > 0 && outcome.Region(c.Region) == "":
		return fmt.Sprintf("%s is halted in some regions, and the handset does not tell its own", r.Release)
	case r.Stopped(outcome.Region(c.Region)):
		return fmt.Sprintf("%s is halted in region %s", r.Release, outcome.Region(c.Region))
	case b.Timestamp < c.Timestamp:
		return l.says.older
	case !wire.IsPatchLevel(b.PatchLevel) || b.PatchLevel < c.PatchLevel:
		return fmt.Sprintf("%s has patch level %q, older than the handset's %s", r.Release, b.PatchLevel, c.PatchLevel)
	case b.RollbackIndex < c.RollbackIndex:
		return fmt.Sprintf("%s has rollback index %d, lower than the handset's %d", r.Release, b.RollbackIndex, c.RollbackIndex)
	}
	return ""
}

// turn says why the handset's turn has not come; place, that it comes with a
// place in the stage.
func (l *line) turn(c *wire.CheckIn, t *wire.Ticket, now time.Time, full []int64) (place bool, why string) {
	r := &l.rollout
	if why := r.Conditions.later(r, c, now); why != "" {
		return false, why
	}
	if HasPlace(t, r.ID, c.Bucket) {
		return false, ""
	}
	stage := r.Stages[r.Stage]
	if r.State != Complete && stage.Handsets > 0 {
		if slices.Contains(full, r.ID) {
			return false, fmt.Sprintf("%s is for %d handsets at first, and no place is free now", r.Release, stage.Handsets)
		}
		return true, ""
	}
	percent := r.Percent()
	if c.Early && r.State != Complete {
		percent = max(percent, stage.Volunteers)
	}
	if l.order.place(c.Bucket) >= percent*(wire.Buckets/100) {
		return false, l.says.turn
	}
	return false, ""
}

// choose picks the package: the incremental for exactly the handset's build if
// it can be applied there, else the full one.
func (l *line) choose(c *wire.CheckIn) (p *catalog.Package, from, why string) {
	failed := func(p *catalog.Package) bool {
		return slices.ContainsFunc(c.FailedHere, func(d string) bool { return strings.EqualFold(d, p.Digest.String()) })
	}
	src, known := l.from[c.Incremental]
	if known {
		from = c.Incremental
		// Both say which build it is; when they disagree, it is another one.
		exact := c.VBMetaDigest == "" || src.build.VBMetaDigest == "" || strings.EqualFold(c.VBMetaDigest, src.build.VBMetaDigest)
		if exact && !c.Modified && !failed(src.pkg) {
			return src.pkg, from, ""
		}
	}
	switch {
	case l.full == nil:
		return nil, from, fmt.Sprintf("%s has no full package", l.rollout.Release)
	case failed(l.full):
		return nil, from, fmt.Sprintf("the full package of %s failed on this handset", l.rollout.Release)
	}
	return l.full, from, ""
}

// Listed is what clients may be shown that say nothing about themselves: the
// newest release that is complete and unrestricted, or nil.
func (s *Snapshot) Listed(device, channel string) (r *Rollout, b *catalog.Build, full *catalog.Package) {
	for _, l := range s.lines[lineKey{device, channel}] {
		if l.forAll() {
			return &l.rollout, l.build, l.full
		}
	}
	return nil, nil, nil
}

// Leading is the package for a device that leads from a build to another, both
// by their incrementals; from is empty for the full one. Of several channels any
// serves: what a package leads to is in its name.
func (s *Snapshot) Leading(device, from, to string) (Served, bool) {
	for _, channel := range wire.Channels() {
		for _, l := range s.lines[lineKey{device, channel}] {
			p := l.full
			if from != "" {
				p = l.from[from].pkg
			}
			if l.build.Incremental == to && p != nil {
				return s.Package(p.Digest.String())
			}
		}
	}
	return Served{}, false
}
