package main

import (
	"path/filepath"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/upload"
)

// uploads opens the folder of posts' files. It is another than that of what
// phones receive: whoever can write to one cannot write to the other.
func (s *installation) uploads() (*upload.Store, error) {
	blobs, err := blob.Open(filepath.Join(s.dir, "uploads"))
	if err != nil {
		return nil, err
	}
	return upload.NewStore(blobs), nil
}
