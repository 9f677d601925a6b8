package train_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/skeleton"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// yard is an OS repository, a stock and a train with its worker.
type yard struct {
	t     *testing.T
	dir   string
	db    *db.DB
	train *train.Train
	clock *clock
}

type clock struct {
	sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.Lock()
	defer c.Unlock()
	c.now = t
}

// made are what all tests share: they take time to make.
var made = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "friday-train-"); err != nil {
		return "", err
	}
	if err := keys.GenerateWith(filepath.Join(dir, "keys"), keys.Options{AVBBits: 2048, OTABits: 2048}); err != nil {
		return "", err
	}
	key, cert, err := stocktest.VendorKeys(1)
	if err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(dir, "stock.zip"))
	if err != nil {
		return "", err
	}
	return dir, errors.Join(stocktest.Write(context.Background(), f, stocktest.Spec{Seed: 3, Files: 200, Bytes: 2 << 20}, key, cert), f.Close())
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := made(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

func newYard(t *testing.T, d *db.DB, devices ...string) *yard {
	t.Helper()
	shared, err := made()
	if err != nil {
		t.Fatal(err)
	}
	y := &yard{t: t, dir: filepath.Join(t.TempDir(), "os"), db: d, clock: &clock{now: start}}
	d.SetClock(y.clock.read)
	o := skeleton.Options{Name: "Friday OS", UpdateURL: "https://ota.example.org", Time: start.Add(-time.Hour)}
	for _, codename := range devices {
		o.Devices = append(o.Devices, skeleton.Device{Codename: codename, Vendor: "Xiaomi", Name: "Mi 10"})
	}
	if err := skeleton.Write(y.dir, o); err != nil {
		t.Fatal(err)
	}
	repo, err := osrepo.Open(y.dir)
	if err != nil {
		t.Fatal(err)
	}
	// Shared: what was compressed for one database is not compressed for the other.
	blobs, err := blob.Open(filepath.Join(shared, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	y.train = &train.Train{DB: d, Repo: repo, Blobs: blobs}
	f, err := os.Open(filepath.Join(shared, "stock.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stock, err := intake.Add(t.Context(), blobs, nest.File{Name: "stock.zip", R: f, Size: info.Size()}, "umi", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	y.write(func(tx *db.Tx) error { return catalog.PutStock(tx, stock) })
	return y
}

// work runs a worker until the test ends.
func (y *yard) work() {
	y.t.Helper()
	shared, err := made()
	if err != nil {
		y.t.Fatal(err)
	}
	ring, err := keys.Open(filepath.Join(shared, "keys"))
	if err != nil {
		y.t.Fatal(err)
	}
	workers, err := y.train.Workers(train.WorkerOptions{Keys: ring, TempDir: y.t.TempDir(), Tick: time.Hour})
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- jobs.Run(ctx, y.db, workers, jobs.RunOptions{}) }()
	y.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			y.t.Error(err)
		}
	})
}

func (y *yard) write(fn func(tx *db.Tx) error) {
	y.t.Helper()
	if err := y.db.Write(y.t.Context(), fn); err != nil {
		y.t.Fatal(err)
	}
}

const welcome = "layers/base/system/etc/friday/welcome.txt"

// commit changes files of the OS repository.
func (y *yard) commit(at time.Time, message string, files map[string]string) string {
	y.t.Helper()
	g, err := git.PlainOpen(y.dir)
	if err != nil {
		y.t.Fatal(err)
	}
	w, err := g.Worktree()
	if err != nil {
		y.t.Fatal(err)
	}
	for name, text := range files {
		full := filepath.Join(y.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(text), 0o644)); err != nil {
			y.t.Fatal(err)
		}
		if _, err := w.Add(name); err != nil {
			y.t.Fatal(err)
		}
	}
	by := &object.Signature{Name: "Ana", Email: "ana@example.org", When: at}
	hash, err := w.Commit(message, &git.CommitOptions{Author: by, Committer: by})
	if err != nil {
		y.t.Fatal(err)
	}
	return hash.String()
}

func (y *yard) status(release string) (s train.ReleaseStatus) {
	y.t.Helper()
	y.write(func(tx *db.Tx) (err error) {
		s, err = y.train.ReleaseStatus(tx, release)
		return err
	})
	return s
}

// wait waits for a release's state.
func (y *yard) wait(release string, want train.State) train.ReleaseStatus {
	y.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		s := y.status(release)
		if s.State == want {
			return s
		}
		if time.Now().After(deadline) {
			y.t.Fatalf("release %s is %s, expected %s: %+v", release, s.State, want, s.Devices)
		}
		for _, d := range s.Devices {
			if d.State == train.Held {
				y.t.Fatalf("%s is held: %s", d.Device, d.Reason)
			}
		}
	}
}

func (y *yard) decide(c wire.CheckIn) (d fleet.Decision) {
	y.t.Helper()
	y.write(func(tx *db.Tx) error {
		s, err := fleet.Load(tx)
		if err == nil {
			s.Until = start.AddDate(1, 0, 0)
			d = fleet.Decide(&c, nil, s, start)
		}
		return err
	})
	return d
}

func (y *yard) build(s train.ReleaseStatus) (b catalog.Build) {
	y.t.Helper()
	y.write(func(tx *db.Tx) (err error) {
		b, err = catalog.BuildByID(tx, s.Devices[0].Build)
		return err
	})
	return b
}

// report makes a member with a claimed handset, who files a bug.
func (y *yard) report() (memberID, threadID, claim int64) {
	y.t.Helper()
	m, err := member.NewPasswords(member.TestCost()).Register(y.t.Context(), y.db, "ana", "correct horse battery staple")
	if err != nil {
		y.t.Fatal(err)
	}
	y.write(func(tx *db.Tx) error {
		code, err := member.NewClaimCode(tx, m.ID, "umi")
		if err != nil {
			return err
		}
		c, err := member.RedeemClaim(tx, code, "umi")
		if err != nil {
			return err
		}
		thread, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: "The welcome is wrong", Body: "It says nothing true.", AuthorID: m.ID, Part: feedback.Parts()[0], Devices: []string{"umi"}})
		memberID, threadID, claim = m.ID, thread.ID, c.ID
		return err
	})
	return memberID, threadID, claim
}

func (y *yard) threadIs(id int64, want feedback.State) {
	y.t.Helper()
	y.write(func(tx *db.Tx) error {
		thread, err := feedback.ByID(tx, feedback.Everything(), id)
		if err == nil && thread.Devices[0].State != want {
			y.t.Errorf("the thread is %s, expected %s", thread.Devices[0].State, want)
		}
		return err
	})
}
