package notice

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/outward"
)

// PushKey names this server to push services (VAPID, RFC 8292). Browsers bind
// their subscription to it: with another key they must subscribe again.
type PushKey struct{ private, Public string } // base64url: a scalar and an uncompressed point of P-256

// NewPushKey takes a key as package keys keeps it.
func NewPushKey(key *ecdh.PrivateKey) *PushKey {
	return &PushKey{base64.RawURLEncoding.EncodeToString(key.Bytes()), base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())}
}

// Browser is what a browser gives to be pushed to (PushSubscription.toJSON()).
type Browser struct {
	Endpoint string `json:"endpoint"`
	Keys     struct {
		P256dh string `json:"p256dh"`
		Auth   string `json:"auth"`
	} `json:"keys"`
}

// maxBrowsers of one member; the oldest makes room.
const maxBrowsers = 20

// ErrBrowser is returned, wrapped, for a subscription that cannot be used.
var ErrBrowser = errors.New("this is no subscription of a browser")

// Subscribe keeps a member's browser. An endpoint belongs to who subscribed last.
func Subscribe(tx *db.Tx, p outward.Policy, memberID int64, b Browser) error {
	if _, err := p.CheckURL(b.Endpoint); err != nil {
		return fmt.Errorf("cannot subscribe: %w: %w", ErrBrowser, err)
	}
	point, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(b.Keys.P256dh, "="))
	if err == nil {
		_, err = ecdh.P256().NewPublicKey(point)
	}
	auth, err2 := base64.RawURLEncoding.DecodeString(strings.TrimRight(b.Keys.Auth, "="))
	if err != nil || err2 != nil || len(auth) != 16 {
		return fmt.Errorf("cannot subscribe: %w: its keys are not what RFC 8291 asks", ErrBrowser)
	}
	if _, err := tx.Exec(`INSERT INTO push_browsers (id, member_id, endpoint, p256dh, auth, created_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (endpoint) DO UPDATE SET member_id = excluded.member_id, p256dh = excluded.p256dh, auth = excluded.auth, created_at = excluded.created_at`,
		db.NewID(), memberID, b.Endpoint, base64.RawURLEncoding.EncodeToString(point), base64.RawURLEncoding.EncodeToString(auth), tx.Now()); err != nil {
		return fmt.Errorf("cannot subscribe: %w", err)
	}
	_, err = tx.Exec(`DELETE FROM push_browsers WHERE id IN (SELECT id FROM push_browsers WHERE member_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1000 OFFSET $2)`, memberID, maxBrowsers)
	return err
}

// Unsubscribe forgets one of a member's browsers.
func Unsubscribe(tx *db.Tx, memberID, id int64) error {
	if _, err := tx.Exec("DELETE FROM push_browsers WHERE member_id = $1 AND id = $2", memberID, id); err != nil {
		return fmt.Errorf("cannot unsubscribe: %w", err)
	}
	return nil
}

// Subscribed is a browser that is pushed to, without its address: who has that
// can push.
type Subscribed struct {
	ID        int64
	Service   string // host of its push service
	CreatedAt time.Time
}

// Browsers lists a member's browsers that are pushed to, the newest first.
func Browsers(tx *db.Tx, memberID int64) ([]Subscribed, error) {
	all, err := db.All(tx, func(s db.Scanner) (b Subscribed, err error) {
		var endpoint string
		if err = s.Scan(&b.ID, &endpoint, &b.CreatedAt); err == nil {
			if u, err := url.Parse(endpoint); err == nil {
				b.Service = u.Hostname()
			}
		}
		return b, err
	}, "SELECT id, endpoint, created_at FROM push_browsers WHERE member_id = $1 ORDER BY created_at DESC, id DESC", memberID)
	if err != nil {
		return nil, fmt.Errorf("cannot list browsers: %w", err)
	}
	return all, nil
}

// PushArgs is the job of one notice to one browser.
type PushArgs struct {
	Notice  int64 `json:"notice"`
	Browser int64 `json:"browser"`
}

