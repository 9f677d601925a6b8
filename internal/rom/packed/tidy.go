package packed

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/fridayos/friday/internal/blob"
)

// Tidy bounds how much is kept, and in how many blobs. It is for when the image is
// stored: until then it is made of these blobs.
func (m *Memory) Tidy() error {
	if len(m.packs) <= maxBlobs && m.total() <= MaxBytes {
		return nil
	}
	err := m.blobs.Alone(m.ctx, m.key(), func() error {
		refs, err := m.list()
		if err != nil {
			return err
		}
		refs, gone := bound(refs, MaxBytes)
		if len(refs) > maxBlobs {
			var merged []blob.Ref
			if refs, merged, err = m.merge(refs); err != nil {
				return err
			}
			gone = append(gone, merged...)
		}
		return m.relist(refs, gone)
	})
	if err != nil {
		return fmt.Errorf("cannot tidy packed content: %w", err)
	}
	return nil
}

func (m *Memory) total() (n int64) {
	for _, p := range m.packs {
		n += p.ref.Size
	}
	return n
}

// relist makes refs the list, and removes what is no longer on it.
func (m *Memory) relist(refs, gone []blob.Ref) error {
	var text []byte
	for _, r := range refs {
		text = binary.LittleEndian.AppendUint64(append(text, r.Digest[:]...), uint64(r.Size))
	}
	was, ok, err := m.blobs.Memo(m.key())
	if err != nil {
		return err
	}
	list, err := m.blobs.Put(m.ctx, bytes.NewReader(text))
	if err == nil {
		err = m.blobs.SetMemo(m.ctx, m.key(), list)
	}
	if err != nil {
		return err
	}
	if ok && was != list && was.Size > 0 {
		gone = append(gone, was)
	}
	for _, r := range gone {
		err = errors.Join(err, m.blobs.Remove(r.Digest))
	}
	return err
}

// bound leaves the oldest out that are too much; the newest stays.
func bound(refs []blob.Ref, most int64) (keep, gone []blob.Ref) {
	total := int64(0)
	for i, r := range slices.Backward(refs) {
		if total += r.Size; total > most && i < len(refs)-1 {
			return refs[i+1:], slices.Clone(refs[:i+1])
		}
	}
	return refs, nil
}

// merge makes one blob of the smaller half, so that what is large is rarely written
// again.
func (m *Memory) merge(refs []blob.Ref) (keep, gone []blob.Ref, err error) {
	sizes := slices.Clone(refs)
	slices.SortStableFunc(sizes, func(a, b blob.Ref) int { return cmp.Compare(a.Size, b.Size) })
	small := sizes[:len(sizes)/2]
	all := &Memory{ctx: m.ctx, blobs: m.blobs, fresh: map[Digest]*Content{}}
	defer all.Close()
	if err := all.begin(); err != nil {
		return nil, nil, err
	}
	for _, ref := range small {
		p, err := openPack(m.blobs, ref)
		if err != nil {
			continue
		}
		all.packs = append(all.packs, p)
		for _, e := range p.entries {
			if all.fresh[e.digest] != nil || len(all.added) == maxFiles {
				continue
			}
			c := all.recall(place{p, e})
			if c == nil {
				continue
			}
			from := c.off
			c.pack, c.off = nil, all.size
			if err := all.add(c, p.r, from); err != nil {
				return nil, nil, err
			}
		}
		p.entries = nil
	}
	ref, err := all.commit()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range refs {
		switch {
		case r == ref || !slices.Contains(small, r):
			keep = append(keep, r)
		default:
			gone = append(gone, r)
		}
	}
	if !slices.Contains(keep, ref) {
		keep = append(keep, ref)
	}
	return keep, gone, nil
}

// Mend reads the blobs of which something was recalled, and forgets those that are
// damaged. It says whether there were any.
func (m *Memory) Mend() (bool, error) {
	var bad []blob.Ref
	for p := range m.used {
		if err := m.blobs.Check(m.ctx, p.ref.Digest); err != nil {
			if m.ctx.Err() != nil {
				return false, err
			}
			bad = append(bad, p.ref)
		}
	}
	if len(bad) == 0 {
		return false, nil
	}
	err := m.blobs.Alone(m.ctx, m.key(), func() error {
		refs, err := m.list()
		if err != nil {
			return err
		}
		return m.relist(slices.DeleteFunc(refs, func(r blob.Ref) bool { return slices.Contains(bad, r) }), bad)
	})
	if err != nil {
		return false, fmt.Errorf("cannot mend packed content: %w", err)
	}
	return true, nil
}
