package avb

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// FooterSize is what a footer takes at the very end of a partition.
const FooterSize = 64

// Footer says where in a partition the vbmeta struct lies.
type Footer struct {
	OriginalImageSize uint64 // before anything was appended
	VBMetaOffset      uint64
	VBMetaSize        uint64
}

// ParseFooter reads the footer in the last 64 bytes; false when there is none.
func ParseFooter(r io.ReaderAt, size int64) (Footer, bool, error) {
	const what = "AVB footer"
	if size < FooterSize {
		return Footer{}, false, nil
	}
	b := make([]byte, FooterSize)
	if err := tree.ReadFull(r, b, size-FooterSize); err != nil {
		return Footer{}, false, fmt.Errorf("cannot read %s: %w", what, err)
	}
	if string(b[:4]) != "AVBf" {
		return Footer{}, false, nil
	}
	be := binary.BigEndian
	if major := be.Uint32(b[4:]); major != 1 {
		return Footer{}, false, badField(what, 4, "version_major", major, 1)
	}
	f := Footer{be.Uint64(b[12:]), be.Uint64(b[20:]), be.Uint64(b[28:])}
	room := uint64(size - FooterSize)
	if f.OriginalImageSize > room {
		return Footer{}, false, badField(what, 12, "original_image_size", f.OriginalImageSize, fmt.Sprintf("at most %d", room))
	}
	if f.VBMetaOffset > room {
		return Footer{}, false, badField(what, 20, "vbmeta_offset", f.VBMetaOffset, fmt.Sprintf("at most %d", room))
	}
	if limit := min(room-f.VBMetaOffset, MaxVBMetaSize); f.VBMetaSize > limit {
		return Footer{}, false, badField(what, 28, "vbmeta_size", f.VBMetaSize, fmt.Sprintf("at most %d", limit))
	}
	return f, true, nil
}

func (f Footer) encode() []byte {
	b := make([]byte, FooterSize)
	copy(b, "AVBf")
	be := binary.BigEndian
	be.PutUint32(b[4:], 1)
	be.PutUint64(b[12:], f.OriginalImageSize)
	be.PutUint64(b[20:], f.VBMetaOffset)
	be.PutUint64(b[28:], f.VBMetaSize)
	return b
}
