package updateapi_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/wire"
)

// Which channels a claimed handset may follow is decided when it checks in, not
// when its ticket was written: a ticket lives for a year, a place in the test
// ring may not.
func TestChannelsOutliveNoPlace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Now()
		d.SetClock(func() time.Time { return now })
		b := newBench(t, d)
		m, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, "ana", "correct horse battery staple")
		if err != nil {
			t.Fatal(err)
		}
		appoint := func(g member.Grants) {
			b.write(t, func(tx *db.Tx) error { return member.Appoint(tx, member.Member{Name: "setup"}, m.ID, g) })
			b.refresh(t)
		}
		appoint(member.Grants{Roles: []member.Role{member.Tester}})
		var code string
		b.write(t, func(tx *db.Tx) (err error) { code, err = member.NewClaimCode(tx, m.ID, "umi"); return err })
		var r wire.ClaimReply
		if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: code, Device: "umi"}, &r); status != http.StatusOK {
			t.Fatalf("the code was answered with %d", status)
		}
		c := checkin()
		c.Channel, c.Ticket = wire.Beta, r.Ticket
		// may tells whether the handset may follow beta, and takes a new ticket.
		may := func(renewed bool) bool {
			t.Helper()
			var reply wire.CheckInReply
			if status := b.post(t, wire.PathCheckIn, c, &reply); status != http.StatusOK {
				t.Fatalf("the check-in was answered with %d", status)
			}
			if (reply.Ticket != "") != renewed {
				t.Errorf("there is a new ticket: %v, expected %v", reply.Ticket != "", renewed)
			}
			if reply.Ticket != "" {
				c.Ticket = reply.Ticket
			}
			return !strings.Contains(reply.Reason, "needs a ticket")
		}
		if !may(false) { // at once: no node has read the enrolments since
			t.Error("a tester's handset that was just claimed may not follow beta")
		}
		now = now.Add(time.Minute)
		b.refresh(t)
		if !may(false) {
			t.Error("a tester's handset may not follow beta")
		}
		old := c.Ticket
		appoint(member.Grants{})
		if may(true) {
			t.Error("a former tester's handset follows beta")
		}
		c.Ticket = old // a handset that keeps the ticket that it was to replace
		if may(true) {
			t.Error("a former tester's handset follows beta by an old ticket")
		}
		now = now.Add(time.Minute)
		appoint(member.Grants{Roles: []member.Role{member.Maintainer}, Parts: []string{"Camera"}})
		if !may(true) {
			t.Error("a maintainer's handset, claimed before, may not follow beta")
		}
		// Another model with this ticket: the claim is not for it.
		now = now.Add(time.Minute)
		c.Device = "hlte"
		if may(true) {
			t.Error("a claim speaks for another device")
		}
		c.Device, c.Ticket = "umi", old
		now = now.Add(time.Minute)
		b.write(t, func(tx *db.Tx) error {
			claims, err := member.ClaimsOf(tx, m.ID)
			if err == nil && len(claims) != 1 {
				err = errors.New("expected one claim")
			}
			if err == nil {
				err = member.EndClaim(tx, m.ID, claims[0].ID)
			}
			return err
		})
		b.refresh(t)
		if may(true) {
			t.Error("a handset that was given up follows beta")
		}
		// What no server signed with a claim opens nothing, whatever it lists.
		c.Ticket = b.tickets.Sign([]byte(`{"channels":["alpha","beta"],"issued":1,"expires":99999999999}`))
		if may(true) {
			t.Error("channels without a claim count")
		}
	})
}

func TestEnrolments(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := member.NewPasswords(member.TestCost())
		claims := map[string]int64{}
		var members = map[string]member.Member{}
		for _, name := range []string{"ana", "bo", "cy", "di"} {
			m, err := p.Register(t.Context(), d, name, "correct horse battery staple")
			if err != nil {
				t.Fatal(err)
			}
			members[name] = m
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				code, err := member.NewClaimCode(tx, m.ID, "umi")
				if err != nil {
					return err
				}
				claim, err := member.RedeemClaim(tx, code, "umi")
				claims[name] = claim.ID
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			before, err := member.EnrolmentRevision(tx)
			setup := member.Member{Name: "setup"}
			_, err2 := tx.Exec(`INSERT INTO ring_places (id, member_id, device, channel, state, why, reason, applied_at, decided_at, decided_by)
				VALUES (1, $1, 'umi', 'beta', 'accepted', '', '', 1, 1, 0), (2, $2, 'umi', 'beta', 'applied', '', '', 1, 0, 0), (3, $2, 'hlte', 'beta', 'accepted', '', '', 1, 1, 0)`,
				members["cy"].ID, members["di"].ID)
			err3 := member.Appoint(tx, setup, members["ana"].ID, member.Grants{Roles: []member.Role{member.Admin, member.Tester}})
			err4 := member.Appoint(tx, setup, members["bo"].ID, member.Grants{Roles: []member.Role{member.Tester, member.Moderator}})
			all, err5 := member.Enrolments(tx)
			for name, want := range map[string][]string{"ana": {"alpha", "beta"}, "bo": {"beta"}, "cy": {"beta"}, "di": nil} {
				if !slices.Equal(all[claims[name]].Channels, want) {
					t.Errorf("%s may follow %v, expected %v", name, all[claims[name]].Channels, want)
				}
			}
			after, err6 := member.EnrolmentRevision(tx)
			if after <= before {
				t.Error("the revision did not rise")
			}
			return errors.Join(err, err2, err3, err4, err5, err6)
		}); err != nil {
			t.Fatal(err)
		}
	})
}
