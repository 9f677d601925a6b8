package member

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// One-time codes: of the first administrator, and of claims.
const (
	firstRun = "first"
	claiming = "claim"

	firstRunTime = 24 * time.Hour
	claimTime    = time.Hour
)

// ErrCode is returned, wrapped, for a code that is unknown, used or has run out.
var ErrCode = errors.New("the code is wrong, was used, or has run out")

// FirstRunCode makes the code by which the first administrator registers, as
// long as there is none: needed. A code made before stops working.
func FirstRunCode(tx *db.Tx) (code string, needed bool, err error) {
	there, err := hasAdmin(tx)
	if err != nil || there {
		return "", false, err
	}
	if _, err := tx.Exec("DELETE FROM codes WHERE kind = $1", firstRun); err != nil {
		return "", false, err
	}
	code = rand.Text() // 130 bits
	return code, true, putCode(tx, code, firstRun, nil, "", firstRunTime)
}

// FirstRunNeeded tells whether there is no administrator yet.
func FirstRunNeeded(tx *db.Tx) (bool, error) {
	there, err := hasAdmin(tx)
	return !there, err
}

func hasAdmin(tx *db.Tx) (there bool, err error) {
	err = tx.QueryRow("SELECT EXISTS (SELECT 1 FROM member_roles WHERE role = $1)", Admin).Scan(&there)
	return there, err
}

// RegisterAdmin makes the first administrator by the code of FirstRunCode.
func RegisterAdmin(tx *db.Tx, code, name string, password Hash) (Member, error) {
	there, err := hasAdmin(tx)
	if err != nil {
		return Member{}, err
	}
	if there {
		return Member{}, fmt.Errorf("cannot register administrator: %w", ErrCode)
	}
	if _, _, err := useCode(tx, strings.ToUpper(strings.TrimSpace(code)), firstRun, ""); err != nil {
		return Member{}, fmt.Errorf("cannot register administrator: %w", err)
	}
	m, err := Register(tx, name, password)
	if err != nil {
		return Member{}, err
	}
	if err := grant(tx, m.ID, Admin, ""); err != nil {
		return Member{}, err
	}
	m.Roles = append(m.Roles, Admin)
	return m, audit.Record(tx, audit.Event{ActorID: m.ID, Actor: m.Name, Action: "member.first-admin", Subject: m.Name})
}

// Claim says that a handset is a member's own. Nothing that names the handset is kept.
type Claim struct {
	ID        int64
	MemberID  int64
	Device    string
	CreatedAt time.Time
	EndedAt   time.Time // zero: in force
}

// claimAlphabet is RFC 8628's for codes that people type: no digits, which are
// taken for letters, and no vowels, which make words.
const (
	claimAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	claimLetters  = 8 // 34 bits: with an hour to live and limited attempts, enough
	maxClaims     = 50
)

// NewClaimCode makes a code that a member types into a handset of that device,
// within an hour, once. One made before for the device stops working.
func NewClaimCode(tx *db.Tx, memberID int64, device string) (code string, err error) {
	if device == "" {
		return "", errors.New("cannot make claim code: no device given")
	}
	if _, err := tx.Exec("DELETE FROM codes WHERE kind = $1 AND (expires_at < $2 OR (member_id = $3 AND device = $4 AND used_at = 0))",
		claiming, tx.Now(), memberID, device); err != nil {
		return "", err
	}
	code = randomCode(claimLetters)
	if err := putCode(tx, code, claiming, memberID, device, claimTime); err != nil {
		return "", err
	}
	return inGroups(code), nil
}

// randomCode makes a code that people can type.
func randomCode(letters int) string {
	var code strings.Builder
	for b := make([]byte, 1); code.Len() < letters; {
		rand.Read(b)                                        // never fails
		if n := int(b[0]); n < 256-256%len(claimAlphabet) { // no letter more often than others
			code.WriteByte(claimAlphabet[n%len(claimAlphabet)])
		}
	}
	return code.String()
}

// inGroups writes a code in fours.
func inGroups(code string) string {
	var groups []string
	for i := 0; i < len(code); i += 4 {
		groups = append(groups, code[i:min(i+4, len(code))])
	}
	return strings.Join(groups, "-")
}

