package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// stage is a folder in which the files of one piece of work are made, within the one
// where they are to lie: they come to lie there all at once, or not at all.
type stage struct{ dir, in string }

func newStage(in string) (*stage, error) {
	dir, err := os.MkdirTemp(in, ".friday-*")
	if err != nil {
		return nil, fmt.Errorf("cannot write into %s: %w", in, err)
	}
	return &stage{dir, in}, nil
}

// drop takes the stage down, with what is still in it.
func (s *stage) drop() { _ = os.RemoveAll(s.dir) }

// place moves the files to where they are to lie, in the place of older ones.
func (s *stage) place() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("cannot write into %s: %w", s.in, err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(s.dir, e.Name()), filepath.Join(s.in, e.Name())); err != nil {
			return fmt.Errorf("cannot write into %s: %w", s.in, err)
		}
	}
	return nil
}

// placed is where a file of the stage will lie.
func (s *stage) placed(path string) string {
	if rest, ok := strings.CutPrefix(path, s.dir+string(filepath.Separator)); ok {
		return filepath.Join(s.in, rest)
	}
	return path
}

// said is an error that names files by where they were to lie.
func (s *stage) said(err error) error {
	if err == nil {
		return nil
	}
	return &stagedError{err, strings.ReplaceAll(err.Error(), s.dir, s.in)}
}

type stagedError struct {
	err  error
	text string
}

func (e *stagedError) Error() string { return e.text }
func (e *stagedError) Unwrap() error { return e.err }
