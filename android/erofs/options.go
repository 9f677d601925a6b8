package erofs

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// algorithms are the bits of what an image is compressed with.
var algorithms = []string{"LZ4", "LZMA", "DEFLATE", "Zstandard"}

// Options are those that Build needs to make an image of the same kind, for a kernel
// of that version ("5.10"; "": one that reads all that the image has), and what it
// would make otherwise, in words; nil if nothing. Content that is compressed with
// anything is compressed with LZ4, at level 9: how hard its maker tried, an image
// does not say. LZ4.Scratch is left to the caller.
func (im *Image) Options(kernel string) (o Options, otherwise []string, err error) {
	sb := &im.sb
	o = Options{UUID: sb.uuid, BuildTime: sb.buildTime, VolumeName: im.Info().VolumeName}
	if sb.blockBits != blockBits {
		otherwise = append(otherwise, fmt.Sprintf("blocks of %d bytes instead of %d", block, im.blockSize()))
	}
	if sb.incompat&incompatFragments != 0 {
		otherwise = append(otherwise, "without fragments and clusters that files share")
	}
	const packed = incompatZeroPadding | incompatBigPCluster
	if sb.incompat&packed == 0 {
		return o, otherwise, nil
	}
	z := LZ4{Level: 9, Blocks: 1, TailPacking: sb.incompat&incompatTailPacking != 0}
	o.LZ4 = &z
	if sb.incompat&incompatBigPCluster == 0 {
		return o, otherwise, nil
	}
	var others []string
	for i, name := range algorithms {
		if i > 0 && sb.compression>>i&1 != 0 {
			others = append(others, name)
		}
	}
	if sb.compression&compressAlgLZ4 != 0 {
		if z.Blocks, err = im.lz4Blocks(); err != nil {
			return Options{}, nil, fmt.Errorf("cannot read erofs image: %w", err)
		}
	}
	if len(others) > 0 {
		best := LZ4{Blocks: 16}
		if kernel != "" {
			if best, err = ForKernel(kernel); err != nil {
				return Options{}, nil, err
			}
		}
		z.Blocks = max(z.Blocks, best.Blocks) // what LZ4 loses, larger clusters give back in part
		otherwise = append(otherwise, fmt.Sprintf("LZ4HC in clusters of %d KiB instead of %s", z.Blocks*block>>10, strings.Join(others, " and ")))
	}
	return o, otherwise, nil
}

// lz4Blocks is how many blocks a cluster has at most, by the configuration behind
// the superblock.
func (im *Image) lz4Blocks() (int, error) {
	var b [1]byte
	if err := im.readAt(b[:], superOffset+13); err != nil {
		return 0, err
	}
	at1 := superOffset + superSize + 16*int64(b[0])
	var c [2 + 4]byte
	if err := im.readAt(c[:], at1); err != nil {
		return 0, err
	}
	if n := binary.LittleEndian.Uint16(c[:]); n < 4 {
		return 0, bad(at{-1, at1}, "configuration of LZ4", "at least 4 bytes", n)
	}
	n := int(binary.LittleEndian.Uint16(c[4:]))
	// What is larger than is written, or not said, becomes the nearest.
	return min(max(n, 1), 16), nil
}
