// Package wire holds the words that handset and server exchange: check-in,
// offer, ticket, claim, outcome, and the paths they travel on.
//
// It has no logic beyond how a word is written and how long it may be, and it imports nothing of Friday, so
// that the virtual handset can share it with the server without either being
// able to lean on the other. What each field means on a phone is described in
// the OpenAPI document that package updateapi serves.
package wire

import (
	"fmt"
)

// Paths of the update API. All requests and replies are JSON in UTF-8.
const (
	// PathCheckIn takes a CheckIn by POST and answers with a CheckInReply.
	PathCheckIn = "/api/friday/v1/checkin"
	// PathOutcome takes an Outcome by POST and answers 204.
	PathOutcome = "/api/friday/v1/outcome"
	// PathClaim takes a ClaimRequest by POST and answers with a ClaimReply.
	PathClaim = "/api/friday/v1/claim"
	// PathPackages is followed by "<sha256>/<file name>"; it answers ranged GET.
	PathPackages = "/packages/"
	// PathLineageV2 is the LineageOS Updater's address since version 23.2, with
	// "{device}" where the codename goes.
	PathLineageV2 = "/api/v2/devices/{device}/builds"
	// PathLineageV1 is its address before that; "{incr}" is the build it runs.
	PathLineageV1 = "/api/v1/{device}/{type}/{incr}"
	// PathGrapheneOS is followed by what GrapheneOS's Updater asks for.
	PathGrapheneOS = "/grapheneos/"
	// PathCustota is the address that Custota's owner enters, with the channel's
	// name behind it and a slash; Custota adds "<codename>.json".
	PathCustota = "/custota/"
	// PathUpdateEngine says what update_engine needs to be told.
	PathUpdateEngine = "/api/update_engine/v1/{device}/{channel}"
)

// Limits of what a server reads of one request, in bytes.
const (
	MaxRequest = 16 << 10
	MaxField   = 512
	MaxTicket  = 4 << 10
)

// MaxDelayDays is the longest that an owner may put a release off.
const MaxDelayDays = 60

// Buckets is how many buckets there are; a handset draws its bucket once, from
// 0 to Buckets-1, and keeps it.
const Buckets = 10_000

// CheckIn is all that an offer depends on. The server looks nothing up about
// the handset: it keeps no record of any.
type CheckIn struct {
	Device        string   `json:"device"`                  // codename: ro.product.device
	Variant       string   `json:"variant,omitempty"`       // of the device, where it has some
	Fingerprint   string   `json:"fingerprint,omitempty"`   // ro.build.fingerprint: often the stock's
	VBMetaDigest  string   `json:"vbmeta_digest,omitempty"` // ro.boot.vbmeta.digest, hex
	Incremental   string   `json:"incremental"`             // ro.build.version.incremental: names the build
	Timestamp     int64    `json:"timestamp"`               // ro.build.date.utc, seconds since 1970
	PatchLevel    string   `json:"patch_level"`             // ro.build.version.security_patch, YYYY-MM-DD
	RollbackIndex uint64   `json:"rollback_index"`          // the highest that the handset has stored
	Slot          string   `json:"slot,omitempty"`          // "a" or "b"; empty with one slot
	Channel       string   `json:"channel"`                 // alpha, beta, weekly, stable
	Region        string   `json:"region,omitempty"`        // ISO 3166 alpha-2, or "global"
	Carrier       string   `json:"carrier,omitempty"`       // as the build names it
	BaseVersion   string   `json:"base_version,omitempty"`  // Android version: ro.build.version.release
	Bucket        int      `json:"bucket"`                  // 0 to Buckets-1
	DaysSinceLast int      `json:"days_since_last"`         // UTC days begun since the last check-in; 0: another today; -1: the first one
	UTCOffset     int      `json:"utc_offset,omitempty"`    // minutes that the handset's clock is ahead of UTC
	Early         bool     `json:"early,omitempty"`         // the owner wants releases before others
	DelayDays     int      `json:"delay_days,omitempty"`    // the owner wants a release so many days after the first
	WaitGood      int      `json:"wait_good,omitempty"`     // the owner wants a release once so many percent of the first fare well
	FailedHere    []string `json:"failed_here,omitempty"`   // SHA-256 of packages that failed on this handset
	Modified      bool     `json:"modified,omitempty"`      // the owner changed the system: only full packages apply
	Ticket        string   `json:"ticket,omitempty"`        // as the server gave it
	Agent         string   `json:"agent,omitempty"`         // name and version of the client
}

