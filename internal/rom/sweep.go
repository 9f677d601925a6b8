package rom

import (
	"bytes"
	"context"
	"strings"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/rom/packed"
)

// Sweep removes packed content that no build of this version reads: of an older codec,
// of another salt, in blobs of an older version. Builds by this version may be under way,
// those by others may not.
func Sweep(ctx context.Context, blobs *blob.Store) (packed.Swept, error) {
	return packed.Sweep(ctx, blobs, func(packing string, salt []byte) bool {
		return codecOf(packing) == codecOf((&erofs.LZ4{}).Packing()) && bytes.Equal(salt, treeSalt())
	})
}

// codecOf is the codec and its version, of a way of packing.
func codecOf(packing string) string {
	f := strings.Fields(packing)
	return strings.Join(f[:min(2, len(f))], " ")
}
