package blob

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

type memo struct {
	Key string `json:"key"` // for a human who looks; the name of the file is its digest
	Ref
}

// Cached returns what make once wrote for this key, or calls it and keeps the
// result. The key must name everything the result depends on, the maker's
// version too. In one process, one of several callers makes and the others wait.
func (s *Store) Cached(ctx context.Context, key string, make func(w io.Writer) error) (Ref, error) {
	unlock, err := s.making.lock(ctx, key)
	if err != nil {
		return Ref{}, err
	}
	defer unlock()
	if ref, ok, err := s.Memo(key); err != nil || ok {
		return ref, err
	}
	w, err := s.Create(ctx)
	if err != nil {
		return Ref{}, err
	}
	defer w.Abort()
	buffered := bufio.NewWriterSize(w, 256<<10)
	if err := make(buffered); err != nil {
		return Ref{}, err
	}
	if err := buffered.Flush(); err != nil {
		return Ref{}, fmt.Errorf("cannot store blob: %w", err)
	}
	ref, err := w.Commit()
	if err != nil {
		return Ref{}, err
	}
	return ref, s.SetMemo(ctx, key, ref)
}

// Alone runs fn while no other goroutine of the process runs one for the same key,
// or makes what is Cached under it.
func (s *Store) Alone(ctx context.Context, key string, fn func() error) error {
	unlock, err := s.making.lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	return fn()
}

// Memo returns what is kept for a key, if it and its blob are there.
func (s *Store) Memo(key string) (Ref, bool, error) {
	text, err := os.ReadFile(s.memoPath(key))
	if errors.Is(err, fs.ErrNotExist) {
		return Ref{}, false, nil
	}
	if err != nil {
		return Ref{}, false, fmt.Errorf("cannot read what is kept for %q: %w", key, err)
	}
	var m memo
	if json.Unmarshal(text, &m) != nil || m.Key != key || !s.Has(m.Ref) {
		return Ref{}, false, nil // made again
	}
	return m.Ref, true, nil
}

// Memos calls fn for all that is kept, by key, in no order; whether the blobs are still
// there it does not look. What cannot be read as such is passed over.
func (s *Store) Memos(ctx context.Context, fn func(key string, ref Ref) error) error {
	root := filepath.Join(s.dir, "memo")
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !e.Type().IsRegular() {
			return nil // forgotten meanwhile; or a folder
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return fmt.Errorf("cannot list what is kept: %w", err)
		}
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot list what is kept: %w", err)
		}
		var m memo
		if err != nil || json.Unmarshal(text, &m) != nil || s.memoPath(m.Key) != path {
			return nil
		}
		return fn(m.Key, m.Ref)
	})
}

// Forget forgets what is kept for a key; the blob stays. It is no error if there is
// nothing.
func (s *Store) Forget(key string) error {
	err := s.writable()
	if err == nil {
		err = os.Remove(s.memoPath(key))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot forget the result for %q: %w", key, err)
	}
	return nil
}

// SetMemo keeps a stored blob as the result for a key.
func (s *Store) SetMemo(ctx context.Context, key string, ref Ref) error {
	if err := s.setMemo(key, ref); err != nil {
		return fmt.Errorf("cannot keep the result for %q: %w", key, full(err))
	}
	return ctx.Err()
}

func (s *Store) setMemo(key string, ref Ref) error {
	if err := s.writable(); err != nil {
		return err
	}
	text, err := json.Marshal(memo{key, ref})
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(s.tmp(), "memo-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already if it was renamed
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	path := s.memoPath(key)
	if err := makeDirs(s.dir, filepath.Dir(path)); err != nil {
		return err
	}
	// Without fsync of the folder: a memo that a power cut loses is made again.
	return os.Rename(file.Name(), path)
}

func (s *Store) memoPath(key string) string {
	name := Sum([]byte(key)).String()
	return filepath.Join(s.dir, "memo", name[:2], name)
}

// keyedLock lets one goroutine a key through.
type keyedLock struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

func (l *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		l.mu.Lock()
		other := l.held[key]
		if other == nil {
			mine := make(chan struct{})
			if l.held == nil {
				l.held = map[string]chan struct{}{}
			}
			l.held[key] = mine
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(mine)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