// Check says whether c is within the limits that a server accepts.
func (c *CheckIn) Check() error {
	for _, f := range []struct{ name, value string }{
		{"device", c.Device}, {"variant", c.Variant}, {"fingerprint", c.Fingerprint},
		{"vbmeta_digest", c.VBMetaDigest}, {"incremental", c.Incremental}, {"patch_level", c.PatchLevel},
		{"slot", c.Slot}, {"channel", c.Channel}, {"region", c.Region}, {"carrier", c.Carrier},
		{"base_version", c.BaseVersion}, {"agent", c.Agent},
	} {
		if len(f.value) > MaxField {
			return fmt.Errorf("cannot accept check-in: %s has %d bytes, at most %d are allowed", f.name, len(f.value), MaxField)
		}
	}
	switch {
	case !IsCodename(c.Device):
		return fmt.Errorf("cannot accept check-in: device is %q, expected a codename such as \"umi\"", c.Device)
	case c.Bucket < 0 || c.Bucket >= Buckets:
		return fmt.Errorf("cannot accept check-in: bucket is %d, expected 0 to %d", c.Bucket, Buckets-1)
	case c.UTCOffset < -24*60 || c.UTCOffset > 24*60:
		return fmt.Errorf("cannot accept check-in: utc_offset is %d, expected -1440 to 1440", c.UTCOffset)
	case c.DelayDays < 0 || c.DelayDays > MaxDelayDays:
		return fmt.Errorf("cannot accept check-in: delay_days is %d, expected 0 to %d", c.DelayDays, MaxDelayDays)
	case c.WaitGood < 0 || c.WaitGood > 100:
		return fmt.Errorf("cannot accept check-in: wait_good is %d, expected 0 to 100", c.WaitGood)
	case len(c.Ticket) > MaxTicket:
		return fmt.Errorf("cannot accept check-in: ticket has %d bytes, at most %d are allowed", len(c.Ticket), MaxTicket)
	case len(c.FailedHere) > 16:
		return fmt.Errorf("cannot accept check-in: failed_here has %d packages, at most 16 are allowed", len(c.FailedHere))
	}
	for i, d := range c.FailedHere {
		if len(d) > MaxField {
			return fmt.Errorf("cannot accept check-in: failed_here[%d] has %d bytes, at most %d are allowed", i, len(d), MaxField)
		}
	}
	return nil
}

// CheckInReply answers a check-in.
type CheckInReply struct {
	Offer     *Offer `json:"offer"`              // nil: nothing for this handset now
	Reason    string `json:"reason,omitempty"`   // why there is no offer, for logs
	Recalled  bool   `json:"recalled,omitempty"` // what the handset runs was pulled
	NextCheck int64  `json:"next_check"`         // seconds until the handset should ask again
	Ticket    string `json:"ticket,omitempty"`   // replaces the handset's ticket when not empty
}

// Kinds of package.
const (
	Full        = "full"
	Incremental = "incremental"
)

