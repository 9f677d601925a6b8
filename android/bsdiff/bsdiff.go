// Package bsdiff makes and applies binary patches as Android knows them.
//
// Diff writes the BSDF2 container, its streams brotli or bzip2, which is what a
// BROTLI_BSDIFF operation of an update payload carries. Patch reads BSDF2 (its
// three streams plain, bzip2 or brotli) and Colin Percival's BSDIFF40 (bzip2).
// The package knows nothing of payloads, partitions or extents.
//
// A patch is a header of 32 bytes and three streams. Control holds triples of
// numbers (x, y, z): add x bytes of the diff stream to x bytes of the old file,
// copy y bytes of the extra stream, move z bytes in the old file. Numbers are
// 64 bits little-endian with the sign in the top bit. The formats are those of
// bsdiff 4 (bspatch.c) and of AOSP's external/bsdiff (patch_writer.cc).
package bsdiff

import "encoding/binary"

// Compression of a stream, as BSDF2 numbers it.
const (
	plain  = 0
	bzip   = 1
	brotli = 2
)

const (
	magicOld   = "BSDIFF40"
	magicNew   = "BSDF2"
	headerSize = 32
	tripleSize = 24
)

// putNumber stores v as sign and magnitude.
func putNumber(b []byte, v int64) {
	u := uint64(v)
	if v < 0 {
		u = uint64(-v) | 1<<63
	}
	binary.LittleEndian.PutUint64(b, u)
}

func number(b []byte) int64 {
	u := binary.LittleEndian.Uint64(b)
	v := int64(u &^ (1 << 63))
	if u>>63 != 0 {
		return -v
	}
	return v
}
