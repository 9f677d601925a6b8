package handset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/wire"
)

// agent is what the phone calls itself in a check-in.
const agent = "friday-handset/1"

// maxPackage is the largest package that the phone makes room for.
const maxPackage = 16 << 30

// maxOutbox bounds the outcomes that wait for a server: past it the oldest go.
const maxOutbox = 64

// CheckIn asks the server for an update. The reason says why there is none.
func (p *Phone) CheckIn(ctx context.Context, c *Client, running Started) (offer *wire.Offer, reason string, err error) {
	failed, err := p.failedHere()
	if err != nil {
		return nil, "", err
	}
	now := p.now()
	in := wire.CheckIn{
		Device: p.id.Device, Variant: p.id.Variant,
		Fingerprint: running.System.Fingerprint, VBMetaDigest: running.VBMetaDigest,
		Incremental: running.System.Incremental, Timestamp: running.System.Timestamp,
		PatchLevel: running.System.PatchLevel, BaseVersion: running.System.Release,
		RollbackIndex: p.st.Rollback[mainRollback], Slot: running.Slot,
		Channel: p.id.Channel, Region: p.id.Region, Carrier: p.id.Carrier, Bucket: p.id.Bucket,
		DaysSinceLast: daysSince(p.st.LastSeen, now), FailedHere: failed, Ticket: p.st.Ticket, Agent: agent,
	}
	p.st.Wishes.ask(&in)
	var reply wire.CheckInReply
	if err := c.post(ctx, wire.PathCheckIn, &in, &reply); err != nil {
		return nil, "", fmt.Errorf("cannot check in: %w", err)
	}
	p.st.LastSeen = now.Unix()
	if reply.Ticket != "" && len(reply.Ticket) <= wire.MaxTicket {
		p.st.Ticket = reply.Ticket
	}
	if err := p.save(); err != nil {
		return nil, "", err
	}
	if reply.Offer == nil {
		return nil, reply.Reason, nil
	}
	return reply.Offer, "", checkOffer(reply.Offer, running.System)
}

// checkOffer refuses what the agent need not download to refuse.
func checkOffer(o *wire.Offer, running System) error {
	switch {
	case o.Size <= 0 || o.Size > maxPackage || len(o.SHA256) != 64:
		return fmt.Errorf("cannot take offer of %s: size is %d, expected at most %d, and SHA-256 is %q", o.Release, o.Size, int64(maxPackage), o.SHA256)
	case o.Timestamp < running.Timestamp:
		return fmt.Errorf("cannot take offer of %s: it was built at %d, the running system at %d: older", o.Release, o.Timestamp, running.Timestamp)
	case o.PatchLevel < running.PatchLevel:
		return fmt.Errorf("cannot take offer of %s: its security patch level is %q, the running system's is %q: older, and installing it would erase your data", o.Release, o.PatchLevel, running.PatchLevel)
	}
	return nil
}

func daysSince(last int64, now time.Time) int {
	if last == 0 {
		return -1
	}
	return max(0, int(now.Unix()/86400-last/86400)) // UTC days: who asks every six hours is counted once a day
}

// Claim ties the phone to the member who read code from the site.
func (p *Phone) Claim(ctx context.Context, c *Client, code string) error {
	in := wire.ClaimRequest{Code: code, Device: p.id.Device, Ticket: p.st.Ticket}
	var reply wire.ClaimReply
	if err := c.post(ctx, wire.PathClaim, &in, &reply); err != nil {
		return fmt.Errorf("cannot claim handset: %w", err)
	}
	if reply.Ticket == "" || len(reply.Ticket) > wire.MaxTicket {
		return fmt.Errorf("cannot claim handset: the server's ticket has %d bytes, expected 1 to %d", len(reply.Ticket), wire.MaxTicket)
	}
	p.st.Ticket = reply.Ticket
	return p.save()
}