// Offer is one package for one handset.
type Offer struct {
	Release       string `json:"release"` // "26.11.27"
	Version       string `json:"version"` // the build's ro.build.version.incremental
	Kind          string `json:"kind"`    // Full or Incremental
	URL           string `json:"url"`     // absolute, or a path on the same server
	SHA256        string `json:"sha256"`  // of the whole zip, hex
	Size          int64  `json:"size"`    // of the whole zip, bytes
	PayloadOffset int64  `json:"payload_offset"`
	PayloadSize   int64  `json:"payload_size"`
	Properties    string `json:"payload_properties"` // payload_properties.txt
	Timestamp     int64  `json:"timestamp"`          // of the build, seconds since 1970
	PatchLevel    string `json:"patch_level"`
	RollbackIndex uint64 `json:"rollback_index"`
	Notes         string `json:"notes,omitempty"` // plain text
	NotesURL      string `json:"notes_url,omitempty"`
	Token         string `json:"token"` // sent back with each outcome
}

// ClaimRequest ties a handset to a member, who read the code from the site.
type ClaimRequest struct {
	Code   string `json:"code"`
	Device string `json:"device"`
	Ticket string `json:"ticket,omitempty"`
}

// ClaimReply carries the ticket that holds the claim.
type ClaimReply struct {
	Ticket string `json:"ticket"`
}

// Ticket is what the server signs and a handset keeps. A handset sees it as an
// opaque text.
type Ticket struct {
	Channels []string `json:"channels,omitempty"` // channels beyond the open ones
	Claim    int64    `json:"claim,omitempty"`    // a member's claim to this handset
	Device   string   `json:"device,omitempty"`   // that the claim is for
	Places   []int64  `json:"places,omitempty"`   // rollouts in whose first places it has one, the newest last
	Bucket   int      `json:"bucket,omitempty"`   // of the handset that has the places
	Issued   int64    `json:"issued"`             // seconds since 1970
	Expires  int64    `json:"expires"`            // seconds since 1970
}

// MaxPlaces is how many places a ticket holds: older ones are of no use by then.
const MaxPlaces = 8

// OfferToken is what an offer's token says: it gives the right to report
// outcomes of that offer, and nothing about who holds it.
type OfferToken struct {
	ID      string `json:"id"` // random: a replayed outcome counts once
	Rollout int64  `json:"rollout"`
	Release string `json:"release"`
	Device  string `json:"device"`
	Channel string `json:"channel"`
	From    string `json:"from"` // incremental that the handset ran; empty when unknown
	To      string `json:"to"`   // build ID
	Region  string `json:"region,omitempty"`
	Package string `json:"package"`
	Claim   int64  `json:"claim,omitempty"`
	// Handset tells handsets of one rollout apart, to count them: a keyed hash of
	// 56 bits, another one in each rollout.
	Handset uint64 `json:"handset,omitempty"`
	Expires int64  `json:"expires"`
}

// Event is what happened to an offered package on a handset.
type Event string

// Events in the order in which a good update reports them; RolledBack and
// Failed end a bad one.
const (
	Downloaded Event = "downloaded"
	Verified   Event = "verified"
	Applied    Event = "applied"
	Booted     Event = "booted"
	Healthy    Event = "healthy" // a day after
	RolledBack Event = "rolled_back"
	Failed     Event = "failed"
)

// Valid says whether e is one of the events above.
func (e Event) Valid() bool {
	switch e {
	case Downloaded, Verified, Applied, Booted, Healthy, RolledBack, Failed:
		return true
	}
	return false
}

// Outcome reports one event of one offer.
type Outcome struct {
	Token  string `json:"token"`
	Ticket string `json:"ticket,omitempty"`
	Event  Event  `json:"event"`
	Stage  string `json:"stage,omitempty"`  // where it failed: download, verify, apply, boot
	Code   string `json:"code,omitempty"`   // short reason, one word
	Detail string `json:"detail,omitempty"` // one line
	// What the handset runs now, so that a booted build is named by itself.
	Incremental string `json:"incremental,omitempty"`
}

// Error is the body of every reply that is not 2xx.
type Error struct {
	Error string `json:"error"`
}
