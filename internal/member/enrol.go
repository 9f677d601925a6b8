package member

import (
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// Enrolment is what a claimed handset may follow beyond the open channels.
type Enrolment struct {
	Device   string
	Channels []string // sorted
}

// Enrolments are all claims in force of members who may follow more than the
// open channels: maintainers and administrators, testers, and who has a place
// in the test ring with that device. It is small, and an update server holds it
// in memory: what a ticket says about channels is only what it was told last.
func Enrolments(tx *db.Tx) (map[int64]Enrolment, error) {
	type row struct {
		claim                 int64
		device, role, channel string
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.claim, &r.device, &r.role, &r.channel) },
		`SELECT c.id, c.device, r.role, '' FROM claims c JOIN member_roles r ON r.member_id = c.member_id
			WHERE c.ended_at = 0 AND r.role IN ($1, $2, $3)
		UNION SELECT c.id, c.device, '', p.channel FROM claims c JOIN ring_places p ON p.member_id = c.member_id AND p.device = c.device
			WHERE c.ended_at = 0 AND p.state = 'accepted'`, Admin, Maintainer, Tester)
	if err != nil {
		return nil, err
	}
	all := map[int64]Enrolment{}
	for _, r := range rows {
		e := all[r.claim]
		e.Device = r.device
		for _, channel := range append(roleChannels(Role(r.role)), r.channel) {
			if channel != "" && !slices.Contains(e.Channels, channel) {
				e.Channels = append(e.Channels, channel)
			}
		}
		slices.Sort(e.Channels)
		all[r.claim] = e
	}
	return all, nil
}

// roleChannels are the restricted channels that a role opens by itself.
func roleChannels(r Role) []string {
	switch r {
	case Admin, Maintainer:
		return []string{wire.Alpha, wire.Beta}
	case Tester:
		return []string{wire.Beta}
	}
	return nil
}

// EnrolmentRevision rises whenever Enrolments may have changed.
func EnrolmentRevision(tx *db.Tx) (revision int64, err error) {
	err = tx.QueryRow("SELECT revision FROM enrolment_revision WHERE id = 1").Scan(&revision)
	return revision, err
}

// EnrolmentsChanged makes update servers read Enrolments anew: for the packages
// below that change who may follow what.
func EnrolmentsChanged(tx *db.Tx) error {
	_, err := tx.Exec("UPDATE enrolment_revision SET revision = revision + 1 WHERE id = 1")
	return err
}
