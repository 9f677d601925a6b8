package sony

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Part is a member of a newer .sin, while the walk is at it.
type Part struct {
	Name    string // "system.000", "system.cms"
	Size    int64
	CMS     bool // the signed manifest, not a part of the image
	Content io.Reader
}

// Walk calls fn for each member of a newer .sin, a gzip-compressed tar, in order:
// the signed manifest (part.cms), then the image's parts (part.000, …), which are
// Android sparse images that together make one, or raw. It reads once through the
// file; what fn leaves of a part is passed over.
func Walk(r io.Reader, fn func(Part) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return fmt.Errorf("cannot read sin: %w", err)
	}
	tr := tar.NewReader(z)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read sin: member %d: %w", n, err)
		}
		if h.Typeflag != tar.TypeReg || path.Base(h.Name) != strings.TrimPrefix(h.Name, "./") || n >= 10_000 {
			return fmt.Errorf("cannot read sin: member %d is %.100q of type %q, expected at most 10000 files", n, h.Name, h.Typeflag)
		}
		name := path.Base(h.Name)
		if err := fn(Part{Name: name, Size: h.Size, CMS: strings.HasSuffix(name, ".cms"), Content: tr}); err != nil {
			return err
		}
	}
}
