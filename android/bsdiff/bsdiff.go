// Package bsdiff makes and applies binary patches as Android knows them.
//
// Diff writes the BSDF2 container with brotli streams, which is what a
// BROTLI_BSDIFF operation of an update payload carries. Patch reads BSDF2 (its
// three streams plain, bzip2 or brotli) and Colin Percival's BSDIFF40 (bzip2).
// The package knows nothing of payloads, partitions or extents.
//
// The formats are described by bsdiff 4 (bspatch.c) and by AOSP's
// external/bsdiff (patch_writer.cc, patch_reader.cc).
package bsdiff

import (
	"context"
	"io"
)

// MaxInput is the largest old or new file that Diff takes. Diff holds at most
// nine times the old and four times the new file beside the two themselves;
// cut larger files.
const MaxInput = 64 << 20

// Diff writes to w the patch that makes next of old. The same inputs give the
// same patch.
func Diff(ctx context.Context, old, next []byte, w io.Writer) error { panic("unwritten") }

// Patch applies a patch to old and writes the result, which must not be larger
// than maxSize, to w.
func Patch(old io.ReaderAt, oldSize int64, patch []byte, w io.Writer, maxSize int64) error {
	panic("unwritten")
}
