// Package webhook tells other servers what happens in the forum: each event of
// feedback's log, as signed JSON, to every hook that asks for its kind; and that a
// rollout stopped, by itself or by a member.
//
// Deliveries follow the Standard Webhooks specification 1.0
// (standardwebhooks.com): the headers webhook-id, webhook-timestamp and
// webhook-signature ("v1," and the base64 of HMAC-SHA256 over
// "id.timestamp.body"). The id stays the same however often a delivery is tried;
// the timestamp is that of the attempt, so that a receiver refuses what is
// replayed later. Only what anyone may read is sent.
//
// The package does not decide who may make hooks, and does not judge addresses:
// package outward does, at every connection.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/outward"
)

// ErrNotFound is returned, wrapped, for a hook or delivery that is not there.
var ErrNotFound = errors.New("not found")

// Hook is one address that is told.
type Hook struct {
	ID           int64
	URL          string
	Kinds        []string // of events, sorted; none: all
	Device       string   // empty: all
	Note         string   // what it is for
	CreatedBy    int64
	CreatedAt    time.Time
	FailingSince time.Time // zero: the last delivery was taken
	DisabledAt   time.Time // zero: in use
	Why          Why
	WhyDetail    string // of ByHand: the name; of Failing: the last answer

	secret, oldSecret string
	oldUntil          time.Time
}

// Why says why a hook was switched off.
type Why string

// Reasons.
const (
	ByHand  Why = "by"      // somebody did
	Gone    Why = "gone"    // it answered 410 Gone
	Failing Why = "failing" // it took nothing for DisableAfter
)

// Limits of what an administrator writes.
const (
	MaxHooks = 50
	MaxNote  = 200 // characters
	maxKinds = 40
)

// Invalid is a mistake in what someone wrote; Reason is fit to be shown.
type Invalid struct{ Field, Reason string }

func (e *Invalid) Error() string { return "cannot use this " + e.Field + ": " + e.Reason }

// NewHook is what an administrator asks for.
type NewHook struct {
	URL    string
	Kinds  []string // from Kinds(); none: all
	Device string
	Note   string
}

func (n *NewHook) check(p outward.Policy) error {
	n.URL, n.Note = strings.TrimSpace(n.URL), strings.TrimSpace(n.Note)
	if _, err := p.CheckURL(n.URL); err != nil {
		return &Invalid{"url", err.Error()}
	}
	bad := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	if utf8.RuneCountInString(n.Note) > MaxNote || strings.ContainsFunc(n.Note, bad) {
		return &Invalid{"note", fmt.Sprintf("at most %d characters on one line", MaxNote)}
	}
	if len(n.Device) > 64 || strings.ContainsFunc(n.Device, bad) {
		return &Invalid{"device", "there is no such device"}
	}
	n.Kinds = slices.Compact(slices.Sorted(slices.Values(n.Kinds)))
	for _, k := range n.Kinds {
		if !slices.Contains(Kinds(), k) {
			return &Invalid{"kinds", fmt.Sprintf("there is no kind of event %.40q", k)}
		}
	}
	return nil
}

// Add makes a hook and returns the secret that its receiver checks with.
func Add(tx *db.Tx, p outward.Policy, actor member.Member, n NewHook) (Hook, string, error) {
	if err := n.check(p); err != nil {
		return Hook{}, "", err
	}
	var count int
	if err := tx.QueryRow("SELECT COUNT(*) FROM webhooks").Scan(&count); err != nil {
		return Hook{}, "", fmt.Errorf("cannot add webhook: %w", err)
	}
	if count >= MaxHooks {
		return Hook{}, "", &Invalid{"url", fmt.Sprintf("there are %d webhooks already, the most there may be; remove one first", count)}
	}
	h := Hook{ID: db.NewID(), URL: n.URL, Kinds: n.Kinds, Device: n.Device, Note: n.Note, CreatedBy: actor.ID, CreatedAt: tx.Now(), secret: newSecret()}
	if _, err := tx.Exec(`INSERT INTO webhooks (id, url, secret, old_secret, old_until, kinds, device, note, created_by, created_at, failing_since, disabled_at, disabled_why)
		VALUES ($1, $2, $3, '', 0, $4, $5, $6, $7, $8, 0, 0, '')`, h.ID, h.URL, h.secret, strings.Join(h.Kinds, " "), h.Device, h.Note, h.CreatedBy, h.CreatedAt); err != nil {
		return Hook{}, "", fmt.Errorf("cannot add webhook: %w", err)
	}
	return h, h.secret, record(tx, actor, "webhook.add", h)
}

func record(tx *db.Tx, actor member.Member, action string, h Hook) error {
	// The host alone: a path may hold a secret of the receiver's.
	return audit.Record(tx, audit.Event{ActorID: actor.ID, Actor: actor.Name, Action: action, Subject: "webhook " + strconv.FormatInt(h.ID, 10) + " to " + h.Host()})
}

