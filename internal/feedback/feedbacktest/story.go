// Package feedbacktest tells stories to tests of the forum's packages: threads,
// fixes and handsets on a real database whose clock goes on an hour a step.
package feedbacktest

import (
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
)

// The people of every story. They have no accounts; Member makes one.
const (
	Ana        = int64(1) // reports
	Ben        = int64(2) // has it too
	Cem        = int64(3) // watches
	Maintainer = int64(9)
)

// Builds of umi, one a week, and one of hlte.
var (
	Umi1  = feedback.Build{ID: "b1", Device: "umi", Version: "26.11.20", Timestamp: 100}
	Umi2  = feedback.Build{ID: "b2", Device: "umi", Version: "26.11.27", Timestamp: 200}
	Umi3  = feedback.Build{ID: "b3", Device: "umi", Version: "26.12.4", Timestamp: 300}
	Hlte2 = feedback.Build{ID: "h2", Device: "hlte", Version: "26.11.27", Timestamp: 200}
)

// Story is a database and its clock.
type Story struct {
	T   testing.TB
	DB  *db.DB
	Now time.Time // of the last step
}

// New begins a story on a migrated database.
func New(t testing.TB, d *db.DB) *Story {
	s := &Story{t, d, time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)}
	d.SetClock(func() time.Time { return s.Now })
	return s
}

// Do runs fn in a transaction of its own, an hour after the last one.
func (s *Story) Do(fn func(tx *db.Tx) error) error {
	s.T.Helper()
	s.Now = s.Now.Add(time.Hour)
	return s.DB.Write(s.T.Context(), fn)
}

// Must is Do, and ends the test if that fails.
func (s *Story) Must(fn func(tx *db.Tx) error) {
	s.T.Helper()
	if err := s.Do(fn); err != nil {
		s.T.Fatal(err)
	}
}

// As is a member without a role.
func As(member int64) feedback.Viewer { return feedback.Viewer{Member: member} }

// Moderator is one without a private thread.
func Moderator() feedback.Viewer { return feedback.Viewer{Member: 8, Moderates: true} }

// Member makes an account.
func (s *Story) Member(name string, roles ...member.Role) (id int64) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) error {
		m, err := member.Register(tx, name, member.Hash{})
		if err == nil && len(roles) > 0 {
			err = member.SetRoles(tx, m, m.ID, roles, nil)
		}
		id = m.ID
		return err
	})
	return id
}

// File files a thread; what it leaves out is made up, Ana is the author.
func (s *Story) File(n feedback.NewThread) (id int64) {
	s.T.Helper()
	if n.Kind == "" {
		n.Kind = feedback.Bug
	}
	if n.Title == "" {
		n.Title = "Camera closes at 5x zoom"
	}
	if n.Body == "" {
		n.Body = "It just *closes*."
	}
	if n.Part == "" && n.Kind.Tracked() {
		n.Part = "Camera"
	}
	if n.AuthorID == 0 {
		n.AuthorID = Ana
	}
	s.Must(func(tx *db.Tx) error {
		t, err := feedback.New(tx, n)
		id = t.ID
		return err
	})
	return id
}

// Bug files a bug of Ana's on devices.
func (s *Story) Bug(devices ...string) int64 {
	s.T.Helper()
	return s.File(feedback.NewThread{Devices: devices})
}

// Reply writes a post.
func (s *Story) Reply(v feedback.Viewer, thread int64, body string, quotes ...int64) (p feedback.Post) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { p, err = feedback.Reply(tx, v, thread, body, quotes...); return err })
	return p
}

// Thread reads a thread.
func (s *Story) Thread(id int64) (t feedback.Thread) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { t, err = feedback.ByID(tx, feedback.Everything(), id); return err })
	return t
}

// Posts reads a thread's posts.
func (s *Story) Posts(v feedback.Viewer, id int64) (posts []feedback.Post) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { posts, err = feedback.Posts(tx, v, id); return err })
	return posts
}

// State is where a thread stands on a device; empty if it names none such.
func (s *Story) State(id int64, device string) feedback.State {
	s.T.Helper()
	for _, d := range s.Thread(id).Devices {
		if d.Device == device {
			return d.State
		}
	}
	return ""
}

// Want ends the test unless the thread stands so on the device.
func (s *Story) Want(id int64, device string, state feedback.State) {
	s.T.Helper()
	if got := s.State(id, device); got != state {
		s.T.Fatalf("on %q the thread is %q, expected %q", device, got, state)
	}
}

// Runs says what a member's handset runs and returns what that made Friday ask.
func (s *Story) Runs(member int64, b feedback.Build) (asks []feedback.Ask) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { asks, err = feedback.HandsetRuns(tx, member, b); return err })
	return asks
}

// Asked is what a member is being asked.
func (s *Story) Asked(member int64) (asks []feedback.Ask) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { asks, err = feedback.OpenAsks(tx, As(member)); return err })
	return asks
}

// Answer answers.
func (s *Story) Answer(id, member int64, device string, v feedback.Verdict) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(member), id, device, v) })
}

// Mark says a maintainer's word on all devices.
func (s *Story) Mark(id int64, state feedback.State, reason string) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) error {
		return feedback.Mark(tx, Maintainer, id, feedback.Word{State: state, Reason: reason})
	})
}

// FixedIn brings a thread from where it is into releases with the builds given.
func (s *Story) FixedIn(id int64, builds ...feedback.Build) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) error { return feedback.FixMerged(tx, id, "c1") })
	for _, b := range builds {
		s.Must(func(tx *db.Tx) error { return feedback.FixInRelease(tx, id, b.Version, b) })
	}
}

// Events reads what happened after an event.
func (s *Story) Events(after int64) (all []feedback.Event) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { all, err = feedback.Events(tx, after, 1000); return err })
	return all
}
