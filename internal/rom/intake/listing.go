package intake

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/firmware"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/cil"
	"github.com/fridayos/friday/internal/rom/filesystem"
)

// A listing is the blob that stands for a stock when layers are checked: one
// line of JSON with the build.prop files, then tree.Index, one line a path.
type listingHead struct {
	Listing int                        `json:"friday_listing"` // version
	Props   map[string]osrepo.PropFile `json:"props"`          // by partition
	// Of listings made before apps were looked into, the rest is absent.
	Apps       []osrepo.StockApp   `json:"apps,omitempty"`
	Privileged []string            `json:"privileged,omitempty"`
	Granted    map[string][]string `json:"granted,omitempty"`
	Packaging  *Packaging          `json:"packaging,omitempty"`
	Policy     *cil.Names          `json:"policy,omitempty"`
}

// Packaging is how a vendor packed a stock.
type Packaging struct {
	Kind firmware.Kind `json:"kind"`
	firmware.Packing
}

// KnownPackaging is PackagingOf, and nil for a stock that was taken in before it was kept.
func KnownPackaging(blobs *blob.Store, s catalog.Stock) (*Packaging, error) {
	b, err := blobs.Open(s.Index)
	if err != nil {
		return nil, fmt.Errorf("cannot read the listing of stock %s: %w", s.Incremental, err)
	}
	defer b.Close()
	head, _, err := readHead(b)
	if err != nil {
		return nil, fmt.Errorf("cannot read the listing of stock %s: %w", s.Incremental, err)
	}
	return head.Packaging, nil
}

// PackagingOf says how a stock was packed.
func PackagingOf(blobs *blob.Store, s catalog.Stock) (Packaging, error) {
	packed, err := KnownPackaging(blobs, s)
	if err != nil {
		return Packaging{}, err
	}
	if packed == nil {
		return Packaging{}, fmt.Errorf("cannot tell how stock %s was packed: it was taken in by an older Friday; take it in again with 'friday stock add FILE --device %s'", s.Incremental, s.Device)
	}
	return *packed, nil
}

func readHead(b *blob.Blob) (head listingHead, r *bufio.Reader, err error) {
	r = bufio.NewReaderSize(b.Verified(), 1<<16)
	line, err := r.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &head)
	}
	switch {
	case err != nil:
		return head, nil, fmt.Errorf("first line: %w", err)
	case head.Listing != listingVersion:
		return head, nil, fmt.Errorf("it is of version %d, expected %d; add the stock again", head.Listing, listingVersion)
	}
	return head, r, nil
}

const listingVersion = 1

func writeListing(ctx context.Context, blobs *blob.Store, v osrepo.View, packed Packaging) (blob.Ref, error) {
	w, err := blobs.Create(ctx)
	if err != nil {
		return blob.Ref{}, err
	}
	defer w.Abort()
	head, err := json.Marshal(listingHead{listingVersion, v.Props, v.Apps, v.Privileged, v.Granted, &packed, v.Policy})
	if err != nil {
		return blob.Ref{}, err
	}
	if _, err := w.Write(append(head, '\n')); err != nil {
		return blob.Ref{}, err
	}
	if _, err := v.Index.WriteTo(w); err != nil {
		return blob.Ref{}, err
	}
	return w.Commit()
}

// View is how layers see a stock: the listing of its files and its properties.
func View(blobs *blob.Store, s catalog.Stock) (osrepo.View, error) {
	v, err := view(blobs, s)
	if err != nil {
		return v, fmt.Errorf("cannot read the listing of stock %s: %w", s.Incremental, err)
	}
	return v, nil
}

func view(blobs *blob.Store, s catalog.Stock) (osrepo.View, error) {
	b, err := blobs.Open(s.Index)
	if err != nil {
		return osrepo.View{}, err
	}
	defer b.Close()
	head, r, err := readHead(b)
	if err != nil {
		return osrepo.View{}, err
	}
	index, err := tree.ReadIndex(r)
	if err != nil {
		return osrepo.View{}, err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return osrepo.View{}, err
	}
	v := osrepo.View{Index: index, Props: head.Props, Apps: head.Apps, Privileged: head.Privileged, Granted: head.Granted, Android: s.Release, Fingerprint: s.Fingerprint}
	for _, p := range s.Partitions {
		v.Partitions = append(v.Partitions, p.Name)
	}
	if wholePolicy(index) {
		v.Policy = head.Policy
	}
	v.Resources = (&tables{blobs: blobs, stock: s, index: index}).of
	return v, nil
}

// Look adds the files of an image to a view: it reads and hashes all of them.
func Look(blobs *blob.Store, p catalog.Partition, v *osrepo.View) error {
	if p.FS == "" {
		return nil
	}
	r, err := blobs.OpenRef(blob.Ref{Digest: p.Digest, Size: p.Size})
	if err != nil {
		return err
	}
	defer r.Close()
	_, root, err := filesystem.Open(r, r.Size())
	if err != nil || root == nil {
		return err
	}
	if err := checkContent(root); err != nil {
		return err
	}
	entries, err := tree.IndexOf(p.Name, root)
	if err != nil {
		return err
	}
	v.Index.Add(entries...)
	if err := addApps(p.Name, root, v); err != nil {
		return err
	}
	names, err := policy(root)
	if err != nil {
		return err
	}
	v.Policy = cil.Merge(v.Policy, names)
	f, err := PropFile(root)
	if err == nil && f != nil {
		v.Props[p.Name] = *f
	}
	return err
}
