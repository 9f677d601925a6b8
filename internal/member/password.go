package member

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/fridayos/friday/internal/db"
)

// Cost is what one try at a password costs, argon2id's parameters (RFC 9106).
type Cost struct {
	Time    uint32 // passes
	Memory  uint32 // KiB
	Threads uint8
}

// DefaultCost is between OWASP's minimum (19 MiB, 2 passes) and RFC 9106's
// second choice (64 MiB, 3 passes, 4 threads): some 100 ms of one core, which a
// sign-in may take and a guesser of millions may not.
func DefaultCost() Cost { return Cost{Time: 2, Memory: 64 << 10, Threads: 1} }

// TestCost is next to nothing: for tests and the demo's made-up members.
func TestCost() Cost { return Cost{Time: 1, Memory: 64, Threads: 1} }

// Hash is a hashed password, in PHC form with its parameters and salt.
type Hash struct{ phc string }

const (
	saltBytes = 16
	hashBytes = 32
	// What a stored hash may ask for at most: a tampered row must not take all memory.
	maxMemory = 1 << 20 // KiB
	maxTime   = 16
)

var base64Raw = base64.RawStdEncoding.Strict()

func (c Cost) hash(password string) Hash {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails
	return c.phc(salt, argon2.IDKey(prepare(password), salt, c.Time, c.Memory, c.Threads, hashBytes))
}

// decoy is no password's hash and takes as long to compare with as one. Nothing is
// computed for it: a process would begin its life with Memory taken.
func (c Cost) decoy() Hash {
	salt, key := make([]byte, saltBytes), make([]byte, hashBytes)
	rand.Read(salt)
	rand.Read(key)
	return c.phc(salt, key)
}

func (c Cost) phc(salt, key []byte) Hash {
	return Hash{fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Time, c.Threads,
		base64Raw.EncodeToString(salt), base64Raw.EncodeToString(key))}
}

// verify tells whether the password is the hash's, and what the hash cost.
func (h Hash) verify(password string) (ok bool, cost Cost, err error) {
	var version int
	parts := strings.Split(h.phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, cost, errors.New("cannot read password hash: expected $argon2id$v=…$m=…,t=…,p=…$salt$hash")
	}
	_, err1 := fmt.Sscanf(parts[2], "v=%d", &version)
	_, err2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &cost.Memory, &cost.Time, &cost.Threads)
	salt, err3 := base64Raw.DecodeString(parts[4])
	want, err4 := base64Raw.DecodeString(parts[5])
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return false, cost, fmt.Errorf("cannot read password hash: %w", err)
	}
	if version != argon2.Version || cost.Memory > maxMemory || cost.Time < 1 || cost.Time > maxTime || cost.Threads < 1 || len(want) != hashBytes {
		return false, cost, fmt.Errorf("cannot read password hash: version %d, cost %+v", version, cost)
	}
	got := argon2.IDKey(prepare(password), salt, cost.Time, cost.Memory, cost.Threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, cost, nil
}

// prepare makes the same of a password whichever way a keyboard composes its letters.
func prepare(password string) []byte { return norm.NFKC.Bytes([]byte(password)) }

// Passwords hashes and checks passwords, a bounded number at a time, since
// each takes Cost.Memory. One a process.
type Passwords struct {
	cost  Cost
	slots chan struct{}
	decoy Hash // compared with for names that nobody has

	hashed atomic.Int64 // how often a password was hashed: what signing in costs
}

// NewPasswords takes the cost of new hashes; DefaultCost if zero.
func NewPasswords(c Cost) *Passwords {
	if c == (Cost{}) {
		c = DefaultCost()
	}
	return &Passwords{cost: c, slots: make(chan struct{}, max(2, runtime.NumCPU())), decoy: c.decoy()}
}

// Password lengths: NIST SP 800-63B asks for no rules but length and a list.
const (
	minPassword = 10  // characters
	maxPassword = 256 // bytes
)

var common = []string{
	"1234567890", "0123456789", "12345678910", "0987654321", "1111111111", "0000000000", "qwertyuiop", "1q2w3e4r5t",
	"password12", "password123", "password1234", "passwordpassword", "qwerty12345", "qwertyqwerty", "iloveyou12", "letmein123",
	"abcdefghij", "abcd123456", "asdfghjkl1", "asdfghjkl;", "zaq12wsxcde", "changeme123", "administrator", "unknown123",
}

