package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// commit writes files into the OS repository and commits them.
func (s *story) commit(message string, files map[string][]byte) (hash string, err error) {
	dir := s.path("os")
	g, err := git.PlainOpen(dir)
	if err != nil {
		return "", fmt.Errorf("cannot open OS repository: %w", err)
	}
	w, err := g.Worktree()
	if err != nil {
		return "", fmt.Errorf("cannot open OS repository: %w", err)
	}
	for name, b := range files {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return "", fmt.Errorf("cannot commit: %w", err)
		}
		if err := os.WriteFile(full, b, 0o644); err != nil {
			return "", fmt.Errorf("cannot commit: %w", err)
		}
		if _, err := w.Add(name); err != nil {
			return "", fmt.Errorf("cannot commit %s: %w", name, err)
		}
	}
	who := &object.Signature{Name: "Mara", Email: "mara@localhost", When: time.Now()}
	h, err := w.Commit(message, &git.CommitOptions{Author: who, Committer: who})
	if err != nil {
		return "", fmt.Errorf("cannot commit: %w", err)
	}
	return h.String(), nil
}
