package osrepo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/osrepo/skeleton"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

var began = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestInit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "os")
	o := skeleton.Options{Name: `My "own" OS`, UpdateURL: "https://ota.example.org", Time: began, Devices: []skeleton.Device{{Codename: "umi", Vendor: "Xiaomi", Name: "Mi 10"}, {Codename: "hlte", Vendor: "Samsung", Name: "Galaxy Note 3"}}}
	if err := skeleton.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	if err := skeleton.Write(dir, o); err == nil || !strings.Contains(err.Error(), "expected an empty folder") {
		t.Errorf("made twice: %v", err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Load("main")
	if err != nil {
		t.Fatal(err)
	}
	if s.OS.Name != o.Name || len(s.Devices) != 2 || s.Devices["hlte"].Name != "Galaxy Note 3" || !slices.Equal(s.OS.Layers, []string{"base", "clean"}) {
		t.Errorf("read back %+v", s)
	}
	if !s.Commit.Time.Equal(began) || s.Commit.Subject != "Begin "+o.Name || len(s.Commit.Hash) != 40 {
		t.Errorf("commit %+v", s.Commit)
	}
	if !s.Layers["base"].files["system/bin/friday-first-boot"].Executable {
		t.Error("the script is not executable")
	}
	// The work tree does not count, and what git ignores is not committed.
	if err := os.WriteFile(filepath.Join(dir, "os.yaml"), []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Load(""); err != nil {
		t.Errorf("the work tree was read: %v", err)
	}
	if _, err := r.Resolve("nowhere"); err == nil || !strings.Contains(err.Error(), `cannot find commit "nowhere"`) {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil || !strings.Contains(err.Error(), "friday init") {
		t.Errorf("Open of no repository: %v", err)
	}
	same := filepath.Join(t.TempDir(), "again")
	if err := skeleton.Write(same, o); err != nil {
		t.Fatal(err)
	}
	if r2, err := Open(same); err != nil {
		t.Fatal(err)
	} else if c, _ := r2.Resolve(""); c.Hash != s.Commit.Hash {
		t.Errorf("made twice: commits %s and %s", c.Hash, s.Commit.Hash)
	}
}

// history makes commits and names them by a letter.
type history struct {
	t      *testing.T
	git    *git.Repository
	hashes map[string]plumbing.Hash
}

func (h *history) commit(name, message string, parents ...string) {
	h.t.Helper()
	w, err := h.git.Worktree()
	if err != nil {
		h.t.Fatal(err)
	}
	o := &git.CommitOptions{AllowEmptyCommits: true, Author: &object.Signature{Name: "a", Email: "a@b", When: began.Add(time.Duration(len(h.hashes)) * time.Hour)}}
	for _, p := range parents {
		o.Parents = append(o.Parents, h.hashes[p])
	}
	for n, hash := range h.hashes {
		message = strings.ReplaceAll(message, "<"+n+">", hash.String())
	}
	if h.hashes[name], err = w.Commit(message, o); err != nil {
		h.t.Fatal(err)
	}
}

func TestFixes(t *testing.T) {
	dir := t.TempDir()
	if err := skeleton.Write(dir, skeleton.Options{Time: began}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	head, err := r.commit("")
	if err != nil {
		t.Fatal(err)
	}
	h := &history{t: t, git: r.git, hashes: map[string]plumbing.Hash{"begin": head.Hash}}
	h.commit("a", "a\n\nFixes: #41\n")
	h.commit("b", "b\n\nFixes: #42, #43\n")
	h.commit("undo-a", "Revert \"a\"\n\nThis reverts commit <a>.\n")
	h.commit("redo-a", "Reapply \"a\"\n\nThis reverts commit <undo-a>.\n")
	h.commit("c", "c\n\nFixes: #50\n")
	h.commit("undo-c", "Revert \"c\"\n\nThis reverts commit <c>.\n")
	h.commit("side", "side\n\nFixes: #60\n", "undo-c")
	h.commit("merge", "Merge side\n", "undo-c", "side")
	h.commit("undo-merge", "Revert merge\n\nThis reverts commit <merge>, reversing\nchanges made to <undo-c>.\n", "merge")
	h.commit("strange", "x\n\nThis reverts commit 0123456789012345678901234567890123456789.\n\nFixes: #70\n", "undo-merge")

	for _, c := range []struct{ from, to, want string }{
		{"", "a", "41a"},
		{"begin", "b", "41a 42b 43b"},
		{"a", "a", ""},
		{"a", "b", "42b 43b"},
		{"b", "undo-a", "-41a"},
		{"begin", "undo-a", "42b 43b"},
		{"b", "redo-a", ""},
		{"undo-a", "redo-a", "41a"},
		{"begin", "redo-a", "41a 42b 43b"},
		{"redo-a", "undo-c", ""},
		{"c", "undo-c", "-50c"},
		{"undo-c", "merge", "60side"},
		{"undo-c", "undo-merge", ""},
		{"merge", "undo-merge", "-60side"},
		{"undo-merge", "strange", "70strange"},
		{"b", "a", ""},
	} {
		from := ""
		if c.from != "" {
			from = h.hashes[c.from].String()
		}
		fixes, err := r.Fixes(from, h.hashes[c.to].String())
		if err != nil {
			t.Errorf("%s..%s: %v", c.from, c.to, err)
			continue
		}
		var got []string
		for _, f := range fixes {
			sign := ""
			if f.Reverted {
				sign = "-"
			}
			for n, hash := range h.hashes {
				if hash.String() == f.Commit {
					got = append(got, fmt.Sprintf("%s%d%s", sign, f.Thread, n))
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s..%s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

// TestOSAlone: os.yaml is read although something else is wrong.
func TestOSAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "os")
	if err := skeleton.Write(dir, skeleton.Options{Name: "An OS", Time: began}); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.git.Worktree()
	if err != nil {
		t.Fatal(err)
	}
	commit := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(name); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit("x", &git.CommitOptions{Author: &object.Signature{Name: "a", Email: "a@b", When: began}}); err != nil {
			t.Fatal(err)
		}
	}
	commit("layers/clean/layer.yaml", "nonsense: true\n")
	if _, err := r.Load(""); err == nil {
		t.Error("nonsense was taken")
	}
	if o, err := r.OS(""); err != nil || o.Name != "An OS" || o.Keys != ".friday/keys" {
		t.Errorf("os.yaml is %+v, %v", o, err)
	}
	commit("os.yaml", "nam: x\n")
	if _, err := r.OS(""); err == nil || !strings.Contains(err.Error(), `os.yaml:1:1: unknown key "nam"`) {
		t.Errorf("a wrong os.yaml: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "release", "keys"), 0o755); err != nil {
		t.Fatal(err)
	}
	commit("release/keys/avb.pem", "secret\n")
	commit("layers/clean/layer.yaml", "why: clean\n")
	commit("os.yaml", "name: x\nupdate_url: https://x.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: []\nkeys: release/keys\n")
	const want = "os.yaml:6:7: keys is release/keys, which is committed: whoever reads the repository signs as you do; keep the keys beside it, in a folder that git ignores, and make new ones"
	if _, err := r.Load(""); err == nil || err.Error() != want {
		t.Errorf("keys that are committed: %v", err)
	}
	if _, err := r.OS("nowhere"); err == nil {
		t.Error("no commit has an os.yaml")
	}
}
