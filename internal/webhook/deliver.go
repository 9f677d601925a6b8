package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/outward"
)

// Delivery is one message to one hook, with what became of it.
type Delivery struct {
	ID        int64
	HookID    int64
	Event     int64 // of feedback's log; negative: a ping
	Kind      string
	Body      string
	Attempts  int
	Status    int    // HTTP status of the last answer; 0: none came
	Error     string // of the last attempt
	Took      time.Duration
	CreatedAt time.Time
	TriedAt   time.Time // zero: not yet
	NextAt    time.Time // zero: no further attempt
	DoneAt    time.Time // zero: not taken, or not yet
}

const deliveryColumns = "id, hook_id, event_id, kind, body, attempts, status, error, took, created_at, tried_at, next_at, done_at"

func scanDelivery(s db.Scanner) (d Delivery, err error) {
	var took int64
	err = s.Scan(&d.ID, &d.HookID, &d.Event, &d.Kind, &d.Body, &d.Attempts, &d.Status, &d.Error, &took, &d.CreatedAt, &d.TriedAt, &d.NextAt, &d.DoneAt)
	d.Took = time.Duration(took) * time.Microsecond
	return d, err
}

// Deliveries lists what was sent to a hook, the newest first, those older than
// the one with the id before (0: all), at most limit (50 unless given, 200 at most).
func Deliveries(tx *db.Tx, hookID, before int64, limit int) ([]Delivery, error) {
	if limit <= 0 {
		limit = 50
	}
	all, err := db.All(tx, scanDelivery, "SELECT "+deliveryColumns+` FROM webhook_deliveries
		WHERE hook_id = $1 AND (CAST($2 AS BIGINT) = 0 OR id < $2) ORDER BY id DESC LIMIT $3`, hookID, before, min(limit, 200))
	if err != nil {
		return nil, fmt.Errorf("cannot list deliveries of webhook %d: %w", hookID, err)
	}
	return all, nil
}

// DeliveryByID reads a delivery.
func DeliveryByID(tx *db.Tx, id int64) (Delivery, error) {
	d, err := scanDelivery(tx.QueryRow("SELECT "+deliveryColumns+" FROM webhook_deliveries WHERE id = $1", id))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Delivery{}, fmt.Errorf("cannot read delivery %d: %w", id, err)
	}
	return d, nil
}

// DeliverArgs is the job of one attempt.
type DeliverArgs struct {
	Delivery int64 `json:"delivery"`
	Attempt  int   `json:"attempt"` // 1 for the first
}

// Kind names the job.
func (DeliverArgs) Kind() string { return "webhook.deliver" }

// put writes a delivery and its first attempt; false if the hook has the event already.
func put(tx *db.Tx, hookID, event int64, kind string, body []byte) (bool, error) {
	id := db.NewID()
	n, err := tx.Exec(`INSERT INTO webhook_deliveries (id, hook_id, event_id, kind, body, attempts, status, error, took, created_at, tried_at, next_at, done_at)
		VALUES ($1, $2, $3, $4, $5, 0, 0, '', 0, $6, 0, $6, 0) ON CONFLICT (hook_id, event_id) DO NOTHING`, id, hookID, event, kind, string(body), tx.Now())
	if err != nil {
		return false, fmt.Errorf("cannot put in a delivery to webhook %d: %w", hookID, err)
	}
	if n == 0 {
		return false, nil
	}
	return true, jobs.Put(tx.Context(), tx, DeliverArgs{id, 1}, jobs.Options{})
}

// Redeliver tries a delivery again, now, whatever became of it.
func Redeliver(tx *db.Tx, id int64) error {
	d, err := DeliveryByID(tx, id)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE webhook_deliveries SET next_at = $2, done_at = 0 WHERE id = $1", id, tx.Now()); err != nil {
		return fmt.Errorf("cannot send delivery %d again: %w", id, err)
	}
	return jobs.Put(tx.Context(), tx, DeliverArgs{id, d.Attempts + 1}, jobs.Options{})
}

// pauses stand between the attempts at one delivery: the last is two days after the first.
var pauses = []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 12 * time.Hour, 27 * time.Hour}

// DisableAfter: a hook that took nothing for so long is switched off.
const DisableAfter = 72 * time.Hour

const (
	callTime = 15 * time.Second
	maxError = 500 // bytes kept of what went wrong
)

// answer is what an attempt came back with.
type answer struct {
	status     int // 0: none
	err        string
	retryAfter time.Duration
	gone       bool // 410: never again
}

func (a answer) taken() bool { return a.status/100 == 2 && a.err == "" }

// verdict is what follows from an attempt.
type verdict struct {
	next    time.Time // zero: no further attempt
	disable Why       // empty: not
}

// decide says what follows from the n-th attempt (1: the first) at a delivery
// to a hook that has been failing since a time (zero: it has not).
func decide(a answer, n int, failingSince, now time.Time) verdict {
	switch {
	case a.taken():
		return verdict{}
	case a.gone:
		return verdict{disable: Gone}
	case !failingSince.IsZero() && now.Sub(failingSince) >= DisableAfter:
		return verdict{disable: Failing}
	case n > len(pauses):
		return verdict{}
	}
	return verdict{next: now.Add(max(pauses[n-1], min(a.retryAfter, 24*time.Hour)))}
}

