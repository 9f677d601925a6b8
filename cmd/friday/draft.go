package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// draft is a file written aside, so that under its name there is a whole file
// or none. End it with place or drop; drop after place does nothing.
type draft struct {
	*os.File
	path   string
	placed bool
}

func newDraft(path string) (*draft, error) {
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("cannot write %s: it is there and no regular file", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err // the path is the draft's, which nobody named
		}
		return nil, fmt.Errorf("cannot write %s: %w", path, err)
	}
	return &draft{File: f, path: path}, nil
}

// place gives the file its name.
func (d *draft) place() error {
	err := d.Chmod(0o644)
	if err == nil {
		err = d.Sync()
	}
	if err == nil {
		err = d.Close()
	}
	if err == nil {
		err = os.Rename(d.Name(), d.path)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", d.path, err)
	}
	d.placed = true
	return nil
}

func (d *draft) drop() {
	if !d.placed {
		_ = d.Close() // place may have closed it
		_ = os.Remove(d.Name())
	}
}

// writeFile writes a file as a whole.
func writeFile(path string, fill func(f *os.File) error) error {
	d, err := newDraft(path)
	if err != nil {
		return err
	}
	defer d.drop()
	if err := fill(d.File); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return d.place()
}
