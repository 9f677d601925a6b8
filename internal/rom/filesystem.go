package rom

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
)

// fileSystem is a file system as stock has it: what a build keeps of it.
type fileSystem struct {
	kind  string // "erofs" or "ext4"
	erofs erofs.Info
	ext4  ext4.Info
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
		fs.erofs = im.Info()
		root, err = im.Tree()
		return fs, root, err
	case "ext4":
		im, err := ext4.Open(r, size)
		if err != nil {
			return fs, nil, err
		}
		if fs.ext4 = im.Info(); fs.ext4.NeedsRecovery {
			return fs, nil, errors.New("its journal was not replayed: what is read may be torn")
		}
		root, err = im.Tree()
		return fs, root, err
	}
	return fs, nil, nil
}

// write makes an image of the same kind, with the features that the stock's has
// and fixed says that its size is the partition's, which nothing may grow over.
func (fs fileSystem) write(root *tree.Node, id [16]byte, fixed bool) (*tree.Image, error) {
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a random UUID, by its marks
	switch fs.kind {
	case "erofs":
		return erofs.Build(root, erofs.Options{UUID: id, BuildTime: fs.erofs.BuildTime, VolumeName: fs.erofs.VolumeName})
	case "ext4":
		o := ext4.Options{
			UUID: id, Time: fs.ext4.Made, VolumeName: fs.ext4.VolumeName, LastMounted: fs.ext4.LastMounted,
			MetadataSum: slices.Contains(fs.ext4.Features, "metadata_csum"),
			ReadOnly:    slices.Contains(fs.ext4.Features, "read-only"),
		}
		if fixed {
			o.Size, o.Inodes = fs.ext4.Size, fs.ext4.Inodes
		}
		return ext4.Build(root, o)
	}
	return nil, fmt.Errorf("file system %q is not written", fs.kind)
}
