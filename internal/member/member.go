// Package member holds accounts: names, passwords, roles, sessions, recovery
// codes, mail addresses, and which member's own handset a claim is. It knows
// nothing of pages, cookies or tickets, and does not count attempts: whoever
// takes a password or a code from outside limits how often (internal/limit).
// Passkeys, sign-in by other services, the test ring and what standing follows
// from a member's reports are packages below it.
//
// Whatever opens a door (passwords, session tokens, one-time codes) is stored
// hashed: a stolen backup signs nobody in.
package member

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/mistake"
)

// Role is what a member may do beyond reading.
type Role string

// The roles. Everyone is an Ordinary member.
const (
	Ordinary   Role = "member"
	Tester     Role = "tester"     // their handsets may follow beta
	Maintainer Role = "maintainer" // of devices and parts: Member.Devices, Member.Parts
	Moderator  Role = "moderator"
	Admin      Role = "admin"
)

// Roles are all roles, in the order in which pages show them.
func Roles() []Role { return []Role{Ordinary, Tester, Maintainer, Moderator, Admin} }

// Member is an account.
type Member struct {
	ID        int64
	Name      string
	Roles     []Role   // Ordinary first, then as granted
	Devices   []string // that a Maintainer maintains, sorted
	Parts     []string // of the system, that a Maintainer maintains, sorted: Camera, Phone
	CreatedAt time.Time
	Language  string // that the member chose, as HTML's lang has it; empty: not chosen
}

// Is tells whether the member has a role; an admin has each.
func (m Member) Is(role Role) bool {
	return slices.Contains(m.Roles, role) || slices.Contains(m.Roles, Admin)
}

// Maintains tells whether the member may decide about a device.
func (m Member) Maintains(device string) bool {
	return slices.Contains(m.Roles, Admin) || slices.Contains(m.Roles, Maintainer) && slices.Contains(m.Devices, device)
}

// MaintainsPart tells whether the member may decide about a part of the system.
func (m Member) MaintainsPart(part string) bool {
	return slices.Contains(m.Roles, Admin) || slices.Contains(m.Roles, Maintainer) && part != "" && slices.Contains(m.Parts, part)
}

// Decides tells whether the member may decide about what concerns a part of the
// system on a device: who maintains either may.
func (m Member) Decides(part, device string) bool {
	return m.Maintains(device) || m.MaintainsPart(part)
}

// Moderates tells whether the member keeps order in the forum.
func (m Member) Moderates() bool { return m.Is(Moderator) }

// ErrNotFound is returned, wrapped, for a member, session or claim that is not there.
var ErrNotFound = errors.New("not found")

// Invalid is what someone typed and may not have; Reason is fit to be shown.
type Invalid struct {
	Field  string // "name", "password", "role"
	Reason string // in English
	Code   string // stable: "name-taken"
	Values []any  // what Reason names, as in a mistake.Mistake
}

// NewInvalid says why a field's value is not taken; the English says {Name} where a
// value belongs.
func NewInvalid(field, code, english string, values ...any) *Invalid {
	return &Invalid{Field: field, Reason: mistake.Fill(english, values...), Code: code, Values: values}
}

func (e *Invalid) Error() string { return "cannot use this " + e.Field + ": " + e.Reason }

// Mistaken is the mistake for pages, which say it in the reader's language.
func (e *Invalid) Mistaken() *mistake.Mistake {
	return &mistake.Mistake{Field: e.Field, Code: e.Code, Message: e.Reason, Values: e.Values}
}

// Register makes an account. The name follows CheckName's rules.
func Register(tx *db.Tx, name string, password Hash) (Member, error) {
	name, err := CheckName(name)
	if err != nil {
		return Member{}, err
	}
	left, err := formerly(tx, name)
	if err != nil {
		return Member{}, err
	}
	if left {
		return Member{}, NewInvalid("name", "name-taken", "it is taken")
	}
	m := Member{ID: db.NewID(), Name: name, Roles: []Role{Ordinary}, CreatedAt: tx.Now()}
	n, err := tx.Exec(`INSERT INTO members (id, name, name_key, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name_key) DO NOTHING`, m.ID, m.Name, NameKey(name), password.phc, m.CreatedAt)
	if err != nil {
		return Member{}, err
	}
	if n == 0 {
		return Member{}, NewInvalid("name", "name-taken", "it is taken")
	}
	return m, nil
}

