package rom

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/skeleton"
	"github.com/fridayos/friday/internal/rom/filesystem"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

var when = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// workshop is all that a build needs, in folders of its own.
type workshop struct {
	t     testing.TB
	repo  string
	dir   string // of blobs
	blobs *blob.Store
	stock catalog.Stock
	key   *rsa.PrivateKey
	cert  *x509.Certificate
}

func smallStock() stocktest.Spec { return stocktest.Spec{Seed: 7, Files: 400, Bytes: 6 << 20} }

func newWorkshop(t testing.TB, s stocktest.Spec) *workshop {
	t.Helper()
	w := &workshop{t: t, repo: filepath.Join(t.TempDir(), "os"), dir: filepath.Join(t.TempDir(), "blobs")}
	var err error
	if w.blobs, err = blob.Open(w.dir); err != nil {
		t.Fatal(err)
	}
	w.key, w.cert = keysOf(t, 99) // the OS's keys, for a test
	if err := skeleton.Write(w.repo, skeleton.Options{UpdateURL: "https://ota.example.org", Time: when}); err != nil {
		t.Fatal(err)
	}
	w.stock = w.addStock(stockZip(t, s), "umi")
	return w
}

// made keeps what takes time to make and is the same in every test.
var made struct {
	sync.Mutex
	keys  map[uint64]keyPair
	small []byte // the zip of smallStock
}

type keyPair struct {
	key  *rsa.PrivateKey
	cert *x509.Certificate
}

func keysOf(t testing.TB, seed uint64) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	made.Lock()
	defer made.Unlock()
	if made.keys == nil {
		made.keys = map[uint64]keyPair{}
	}
	p, ok := made.keys[seed]
	if !ok {
		var err error
		if p.key, p.cert, err = stocktest.VendorKeys(seed); err != nil {
			t.Fatal(err)
		}
		made.keys[seed] = p
	}
	return p.key, p.cert
}

// stockZip makes the vendor's firmware.
func stockZip(t testing.TB, s stocktest.Spec) *os.File {
	t.Helper()
	key, cert := keysOf(t, 1)
	f, err := os.Create(filepath.Join(t.TempDir(), "stock.zip"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	made.Lock()
	defer made.Unlock()
	if s == smallStock() && made.small != nil {
		if _, err := f.Write(made.small); err != nil {
			t.Fatal(err)
		}
		return f
	}
	if err := stocktest.Write(context.Background(), f, s, key, cert); err != nil {
		t.Fatal(err)
	}
	if s == smallStock() {
		if made.small, err = os.ReadFile(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func size(t testing.TB, f *os.File) int64 {
	t.Helper()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func firmwareFile(f *os.File, n int64) nest.File { return nest.File{Name: "stock", R: f, Size: n} }

func (w *workshop) addStock(f *os.File, codename string) catalog.Stock {
	w.t.Helper()
	s, err := intake.Add(w.t.Context(), w.blobs, firmwareFile(f, size(w.t, f)), codename, w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// commit writes files into the OS repository; an empty text takes one away.
func (w *workshop) commit(after time.Duration, files map[string]string) {
	w.t.Helper()
	g, err := git.PlainOpen(w.repo)
	if err != nil {
		w.t.Fatal(err)
	}
	tree, err := g.Worktree()
	if err != nil {
		w.t.Fatal(err)
	}
	for name, text := range files {
		full := filepath.Join(w.repo, filepath.FromSlash(name))
		if text == "" {
			_, err = tree.Remove(name)
		} else {
			if err = os.MkdirAll(filepath.Dir(full), 0o755); err == nil {
				err = os.WriteFile(full, []byte(text), 0o644)
			}
			if err == nil {
				_, err = tree.Add(name)
			}
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	who := &object.Signature{Name: "a", Email: "a@b", When: when.Add(after)}
	if _, err := tree.Commit("change", &git.CommitOptions{Author: who, Committer: who}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) input(version string) Input {
	w.t.Helper()
	r, err := osrepo.Open(w.repo)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := r.Load("")
	if err != nil {
		w.t.Fatal(err)
	}
	return Input{Snapshot: s, Device: "umi", Stock: w.stock, Version: version, Blobs: w.blobs, AVB: w.key, Verity: w.key, VerityCert: w.cert, UpdateCert: w.cert}
}

func (w *workshop) build(version string) (catalog.Build, *report.Report) {
	w.t.Helper()
	b, r, err := Build(w.t.Context(), w.input(version))
	if err != nil {
		w.t.Fatal(err)
	}
	return b, r
}

// file is a partition as a file of its own, for judges.
func (w *workshop) file(p catalog.Partition) string {
	w.t.Helper()
	r, err := w.blobs.Open(p.Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	f, err := os.Create(filepath.Join(w.t.TempDir(), p.Name+".img"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadFrom(r); err != nil {
		w.t.Fatal(err)
	}
	return f.Name()
}

// tree reads a partition's files.
func (w *workshop) tree(p catalog.Partition) *tree.Node {
	w.t.Helper()
	r, err := w.blobs.Open(p.Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { r.Close() })
	_, root, err := filesystem.Open(r, r.Size())
	if err != nil {
		w.t.Fatal(err)
	}
	return root
}

func partitionNamed(t testing.TB, ps []catalog.Partition, name string) catalog.Partition {
	t.Helper()
	for _, p := range ps {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no partition %s", name)
	return catalog.Partition{}
}
