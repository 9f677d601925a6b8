// Package osrepo reads the OS's git repository: os.yaml, the devices
// (devices/<codename>/device.yaml) and the layers (layers/<name>/layer.yaml
// with the files they add).
//
// It reads what is committed, never the work tree, so that a build is named by
// its commit. Whatever is wrong is found before work begins and named by file,
// line and column, all mistakes at once. It does not know how images are made
// (package rom does), and where handsets are (package fleet).
//
// Package layering lays the layers of a device over a stock, fixes reads the
// history, and skeleton makes a new repository.
package osrepo

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/osrepo/fixes"
	"github.com/fridayos/friday/internal/osrepo/strict"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Limits of what one commit may hold. A few kB of git objects can stand for
// more than any machine has: a file of zeros, a folder that holds itself ten
// times over.
const (
	maxFiles  = 200_000 // a folder counts as ten
	maxDepth  = 64
	maxCommit = 1 << 20  // bytes of a commit and its message
	maxTree   = 32 << 20 // bytes of a folder's list
	maxFile   = 2 << 30  // bytes
	inMemory  = 1 << 20  // larger objects are streamed
)

// Repo is an OS repository. It is not safe for concurrent use.
type Repo struct {
	dir string
	git *git.Repository
}

// Open opens the OS repository in dir.
func Open(dir string) (*Repo, error) {
	g, err := git.PlainOpen(dir)
	if err != nil {
		if errors.Is(err, git.ErrRepositoryNotExists) {
			return nil, fmt.Errorf("cannot open OS repository: %s is no git repository; \"friday init %s\" makes one", dir, dir)
		}
		return nil, fmt.Errorf("cannot open OS repository %s: %w", dir, err)
	}
	if g, err = streaming(g); err != nil {
		return nil, fmt.Errorf("cannot open OS repository %s: %w", dir, err)
	}
	return &Repo{dir: dir, git: g}, nil
}

// streaming opens a repository anew, so that large objects are not read into
// memory whole.
func streaming(g *git.Repository) (*git.Repository, error) {
	s, ok := g.Storer.(*filesystem.Storage)
	if !ok {
		return g, nil
	}
	large := filesystem.NewStorageWithOptions(s.Filesystem(), cache.NewObjectLRUDefault(), filesystem.Options{LargeObjectThreshold: inMemory})
	w, err := g.Worktree()
	if errors.Is(err, git.ErrIsBareRepository) {
		return git.Open(large, nil)
	}
	if err != nil {
		return nil, err
	}
	return git.Open(large, w.Filesystem)
}

// Dir is the folder of the repository.
func (r *Repo) Dir() string { return r.dir }

// Resolve finds the commit that rev names: a hash, a branch, a tag, "HEAD~1";
// "" is HEAD.
func (r *Repo) Resolve(rev string) (Commit, error) {
	c, err := r.commit(rev)
	if err != nil {
		return Commit{}, err
	}
	return commitOf(c), nil
}

func commitOf(c *object.Commit) Commit {
	subject, _, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n")
	return Commit{Hash: c.Hash.String(), Time: c.Committer.When.UTC().Truncate(time.Second), Subject: strings.TrimSpace(subject)}
}

func (r *Repo) commit(rev string) (*object.Commit, error) {
	if rev == "" {
		rev = "HEAD"
	}
	h, err := r.git.ResolveRevision(plumbing.Revision(rev))
	if err != nil {
		return nil, fmt.Errorf("cannot find commit %q in %s: %w", rev, r.dir, err)
	}
	c, err := r.commitAt(*h)
	if err != nil {
		return nil, fmt.Errorf("cannot read commit %q in %s: %w", rev, r.dir, err)
	}
	return c, nil
}

func (r *Repo) commitAt(h plumbing.Hash) (*object.Commit, error) {
	if err := r.atMost(h, maxCommit); err != nil {
		return nil, err
	}
	return r.git.CommitObject(h)
}

func (r *Repo) treeAt(h plumbing.Hash) (*object.Tree, error) {
	if err := r.atMost(h, maxTree); err != nil {
		return nil, err
	}
	return object.GetTree(r.git.Storer, h)
}

// atMost refuses an object that is too large to be read whole.
func (r *Repo) atMost(h plumbing.Hash, most int64) error {
	size, err := r.git.Storer.EncodedObjectSize(h)
	if err == nil && size > most {
		err = fmt.Errorf("git object %s has %d bytes, expected at most %d", h, size, most)
	}
	return err
}

// Fix ties a commit to a thread of the forum by its "Fixes: #41" trailer.
type Fix = fixes.Fix

// commits lends the repository's commits to package fixes.
type commits struct{ *Repo }

func (h commits) Named(rev string) (*object.Commit, error)      { return h.commit(rev) }
func (h commits) At(hash plumbing.Hash) (*object.Commit, error) { return h.commitAt(hash) }