// Sender delivers.
type Sender struct {
	DB     *db.DB
	Policy outward.Policy
	// Disabled is called in the transaction that switches a hook off after long
	// failure, to tell who made it; nil: nobody is told.
	Disabled func(tx *db.Tx, h Hook) error
	Log      *slog.Logger // nil: says nothing
}

// Work adds the jobs that s does to w.
func (s *Sender) Work(w *jobs.Workers) {
	jobs.AddTimeout(w, 2*callTime, s.deliver)
}

// deliver makes one attempt. The job itself succeeds whatever the hook
// answers: the attempts have a rhythm of their own.
func (s *Sender) deliver(ctx context.Context, args DeliverArgs) error {
	var d Delivery
	var h Hook
	err := s.DB.Read(ctx, func(tx *db.Tx) (err error) {
		if d, err = DeliveryByID(tx, args.Delivery); err == nil {
			h, err = ByID(tx, d.HookID)
		}
		return err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil // the hook was removed meanwhile
	case err != nil:
		return err
	case !d.DoneAt.IsZero() || d.NextAt.IsZero() || d.Attempts >= args.Attempt:
		return nil // this attempt was made before its worker died
	}
	a := answer{err: "the webhook is switched off"}
	began := time.Now()
	off := !h.DisabledAt.IsZero()
	if !off {
		a = s.call(ctx, h, d)
		if ctx.Err() != nil {
			return ctx.Err() // we were stopped; that is not the hook's fault
		}
	}
	took := time.Since(began)
	return s.DB.Write(ctx, func(tx *db.Tx) error { return s.note(tx, d, a, took, off) })
}

// note writes down what an attempt came to and puts in the next.
func (s *Sender) note(tx *db.Tx, d Delivery, a answer, took time.Duration, off bool) error {
	h, err := ByID(tx, d.HookID)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n := d.Attempts + 1
	var v verdict
	if !off {
		v = decide(a, n, h.FailingSince, tx.Now())
	}
	done := time.Time{}
	if a.taken() {
		done = tx.Now()
	}
	changed, err := tx.Exec(`UPDATE webhook_deliveries SET attempts = $3, status = $4, error = $5, took = $6, tried_at = $7, next_at = $8, done_at = $9
		WHERE id = $1 AND attempts = $2`, d.ID, d.Attempts, n, a.status, a.err, took.Microseconds(), tx.Now(), v.next, done)
	if err != nil {
		return fmt.Errorf("cannot note delivery %d: %w", d.ID, err)
	}
	if changed == 0 || off {
		return nil
	}
	switch {
	case a.taken() && !h.FailingSince.IsZero():
		_, err = tx.Exec("UPDATE webhooks SET failing_since = 0 WHERE id = $1", h.ID)
	case !a.taken() && h.FailingSince.IsZero():
		_, err = tx.Exec("UPDATE webhooks SET failing_since = $2 WHERE id = $1", h.ID, tx.Now())
	}
	if err != nil {
		return fmt.Errorf("cannot note delivery %d: %w", d.ID, err)
	}
	if v.disable != "" && h.DisabledAt.IsZero() {
		if err := disable(tx, h.ID, v.disable, a.err); err != nil {
			return err
		}
		h.DisabledAt, h.Why, h.WhyDetail = tx.Now(), v.disable, a.err
		if s.Disabled != nil {
			return s.Disabled(tx, h)
		}
		return nil
	}
	if !v.next.IsZero() {
		return jobs.Put(tx.Context(), tx, DeliverArgs{d.ID, n + 1}, jobs.Options{ScheduledAt: v.next})
	}
	return nil
}

// call posts a delivery.
func (s *Sender) call(ctx context.Context, h Hook, d Delivery) answer {
	now := s.DB.Now()
	id := "msg_" + strconv.FormatInt(d.ID, 10)
	signature, err := h.sign(id, now, []byte(d.Body))
	if err != nil {
		return answer{err: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader([]byte(d.Body)))
	if err != nil {
		return answer{err: "the address is damaged"}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Friday-Webhook/1")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	req.Header.Set("Webhook-Signature", signature)
	resp, err := s.Policy.Client(callTime).Do(req)
	if err != nil {
		return answer{err: say(err)}
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, gone: resp.StatusCode == http.StatusGone}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // for the log alone
	if resp.StatusCode/100 != 2 {
		a.err = shorten(strings.ToValidUTF8(strings.TrimSpace(resp.Status+" "+strings.Join(strings.Fields(strings.ReplaceAll(string(text), "\x00", "")), " ")), "\uFFFD"))
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 && (resp.StatusCode == 429 || resp.StatusCode == 503) {
		a.retryAfter = time.Duration(min(seconds, 86400)) * time.Second
	}
	return a
}

// say tells what went wrong with a call, without the address: it may hold a secret.
func say(err error) string {
	var refused *outward.Refused
	switch {
	case errors.As(err, &refused):
		return shorten(refused.Why)
	case errors.Is(err, outward.ErrRedirect):
		return outward.ErrRedirect.Error()
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %d s", int(callTime.Seconds()))
	}
	for errors.Unwrap(err) != nil { // the innermost names no address of ours
		err = errors.Unwrap(err)
	}
	return shorten(err.Error())
}

func shorten(s string) string {
	if len(s) <= maxError {
		return s
	}
	return strings.ToValidUTF8(s[:maxError], "") + "…"
}