// Host is whom the hook tells, without the path, which may hold a secret.
func (h Hook) Host() string {
	_, rest, _ := strings.Cut(h.URL, "://")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

const hookColumns = "id, url, secret, old_secret, old_until, kinds, device, note, created_by, created_at, failing_since, disabled_at, disabled_why"

func scanHook(s db.Scanner) (h Hook, err error) {
	var kinds, why string
	err = s.Scan(&h.ID, &h.URL, &h.secret, &h.oldSecret, &h.oldUntil, &kinds, &h.Device, &h.Note, &h.CreatedBy, &h.CreatedAt, &h.FailingSince, &h.DisabledAt, &why)
	h.Kinds = strings.Fields(kinds)
	word, detail, _ := strings.Cut(why, " ")
	h.Why, h.WhyDetail = Why(word), detail
	return h, err
}

// ByID reads a hook.
func ByID(tx *db.Tx, id int64) (Hook, error) {
	h, err := scanHook(tx.QueryRow("SELECT "+hookColumns+" FROM webhooks WHERE id = $1", id))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Hook{}, fmt.Errorf("cannot read webhook %d: %w", id, err)
	}
	return h, nil
}

// List lists all hooks, the oldest first.
func List(tx *db.Tx) ([]Hook, error) {
	all, err := db.All(tx, scanHook, "SELECT "+hookColumns+" FROM webhooks ORDER BY id")
	if err != nil {
		return nil, fmt.Errorf("cannot list webhooks: %w", err)
	}
	return all, nil
}

// Remove takes a hook away with the log of its deliveries.
func Remove(tx *db.Tx, actor member.Member, id int64) error {
	h, err := ByID(tx, id)
	if err != nil {
		return err
	}
	for _, q := range []string{"DELETE FROM webhook_deliveries WHERE hook_id = $1", "DELETE FROM webhooks WHERE id = $1"} {
		if _, err := tx.Exec(q, id); err != nil {
			return fmt.Errorf("cannot remove webhook %d: %w", id, err)
		}
	}
	return record(tx, actor, "webhook.remove", h)
}

// Enable puts a hook that was switched off back into use. What happened
// meanwhile is not sent by itself; Redeliver sends single deliveries again.
func Enable(tx *db.Tx, actor member.Member, id int64) error {
	h, err := ByID(tx, id)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE webhooks SET disabled_at = 0, disabled_why = '', failing_since = 0 WHERE id = $1", id); err != nil {
		return fmt.Errorf("cannot enable webhook %d: %w", id, err)
	}
	return record(tx, actor, "webhook.enable", h)
}

// Disable switches a hook off by hand.
func Disable(tx *db.Tx, actor member.Member, id int64) error {
	h, err := ByID(tx, id)
	if err != nil {
		return err
	}
	if err := disable(tx, id, ByHand, actor.Name); err != nil {
		return err
	}
	return record(tx, actor, "webhook.disable", h)
}

func disable(tx *db.Tx, id int64, why Why, detail string) error {
	if _, err := tx.Exec("UPDATE webhooks SET disabled_at = $2, disabled_why = $3 WHERE id = $1", id, tx.Now(), strings.TrimSpace(string(why)+" "+detail)); err != nil {
		return fmt.Errorf("cannot disable webhook %d: %w", id, err)
	}
	return nil
}

// OfMember lists the hooks that a member made.
func OfMember(tx *db.Tx, memberID int64) ([]Hook, error) {
	all, err := List(tx)
	return slices.DeleteFunc(all, func(h Hook) bool { return h.CreatedBy != memberID }), err
}

// Forget removes the hooks of a member who leaves: nobody is left who knows where
// they lead, and why.
func Forget(tx *db.Tx, memberID int64) error {
	all, err := OfMember(tx, memberID)
	for _, h := range all {
		if err == nil {
			err = Remove(tx, member.Member{Name: member.Former}, h.ID)
		}
	}
	return err
}

// oldSecretLife is how long the secret before a change signs too.
const oldSecretLife = 24 * time.Hour

// Roll changes a hook's secret and returns the new one. For a day deliveries
// are signed with both, so that the receiver can change over.
func Roll(tx *db.Tx, actor member.Member, id int64) (secret string, err error) {
	h, err := ByID(tx, id)
	if err != nil {
		return "", err
	}
	secret = newSecret()
	if _, err := tx.Exec("UPDATE webhooks SET secret = $2, old_secret = $3, old_until = $4 WHERE id = $1",
		id, secret, h.secret, tx.Now().Add(oldSecretLife)); err != nil {
		return "", fmt.Errorf("cannot change the secret of webhook %d: %w", id, err)
	}
	return secret, record(tx, actor, "webhook.secret", h)
}

// Secrets carry the prefix that the specification names, so that one who finds
// such a text knows what it is.
const secretPrefix = "whsec_"

func newSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(raw)
}

// sign is the value of webhook-signature for an attempt at a time.
func (h Hook) sign(id string, at time.Time, body []byte) (string, error) {
	secrets := []string{h.secret}
	if h.oldSecret != "" && at.Before(h.oldUntil) {
		secrets = append(secrets, h.oldSecret)
	}
	var all []string
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil {
			return "", fmt.Errorf("cannot sign for webhook %d: its secret is damaged; change it", h.ID)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " "), nil
}

// wants tells whether a hook is told of an event that concerns these devices ("": all).
func (h Hook) wants(kind string, devices []string) bool {
	return h.DisabledAt.IsZero() && (len(h.Kinds) == 0 || slices.Contains(h.Kinds, kind)) &&
		(h.Device == "" || len(devices) == 0 || slices.Contains(devices, "") || slices.Contains(devices, h.Device))
}