// SetPassword replaces a password and ends all of the member's sessions.
func SetPassword(tx *db.Tx, id int64, password Hash) error {
	n, err := tx.Exec("UPDATE members SET password_hash = $1 WHERE id = $2", password.phc, id)
	if err == nil && n == 0 {
		err = fmt.Errorf("cannot set the password of member %d: %w", id, ErrNotFound)
	}
	if err == nil {
		_, err = tx.Exec("DELETE FROM sessions WHERE member_id = $1", id)
	}
	return err
}

// ChooseLanguage keeps the language that a member wants to read in, on whatever
// browser; empty: none is chosen. What they last read in is SetLanguage's.
func ChooseLanguage(tx *db.Tx, id int64, lang string) error {
	if len(lang) > 35 { // the longest tag that RFC 5646 expects
		return fmt.Errorf("cannot keep the language of member %d: %.40q is no language tag", id, lang)
	}
	n, err := tx.Exec("UPDATE members SET language = $2 WHERE id = $1", id, lang)
	if err == nil && n == 0 {
		err = fmt.Errorf("cannot keep the language of member %d: %w", id, ErrNotFound)
	}
	return err
}

const selectMember = "SELECT id, name, created_at, language FROM members "

func scanMember(s db.Scanner) (m Member, err error) {
	return m, s.Scan(&m.ID, &m.Name, &m.CreatedAt, &m.Language)
}

// ByID reads a member.
func ByID(tx *db.Tx, id int64) (Member, error) {
	return one(tx, fmt.Sprint(id), "WHERE id = $1", id)
}

// ByName reads a member by name, whatever its case.
func ByName(tx *db.Tx, name string) (Member, error) {
	return one(tx, fmt.Sprintf("%q", name), "WHERE name_key = $1", NameKey(name))
}

func one(tx *db.Tx, what, where string, arg any) (Member, error) {
	m, err := scanMember(tx.QueryRow(selectMember+where, arg))
	if errors.Is(err, db.ErrNoRows) {
		return Member{}, fmt.Errorf("cannot find member %s: %w", what, ErrNotFound)
	}
	if err != nil {
		return Member{}, err
	}
	return withRoles(tx, m)
}

// Names gives the names of members by their ids; who is not there has none.
func Names(tx *db.Tx, members ...int64) (map[int64]string, error) {
	if len(members) == 0 {
		return nil, nil
	}
	marks, args := make([]string, len(members)), make([]any, len(members))
	for i, id := range members {
		marks[i], args[i] = fmt.Sprintf("$%d", i+1), id
	}
	type row struct {
		id   int64
		name string
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.name) },
		"SELECT id, name FROM members WHERE id IN ("+strings.Join(marks, ", ")+")", args...)
	names := map[int64]string{}
	for _, r := range rows {
		names[r.id] = r.name
	}
	return names, err
}

// List lists members in the order they came, those after an id, at most limit (100 unless given).
func List(tx *db.Tx, after int64, limit int) ([]Member, error) {
	if limit <= 0 {
		limit = 100
	}
	members, err := db.All(tx, scanMember, selectMember+"WHERE id > $1 ORDER BY id LIMIT $2", after, min(limit, 1000))
	for i := range members {
		if err == nil {
			members[i], err = withRoles(tx, members[i])
		}
	}
	return members, err
}

func withRoles(tx *db.Tx, m Member) (Member, error) {
	type grant struct {
		role   Role
		device string
	}
	grants, err := db.All(tx, func(s db.Scanner) (g grant, err error) { return g, s.Scan(&g.role, &g.device) },
		"SELECT role, device FROM member_roles WHERE member_id = $1", m.ID)
	m.Roles = []Role{Ordinary}
	for _, role := range Roles() { // in order, each once
		if role != Ordinary && slices.ContainsFunc(grants, func(g grant) bool { return g.role == role }) {
			m.Roles = append(m.Roles, role)
		}
	}
	for _, g := range grants {
		if g.role == Maintainer && g.device != "" {
			m.Devices = append(m.Devices, g.device)
		}
	}
	slices.Sort(m.Devices) // in Go: PostgreSQL's order depends on its locale
	if err == nil && slices.Contains(m.Roles, Maintainer) {
		m.Parts, err = db.All(tx, func(s db.Scanner) (part string, err error) { return part, s.Scan(&part) },
			"SELECT part FROM member_parts WHERE member_id = $1", m.ID)
		slices.Sort(m.Parts)
	}
	return m, err
}
