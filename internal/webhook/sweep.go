package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
)

// told are the events that hooks are told of. What concerns one member alone
// (mentions, quotes, questions to a reporter) is theirs.
var told = []feedback.EventKind{
	feedback.EventFiled, feedback.EventPosted, feedback.EventEdited, feedback.EventAccepted, feedback.EventAffected,
	feedback.EventState, feedback.EventReleased, feedback.EventPulled, feedback.EventAnswered, feedback.EventObjected,
	feedback.EventMerged, feedback.EventUnmerged, feedback.EventSplit, feedback.EventMoved, feedback.EventLocked, feedback.EventUnlocked,
	feedback.EventShown, feedback.EventOpened,
}

const ping = "ping"

// Kinds lists the kinds of event that a hook can ask for: "thread.filed",
// "thread.posted" and so on, as feedback.EventKind has them, and RolloutStopped.
func Kinds() []string {
	all := make([]string, 0, len(told))
	for _, k := range told {
		all = append(all, "thread."+string(k))
	}
	all = append(all, RolloutStopped)
	slices.Sort(all)
	return all
}

// Message is the JSON of a delivery.
type Message struct {
	Type      string    `json:"type"`      // "thread.filed", or "ping"
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      Data      `json:"data"`
}

// Data says what happened. Empty fields are left out.
type Data struct {
	Event   int64    `json:"event,omitempty"` // grows; a receiver that keeps it can put deliveries in order
	Thread  *Thread  `json:"thread,omitempty"`
	Actor   string   `json:"actor,omitempty"` // member's name; none: the train
	Member  string   `json:"member,omitempty"`
	Device  string   `json:"device,omitempty"`
	Post    *Post    `json:"post,omitempty"`
	State   string   `json:"state,omitempty"`
	Release string   `json:"release,omitempty"`
	Build   string   `json:"build,omitempty"`
	Commit  string   `json:"commit,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Verdict string   `json:"verdict,omitempty"`
	Other   int64    `json:"other_thread,omitempty"`
	Rollout *Rollout `json:"rollout,omitempty"`
}

// Thread is where it happened, as it stands when the message is written.
type Thread struct {
	ID      int64    `json:"id"`
	URL     string   `json:"url"`
	Kind    string   `json:"kind"`
	Title   string   `json:"title"`
	Part    string   `json:"part,omitempty"`
	Open    bool     `json:"open"`
	Votes   int      `json:"votes"`
	Devices []Device `json:"devices,omitempty"`
}

// Device is where the thread stands on one device; no name: on any.
type Device struct {
	Device  string `json:"device"`
	State   string `json:"state"`
	Release string `json:"release,omitempty"`
}

// Post is what was written, in Markdown.
type Post struct {
	ID        int64  `json:"id"`
	Author    string `json:"author,omitempty"`
	Body      string `json:"body"`
	Truncated bool   `json:"truncated,omitempty"` // the body is longer; read it at the thread
}

// Bounds of a message: with a body of maxBody bytes and JSON's escapes it stays below 64 KiB.
const (
	maxBody    = 8 << 10
	maxDevices = 100
	perSweep   = 200 // events at a time
	keep       = 30 * 24 * time.Hour
)

// Sweep reads on in the log of events and puts in the deliveries that follow. It
// returns how many events it read; as many as perSweep means that more wait.
// Two sweeps at once give each event once. base is the site's address.
func Sweep(tx *db.Tx, base string) (events int, err error) {
	var after int64
	err = tx.QueryRow("SELECT after FROM webhook_cursor WHERE one = 1").Scan(&after)
	switch {
	case errors.Is(err, db.ErrNoRows): // hooks are told of what is new
		if after, err = feedback.LastEvent(tx); err == nil {
			_, err = tx.Exec("INSERT INTO webhook_cursor (one, after) VALUES (1, $1)", after)
		}
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("cannot sweep webhooks: %w", err)
	}
	log, err := feedback.Events(tx, after, perSweep)
	if err != nil || len(log) == 0 {
		return 0, err
	}
	hooks, err := List(tx)
	if err != nil {
		return 0, err
	}
	for _, e := range log {
		if err := spread(tx, e, hooks, base); err != nil {
			return 0, err
		}
	}
	if _, err := tx.Exec("UPDATE webhook_cursor SET after = $1 WHERE one = 1", log[len(log)-1].ID); err != nil {
		return 0, fmt.Errorf("cannot sweep webhooks: %w", err)
	}
	if _, err := tx.Exec(`DELETE FROM webhook_deliveries WHERE id IN (SELECT id FROM webhook_deliveries WHERE created_at < $1 ORDER BY created_at LIMIT 1000)`,
		tx.Now().Add(-keep)); err != nil {
		return 0, fmt.Errorf("cannot sweep webhooks: %w", err)
	}
	return len(log), nil
}

// Waiting tells without a write whether Sweep has something to do.
func Waiting(tx *db.Tx) (bool, error) {
	var after int64
	err := tx.QueryRow("SELECT after FROM webhook_cursor WHERE one = 1").Scan(&after)
	if errors.Is(err, db.ErrNoRows) {
		return true, nil
	}
	last := int64(0)
	if err == nil {
		last, err = feedback.LastEvent(tx)
	}
	return last > after, err
}

// Ping sends a message that says nothing, to try a hook.
func Ping(tx *db.Tx, id int64) error {
	if _, err := ByID(tx, id); err != nil {
		return err
	}
	body, err := json.Marshal(Message{Type: ping, Timestamp: tx.Now()})
	if err == nil {
		_, err = put(tx, id, -db.NewID(), ping, body)
	}
	return err
}

// spread puts in the deliveries of one event.
func spread(tx *db.Tx, e feedback.Event, hooks []Hook, base string) error {
	if len(hooks) == 0 || !slices.Contains(told, e.Kind) {
		return nil
	}
	t, err := feedback.ByID(tx, feedback.Viewer{}, e.ThreadID) // as a stranger sees it
	if errors.Is(err, feedback.ErrNotFound) {
		return nil // nobody may know
	}
	if err != nil {
		return err
	}
	devices := []string{e.Device}
	if e.Device == feedback.AnyDevice {
		devices = nil
		for _, d := range t.Devices {
			devices = append(devices, d.Device)
		}
	}
	kind := "thread." + string(e.Kind)
	var body []byte // written for the first hook that wants it
	for _, h := range hooks {
		if !h.wants(kind, devices) {
			continue
		}
		if body == nil {
			if body, err = message(tx, e, t, kind, base); err != nil || body == nil {
				return err
			}
		}
		if _, err := put(tx, h.ID, e.ID, kind, body); err != nil {
			return err
		}
	}
	return nil
}

// message is what hooks are told of e; nil where its post is gone.
func message(tx *db.Tx, e feedback.Event, t feedback.Thread, kind, base string) (_ []byte, err error) {
	d := Data{Event: e.ID, Thread: thread(t, base), Device: e.Device, State: string(e.State), Release: e.Release, Build: e.Build,
		Commit: e.Commit, Reason: e.Reason, Verdict: string(e.Verdict), Other: e.Other}
	if d.Actor, err = name(tx, e.Actor); err != nil {
		return nil, err
	}
	if d.Member, err = name(tx, e.Member); err != nil {
		return nil, err
	}
	if e.PostID != 0 {
		p, _, err := feedback.PostByID(tx, feedback.Viewer{}, e.PostID)
		switch {
		case errors.Is(err, feedback.ErrNotFound) || err == nil && p.Hidden:
			return nil, nil
		case err != nil:
			return nil, err
		}
		d.Post = &Post{ID: p.ID, Body: p.Body}
		if len(p.Body) > maxBody {
			cut := maxBody
			for !utf8.RuneStart(p.Body[cut]) {
				cut--
			}
			d.Post.Body, d.Post.Truncated = p.Body[:cut], true
		}
		if d.Post.Author, err = name(tx, p.AuthorID); err != nil {
			return nil, err
		}
	}
	return json.Marshal(Message{Type: kind, Timestamp: e.At, Data: d})
}

func thread(t feedback.Thread, base string) *Thread {
	out := &Thread{ID: t.ID, URL: base + "/t/" + strconv.FormatInt(t.ID, 10), Kind: string(t.Kind), Title: t.Title, Part: t.Part, Open: t.ClosedAt.IsZero(), Votes: t.Votes}
	for _, s := range t.Devices[:min(len(t.Devices), maxDevices)] {
		out.Devices = append(out.Devices, Device{s.Device, string(s.State), s.Release})
	}
	return out
}

// name is a member's, empty for the train and for who is gone.
func name(tx *db.Tx, id int64) (string, error) {
	if id <= 0 {
		return "", nil
	}
	m, err := member.ByID(tx, id)
	if errors.Is(err, member.ErrNotFound) {
		return "", nil
	}
	return m.Name, err
}

// SweepAll sweeps until nothing waits.
func (s *Sender) SweepAll(ctx context.Context, base string) error {
	for {
		waiting, n := false, 0
		err := s.DB.Read(ctx, func(tx *db.Tx) (err error) { waiting, err = Waiting(tx); return err })
		if err == nil && waiting {
			err = s.DB.Write(ctx, func(tx *db.Tx) (err error) { n, err = Sweep(tx, base); return err })
		}
		if err != nil || n < perSweep {
			return err
		}
	}
}
