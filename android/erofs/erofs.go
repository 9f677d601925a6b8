// Package erofs reads and writes EROFS images.
package erofs

import (
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Image is an opened EROFS image.
type Image struct {
	r    io.ReaderAt
	size int64
}

// Info is what the superblock says.
type Info struct {
	UUID       [16]byte
	VolumeName string
	BuildTime  int64
	BlockSize  int64
	Blocks     uint64
	Inodes     uint64
	Features   []string
}

// Options are the parts of an image that do not come from its tree.
type Options struct {
	UUID       [16]byte
	BuildTime  int64
	VolumeName string
}

// Open reads the superblock.
func Open(r io.ReaderAt, size int64) (*Image, error) { panic("unwritten") }

// Tree reads the whole tree; content is read when it is asked for.
func (im *Image) Tree() (*tree.Node, error) { panic("unwritten") }

// Info returns what the superblock says.
func (im *Image) Info() Info { panic("unwritten") }

// Build lays out a tree.
func Build(root *tree.Node, o Options) (*tree.Image, error) { panic("unwritten") }
