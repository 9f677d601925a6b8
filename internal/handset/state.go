package handset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// triesForNewSlot is how often the boot loader starts a slot that has not yet
// said that it works.
const triesForNewSlot = 3

// mainRollback is the rollback index location of the top vbmeta.
const mainRollback = 0

// state is what the boot loader and the secure store keep. It is one file, so
// that the slot switch is one rename.
type state struct {
	Active   string            `json:"active"` // slot to start: "a" or "b"
	Slots    map[string]slot   `json:"slots"`
	Rollback map[uint32]uint64 `json:"rollback"` // stored indexes by location
	Running  string            `json:"running"`  // slot of the last good start; "" before the first
	Wipes    int               `json:"wipes"`    // how often user data was erased
	Ticket   string            `json:"ticket,omitempty"`
	LastSeen int64             `json:"last_seen,omitempty"` // of the last check-in, seconds since 1970
	Wishes   Wishes            `json:"wishes,omitzero"`
}

// slot is one slot's entry in the boot control block.
type slot struct {
	Bootable   bool `json:"bootable"`
	Successful bool `json:"successful"` // has started Android at least once
	Tries      int  `json:"tries"`      // left, while not successful
}

func newState() state {
	return state{Active: "a", Slots: map[string]slot{"a": {}, "b": {}}, Rollback: map[uint32]uint64{}}
}

func (s *state) check() error {
	if s.Active != "a" && s.Active != "b" {
		return fmt.Errorf("cannot open handset: state.json: active is %q, expected \"a\" or \"b\"", s.Active)
	}
	for _, name := range []string{"a", "b"} {
		if sl, ok := s.Slots[name]; !ok || sl.Tries < 0 || sl.Tries > triesForNewSlot {
			return fmt.Errorf("cannot open handset: state.json: slot %q is missing or has tries outside 0 to %d", name, triesForNewSlot)
		}
	}
	if s.Rollback == nil {
		s.Rollback = map[uint32]uint64{}
	}
	return nil
}

func other(slot string) string {
	if slot == "a" {
		return "b"
	}
	return "a"
}

// choose is the boot loader's decision: the active slot if it may be started,
// else the other one, else none.
func (s *state) choose() (string, bool) {
	for _, name := range []string{s.Active, other(s.Active)} {
		if sl := s.Slots[name]; sl.Bootable && (sl.Successful || sl.Tries > 0) {
			return name, true
		}
	}
	return "", false
}

func (p *Phone) save() error { return writeJSON(p.path("state.json"), &p.st) }

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", filepath.Base(path), err)
	}
	return writeDurably(path, b)
}

// readJSON reads a small JSON file strictly.
func readJSON(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	if len(b) > limit {
		return fmt.Errorf("cannot read %s: larger than %d bytes", path, limit)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}

// writeDurably replaces path by b: after a power cut there is the old content
// or the new one.
func writeDurably(path string, b []byte) error {
	if err := placeDurably(path, bytes.NewReader(b)); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
