package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom"
)

// CutOptions narrow a cut.
type CutOptions struct {
	Devices []string  // only these; nil: all of the repository that have stock
	Respin  string    // the release of which it is a respin
	Date    time.Time // the day that names it; zero: of the next departure
	Notes   string    // for people
	Actor   string
}

// StockFor is the stock that builds of a device start from: the one that
// device.yaml names, else the newest that was taken in.
func StockFor(tx *db.Tx, s *osrepo.Snapshot, codename string) (catalog.Stock, error) {
	d := s.Devices[codename]
	if d == nil {
		return catalog.Stock{}, fmt.Errorf("cannot find stock: the OS repository has no device %q", codename)
	}
	if d.Stock == "" {
		return catalog.StockOf(tx, codename)
	}
	digest, err := blob.Parse(d.Stock)
	if err != nil {
		return catalog.Stock{}, fmt.Errorf("cannot find stock of %s: %w", codename, err)
	}
	stock, err := catalog.StockByDigest(tx, digest)
	if err == nil && stock.Device != codename {
		err = fmt.Errorf("cannot use stock %s for %s: it is of %s", digest, codename, stock.Device)
	}
	return stock, err
}

// boarding is a device that is about to be cut.
type boarding struct {
	codename string
	stock    catalog.Stock
	base     string // commit of what the device last got; empty: nothing yet
	fixes    []int64
	offer    osrepo.Offer
	problem  error // why it is held from the start
}

