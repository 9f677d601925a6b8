package rom

import (
	"errors"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/filesystem"
)

// fileSystem writes a partition anew with the plan applied.
func (b *builder) fileSystem(p catalog.Partition) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
	was, root, err := filesystem.Open(r, r.Size())
	if err != nil {
		return err
	}
	known := b.digests(p.Name, root)
	if err := b.edit.Change(p.Name, root); err != nil {
		return err
	}
	again, err := b.makeLaid(p, was, root, known, false)
	if again {
		_, err = b.makeLaid(p, was, root, known, true)
	}
	return err
}

// makeLaid lays out a partition and keeps it. again says that something of before had
// rotted, and that packed content which has is forgotten: afresh, that is packed anew,
// and nothing is taken from the image of the build before.
func (b *builder) makeLaid(p catalog.Partition, was filesystem.FileSystem, root *tree.Node, known map[*tree.Node]layout.Digest, afresh bool) (again bool, err error) {
	l, err := b.lay(p, was, root, known, afresh)
	if err != nil {
		return false, err
	}
	defer l.close()
	err = b.keepLaid(p, l)
	if !errors.Is(err, avb.ErrMismatch) || afresh {
		return false, err
	}
	again = l.base != nil // which may be what has rotted
	if l.memory != nil {
		found, e := l.memory.Mend()
		again, err = again || found, errors.Join(err, e)
	}
	return again, err
}

// verified says whether the phone has Verified Boot 2.0: its stock has a vbmeta.
func (b *builder) verified() bool {
	_, ok := b.stock["vbmeta"]
	return ok
}
