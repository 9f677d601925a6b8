// Package limit says how often something may be done, by key (an address, a
// member): a token bucket each, in memory and bounded in number. Each process
// counts for itself; it guards against guessing and flooding, and is no quota.
package limit

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limiter holds the buckets. It is safe for use by many goroutines.
type Limiter struct {
	rate  float64 // tokens a second
	burst float64
	size  int
	now   func() time.Time

	mu      sync.Mutex
	buckets map[string]*list.Element
	recent  *list.List // of *bucket, the last used in front
}

type bucket struct {
	key    string
	tokens float64
	at     time.Time
}

// New makes a limiter that lets each key do burst things at once and
// perSecond on average, and remembers at most size keys: the longest unused is
// forgotten first.
func New(perSecond float64, burst, size int) *Limiter {
	return &Limiter{
		rate: perSecond, burst: float64(max(burst, 1)), size: max(size, 1), now: time.Now,
		buckets: map[string]*list.Element{}, recent: list.New(),
	}
}

// Allow takes a token of the key's, if there is one.
func (l *Limiter) Allow(key string) bool {
	ok, _ := l.Take(key)
	return ok
}

// Take is Allow that also says how long to wait when there is no token.
func (l *Limiter) Take(key string) (ok bool, retryAfter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(key)
	if b.tokens >= 1 {
		b.tokens--
		return true, 0
	}
	if l.rate <= 0 {
		return false, time.Hour
	}
	return false, time.Duration((1 - b.tokens) / l.rate * float64(time.Second))
}

// Reset forgets a key: after a sign-in that succeeded.
func (l *Limiter) Reset(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.buckets[key]; e != nil {
		l.recent.Remove(e)
		delete(l.buckets, key)
	}
}

// bucket finds or makes a key's and fills in what has come since.
func (l *Limiter) bucket(key string) *bucket {
	now := l.now()
	if e := l.buckets[key]; e != nil {
		l.recent.MoveToFront(e)
		b := e.Value.(*bucket)
		if since := now.Sub(b.at); since > 0 {
			b.tokens, b.at = min(l.burst, b.tokens+since.Seconds()*l.rate), now
		}
		return b
	}
	if l.recent.Len() >= l.size {
		oldest := l.recent.Back()
		delete(l.buckets, l.recent.Remove(oldest).(*bucket).key)
	}
	b := &bucket{key: key, tokens: l.burst, at: now}
	l.buckets[key] = l.recent.PushFront(b)
	return b
}

// Address is the key of an address: IPv6 by its /64, since one home has that many.
func Address(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// Caller is the key of who sends a request: of the last address in
// X-Forwarded-For that a trusted proxy did not add itself.
func Caller(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ours := func(p netip.Prefix) bool { return p.Contains(addr.Unmap()) }
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, ours) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		addr = next
	}
	return Address(addr)
}
