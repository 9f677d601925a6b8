package site

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/ring"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

func init() {
	maps.Copy(matrix, map[string]struct{ path, may string }{
		"GET /ring":                  {"/ring", all},
		"POST /ring":                 {"/ring", members},
		"GET /ring/desk":             {"/ring/desk", "mo ada"},
		"POST /ring/desk":            {"/ring/desk", "mo ada"},
		"GET /ring/{channel}":        {"/ring/beta", members},
		"POST /ring/{channel}":       {"/ring/beta", members},
		"POST /ring/{channel}/apply": {"/ring/beta/apply", members},
		"POST /me/claim/end":         {"/me/claim/end", members},
	})
}

// rightAnswers are those of the quiz about beta.
var rightAnswers = url.Values{"backup": {"a"}, "brick": {"b"}, "rollback": {"c"}, "only": {"b"}, "report": {"a"}, "told": {"c"}}

// done sends a form that must be taken, and says where it leads.
func (w *world) done(as, path string, form url.Values) string {
	w.t.Helper()
	fresh(w)
	rec := w.post(as, path, form)
	if rec.Code != 303 {
		w.t.Fatalf("%s as %s: %d %s", path, as, rec.Code, rec.Body)
	}
	return where(rec)
}

// bound is how long a node may believe in a place that was taken back: two leases.
const bound = 10 * time.Second

// placeOf is the id of a member's place in the ring.
func (w *world) placeOf(name, device string) (id string) {
	w.write(func(tx *db.Tx) error {
		all, err := ring.Of(tx, w.ids[name])
		for _, p := range all {
			if p.Device == device {
				id = fmt.Sprint(p.ID)
			}
		}
		return err
	})
	return id
}

// phoneServer is the update API beside the pages, on the same database.
func (w *world) phoneServer() (api *updateapi.Server, tickets *keys.Ticket, client *handset.Client) {
	w.t.Helper()
	blobs, err := blob.Open(w.t.TempDir())
	w.must(err)
	tickets, err = keys.OpenTicket(filepath.Join(w.t.TempDir(), "ticket.key"))
	w.must(err)
	api, err = updateapi.New(updateapi.Options{DB: w.d, Blobs: blobs, Tickets: tickets, BaseURL: "http://127.0.0.1", Clock: func() time.Time { return w.now }})
	w.must(err)
	srv := httptest.NewServer(api)
	w.t.Cleanup(srv.Close)
	return api, tickets, &handset.Client{Base: srv.URL}
}