// outcome puts one outcome into the outbox. An update without an offer reports
// to nobody. The same event of the same offer overwrites itself, so that what
// is done again after a kill is reported once.
func (p *Phone) outcome(u *update, e wire.Event, stage, code, detail, incremental string) error {
	if u.Offer.Token == "" {
		return nil
	}
	o := wire.Outcome{Token: u.Offer.Token, Ticket: p.st.Ticket, Event: e, Stage: stage, Code: code,
		Detail: oneLine(detail), Incremental: incremental}
	names, err := p.outbox()
	if err != nil {
		return err
	}
	number := 1
	for _, name := range names {
		n, rest, _ := strings.Cut(name, "-")
		if rest == string(e)+"-"+fileName(u.Offer.Version)+".json" {
			return nil
		}
		if v, err := strconv.Atoi(n); err == nil {
			number = max(number, v+1)
		}
	}
	for len(names) >= maxOutbox {
		if err := os.Remove(p.path("outbox", names[0])); err != nil {
			return fmt.Errorf("cannot note outcome: %w", err)
		}
		names = names[1:]
	}
	name := fmt.Sprintf("%08d-%s-%s.json", number, e, fileName(u.Offer.Version))
	return writeJSON(p.path("outbox", name), &o)
}

// oneLine keeps a detail short enough for a server to take.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.ToValidUTF8(s[:min(len(s), wire.MaxField)], "")
}

// fileName keeps what a server calls a version from being a path.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, s[:min(len(s), 64)])
}

// outbox lists the outcomes that wait, oldest first.
func (p *Phone) outbox() ([]string, error) {
	entries, err := os.ReadDir(p.path("outbox"))
	if err != nil {
		return nil, fmt.Errorf("cannot read outbox: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Report sends the outcomes that wait. One that the server will never take is
// dropped; one that did not get through stays for the next time.
func (p *Phone) Report(ctx context.Context, c *Client) error {
	names, err := p.outbox()
	if err != nil {
		return err
	}
	for _, name := range names {
		path := p.path("outbox", name)
		var o wire.Outcome
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("cannot read outbox: %w", err)
		}
		if err := json.Unmarshal(b, &o); err != nil {
			return fmt.Errorf("cannot read outbox: %s: %w", name, err)
		}
		err = c.post(ctx, wire.PathOutcome, &o, nil)
		var status *statusError
		if err != nil && !(errors.As(err, &status) && status.permanent()) {
			return fmt.Errorf("cannot report outcome: %w", err)
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("cannot empty outbox: %w", err)
		}
	}
	return nil
}

// partitions lists the partitions of a slot.
func (p *Phone) partitions(slot string) ([]string, error) {
	entries, err := os.ReadDir(p.path("slots", slot))
	if err != nil {
		return nil, fmt.Errorf("cannot read slot %s: %w", slot, err)
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".img"); ok && bootprofile.IsPartition(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// copyDurably copies a file aside and renames it into place.
func copyDurably(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	return placeDurably(dst, in)
}

// placeDurably writes r aside, syncs it, and renames it to dst.
func placeDurably(dst string, r io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(dst), ".new-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), dst)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(f.Name()))
	}
	return syncDir(filepath.Dir(dst))
}

// Status is what the phone's settings would show, without switching it on.
type Status struct {
	Identity  Identity        `json:"identity"`
	Running   string          `json:"running"` // slot; "" before the first start
	Slots     map[string]slot `json:"slots"`
	System    *System         `json:"system,omitempty"` // of the running slot
	Phase     string          `json:"phase,omitempty"`  // of an update under way
	Release   string          `json:"release,omitempty"`
	Snapshots string          `json:"snapshots,omitempty"` // of a phone with virtual A/B: none, initiated, snapshotted, merging
	Wipes     int             `json:"wipes"`
	Claimed   bool            `json:"claimed"`
}

// Status reads the phone's state.
func (p *Phone) Status() (Status, error) {
	s := Status{Identity: p.id, Running: p.st.Running, Slots: p.st.Slots, Wipes: p.st.Wipes, Claimed: p.st.Ticket != ""}
	if p.st.Running != "" {
		sys, err := p.readSystem(p.st.Running)
		if err != nil {
			return Status{}, fmt.Errorf("cannot read running system: %w", err)
		}
		s.System = &sys
	}
	if p.virtual() {
		var err error
		if s.Snapshots, err = p.SnapshotState(); err != nil {
			return Status{}, err
		}
	}
	u, err := p.loadUpdate()
	if err != nil {
		return Status{}, err
	}
	if u != nil {
		s.Phase, s.Release = string(u.Phase), u.Offer.Release
	}
	return s, nil
}
