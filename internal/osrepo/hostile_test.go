package osrepo

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/osrepo/skeleton"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// forged puts objects into a repository that git itself would not make.
type forged struct {
	t *testing.T
	r *Repo
}

func forge(t *testing.T) forged {
	t.Helper()
	dir := t.TempDir()
	if err := skeleton.Write(dir, skeleton.Options{Time: began}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return forged{t, r}
}

func (f forged) put(kind plumbing.ObjectType, size int64, r io.Reader) plumbing.Hash {
	f.t.Helper()
	o := f.r.git.Storer.NewEncodedObject()
	o.SetType(kind)
	o.SetSize(size)
	w, err := o.Writer()
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	h, err := f.r.git.Storer.SetEncodedObject(o)
	if err != nil {
		f.t.Fatal(err)
	}
	return h
}

func (f forged) text(kind plumbing.ObjectType, s string) plumbing.Hash {
	return f.put(kind, int64(len(s)), strings.NewReader(s))
}

func (f forged) tree(entries ...object.TreeEntry) plumbing.Hash {
	var s strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&s, "%o %s\x00%s", uint32(e.Mode), e.Name, e.Hash[:])
	}
	return f.text(plumbing.TreeObject, s.String())
}

func (f forged) commit(tree plumbing.Hash, message string, parents ...plumbing.Hash) plumbing.Hash {
	s := "tree " + tree.String() + "\n"
	for _, p := range parents {
		s += "parent " + p.String() + "\n"
	}
	return f.text(plumbing.CommitObject, s+"author a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n"+message)
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestHostileObjects(t *testing.T) {
	f := forge(t)
	dir := func(name string, h plumbing.Hash) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: h}
	}
	file := func(name string, h plumbing.Hash) object.TreeEntry {
		return object.TreeEntry{Name: name, Mode: filemode.Regular, Hash: h}
	}
	zero := func(kind plumbing.ObjectType, size int64) plumbing.Hash {
		return f.put(kind, size, io.LimitReader(zeros{}, size))
	}
	bomb := f.tree()
	for range 40 { // each holds the one below ten times: no file, and no end
		var all []object.TreeEntry
		for i := range 10 {
			all = append(all, dir(fmt.Sprint("d", i), bomb))
		}
		bomb = f.tree(all...)
	}
	hello := f.text(plumbing.BlobObject, "hello")
	large := zero(plumbing.BlobObject, 128<<20)
	for name, c := range map[string]struct {
		commit plumbing.Hash
		want   string
	}{
		"folders without end":    {f.commit(f.tree(dir("layers", bomb)), "x"), "20000 folders"},
		"a large list":           {f.commit(f.tree(dir("layers", zero(plumbing.TreeObject, 100<<20))), "x"), "expected at most"},
		"a large first list":     {f.commit(zero(plumbing.TreeObject, 100<<20), "x"), "expected at most"},
		"a large os.yaml":        {f.commit(f.tree(file("os.yaml", large)), "x"), "os.yaml"},
		"a large layer.yaml":     {f.commit(f.tree(dir("layers", f.tree(dir("x", f.tree(file("layer.yaml", large)))))), "x"), "layer.yaml"},
		"a large commit":         {f.commit(f.tree(), strings.Repeat("x", 2<<20)), "expected at most"},
		"the folder above":       {f.commit(f.tree(dir("layers", f.tree(dir("x", f.tree(dir("..", f.tree(file("y", hello)))))))), "x"), "no name"},
		"a name that is a path":  {f.commit(f.tree(dir("layers", f.tree(file("../../etc/passwd", hello)))), "x"), "no name"},
		"a name that is nothing": {f.commit(f.tree(dir("layers", f.tree(file("", hello)))), "x"), "empty filename"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		_, err := f.r.Load(c.commit.String())
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
		if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 200 || time.Since(began) > 30*time.Second {
			t.Errorf("%s: it took %d MiB and %s", name, took, time.Since(began))
		}
	}
	file2 := &File{Path: "x", Symlink: true, open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("a\x00b")), nil }}
	if target, err := file2.ReadLink(); err == nil {
		t.Errorf("a symlink leads to %q", target)
	}
}

// Commits that revert the two before them, and so on: the ways back double.
func TestRevertsWithoutEnd(t *testing.T) {
	f := forge(t)
	empty := f.tree()
	commits := []plumbing.Hash{f.commit(empty, "a\n\nFixes: #1\n")}
	for i := range 60 {
		message := fmt.Sprintf("This reverts commit %s.\nThis reverts commit %s.\n", commits[i], commits[max(i-1, 0)])
		commits = append(commits, f.commit(empty, message, commits[i]))
	}
	began := time.Now()
	if _, err := f.r.Fixes("", commits[len(commits)-1].String()); err == nil || !strings.Contains(err.Error(), "ways") {
		t.Errorf("found %v", err)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}
