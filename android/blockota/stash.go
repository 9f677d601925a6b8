package blockota

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// span is where something lies in scratch, in bytes, or what a Keeper has.
type span struct {
	at, size int64
	kept     Kept
}

// close lets go of what the keeper has opened.
func (a *applier) close() {
	for _, s := range a.stashes {
		if s.kept != nil {
			s.kept.Close()
		}
	}
}

// sync makes what was written outlive the power, where stashes do.
func (a *applier) sync() error {
	if s, ok := a.dev.(Syncer); ok && a.pkg.Keep != nil && !a.dry {
		return s.Sync()
	}
	return nil
}

// drop forgets what was kept.
func (a *applier) drop(sum string) error {
	if a.pkg.Keep == nil || a.dry {
		return nil
	}
	return a.pkg.Keep.Drop(sum)
}

func (a *applier) stash(c *Command) error {
	if _, ok := a.stashes[c.Stash]; ok {
		return nil // lists may stash the same blocks twice
	}
	if a.pkg.Keep != nil {
		switch kept, err := a.pkg.Keep.Open(c.Stash); {
		case err == nil:
			a.stashes[c.Stash] = span{size: kept.Size(), kept: kept}
			return nil
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	im, err := a.image(c.Source)
	if err != nil {
		return err
	}
	if a.list.Version >= 3 {
		sum, err := a.sum(im)
		if err != nil {
			return err
		}
		if sum != c.Stash {
			// What it holds was overwritten: fine if the commands that use it are done,
			// and they say so themselves if they are not.
			return nil
		}
	}
	n := im.Size()
	held := int64(0)
	for _, s := range a.stashes {
		held += s.size
	}
	if most := a.list.StashBlocks * BlockSize; held+n > most {
		return fmt.Errorf("with it %d bytes are stashed, the header allows %d", held+n, most)
	}
	if a.pkg.Keep != nil && !a.dry {
		if err := a.pkg.Keep.Put(c.Stash, io.NewSectionReader(im, 0, n), n); err != nil {
			return err
		}
		kept, err := a.pkg.Keep.Open(c.Stash)
		if err != nil {
			return err
		}
		a.stashes[c.Stash] = span{size: n, kept: kept}
		return nil
	}
	at := a.room(n)
	if a.dry { // nothing overwrites it meanwhile
		a.stashes[c.Stash] = span{at: at, size: n, kept: still{im}}
		return nil
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(a.scratch, at)}, struct{ io.Reader }{io.NewSectionReader(im, 0, n)}, a.buf); err != nil {
		return err
	}
	a.stashes[c.Stash] = span{at: at, size: n}
	return nil
}

// still is a stash that lies where it was.
type still struct{ *tree.Image }

func (still) Close() error { return nil }

func (a *applier) free(c *Command) error {
	held, ok := a.stashes[c.Stash]
	if !ok && a.list.Version < 3 {
		return fmt.Errorf("there is no stash %.60q", c.Stash)
	}
	delete(a.stashes, c.Stash)
	if held.kept != nil {
		if err := held.kept.Close(); err != nil {
			return err
		}
	}
	// The commands that used it were synced before.
	return a.drop(c.Stash)
}

// room finds n free bytes of scratch: the first gap that is wide enough.
func (a *applier) room(n int64) int64 {
	var held []span
	for _, s := range a.stashes {
		if s.kept == nil {
			held = append(held, s)
		}
	}
	slices.SortFunc(held, func(x, y span) int { return cmp.Compare(x.at, y.at) })
	at := int64(0)
	for _, s := range held {
		if s.at-at >= n {
			break
		}
		at = s.at + s.size
	}
	return at
}