// phone is a handset of a device that its owner set to a channel.
func (w *world) phone(device, channel string) (dir string, p *handset.Phone) {
	w.t.Helper()
	dir = w.t.TempDir()
	p, err := handset.New(dir, handset.Identity{Device: device, Channel: channel, Profile: bootprofile.Profile{Trust: bootprofile.Unlocked, Slots: bootprofile.AB,
		Flash: bootprofile.Fastboot, PayloadMinor: 6, UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"}}}, nil)
	w.must(err)
	p.SetClock(func() time.Time { return w.now })
	return dir, p
}

// TestRingToHandset goes from the application to the offer, and back: pages and
// update API on one database, and a phone between them.
func TestRingToHandset(t *testing.T) {
	w := whole(t, openSQLite(t))
	api, tickets, client := w.phoneServer()
	old := w.builds("26.11.20")["umi"]
	w.write(func(tx *db.Tx) error {
		_, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Beta, Build: w.builds26(tx), Stages: everyone}, "ada", "the ring first")
		return err
	})
	dir, phone := w.phone("umi", wire.Beta)
	running := handset.Started{Slot: "a", System: handset.System{Device: "umi", Incremental: old.Version, Timestamp: old.Timestamp, PatchLevel: "2026-11-05", Release: "15"}}
	// follows tells whether the phone is offered a build of beta when it checks in now.
	follows := func() bool {
		t.Helper()
		w.must(api.Refresh(t.Context()))
		offer, reason, err := phone.CheckIn(t.Context(), client, running)
		w.must(err)
		if offer == nil && !strings.Contains(reason, "needs a ticket") {
			t.Fatalf("no offer: %s", reason)
		}
		return offer != nil
	}
	if follows() {
		t.Fatal("a phone gives itself the channel by asking for it")
	}
	code := regexp.MustCompile(`claim-code">([A-Z-]+)<`).FindStringSubmatch(w.post("li", "/me/claim", url.Values{"device": {"umi"}}).Body.String())
	if code == nil {
		t.Fatal("no code")
	}
	w.must(phone.Claim(t.Context(), client, code[1]))
	if follows() {
		t.Error("a claim alone gives the channel")
	}
	w.forge(t, dir, tickets, func() bool {
		var err error
		phone, err = handset.Open(dir)
		w.must(err)
		phone.SetClock(func() time.Time { return w.now })
		return follows()
	})

	// The quiz comes first.
	if rec := w.post("li", "/ring/beta/apply", url.Values{"device": {"umi"}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "quiz comes first") {
		t.Errorf("an application without the quiz: %d", rec.Code)
	}
	wrong := maps.Clone(rightAnswers)
	wrong["backup"] = []string{"b"}
	if rec := w.post("li", "/ring/beta", wrong); rec.Code != 422 || !strings.Contains(rec.Body.String(), "5 of 6 are right") || !strings.Contains(rec.Body.String(), "Only a copy elsewhere") {
		t.Errorf("a mistake about data: %d %s", rec.Code, rec.Body)
	}
	if rec := w.post("li", "/ring/beta", rightAnswers); rec.Code != 422 {
		t.Errorf("a second try at once: %d", rec.Code)
	}
	if body := w.get("li", "/ring/beta").Body.String(); strings.Contains(body, `type="radio"`) || !strings.Contains(body, "You can try again from") {
		t.Error("the page offers a try that is not taken")
	}
	w.now = w.now.Add(ring.QuizPause)
	if to := w.done("li", "/ring/beta", rightAnswers); to != "/ring/beta?done=ring-passed" {
		t.Errorf("passed leads to %s", to)
	}
	for _, bad := range []string{"", "nokia", "umi'--"} {
		if rec := w.post("li", "/ring/beta/apply", url.Values{"device": {bad}}); rec.Code != 422 {
			t.Errorf("device %q: %d", bad, rec.Code)
		}
	}
	if to := w.done("li", "/ring/beta/apply", url.Values{"device": {"umi"}, "why": {"<b>I have two.</b>"}, "state": {"accepted"}, "channel": {"alpha"}, "member": {"ada"}}); to != "/ring?done=ring-applied" {
		t.Errorf("applied leads to %s", to)
	}
	if follows() {
		t.Error("an application alone gives the channel")
	}

	// Who decides.
	w.join("pat", member.Maintainer, "lt26i")
	place := w.placeOf("li", "umi")
	for name, code := range map[string]int{"li": 403, "kim": 403, "ben": 403, "pat": 403, "": 303} {
		if rec := w.post(name, "/ring/desk", url.Values{"place": {place}, "to": {"accepted"}}); rec.Code != code || code == 303 && !strings.HasPrefix(where(rec), "/signin") {
			t.Errorf("%q decides: %d", name, rec.Code)
		}
	}
	if body := w.get("pat", "/ring/desk").Body.String(); strings.Contains(body, "I have two") {
		t.Error("another device's maintainer reads the application")
	}
	if body := w.get("mo", "/ring/desk").Body.String(); !strings.Contains(body, "&lt;b&gt;I have two.&lt;/b&gt;") || strings.Contains(body, "<b>I have") {
		t.Error("the maintainer does not read the application, or it is not escaped")
	}
	for name, form := range map[string]url.Values{"without a reason": {"to": {"refused"}}, "to nothing": {"to": {"king"}}, "removed before accepted": {"to": {"removed"}, "reason": {"x"}}} {
		form.Set("place", place)
		if rec := w.post("mo", "/ring/desk", form); rec.Code != 422 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	if follows() {
		t.Error("a decision that was refused gives the channel")
	}
	w.done("mo", "/ring/desk", url.Values{"place": {place}, "to": {"accepted"}})
	if !follows() {
		t.Error("an accepted member's claimed phone is not offered the channel at its next check-in")
	}

	// Removed, with a reason that the member reads; the old ticket is worth nothing.
	kept, err := os.ReadFile(filepath.Join(dir, "state.json"))
	w.must(err)
	w.done("mo", "/ring/desk", url.Values{"place": {place}, "to": {"removed"}, "reason": {"The phone was sold."}})
	w.now = w.now.Add(bound)
	if follows() {
		t.Error("a removed member's phone follows the channel")
	}
	w.now = w.now.Add(time.Minute)
	w.must(os.WriteFile(filepath.Join(dir, "state.json"), kept, 0o644))
	phone, err = handset.Open(dir)
	w.must(err)
	phone.SetClock(func() time.Time { return w.now })
	if follows() {
		t.Error("a phone that keeps its old ticket follows the channel")
	}
	if body := w.get("li", "/ring").Body.String(); !strings.Contains(body, "The phone was sold.") || !strings.Contains(body, "/m/mo") {
		t.Error("the member does not read who removed them and why")
	}
	if rec := w.post("li", "/ring/beta/apply", url.Values{"device": {"umi"}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "a week after that") {
		t.Errorf("an application at once after that: %d", rec.Code)
	}

	// A week later by a place of one's own, which one leaves again.
	w.now = w.now.Add(ring.RefusedPause)
	w.done("li", "/ring/beta", rightAnswers)
	w.done("li", "/ring/beta/apply", url.Values{"device": {"umi"}})
	place = w.placeOf("li", "umi")
	w.done("ada", "/ring/desk", url.Values{"place": {place}, "to": {"accepted"}})
	if !follows() {
		t.Error("an administrator's word does not count")
	}
	if rec := w.post("ben", "/ring", url.Values{"place": {place}}); rec.Code != 404 {
		t.Errorf("another member leaves in one's name: %d", rec.Code)
	}
	w.done("li", "/ring", url.Values{"place": {place}})
	w.now = w.now.Add(bound)
	if follows() {
		t.Error("the phone of who left follows the channel")
	}

	// A node that hears nothing more offers nothing once its lease is over.
	w.now = w.now.Add(bound / 2)
	if _, _, err := phone.CheckIn(t.Context(), client, running); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a node that knows nothing new answers: %v", err)
	}
}

// builds26 is the build of this week's release for umi.
func (w *world) builds26(tx *db.Tx) (id string) {
	w.must(tx.QueryRow("SELECT id FROM builds WHERE device = 'umi' AND version = '26.11.27'").Scan(&id))
	return id
}

// forge tries what an owner with all rights on the phone can write into its state.
func (w *world) forge(t *testing.T, dir string, tickets *keys.Ticket, follows func() bool) {
	t.Helper()
	path := filepath.Join(dir, "state.json")
	was, err := os.ReadFile(path)
	w.must(err)
	var state map[string]any
	w.must(json.Unmarshal(was, &state))
	key := ""
	for k, v := range state {
		if s, ok := v.(string); ok && strings.EqualFold(k, "ticket") && s != "" {
			key = k
		}
	}
	if key == "" {
		t.Fatalf("the state holds no ticket: %s", was)
	}
	real := state[key].(string)
	mine, err := keys.OpenTicket(filepath.Join(t.TempDir(), "own.key"))
	w.must(err)
	body, err := tickets.Verify(real)
	w.must(err)
	var ticket wire.Ticket
	w.must(json.Unmarshal(body, &ticket))
	ticket.Channels = []string{"alpha", "beta"}
	better, err := json.Marshal(ticket)
	w.must(err)
	for name, forged := range map[string]string{
		"a key of one's own":  mine.Sign(better),
		"another signature":   mine.Sign(better)[:20] + real[20:],
		"a letter more":       real + "A",
		"no ticket at all":    "",
		"an offer's key":      tickets.For("offer").Sign(better),
		"the words unsigned":  string(better),
		"cut off in half":     real[:len(real)/2],
		"another one's claim": tickets.Sign([]byte(`{"channels":["beta"],"claim":1,"device":"umi","issued":1,"expires":99999999999}`)), // only the server can
	} {
		state[key] = forged
		text, err := json.Marshal(state)
		w.must(err)
		w.must(os.WriteFile(path, text, 0o644))
		if follows() {
			t.Errorf("%s gives the channel", name)
		}
	}
	w.must(os.WriteFile(path, was, 0o644))
	if follows() {
		t.Error("the phone's own ticket gives the channel")
	}
}

// Giving a phone up ends what it had through its member.
func TestGiveUpPhone(t *testing.T) {
	w := whole(t, openSQLite(t))
	id := func(name string) (id string) {
		w.write(func(tx *db.Tx) error {
			all, err := member.ClaimsOf(tx, w.ids[name])
			if len(all) > 0 {
				id = fmt.Sprint(all[0].ID)
			}
			return err
		})
		return id
	}
	mine := id("ana")
	if rec := w.post("ben", "/me/claim/end", url.Values{"claim": {mine}}); rec.Code != 404 || id("ana") == "" {
		t.Errorf("another's phone: %d", rec.Code)
	}
	if rec := w.post("ana", "/me/claim/end", url.Values{"claim": {"x"}}); rec.Code != 404 {
		t.Errorf("no number: %d", rec.Code)
	}
	if to := w.done("ana", "/me/claim/end", url.Values{"claim": {mine}}); to != "/me?done=unclaimed" || id("ana") != "" {
		t.Errorf("given up leads to %s, and the claim is %q", to, id("ana"))
	}
}

// A known member with a claimed phone is in at once; the desk shows it.
func TestRingByRule(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.regulars("rea")
	w.write(func(tx *db.Tx) error {
		code, err := member.NewClaimCode(tx, w.ids["rea"], "umi")
		if err == nil {
			_, err = member.RedeemClaim(tx, code, "umi")
		}
		return err
	})
	w.done("rea", "/ring/beta", rightAnswers)
	if to := w.done("rea", "/ring/beta/apply", url.Values{"device": {"umi"}}); to != "/ring?done=ring-accepted" {
		t.Errorf("leads to %s", to)
	}
	if body := w.get("mo", "/ring/desk").Body.String(); !strings.Contains(body, "/m/rea") || !strings.Contains(body, "accepted at once") {
		t.Error("the desk does not show who was accepted by the rule")
	}
	if rec := w.post("rea", "/ring/beta/apply", url.Values{"device": {"umi"}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "applied already") {
		t.Errorf("a second application: %d", rec.Code)
	}
	if rec := w.get("rea", "/ring/weekly"); rec.Code != 404 {
		t.Errorf("a quiz for an open channel: %d", rec.Code)
	}
}

// ringed is a ring with someone in every state, for those who look.
func (w *world) ringed() {
	w.t.Helper()
	for i, name := range []string{"rob", "sara", "tim"} {
		w.join(name, "")
		w.done(name, "/ring/beta", rightAnswers)
		if i < 2 {
			w.done(name, "/ring/beta/apply", url.Values{"device": {"umi"}, "why": {"I carry it every day and have another phone for calls. I flashed it myself twice."}})
		}
	}
	w.done("ana", "/ring/beta", rightAnswers)
	for _, d := range []string{"umi", "hlte", "lt26i"} {
		w.done("ana", "/ring/beta/apply", url.Values{"device": {d}})
	}
	w.done("mo", "/ring/desk", url.Values{"place": {w.placeOf("rob", "umi")}, "to": {"accepted"}})
	w.done("ada", "/ring/desk", url.Values{"place": {w.placeOf("ana", "hlte")}, "to": {"refused"}, "reason": {"Its test build does not start yet; apply again in December."}})
}
