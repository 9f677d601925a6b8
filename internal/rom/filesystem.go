package rom

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
)

// fileSystem is a file system as stock has it: what a build keeps of it.
type fileSystem struct {
	kind  string // "erofs" or "ext4"
	erofs *erofs.Image
	ext4  *ext4.Image
}

// kindOf tells a file system by its magic number; "" is none that is known.
func kindOf(r io.ReaderAt) string {
	var b [4]byte
	if _, err := r.ReadAt(b[:], 1024); err == nil && binary.LittleEndian.Uint32(b[:]) == 0xe0f5e1e2 {
		return "erofs"
	}
	if _, err := r.ReadAt(b[:2], 1080); err == nil && binary.LittleEndian.Uint16(b[:]) == 0xef53 {
		return "ext4"
	}
	return ""
}

// openFileSystem reads the tree of an image; kind "" is no error and has none.
func openFileSystem(r io.ReaderAt, size int64) (fs fileSystem, root *tree.Node, err error) {
	switch fs.kind = kindOf(r); fs.kind {
	case "erofs":
		im, err := erofs.Open(r, size)
		if err != nil {
			return fs, nil, err
		}
		fs.erofs = im
		root, err = im.Tree()
		return fs, root, err
	case "ext4":
		im, err := ext4.Open(r, size)
		if err != nil {
			return fs, nil, err
		}
		if fs.ext4 = im; im.Info().NeedsRecovery {
			return fs, nil, errors.New("its journal was not replayed: what is read may be torn")
		}
		root, err = im.Tree()
		return fs, root, err
	}
	return fs, nil, nil
}
