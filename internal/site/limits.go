package site

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/limit"
)

// limits slow down those who guess, flood and spam. They count per address and
// name, or per member; one process counts for itself.
type limits struct {
	byAddress, byName, joins, posts, acts *limit.Limiter
}

const perMinute, perHour = 1.0 / 60, 1.0 / 3600

func newLimits() limits {
	const size = 50_000 // addresses or members remembered
	return limits{
		byAddress: limit.New(20*perMinute, 20, size),
		byName:    limit.New(6*perMinute, 10, size),
		joins:     limit.New(20*perHour, 10, size),
		posts:     limit.New(4*perMinute, 12, size),
		acts:      limit.New(60*perMinute, 60, size),
	}
}

func (l limits) signIn(address, name string) bool {
	return l.byAddress.Allow(address) && l.byName.Allow(strings.ToLower(name[:min(len(name), 200)]))
}
func (l limits) register(address string) bool { return l.joins.Allow(address) }
func (l limits) post(member int64) bool       { return l.posts.Allow(strconv.FormatInt(member, 10)) }
func (l limits) act(member int64) bool        { return l.acts.Allow(strconv.FormatInt(member, 10)) }

// address is who calls, as limits count them: the last address that a trusted
// proxy did not add itself.
func (c *call) address() string {
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		host = c.r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	trusted := func(a netip.Addr) bool {
		for _, p := range c.s.TrustedProxies {
			if p.Contains(a.Unmap()) {
				return true
			}
		}
		return false
	}
	hops := strings.Split(strings.Join(c.r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && trusted(addr); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		addr = next
	}
	return limit.Address(addr)
}
