package upload

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxScans bounds what decoding a JPEG costs: each scan goes over the whole
// picture, however few bytes it has. Cameras and encoders write about ten.
const maxScans = 100

var errScans = fmt.Errorf("it has more than %d scans", maxScans)

// jpegFacts is what is needed of a JPEG besides its pixels.
type jpegFacts struct {
	orientation int // EXIF's, 1 to 8
	scans       int
}

// walkJPEG goes over the segments up to the picture's end (ITU T.81, annex B);
// what cameras append (depth maps, films) is not looked at.
func walkJPEG(r io.Reader) (f jpegFacts, err error) {
	f.orientation = 1
	b := bufio.NewReaderSize(r, 64<<10)
	var head [4]byte
	if _, err := io.ReadFull(b, head[:2]); err != nil || head[0] != 0xff || head[1] != 0xd8 {
		return f, errors.New("it does not begin as a JPEG")
	}
	for {
		marker, err := nextMarker(b)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return f, nil // cut off: the decoder says what it makes of that
		case err != nil:
			return f, err
		case marker == 0xd9:
			return f, nil
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd8:
			continue // without a body
		}
		if _, err := io.ReadFull(b, head[:2]); err != nil {
			return f, nil
		}
		size := int(binary.BigEndian.Uint16(head[:2])) - 2
		if size < 0 {
			return f, errors.New("a segment has no length")
		}
		switch {
		case marker == 0xe1 && f.orientation == 1:
			body := make([]byte, size)
			if _, err := io.ReadFull(b, body); err != nil {
				return f, nil
			}
			if o := exifOrientation(body); o != 0 {
				f.orientation = o
			}
			continue
		case marker == 0xda:
			if f.scans++; f.scans > maxScans {
				return f, errScans
			}
		}
		if _, err := b.Discard(size); err != nil {
			return f, nil
		}
	}
}

// nextMarker skips to the next marker, over the data of a scan as well, where
// 0xff is followed by 0.
func nextMarker(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return 0, err
		}
		for c == 0xff {
			if c, err = b.ReadByte(); err != nil {
				return 0, err
			}
			if c != 0 && c != 0xff {
				return c, nil
			}
		}
	}
}

// exifOrientation reads tag 0x0112 of the first directory of an Exif body (with
// or without its "Exif" header; CIPA DC-008, TIFF 6.0); 0: it says nothing.
func exifOrientation(b []byte) int {
	if len(b) > 6 && string(b[:6]) == "Exif\x00\x00" {
		b = b[6:]
	}
	if len(b) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 0
	}
	count := order.Uint16(b[at:])
	for at += 2; count > 0 && at+12 <= uint64(len(b)); count, at = count-1, at+12 {
		if order.Uint16(b[at:]) == 0x0112 && order.Uint16(b[at+2:]) == 3 {
			if o := int(order.Uint16(b[at+8:])); o >= 1 && o <= 8 {
				return o
			}
			return 0
		}
	}
	return 0
}

// riffOrientation finds the orientation in a WebP's EXIF chunk, pngOrientation
// in a PNG's eXIf chunk; 1 where there is none.
func riffOrientation(r io.ReaderAt, size int64) int {
	return chunkOrientation(r, size, 12, func(h []byte) (string, int64, int64, int64) {
		n := int64(binary.LittleEndian.Uint32(h[4:]))
		return string(h[:4]), 8, n, 8 + n + n&1
	}, "EXIF")
}

func pngOrientation(r io.ReaderAt, size int64) int {
	return chunkOrientation(r, size, 8, func(h []byte) (string, int64, int64, int64) {
		n := int64(binary.BigEndian.Uint32(h))
		return string(h[4:8]), 8, n, 12 + n
	}, "eXIf")
}

// chunkOrientation walks chunks from a place on. parse says of a chunk's header
// its name, where its body begins, how long that is, and how far on the next is.
func chunkOrientation(r io.ReaderAt, size, at int64, parse func([]byte) (name string, body, length, next int64), want string) int {
	var head [8]byte
	const maxChunks = 100_000 // of a picture of 30 MB cut into 300 bytes each
	for range maxChunks {
		if _, err := r.ReadAt(head[:], at); err != nil {
			return 1
		}
		name, body, length, next := parse(head[:])
		if name == want {
			text := make([]byte, min(length, 64<<10, max(0, size-at-body)))
			n, _ := r.ReadAt(text, at+body) // a short one is looked at as far as it goes
			return max(1, exifOrientation(text[:n]))
		}
		at += next
	}
	return 1
}