// Cut freezes the release that leaves next, from the commit that rev names, and
// puts in the build jobs of its devices.
func (t *Train) Cut(ctx context.Context, rev string, o CutOptions) (catalog.Release, error) {
	if t.Repo == nil || t.Blobs == nil {
		return catalog.Release{}, said.New("rev", "cut-closed")
	}
	snapshot, err := t.load(rev)
	if err != nil {
		return catalog.Release{}, err
	}
	boards, last, err := t.board(ctx, snapshot, o.Devices)
	if err != nil {
		return catalog.Release{}, err
	}
	changes, err := t.findFixes(snapshot, boards, last)
	if err != nil {
		return catalog.Release{}, err
	}
	r := catalog.Release{Commit: snapshot.Commit.Hash, Notes: o.Notes, Builds: map[string]string{}}
	r.Fixes = threads(nil, changes)
	for _, b := range boards {
		if b.base != "" { // what it missed of earlier releases; a new device missed everything
			for _, id := range b.fixes {
				if !slices.Contains(r.Fixes, id) {
					r.Fixes = append(r.Fixes, id)
				}
			}
		}
	}
	err = t.DB.Write(ctx, func(tx *db.Tx) error {
		row, err := t.nextRow(tx, o)
		if err != nil {
			return err
		}
		if r.Notes = o.Notes; r.Notes == "" {
			public, err := feedback.Public(tx, r.Fixes) // a security report is not told of before its fix is out
			if err != nil {
				return err
			}
			r.Notes = notes(snapshot, public)
		}
		r.Name, r.CutAt = row.release, tx.Now()
		if err := catalog.PutRelease(tx, r); err != nil {
			return err
		}
		if err := row.setState(tx, Frozen, o.Actor, said.Say("cut-from", "Commit", fmt.Sprintf("%.12s", r.Commit), "Subject", snapshot.Commit.Subject)); err != nil {
			return err
		}
		if err := t.tellFixes(tx, changes); err != nil {
			return err
		}
		if err := putDevices(tx, snapshot); err != nil {
			return err
		}
		for _, b := range boards {
			if err := t.boardOne(ctx, tx, r.Name, b, o.Actor); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// load reads a commit; a Repo serves one goroutine.
func (t *Train) load(rev string) (*osrepo.Snapshot, error) {
	t.repo.Lock()
	defer t.repo.Unlock()
	return t.Repo.Load(rev)
}

// board finds the devices that go along, their stock and what they last got;
// last is the commit of the last release that was not pulled.
func (t *Train) board(ctx context.Context, s *osrepo.Snapshot, only []string) (boards []*boarding, last string, err error) {
	codenames := slices.Sorted(maps.Keys(s.Devices))
	for _, codename := range only {
		if s.Devices[codename] == nil {
			return nil, "", said.New("device", "cut-device", "Device", codename, "Commit", fmt.Sprintf("%.12s", s.Commit.Hash), "Devices", strings.Join(codenames, ", "))
		}
	}
	if len(only) > 0 {
		codenames = slices.Compact(slices.Sorted(slices.Values(only)))
	}
	err = t.DB.Read(ctx, func(tx *db.Tx) error {
		boards = nil
		for _, codename := range codenames {
			b := &boarding{codename: codename, offer: s.Devices[codename].Offer}
			stock, err := StockFor(tx, s, codename)
			switch {
			case errors.Is(err, catalog.ErrNotFound) && len(only) == 0 && s.Devices[codename].Stock == "":
				continue // described, not yet begun
			case err != nil:
				b.problem = err
			}
			b.stock = stock
			if b.base, err = commitOfLast(tx, codename); err != nil {
				return err
			}
			boards = append(boards, b)
		}
		err := tx.QueryRow("SELECT r.commit_hash FROM releases r JOIN train_releases t ON t.release = r.name WHERE t.state NOT IN ('skipped', 'pulled') ORDER BY r.cut_at DESC, r.name DESC LIMIT 1").Scan(&last)
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	var problems []error
	for _, b := range boards {
		if b.problem == nil {
			b.problem = rom.Check(t.Blobs, s, b.codename, b.stock)
		}
		problems = append(problems, b.problem)
	}
	switch {
	case len(boards) == 0:
		return nil, "", said.New("rev", "cut-stock")
	case !slices.Contains(problems, nil):
		return nil, "", said.New("rev", "cut-problems", "Commit", fmt.Sprintf("%.12s", s.Commit.Hash), "Cause", errors.Join(problems...))
	}
	return boards, last, nil
}

// commitOfLast is the commit of what a device last got and was not pulled.
func commitOfLast(tx *db.Tx, codename string) (commit string, err error) {
	err = tx.QueryRow("SELECT r.commit_hash FROM train_devices d JOIN releases r ON r.name = d.release WHERE d.device = $1 AND d.state = 'shipping' ORDER BY r.cut_at DESC, r.name DESC LIMIT 1", codename).Scan(&commit)
	if errors.Is(err, db.ErrNoRows) {
		return "", nil
	}
	return commit, err
}

// findFixes gives each device the threads fixed since what it last got, and
// returns what became fixed or fixed no more since the last release.
func (t *Train) findFixes(s *osrepo.Snapshot, boards []*boarding, last string) ([]osrepo.Fix, error) {
	t.repo.Lock()
	defer t.repo.Unlock()
	known := map[string][]osrepo.Fix{}
	since := func(base string) ([]osrepo.Fix, error) {
		if fixes, ok := known[base]; ok {
			return fixes, nil
		}
		fixes, err := t.Repo.Fixes(base, s.Commit.Hash)
		if err != nil {
			return nil, fmt.Errorf("cannot cut release: %w", err)
		}
		known[base] = fixes
		return fixes, nil
	}
	for _, b := range boards {
		fixes, err := since(b.base)
		if err != nil {
			return nil, err
		}
		b.fixes = threads(b.fixes, fixes)
	}
	return since(last)
}

// threads adds the threads that fixes fix to ids.
func threads(ids []int64, fixes []osrepo.Fix) []int64 {
	for _, f := range fixes {
		if !f.Reverted && !slices.Contains(ids, f.Thread) {
			ids = append(ids, f.Thread)
		}
	}
	return ids
}

// nextRow is the release to be cut, still open.
func (t *Train) nextRow(tx *db.Tx, o CutOptions) (row, error) {
	s := t.schedule()
	departs := s.Next(tx.Now())
	if !o.Date.IsZero() {
		departs = s.On(o.Date)
	}
	name := s.Name(departs)
	if o.Respin != "" {
		of, err := rowOf(tx, o.Respin)
		if err != nil {
			return row{}, err
		}
		if name, departs, err = t.respinName(tx, of); err != nil {
			return row{}, err
		}
	}
	r, err := open(tx, name, departs, o.Actor)
	if err != nil {
		return row{}, err
	}
	if r.state != Open {
		return row{}, said.New("verb", "cut-twice", "Release", name, "ReleaseState", r.state)
	}
	return r, nil
}

// respinName is the next free name after of's: 26.11.27, 26.11.27.1, .2 …
func (t *Train) respinName(tx *db.Tx, of row) (string, time.Time, error) {
	m := releaseName.FindStringSubmatch(of.release)
	if m == nil {
		return "", time.Time{}, said.New("verb", "respin-name", "Release", of.release)
	}
	for n := 1; n < 100; n++ {
		name := fmt.Sprintf("%s.%d", m[1], n)
		_, err := rowOf(tx, name)
		if errors.Is(err, ErrNotFound) {
			return name, of.departsAt, nil
		}
		if err != nil {
			return "", time.Time{}, err
		}
	}
	return "", time.Time{}, said.New("verb", "respin-many", "Release", m[1])
}

// tellFixes brings what the commits say to the threads.
func (t *Train) tellFixes(tx *db.Tx, changes []osrepo.Fix) error {
	for _, f := range changes {
		tell := feedback.FixMerged
		if f.Reverted {
			tell = feedback.FixRetracted
		}
		err := tell(tx, f.Thread, f.Commit)
		if errors.Is(err, feedback.ErrNotFound) { // a commit may name any number
			t.log().Warn("a commit names a thread that does not exist", "commit", f.Commit, "thread", f.Thread)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// boardOne adds one device to a release, and its build job.
func (t *Train) boardOne(ctx context.Context, tx *db.Tx, release string, b *boarding, actor string) error {
	fixes, err := json.Marshal(append([]int64{}, b.fixes...))
	if err != nil {
		return err
	}
	conditions, err := json.Marshal(fleet.Conditions{Regions: b.offer.Regions, Carriers: b.offer.Carriers, Base: b.offer.Base})
	if err != nil {
		return err
	}
	if _, err := tx.Exec("INSERT INTO train_devices ("+deviceColumns+") VALUES ($1, $2, $3, '', '', $4, $5, $6, $7)",
		release, b.codename, string(Building), b.stock.Digest.String(), string(fixes), tx.Now(), string(conditions)); err != nil {
		return err
	}
	if err := note(tx, Transition{Release: release, Device: b.codename, To: string(Building), Actor: actor, Reason: said.Say("cut")}); err != nil {
		return err
	}
	if b.problem != nil {
		d, err := deviceOf(tx, release, b.codename)
		if err != nil {
			return err
		}
		return d.setState(tx, Held, Actor, b.problem.Error())
	}
	return jobs.Put(ctx, tx, BuildArgs{Release: release, Device: b.codename}, jobs.Options{Unique: true})
}

// notes are what people read when nobody wrote any.
func notes(s *osrepo.Snapshot, fixes []int64) string {
	if len(fixes) == 0 {
		return s.Commit.Subject
	}
	var b strings.Builder
	b.WriteString("Fixed:")
	for _, id := range fixes {
		fmt.Fprintf(&b, " #%d", id)
	}
	return b.String()
}
