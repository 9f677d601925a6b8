package inplace

import (
	"maps"
	"slices"

	"github.com/fridayos/friday/android/blockota"
)

// kept is a stash that a transfer needs: blocks of its source, and their places in
// it.
type kept struct {
	name   string
	source blockota.RangeSet
	at     blockota.RangeSet
}

// stashes makes those of all transfers, by reader, and by the writer before which
// each has to be put away.
func (o *order) stashes(buf []byte) (of [][]*kept, before map[int32][]*kept, err error) {
	of = make([][]*kept, len(o.t))
	before = map[int32][]*kept{}
	for t := range o.t {
		lost := o.lost(int32(t))
		if lost == nil {
			continue
		}
		flat := slices.Collect(blocks(o.t[t].Source))
		for _, w := range slices.Sorted(maps.Keys(lost)) {
			k := &kept{}
			for _, place := range lost[w] {
				k.at = extend(k.at, place)
				k.source = extend(k.source, flat[place])
			}
			if k.name, err = sum(o.ctx, o.im.Old, k.source, buf); err != nil {
				return nil, nil, err
			}
			of[t] = append(of[t], k)
			before[w] = append(before[w], k)
		}
	}
	return of, before, nil
}

func extend(s blockota.RangeSet, b int64) blockota.RangeSet {
	if n := len(s); n > 0 && s[n-1].End == b {
		s[n-1].End++
		return s
	}
	return append(s, blockota.Range{Start: b, End: b + 1})
}

// commands writes the list.
func (o *order) commands() (*Plan, error) {
	buf := make([]byte, 1<<20)
	of, before, err := o.stashes(buf)
	if err != nil {
		return nil, err
	}
	l := &blockota.List{Version: 4}
	plan := &Plan{List: l, Turned: o.turned}
	uses := map[string]int{} // of stashes that are to come or are held
	for _, ks := range of {
		for _, k := range ks {
			uses[k.name]++
		}
	}
	held := map[string]int64{} // blocks
	count := func(more int64) {
		n := more
		for _, h := range held {
			n += h
		}
		l.StashBlocks, l.StashEntries = max(l.StashBlocks, n), max(l.StashEntries, int64(len(held)))
	}
	for _, t := range o.seq {
		for _, k := range before[t] {
			if _, ok := held[k.name]; ok {
				continue
			}
			held[k.name] = k.source.Blocks()
			l.Commands = append(l.Commands, blockota.Command{Kind: blockota.Stash, Stash: k.name, Source: k.source})
			count(0)
		}
		x := o.t[t]
		c := blockota.Command{Kind: x.Kind, Target: x.Target, PatchOffset: x.PatchOffset, PatchSize: x.PatchSize}
		switch x.Kind {
		case blockota.New:
			plan.New = append(plan.New, x.Target...)
		case blockota.Zero:
		default:
			if o.overlaps(t) {
				count(x.Source.Blocks())
			}
			if c.SourceHash, err = sum(o.ctx, o.im.Old, x.Source, buf); err != nil {
				return nil, err
			}
			if c.TargetHash, err = sum(o.ctx, o.im.New, x.Target, buf); err != nil {
				return nil, err
			}
			c.SourceSize = x.Source.Blocks()
			o.sources(&c, x.Source, of[t])
		}
		l.Blocks += x.Target.Blocks()
		l.Commands = append(l.Commands, c)
		for _, k := range of[t] {
			if uses[k.name]--; uses[k.name] == 0 {
				l.Commands = append(l.Commands, blockota.Command{Kind: blockota.Free, Stash: k.name})
				delete(held, k.name)
			}
		}
	}
	return plan, nil
}

// sources says which blocks of a command's source lie in the partition still, and
// which in stashes.
func (o *order) sources(c *blockota.Command, source blockota.RangeSet, ks []*kept) {
	if len(ks) == 0 {
		c.Source = source
		return
	}
	gone := map[int64]bool{}
	for _, k := range ks {
		c.Stashes = append(c.Stashes, blockota.StashRef{Stash: k.name, At: k.at})
		for p := range blocks(k.at) {
			gone[p] = true
		}
	}
	place := int64(0)
	for b := range blocks(source) {
		if !gone[place] {
			c.Source, c.SourceAt = extend(c.Source, b), extend(c.SourceAt, place)
		}
		place++
	}
}
