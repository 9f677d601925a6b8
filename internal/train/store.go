package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
)

// ErrNotFound is in the error of naming a release that the train does not know.
var ErrNotFound = errors.New("the train has no such release")

// row is a release as the train keeps it.
type row struct {
	release   string
	state     State
	reason    string
	openedAt  time.Time
	departsAt time.Time
	changedAt time.Time
}

// device is one device of a release as the train keeps it.
type device struct {
	release, codename string
	state             DeviceState
	reason            string
	build             string
	stock             string
	fixes             []int64          // fixed since what the device last got
	conditions        fleet.Conditions // from device.yaml, as it was at the cut
	changedAt         time.Time
}

const rowColumns = "release, state, reason, opened_at, departs_at, changed_at"

func scanRow(s db.Scanner) (r row, err error) {
	err = s.Scan(&r.release, (*string)(&r.state), &r.reason, &r.openedAt, &r.departsAt, &r.changedAt)
	return r, err
}

func rowOf(tx *db.Tx, release string) (row, error) {
	r, err := scanRow(tx.QueryRow("SELECT "+rowColumns+" FROM train_releases WHERE release = $1", release))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find release %q: %w", release, ErrNotFound)
	}
	return r, err
}

const deviceColumns = "release, device, state, reason, build, stock, fixes, changed_at, conditions"

func scanDevice(s db.Scanner) (d device, err error) {
	var fixes, conditions string
	if err := s.Scan(&d.release, &d.codename, (*string)(&d.state), &d.reason, &d.build, &d.stock, &fixes, &d.changedAt, &conditions); err != nil {
		return device{}, err
	}
	if err := errors.Join(json.Unmarshal([]byte(fixes), &d.fixes), json.Unmarshal([]byte(conditions), &d.conditions)); err != nil {
		return device{}, fmt.Errorf("cannot read %s of release %s: %w", d.codename, d.release, err)
	}
	return d, nil
}

func devicesOf(tx *db.Tx, release string) ([]device, error) {
	return db.All(tx, scanDevice, "SELECT "+deviceColumns+" FROM train_devices WHERE release = $1 ORDER BY device", release)
}

func deviceOf(tx *db.Tx, release, codename string) (device, error) {
	d, err := scanDevice(tx.QueryRow("SELECT "+deviceColumns+" FROM train_devices WHERE release = $1 AND device = $2", release, codename))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find %s in release %q: it is not on this train", codename, release)
	}
	return d, err
}

// open makes sure that a release has its row.
func open(tx *db.Tx, release string, departs time.Time, actor string) (row, error) {
	n, err := tx.Exec("INSERT INTO train_releases ("+rowColumns+") VALUES ($1, $2, '', $3, $4, $3) ON CONFLICT DO NOTHING", release, string(Open), tx.Now(), departs)
	if err != nil {
		return row{}, err
	}
	if n == 1 {
		if err := note(tx, Transition{Release: release, To: string(Open), Actor: actor, Reason: said.Say("open")}); err != nil {
			return row{}, err
		}
	}
	return rowOf(tx, release)
}

// setState moves a release.
func (r *row) setState(tx *db.Tx, s State, actor, reason string) error {
	if _, err := tx.Exec("UPDATE train_releases SET state = $2, reason = $3, changed_at = $4 WHERE release = $1", r.release, string(s), reason, tx.Now()); err != nil {
		return err
	}
	from := r.state
	r.state, r.reason, r.changedAt = s, reason, tx.Now()
	return note(tx, Transition{Release: r.release, From: string(from), To: string(s), Actor: actor, Reason: reason})
}

// setState moves one device of a release.
func (d *device) setState(tx *db.Tx, s DeviceState, actor, reason string) error {
	if _, err := tx.Exec("UPDATE train_devices SET state = $3, reason = $4, build = $5, changed_at = $6 WHERE release = $1 AND device = $2",
		d.release, d.codename, string(s), reason, d.build, tx.Now()); err != nil {
		return err
	}
	from := d.state
	d.state, d.reason, d.changedAt = s, reason, tx.Now()
	return note(tx, Transition{Release: d.release, Device: d.codename, From: string(from), To: string(s), Actor: actor, Reason: reason})
}

// Transition is one step, of a release (Device empty) or of one of its devices.
// From and To are a State, a DeviceState, or of a rollout its channel, state
// and percentage: "weekly running 10%".
type Transition struct {
	Release string    `json:"release"`
	Device  string    `json:"device,omitempty"`
	From    string    `json:"from,omitempty"`
	To      string    `json:"to"`
	Actor   string    `json:"actor"`
	Reason  string    `json:"reason,omitempty"`
	At      time.Time `json:"at"`
}

// note writes a step down, in the log that pages show and in the audit trail.
func note(tx *db.Tx, t Transition) error {
	if _, err := tx.Exec("INSERT INTO train_log (id, release, device, from_state, to_state, actor, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		db.NewID(), t.Release, t.Device, t.From, t.To, t.Actor, t.Reason, tx.Now()); err != nil {
		return err
	}
	subject := t.Release
	if t.Device != "" {
		subject += " " + t.Device
	}
	detail, err := json.Marshal(map[string]string{"from": t.From, "to": t.To, "reason": t.Reason})
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{Actor: t.Actor, Action: "train.step", Subject: subject, Detail: string(detail)})
}

func logOf(tx *db.Tx, release string) ([]Transition, error) {
	return db.All(tx, func(s db.Scanner) (t Transition, err error) {
		err = s.Scan(&t.Release, &t.Device, &t.From, &t.To, &t.Actor, &t.Reason, &t.At)
		return t, err
	}, "SELECT release, device, from_state, to_state, actor, reason, at FROM train_log WHERE release = $1 ORDER BY at, id", release)
}