func checkPassword(name, password string) error {
	key := strings.ToLower(password)
	distinct := map[rune]bool{}
	for _, r := range key {
		distinct[r] = true
	}
	switch {
	case !utf8.ValidString(password) || len(password) > maxPassword:
		return NewInvalid("password", "password-long", "it must be text of at most {N} bytes", "N", maxPassword)
	case utf8.RuneCountInString(password) < minPassword:
		return NewInvalid("password", "password-short", "it must have at least {N} characters; a few words make a good one", "N", minPassword)
	case len(distinct) < 4:
		return NewInvalid("password", "password-repeats", "it repeats too few characters")
	case name != "" && strings.Contains(NameKey(password), NameKey(name)):
		return NewInvalid("password", "password-name", "it contains the name")
	}
	for _, word := range common {
		if key == word {
			return NewInvalid("password", "password-common", "it is one of those that are tried first")
		}
	}
	return nil
}

// Hash hashes a new password, after checking it: *Invalid if it is too easy.
func (p *Passwords) Hash(ctx context.Context, name, password string) (Hash, error) {
	if err := checkPassword(name, password); err != nil {
		return Hash{}, err
	}
	free, err := p.slot(ctx)
	if err != nil {
		return Hash{}, err
	}
	defer free()
	p.hashed.Add(1)
	return p.cost.hash(password), nil
}

func (p *Passwords) slot(ctx context.Context) (free func(), err error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Register makes an account; the hashing is done before the transaction.
func (p *Passwords) Register(ctx context.Context, d *db.DB, name, password string) (m Member, err error) {
	hash, err := p.check(ctx, name, password)
	if err != nil {
		return Member{}, err
	}
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		m, err = Register(tx, name, hash)
		return err
	})
	return m, err
}

// RegisterAdmin makes the first administrator by the code of FirstRunCode.
func (p *Passwords) RegisterAdmin(ctx context.Context, d *db.DB, code, name, password string) (m Member, err error) {
	hash, err := p.check(ctx, name, password)
	if err != nil {
		return Member{}, err
	}
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		m, err = RegisterAdmin(tx, code, name, hash)
		return err
	})
	return m, err
}

func (p *Passwords) check(ctx context.Context, name, password string) (Hash, error) {
	if _, err := CheckName(name); err != nil {
		return Hash{}, err
	}
	return p.Hash(ctx, name, password)
}

// ErrSignIn is returned for an unknown name and for a wrong password alike.
var ErrSignIn = errors.New("cannot sign in: the name or the password is wrong")

// SignIn finds the member of a name and password. An unknown name costs as
// much as a wrong password. A hash of an older cost is replaced.
func (p *Passwords) SignIn(ctx context.Context, d *db.DB, name, password string) (Member, error) {
	if len(password) > maxPassword || len(name) > 16*maxName {
		return Member{}, ErrSignIn
	}
	var id int64
	hash := p.decoy
	err := d.Read(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow("SELECT id, password_hash FROM members WHERE name_key = $1", NameKey(name)).Scan(&id, &hash.phc)
		if errors.Is(err, db.ErrNoRows) || err == nil && hash.phc == "" {
			id, hash, err = 0, p.decoy, nil
		}
		return err
	})
	if err != nil {
		return Member{}, err
	}
	ok, cost, err := p.verify(ctx, hash, password)
	if err != nil {
		return Member{}, err
	}
	if !ok || id == 0 {
		return Member{}, ErrSignIn
	}
	if cost != p.cost {
		if err := p.renew(ctx, d, id, hash, password); err != nil {
			return Member{}, err
		}
	}
	var m Member
	err = d.Read(ctx, func(tx *db.Tx) (err error) {
		m, err = ByID(tx, id)
		return err
	})
	return m, err
}

// verify is Hash.verify in a slot.
func (p *Passwords) verify(ctx context.Context, hash Hash, password string) (bool, Cost, error) {
	free, err := p.slot(ctx)
	if err != nil {
		return false, Cost{}, err
	}
	defer free()
	p.hashed.Add(1)
	return hash.verify(password)
}

// renew stores a hash of today's cost, unless the password was changed meanwhile.
func (p *Passwords) renew(ctx context.Context, d *db.DB, id int64, old Hash, password string) error {
	free, err := p.slot(ctx)
	if err != nil {
		return err
	}
	p.hashed.Add(1)
	hash := p.cost.hash(password)
	free()
	return d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE members SET password_hash = $1 WHERE id = $2 AND password_hash = $3", hash.phc, id, old.phc)
		return err
	})
}

// Change replaces a password by a member who knows the old one; all their sessions end.
func (p *Passwords) Change(ctx context.Context, d *db.DB, id int64, old, new string) (Member, error) {
	var m Member
	if err := d.Read(ctx, func(tx *db.Tx) (err error) {
		m, err = ByID(tx, id)
		return err
	}); err != nil {
		return Member{}, err
	}
	if _, err := p.SignIn(ctx, d, m.Name, old); err != nil {
		return Member{}, err
	}
	hash, err := p.Hash(ctx, m.Name, new)
	if err != nil {
		return Member{}, err
	}
	return m, d.Write(ctx, func(tx *db.Tx) error { return SetPassword(tx, id, hash) })
}
