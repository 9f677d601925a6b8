package packed

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
)

// keys is what those of the store begin with that name packed content. The version
// follows; then, in this version, the way of packing and the salt in hex.
const keys = "packed content "

// Swept is what Sweep removed.
type Swept struct {
	Ways  int   `json:"ways"`  // of packing
	Blobs int   `json:"blobs"` // that held what was packed so
	Bytes int64 `json:"bytes"` // in them; an image that is made of parts of one keeps it on the disk
}

// Sweep removes what is packed for no version of Friday that is in use: content kept in
// blobs of another version than this one's, and for ways of packing and salts that reads
// denies. Images that are made of it stay whole. Nobody may be building who reads it.
func Sweep(ctx context.Context, blobs *blob.Store, reads func(packing string, salt []byte) bool) (did Swept, err error) {
	fail := func(err error) (Swept, error) { return did, fmt.Errorf("cannot sweep packed content: %w", err) }
	lists, kept := map[string]blob.Ref{}, map[blob.Digest]bool{}
	if err := blobs.Memos(ctx, func(key string, ref blob.Ref) error {
		if packing, salt, ok := parseKey(key); ok && reads(packing, salt) {
			kept[ref.Digest] = true
			for _, r := range listed(blobs, ref) {
				kept[r.Digest] = true
			}
		} else if strings.HasPrefix(key, keys) {
			lists[key] = ref
		}
		return nil
	}); err != nil {
		return fail(err)
	}
	for key, list := range lists {
		if err := blobs.Alone(ctx, key, func() error { return did.drop(blobs, key, list, kept) }); err != nil {
			return fail(err)
		}
	}
	return did, nil
}

// parseKey reads a key of this version; ok is false for any other.
func parseKey(key string) (packing string, salt []byte, ok bool) {
	rest, ok := strings.CutPrefix(key, keys+strconv.Itoa(version)+" ")
	i := strings.LastIndexByte(rest, ' ')
	if !ok || i < 0 {
		return "", nil, false
	}
	salt, err := hex.DecodeString(rest[i+1:])
	return rest[:i], salt, err == nil
}

// drop removes one way of packing, its key last: a sweep that was interrupted is gone on
// with by the next.
func (did *Swept) drop(blobs *blob.Store, key string, list blob.Ref, kept map[blob.Digest]bool) error {
	refs := listed(blobs, list)
	for _, r := range refs {
		if kept[r.Digest] || !isPack(blobs, r) {
			continue
		}
		if err := blobs.Remove(r.Digest); err != nil {
			return err
		}
		did.Blobs++
		did.Bytes += r.Size
	}
	if !kept[list.Digest] && len(refs) > 0 {
		if err := blobs.Remove(list.Digest); err != nil {
			return err
		}
	}
	did.Ways++
	return blobs.Forget(key)
}

// listed are the blobs of a list; none if it is gone.
func listed(blobs *blob.Store, list blob.Ref) []blob.Ref {
	text, err := blobs.Bytes(list.Digest, maxList)
	if err != nil {
		return nil
	}
	return parseList(text)
}

// isPack says whether a blob is packed content, of any version.
func isPack(blobs *blob.Store, ref blob.Ref) bool {
	r, err := blobs.OpenRef(ref)
	if err != nil {
		return false
	}
	defer r.Close()
	// Version 1 ended in its magic number, the size of what was packed and how many.
	const foot1 = 24
	for foot, want := range map[int64]string{foot1: "fridaypk", footSize: magic} {
		b := make([]byte, len(want))
		if ref.Size >= foot && tree.ReadFull(r, b, ref.Size-foot) == nil && string(b) == want {
			return true
		}
	}
	return false
}