// Fixes lists what became fixed, or fixed no more, on the way from one commit to
// another, the oldest first; an empty from is the beginning of history.
func (r *Repo) Fixes(from, to string) ([]Fix, error) { return fixes.Between(commits{r}, from, to) }

// Load reads what is committed at rev and checks all that can be checked
// without a stock. The error is of type Problems where the repository's
// content is to blame.
func (r *Repo) Load(rev string) (*Snapshot, error) {
	c, err := r.commit(rev)
	if err != nil {
		return nil, err
	}
	root, err := r.treeAt(c.TreeHash)
	if err != nil {
		return nil, fmt.Errorf("cannot read commit %s: %w", c.Hash, err)
	}
	files := map[string]*File{}
	left := maxFiles
	if err := r.list(root, "", files, &left, 0); err != nil {
		return nil, err
	}
	s, err := readWith(files, func(path string) bool { return r.has(root, path) })
	if err != nil {
		return nil, err
	}
	s.Commit = commitOf(c)
	return s, nil
}

// OS reads os.yaml at rev, and nothing else: it is there for who must know of the OS
// what a mistake elsewhere does not change, such as where the keys are.
func (r *Repo) OS(rev string) (OS, error) {
	c, err := r.commit(rev)
	if err != nil {
		return OS{}, err
	}
	root, err := r.treeAt(c.TreeHash)
	if err != nil {
		return OS{}, fmt.Errorf("cannot read commit %s: %w", c.Hash, err)
	}
	e, err := root.FindEntry("os.yaml")
	if err != nil {
		return OS{}, fmt.Errorf("cannot read os.yaml at commit %s: %w", c.Hash, err)
	}
	f, err := r.file("os.yaml", *e)
	if err != nil {
		return OS{}, err
	}
	text, err := read(f)
	if err != nil {
		return OS{}, err
	}
	var o OS
	var ps Problems
	strict.Decode("os.yaml", text, &o, &ps)
	o.defaults()
	return o, ps.Err()
}

// has says whether there is anything at a path of a commit's folder.
func (r *Repo) has(t *object.Tree, p string) bool {
	first, rest, more := strings.Cut(p, "/")
	for _, e := range t.Entries {
		if e.Name != first {
			continue
		}
		if !more {
			return true
		}
		if e.Mode != filemode.Dir {
			return false
		}
		sub, err := r.treeAt(e.Hash)
		return err == nil && r.has(sub, rest)
	}
	return false
}

// list collects the files of the folders that matter.
func (r *Repo) list(t *object.Tree, dir string, files map[string]*File, left *int, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("cannot read OS repository: %s is more than %d folders deep", dir, maxDepth)
	}
	for _, e := range t.Entries {
		full := path.Join(dir, e.Name)
		if dir == "" && e.Name != "os.yaml" && e.Name != "devices" && e.Name != "layers" {
			continue
		}
		if strings.Contains(e.Name, "/") || path.Clean(e.Name) != e.Name || e.Name == ".." {
			return fmt.Errorf("cannot read OS repository: in folder %q there is %q, which is no name", dir, e.Name)
		}
		if *left--; e.Mode == filemode.Dir {
			*left -= 9
		}
		if *left < 0 {
			return fmt.Errorf("cannot read OS repository: more than %d files or %d folders are committed", maxFiles, maxFiles/10)
		}
		if e.Mode == filemode.Dir {
			sub, err := r.treeAt(e.Hash)
			if err != nil {
				return fmt.Errorf("cannot read OS repository: %s: %w", full, err)
			}
			if err := r.list(sub, full, files, left, depth+1); err != nil {
				return err
			}
			continue
		}
		f, err := r.file(full, e)
		if err != nil {
			return err
		}
		files[full] = f
	}
	return nil
}

func (r *Repo) file(full string, e object.TreeEntry) (*File, error) {
	f := &File{
		Path: full, Digest: e.Hash.String(),
		Executable: e.Mode == filemode.Executable,
		Symlink:    e.Mode == filemode.Symlink,
		Submodule:  e.Mode == filemode.Submodule,
	}
	if f.Submodule {
		return f, nil
	}
	size, err := r.git.Storer.EncodedObjectSize(e.Hash)
	if err != nil {
		return nil, fmt.Errorf("cannot read OS repository: %s: %w", full, err)
	}
	if size > maxFile {
		return nil, fmt.Errorf("cannot read OS repository: %s has %d bytes, expected at most %d", full, size, int64(maxFile))
	}
	f.Size = size
	f.open = func() (io.ReadCloser, error) {
		b, err := object.GetBlob(r.git.Storer, e.Hash)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", full, err)
		}
		return b.Reader()
	}
	return f, nil
}
