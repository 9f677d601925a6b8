// Package filesystem opens the file systems that images of partitions have: EROFS and
// ext4. It is what a build keeps of the stock's, not a way to write one (package rom
// lays files, android/erofs and android/ext4 are the formats).
package filesystem

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
)

// FileSystem is a file system as stock has it: what a build keeps of it.
type FileSystem struct {
	Kind  string       // "erofs" or "ext4"
	EROFS *erofs.Image // or nil
	Ext4  *ext4.Image  // or nil
}

// KindOf tells a file system by its magic number; "" is none that is known.
func KindOf(r io.ReaderAt) string {
	var b [4]byte
	if _, err := r.ReadAt(b[:], 1024); err == nil && binary.LittleEndian.Uint32(b[:]) == 0xe0f5e1e2 {
		return "erofs"
	}
	if _, err := r.ReadAt(b[:2], 1080); err == nil && binary.LittleEndian.Uint16(b[:]) == 0xef53 {
		return "ext4"
	}
	return ""
}

// Open reads the tree of an image of size bytes; a Kind of "" is no error and has none.
func Open(r io.ReaderAt, size int64) (fs FileSystem, root *tree.Node, err error) {
	switch fs.Kind = KindOf(r); fs.Kind {
	case "erofs":
		im, err := erofs.Open(r, size)
		if err != nil {
			return fs, nil, err
		}
		fs.EROFS = im
		root, err = im.Tree()
		return fs, root, err
	case "ext4":
		im, err := ext4.Open(r, size)
		if err != nil {
			return fs, nil, err
		}
		if fs.Ext4 = im; im.Info().NeedsRecovery {
			return fs, nil, errors.New("its journal was not replayed: what is read may be torn")
		}
		root, err = im.Tree()
		return fs, root, err
	}
	return fs, nil, nil
}
