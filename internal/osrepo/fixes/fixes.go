// Package fixes reads from the history of an OS repository which threads of the
// forum became fixed, or fixed no more: by the trailer "Fixes: #41" of a commit,
// and by git's "This reverts commit …".
//
// It reads commits alone, and knows nothing of threads but their numbers.
package fixes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Fix ties a commit to a thread of the forum by its "Fixes: #41" trailer.
type Fix struct {
	Thread   int64
	Commit   string // the one with the trailer
	Reverted bool   // it had fixed the thread before, and is reverted now
}

// History finds commits of one repository.
type History interface {
	// Named finds the commit that a hash, a branch, a tag or "HEAD~1" names.
	Named(rev string) (*object.Commit, error)
	At(hash plumbing.Hash) (*object.Commit, error)
}

type reader struct{ History }

// Bounds of the history that Between reads, and of the reverts of reverts that it
// follows: each commit can name all before it.
const (
	maxCommits = 100_000
	maxReverts = 10_000
	maxDepth   = 64
)

var (
	fixesLine  = regexp.MustCompile(`(?mi)^fixes:[ \t]*(#\d+(?:(?:[ \t]*,[ \t]*|[ \t]+(?:and[ \t]+)?)#\d+)*)[ \t]*\r?$`)
	threadRef  = regexp.MustCompile(`#(\d+)`)
	revertLine = regexp.MustCompile(`(?m)^This reverts commit ([0-9a-f]{7,40})(?:,\s+reversing\s+changes made to ([0-9a-f]{7,40}))?`)
)

// threads returns what the "Fixes: #41, #42" lines of a message name.
func threads(message string) []int64 {
	var ids []int64
	for _, line := range fixesLine.FindAllStringSubmatch(message, -1) {
		for _, ref := range threadRef.FindAllStringSubmatch(line[1], -1) {
			id, err := strconv.ParseInt(ref[1], 10, 64)
			if err == nil && id > 0 && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// Between lists what became fixed, or fixed no more, on the way from one commit
// to another, the oldest first; an empty from is the beginning of history. A
// commit that git's "This reverts commit …" names fixes nothing any more; if
// the revert is reverted, it does again.
func Between(h History, from, to string) ([]Fix, error) {
	r := reader{h}
	head, err := r.Named(to)
	if err != nil {
		return nil, err
	}
	known := map[plumbing.Hash]bool{}
	if from != "" {
		base, err := r.Named(from)
		if err != nil {
			return nil, err
		}
		if err := r.reach(base, nil, func(c *object.Commit) { known[c.Hash] = true }); err != nil {
			return nil, err
		}
	}
	w := fixWalk{history: r, first: map[plumbing.Hash]bool{}, now: map[plumbing.Hash]bool{}}
	var fresh []*object.Commit
	if err := r.reach(head, known, func(c *object.Commit) { fresh = append(fresh, c) }); err != nil {
		return nil, err
	}
	inRange := map[plumbing.Hash]bool{}
	for _, c := range fresh {
		inRange[c.Hash] = true
		if err := w.apply(c, true, 0); err != nil {
			return nil, err
		}
	}
	var fixes []Fix
	for _, c := range w.order {
		// Before the range, a commit of the range was not there, and an older one
		// was what the first change to it turned around.
		before, now := !inRange[c.Hash] && !w.first[c.Hash], w.now[c.Hash]
		if before == now {
			continue
		}
		for _, id := range threads(c.Message) {
			fixes = append(fixes, Fix{Thread: id, Commit: c.Hash.String(), Reverted: !now})
		}
	}
	return fixes, nil
}

// reach visits the commits that c reaches and skip does not hold, parents
// before children.
func (r reader) reach(c *object.Commit, skip map[plumbing.Hash]bool, fn func(*object.Commit)) error {
	type step struct {
		c    *object.Commit
		done bool
	}
	seen, stack := map[plumbing.Hash]bool{}, []step{{c: c}}
	for len(stack) > 0 {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if s.done {
			fn(s.c)
			continue
		}
		if seen[s.c.Hash] || skip[s.c.Hash] {
			continue
		}
		if seen[s.c.Hash] = true; len(seen) > maxCommits {
			return fmt.Errorf("cannot read fixes: more than %d commits lie before %s", maxCommits, c.Hash)
		}
		stack = append(stack, step{s.c, true})
		for i := len(s.c.ParentHashes) - 1; i >= 0; i-- {
			h := s.c.ParentHashes[i]
			if seen[h] || skip[h] {
				continue
			}
			p, err := r.At(h)
			if err != nil {
				return fmt.Errorf("cannot read fixes: commit %s, a parent of %s: %w; is the clone shallow?", h, s.c.Hash, err)
			}
			stack = append(stack, step{c: p})
		}
	}
	return nil
}

type fixWalk struct {
	history    reader
	order      []*object.Commit
	first, now map[plumbing.Hash]bool // what first happened to a commit; how it stands
	steps      int
}

// apply makes a commit count, or count no more, and does the opposite to what
// it reverts.
func (w *fixWalk) apply(c *object.Commit, counts bool, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("cannot read fixes: commit %s reverts a revert more than %d times over", c.Hash, maxDepth)
	}
	if depth > 0 {
		w.steps++
	}
	if w.steps > maxReverts {
		return fmt.Errorf("cannot read fixes: commit %s and those around it revert each other in more than %d ways", c.Hash, maxReverts)
	}
	if _, ok := w.first[c.Hash]; !ok {
		w.first[c.Hash] = counts
		w.order = append(w.order, c)
	}
	w.now[c.Hash] = counts
	for _, m := range revertLine.FindAllStringSubmatch(c.Message, -1) {
		reverted, err := w.history.Named(m[1])
		if err != nil {
			continue // of another repository, as imported histories have them
		}
		if m[2] == "" {
			if err := w.apply(reverted, !counts, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := w.merge(reverted, m[2], !counts, depth); err != nil {
			return err
		}
	}
	return nil
}

// merge applies to all that a merge had brought to its mainline.
func (w *fixWalk) merge(c *object.Commit, mainline string, counts bool, depth int) error {
	base, err := w.history.Named(mainline)
	if err != nil {
		return nil
	}
	kept := map[plumbing.Hash]bool{}
	if err := w.history.reach(base, nil, func(c *object.Commit) { kept[c.Hash] = true }); err != nil {
		return err
	}
	var brought []*object.Commit
	if err := w.history.reach(c, kept, func(c *object.Commit) { brought = append(brought, c) }); err != nil {
		return err
	}
	for _, b := range brought {
		if err := w.apply(b, counts, depth+1); err != nil {
			return err
		}
	}
	return nil
}
