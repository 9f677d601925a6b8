package page

import (
	"crypto/sha256"
	"strconv"

	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/member"
)

// Limits slow down those who guess, flood and spam. They count per address and
// name, or per member; one process counts for itself.
type Limits struct {
	byAddress, byBoth, byName, joins, posts, acts *limit.Limiter
}

const perMinute, perHour = 1.0 / 60, 1.0 / 3600

// NewLimits are the limits of one process, nothing counted yet.
func NewLimits() Limits {
	const size = 50_000 // addresses or members remembered
	return Limits{
		byAddress: limit.New(20*perMinute, 20, size),
		byBoth:    limit.New(6*perMinute, 10, size),
		byName:    limit.New(60*perMinute, 60, size),
		joins:     limit.New(20*perHour, 10, size),
		posts:     limit.New(4*perMinute, 12, size),
		acts:      limit.New(60*perMinute, 60, size),
	}
}

// SignIn counts tries at a name, however it is written. One address alone does
// not use up what a name may be tried, or it could keep a member out.
func (l Limits) SignIn(address, name string) bool {
	sum := sha256.Sum256([]byte(member.NameKey(name))) // a key may be long
	key := string(sum[:])
	return l.byAddress.Allow(address) && l.byBoth.Allow(address+" "+key) && l.byName.Allow(key)
}

// Register counts new members of an address, Post what a member writes, Act
// whatever else they do.
func (l Limits) Register(address string) bool { return l.joins.Allow(address) }
func (l Limits) Post(member int64) bool       { return l.posts.Allow(strconv.FormatInt(member, 10)) }
func (l Limits) Act(member int64) bool        { return l.acts.Allow(strconv.FormatInt(member, 10)) }

// Address is who calls, as limits count them.
func (c *Call) Address() string { return limit.Caller(c.R, c.Site.TrustedProxies) }