// typedCode is a code however it was typed.
func typedCode(code string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("- \t\r\n", r) {
			return -1
		}
		return r
	}, strings.ToUpper(code))
}

// RedeemClaim uses a code typed into a handset. An *Invalid says that the code
// is for another device, and may still be used there; else ErrCode.
func RedeemClaim(tx *db.Tx, code, device string) (Claim, error) {
	memberID, device, err := useCode(tx, typedCode(code), claiming, device)
	if err != nil {
		return Claim{}, fmt.Errorf("cannot claim handset: %w", err)
	}
	var claims int
	if err := tx.QueryRow("SELECT COUNT(*) FROM claims WHERE member_id = $1 AND ended_at = 0", memberID).Scan(&claims); err != nil {
		return Claim{}, err
	}
	if claims >= maxClaims {
		return Claim{}, NewInvalid("code", "claims-many", "you have claimed {N} handsets; end one of the claims first", "N", claims)
	}
	c := Claim{ID: db.NewID(), MemberID: memberID, Device: device, CreatedAt: tx.Now()}
	_, err = tx.Exec("INSERT INTO claims (id, member_id, device, created_at, ended_at) VALUES ($1, $2, $3, $4, 0)",
		c.ID, c.MemberID, c.Device, c.CreatedAt)
	if err == nil {
		err = EnrolmentsChanged(tx)
	}
	return c, err
}

const selectClaim = "SELECT id, member_id, device, created_at, ended_at FROM claims "

func scanClaim(s db.Scanner) (c Claim, err error) {
	return c, s.Scan(&c.ID, &c.MemberID, &c.Device, &c.CreatedAt, &c.EndedAt)
}

// ClaimByID reads a claim, also one that was ended.
func ClaimByID(tx *db.Tx, id int64) (Claim, error) {
	c, err := scanClaim(tx.QueryRow(selectClaim+"WHERE id = $1", id))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find claim %d: %w", id, ErrNotFound)
	}
	return c, err
}

// ClaimsOf lists a member's claims in force, the newest first.
func ClaimsOf(tx *db.Tx, memberID int64) ([]Claim, error) {
	return db.All(tx, scanClaim, selectClaim+"WHERE member_id = $1 AND ended_at = 0 ORDER BY id DESC", memberID)
}

// EndClaim ends one of a member's claims: the phone was sold.
func EndClaim(tx *db.Tx, memberID, id int64) error {
	n, err := tx.Exec("UPDATE claims SET ended_at = $1 WHERE id = $2 AND member_id = $3 AND ended_at = 0", tx.Now(), id, memberID)
	if err == nil && n == 0 {
		err = fmt.Errorf("cannot end claim %d: %w", id, ErrNotFound)
	}
	if err == nil {
		err = EnrolmentsChanged(tx)
	}
	return err
}

func putCode(tx *db.Tx, code, kind string, memberID any, device string, lasts time.Duration) error {
	_, err := tx.Exec(`INSERT INTO codes (code_hash, kind, member_id, device, created_at, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, 0)`, secretHash(code), kind, memberID, device, tx.Now(), tx.Now().Add(lasts))
	return err
}

// useCode marks a code as used and returns whose it was.
func useCode(tx *db.Tx, code, kind, device string) (memberID int64, _ string, err error) {
	var of *int64
	var wanted string
	err = tx.QueryRow("SELECT member_id, device FROM codes WHERE code_hash = $1 AND kind = $2 AND used_at = 0 AND expires_at >= $3",
		secretHash(code), kind, tx.Now()).Scan(&of, &wanted)
	if errors.Is(err, db.ErrNoRows) {
		return 0, "", ErrCode
	}
	if err != nil {
		return 0, "", err
	}
	if wanted != device {
		return 0, "", NewInvalid("code", "claim-device", "it is for a {Wanted}, and this is a {Device}", "Wanted", wanted, "Device", device)
	}
	if _, err := tx.Exec("UPDATE codes SET used_at = $1 WHERE code_hash = $2", tx.Now(), secretHash(code)); err != nil {
		return 0, "", err
	}
	if of != nil {
		memberID = *of
	}
	return memberID, device, nil
}
