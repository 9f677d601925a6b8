// Package audit keeps who did what to what phones receive and to whom it
// concerns: written in the transaction of what it records, never changed but
// for the name of a member who leaves (Anonymise). It decides nothing and holds no noun's state.
package audit

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// Event is one entry. ID and At are set by Record.
type Event struct {
	ID      int64     `json:"id"`
	At      time.Time `json:"at"`
	ActorID int64     `json:"actor_id,omitempty"` // the member; 0: the system itself, or the command line
	Actor   string    `json:"actor"`              // the name as it was then
	Action  string    `json:"action"`             // "rollout.halt": noun, dot, verb
	Subject string    `json:"subject"`            // what it was done to
	AboutID int64     `json:"-"`                  // the member whom it concerns, and who may read it; 0: nobody
	Detail  string    `json:"detail"`             // JSON; empty is {}
}

// Record adds an entry; it stays if tx commits.
func Record(tx *db.Tx, e Event) error {
	if e.Detail == "" {
		e.Detail = "{}"
	}
	switch {
	case e.Action == "":
		return fmt.Errorf("cannot record what %q did to %q: no action given", e.Actor, e.Subject)
	case !json.Valid([]byte(e.Detail)):
		return fmt.Errorf("cannot record %s of %q: the detail is not JSON", e.Action, e.Subject)
	}
	_, err := tx.Exec(`INSERT INTO audit (id, at, actor_id, actor_name, action, subject, detail, about_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, db.NewID(), tx.Now(), e.ActorID, e.Actor, e.Action, e.Subject, e.Detail, e.AboutID)
	return err
}

// Filter chooses entries; empty fields choose all. The newest come first.
type Filter struct {
	Subject string
	Within  string // the subject, or its first words
	Action  string // "rollout.halt", or all of a noun: "rollout."
	ActorID int64
	AboutID int64 // whom it concerns
	Before  int64 // entries older than the one with this id: the next page
	Limit   int   // 50 unless given, at most 500
}

// List lists entries.
func List(tx *db.Tx, f Filter) ([]Event, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	query := "SELECT id, at, actor_id, actor_name, action, subject, detail, about_id FROM audit"
	var where []string
	var args []any
	and := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Subject != "" {
		and("subject = $%d", f.Subject)
	}
	like := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace
	if f.Within != "" {
		and(`subject || ' ' LIKE $%d ESCAPE '\'`, like(f.Within)+" %")
	}
	if strings.HasSuffix(f.Action, ".") {
		and(`action LIKE $%d ESCAPE '\'`, like(f.Action)+"%")
	} else if f.Action != "" {
		and("action = $%d", f.Action)
	}
	if f.ActorID != 0 {
		and("actor_id = $%d", f.ActorID)
	}
	if f.AboutID != 0 {
		and("about_id = $%d", f.AboutID)
	}
	if f.Before != 0 {
		and("id < $%d", f.Before)
	}
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	args = append(args, min(f.Limit, 500))
	query += fmt.Sprintf(" ORDER BY id DESC LIMIT $%d", len(args))
	return db.All(tx, func(s db.Scanner) (e Event, err error) {
		return e, s.Scan(&e.ID, &e.At, &e.ActorID, &e.Actor, &e.Action, &e.Subject, &e.Detail, &e.AboutID)
	}, query, args...)
}

// Anonymise names a member who has left by another word, as actor and where
// they are the subject of a member.* entry. What was done, to what and when
// stays; details of what they did to their own account go.
func Anonymise(tx *db.Tx, actorID int64, name, to string) error {
	if actorID == 0 {
		return fmt.Errorf("cannot anonymise %q: the system is no member", name)
	}
	if _, err := tx.Exec("UPDATE audit SET detail = '{}' WHERE actor_id = $1 AND subject = $2 AND action LIKE 'member.%'", actorID, name); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE audit SET actor_name = $2 WHERE actor_id = $1", actorID, to); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE audit SET subject = $2 WHERE subject = $1 AND action LIKE 'member.%'", name, to)
	return err
}