// Kind names the job.
func (PushArgs) Kind() string { return "notice.push" }

// dispatchPushes puts in a job for each browser that a notice goes to.
func (t *Teller) dispatchPushes(tx *db.Tx) error {
	type pair struct{ notice, browser int64 }
	pairs, err := db.All(tx, func(s db.Scanner) (p pair, err error) { return p, s.Scan(&p.notice, &p.browser) },
		"SELECT n.id, b.id FROM notices n JOIN push_browsers b ON b.member_id = n.member_id WHERE n.push AND n.read_at = 0 ORDER BY n.id, b.id")
	if err != nil {
		return fmt.Errorf("cannot find what to push: %w", err)
	}
	if t.Push != nil {
		for _, p := range pairs {
			if err := jobs.Put(tx.Context(), tx, PushArgs{p.notice, p.browser}, jobs.Options{}); err != nil {
				return err
			}
		}
	}
	if _, err := tx.Exec("UPDATE notices SET push = FALSE WHERE push"); err != nil {
		return fmt.Errorf("cannot push: %w", err)
	}
	return nil
}

// pushed is what the service worker gets, encrypted for it alone.
type pushed struct {
	Title string `json:"title"`
	Body  string `json:"body"`
	Lang  string `json:"lang"`
	URL   string `json:"url"`
	Tag   string `json:"tag"` // the same notice shown twice is one
}

const (
	maxPush  = 2000 // bytes of text; services take 4096 with all around it
	pushLife = 24 * time.Hour
)

// push sends one notice to one browser.
func (t *Teller) push(ctx context.Context, args PushArgs) error {
	var s webpush.Subscription
	var text []byte
	err := t.DB.Read(ctx, func(tx *db.Tx) error {
		text = nil
		n, err := scan(tx.QueryRow("SELECT "+columns+" FROM notices WHERE id = $1", args.Notice))
		if err == nil && n.ReadAt.IsZero() {
			err = tx.QueryRow("SELECT endpoint, p256dh, auth FROM push_browsers WHERE id = $1 AND member_id = $2", args.Browser, n.MemberID).
				Scan(&s.Endpoint, &s.Keys.P256dh, &s.Keys.Auth)
		} else if err == nil {
			return nil
		}
		if errors.Is(err, db.ErrNoRows) {
			return nil // the browser or the notice is gone
		}
		var who member.Member
		if err == nil {
			who, err = member.ByID(tx, n.MemberID)
		}
		if err != nil {
			return err
		}
		notices, err := due(tx, who, []Notice{n})
		if err != nil {
			return err
		}
		entries, err := Entries(tx, t.BaseURL, who, notices)
		if err != nil || len(entries) == 0 {
			return err
		}
		lang, err := member.Language(tx, who.ID)
		if err != nil {
			return err
		}
		line := t.Line(lang, entries[0])
		if len(line) > maxPush {
			line = strings.ToValidUTF8(line[:maxPush], "") + "…"
		}
		text, err = json.Marshal(pushed{t.Name, line, lang, entries[0].Where, fmt.Sprint(n.ID)})
		return err
	})
	if err != nil || text == nil || t.Push == nil {
		return err
	}
	resp, err := webpush.SendNotificationWithContext(ctx, text, &s, &webpush.Options{
		HTTPClient: t.Policy.Client(20 * time.Second), Subscriber: t.BaseURL, TTL: int(pushLife.Seconds()), Urgency: webpush.UrgencyNormal,
		VAPIDPublicKey: t.Push.Public, VAPIDPrivateKey: t.Push.private,
	})
	if err != nil {
		return fmt.Errorf("cannot push: %w", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone: // the member took it back
		return t.DB.Write(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec("DELETE FROM push_browsers WHERE id = $1", args.Browser)
			return err
		})
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests:
		return jobs.Permanent(fmt.Errorf("cannot push: the service answered %s %q", resp.Status, bytes.ToValidUTF8(said, nil)))
	}
	return fmt.Errorf("cannot push: the service answered %s", resp.Status)
}
