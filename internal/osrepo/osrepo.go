// Package osrepo reads the OS's git repository: os.yaml, the devices and the
// layers.
package osrepo

import (
	"time"

	"github.com/fridayos/friday/android/tree"
)

// Repo is an OS repository.
type Repo struct{ dir string }

// InitOptions says what Init writes.
type InitOptions struct {
	Name        string   // the OS's name; "Friday OS" if empty
	Devices     []string // codenames; "umi" alone if empty
	UpdateURL   string   // where handsets check in
	AuthorName  string   // of the first commit
	AuthorEmail string
	Time        time.Time // of the first commit; now if zero
}

// Commit is one commit of the repository.
type Commit struct {
	Hash    string // 40 hex digits
	Time    time.Time
	Subject string
}

// Fix ties a commit to a thread of the forum by its "Fixes: #41" trailer.
type Fix struct {
	Thread   int64
	Commit   string
	Reverted bool // the commit was fixed before and is reverted now
}

// Snapshot is what one commit says.
type Snapshot struct {
	Commit  Commit
	OS      OS
	Devices map[string]*Device // by codename
	Layers  map[string]*Layer  // by name
}

// OS is os.yaml.
type OS struct {
	Name      string
	UpdateURL string
	Channels  []string
	Channel   string // that a new handset follows
	Layers    []string
}

// Init makes a new OS repository in dir.
func Init(dir string, o InitOptions) error { panic("unwritten") }

// Open opens the OS repository in dir.
func Open(dir string) (*Repo, error) { panic("unwritten") }

// Resolve finds the commit that rev names.
func (r *Repo) Resolve(rev string) (Commit, error) { panic("unwritten") }

// Load reads what is committed at rev.
func (r *Repo) Load(rev string) (*Snapshot, error) { panic("unwritten") }

// Fixes lists what became fixed, or fixed no more, between two commits.
func (r *Repo) Fixes(from, to string) ([]Fix, error) { panic("unwritten") }

// Check says whether the device's layers fit the stock that index lists.
func (s *Snapshot) Check(codename string, index *tree.Index) error { panic("unwritten") }
