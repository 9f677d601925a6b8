package blockota

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/tree"
)

// imgpatch applies an IMGDIFF2 patch without deflate pieces.
func imgpatch(src *tree.Image, patch []byte, w io.Writer, want int64) error {
	const magic, head = "IMGDIFF2", 12
	if !bytes.HasPrefix(patch, []byte(magic)) || len(patch) < head {
		return fmt.Errorf("its patch begins with %.8q, expected %s", patch, magic)
	}
	n := int32(binary.LittleEndian.Uint32(patch[8:]))
	at, written := head, int64(0)
	need := func(k int) ([]byte, error) {
		if k < 0 || len(patch)-at < k {
			return nil, fmt.Errorf("its patch ends at byte %d", len(patch))
		}
		b := patch[at : at+k]
		at += k
		return b, nil
	}
	for i := range n {
		b, err := need(4)
		if err != nil {
			return err
		}
		switch kind := binary.LittleEndian.Uint32(b); kind {
		case 0: // a bsdiff patch of a range
			if b, err = need(24); err != nil {
				return err
			}
			start, length, off := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:])
			size := uint64(src.Size())
			if start > size || length > size-start || off > uint64(len(patch)) {
				return fmt.Errorf("piece %d of its patch reads %d bytes at %d of %d, its own at %d of %d", i, length, start, size, off, len(patch))
			}
			piece := &counter{w: w}
			if err := bsdiff.Patch(io.NewSectionReader(src, int64(start), int64(length)), int64(length), patch[off:], piece, want-written); err != nil {
				return fmt.Errorf("piece %d of its patch: %w", i, err)
			}
			written += piece.n
		case 3: // raw
			if b, err = need(4); err != nil {
				return err
			}
			length := int32(binary.LittleEndian.Uint32(b))
			if b, err = need(int(length)); err != nil {
				return err
			}
			if written += int64(length); written > want {
				return fmt.Errorf("piece %d of its patch leads past the target's %d bytes", i, want)
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		case 1, 2:
			return fmt.Errorf("not supported: piece %d of its imgdiff patch is deflate, which takes zlib's own bytes; use a full package", i)
		default:
			return fmt.Errorf("piece %d of its patch has the unknown kind %d", i, kind)
		}
	}
	return nil
}
