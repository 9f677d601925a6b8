// Package crowd bounds the connections that a server has open, so that who opens
// many takes neither the file descriptors of those who come later nor those of
// the server's own files and database.
//
// When there is no room, a connection without a request makes room for one that
// comes: the one that has been idle longest after an answer, or else the one that
// has been silent longest since it was opened, if that is a second or more. Where
// every connection has a request, the new one is answered with 503 and closed.
// Nobody is cut off in the middle of a request. One address may have so many
// connections, half of all unless it is said otherwise, and is treated as the whole
// is beyond that: thousands of handsets behind a carrier's address are served, and
// no single address can have all. Proxies that are trusted have no such bound.
//
// How slow a request may be is for http.Server's timeouts; how often one may be
// made for package limit.
package crowd

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fridayos/friday/internal/limit"
)

const (
	// Reserved are the descriptors that Default leaves to the rest of a process: its
	// database, what it listens at, logs, and connections to others.
	Reserved = 256
	// MostDefault bounds Default: each connection costs some 20 KB of memory.
	MostDefault = 50_000
	// Least is what Default gives at least.
	Least = 64

	patience = time.Second     // for a connection that has said nothing yet
	refusal  = 2 * time.Second // for taking a 503

	maxRefusing = 32 // at once: each holds a descriptor; more are closed without a word
)

// Default is how many connections a process may have open that may open so many
// files: half of those that are left over Reserved, as one that downloads holds a
// package's file too.
func Default(files uint64) int {
	if files < Reserved {
		return Least
	}
	return int(min(max((files-Reserved)/2, Least), MostDefault))
}

// Options are the bounds.
type Options struct {
	Most       int            // connections open at once, of all
	PerAddress int            // of one IPv4 address or IPv6 /64; 0: half of Most
	Trusted    []netip.Prefix // proxies: of them Most alone is asked
	Now        func() time.Time
}

// Crowd is the connections of one server. Its Listener and State have to be that
// server's. It is safe for many at once.
type Crowd struct {
	o Options

	mu      sync.Mutex
	members map[net.Conn]*member
	of      map[string]*address
	waiting [2]*list.List // of *member: idle ones, and silent ones, the longest in front

	evicted, refused int64

	refusing atomic.Int64
}

type member struct {
	conn  net.Conn
	from  *address
	since time.Time
	in    *list.List    // of waiting; nil: it has a request
	at    *list.Element // in it
	own   *list.Element // in from's list of the same kind
	kind  int
}

// address is who has connections.
type address struct {
	key     string
	trusted bool
	n       int
	waiting [2]*list.List
}

// Kinds of connections without a request.
const (
	idle = iota
	silent
)

// New makes a crowd without connections.
func New(o Options) *Crowd {
	if o.PerAddress == 0 {
		o.PerAddress = max(1, o.Most/2)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Crowd{o: o, members: map[net.Conn]*member{}, of: map[string]*address{}, waiting: [2]*list.List{list.New(), list.New()}}
}

// Counts are how many connections are open, how many of those are idle, and how many
// were closed to make room or turned away since the start.
type Counts struct{ Open, Idle, Evicted, Refused int64 }

// Counts counts.
func (c *Crowd) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Counts{int64(len(c.members)), int64(c.waiting[idle].Len()), c.evicted, c.refused}
}

// Listener accepts from l what there is room for.
func (c *Crowd) Listener(l net.Listener) net.Listener { return listener{l, c} }

type listener struct {
	net.Listener
	crowd *Crowd
}

// Accept returns the next connection that there is room for.
func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		out, ok := l.crowd.admit(conn)
		if out != nil {
			_ = out.Close()
		}
		switch {
		case ok:
			return conn, nil
		case l.crowd.refusing.Add(1) > maxRefusing:
			l.crowd.refusing.Add(-1)
			_ = conn.Close()
		default:
			go func() {
				defer l.crowd.refusing.Add(-1)
				refuse(conn)
			}()
		}
	}
}

const busy = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 30\r\nConnection: close\r\nContent-Length: 41\r\n\r\ntoo many connections are open; come again"

// refuse says that there is no room. It reads what came, since a connection that
// is closed with something unread is reset, and the answer lost.
func refuse(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(refusal))
	if _, err := conn.Write([]byte(busy)); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		var b [4096]byte
		for range 16 {
			if _, err := conn.Read(b[:]); err != nil {
				return
			}
		}
	}
}

// admit makes conn one of the crowd if there is room, perhaps that of out.
func (c *Crowd) admit(conn net.Conn) (out net.Conn, ok bool) {
	key, trusted := c.caller(conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	from := c.of[key]
	var victim *member
	switch {
	case from != nil && !trusted && from.n >= c.o.PerAddress:
		if victim = c.longest(from.waiting); victim == nil {
			c.refused++
			return nil, false
		}
	case len(c.members) >= c.o.Most:
		if victim = c.longest(c.waiting); victim == nil {
			c.refused++
			return nil, false
		}
	}
	if victim != nil {
		c.evicted++
		out = victim.conn
		c.leave(victim)
		from = c.of[key] // it may have been the last
	}
	if from == nil {
		from = &address{key: key, trusted: trusted, waiting: [2]*list.List{list.New(), list.New()}}
		c.of[key] = from
	}
	from.n++
	m := &member{conn: conn, from: from}
	c.members[conn] = m
	c.wait(m, silent)
	return out, true
}

// caller is whose connection it is.
func (c *Crowd) caller(conn net.Conn) (key string, trusted bool) {
	addr := conn.RemoteAddr()
	if addr == nil {
		return "", false
	}
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String(), false
	}
	trusted = slices.ContainsFunc(c.o.Trusted, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
	return limit.Address(at.Addr()), trusted
}

// longest is who may make room.
func (c *Crowd) longest(waiting [2]*list.List) *member {
	if e := waiting[idle].Front(); e != nil {
		return e.Value.(*member)
	}
	if e := waiting[silent].Front(); e != nil && c.o.Now().Sub(e.Value.(*member).since) >= patience {
		return e.Value.(*member)
	}
	return nil
}

func (c *Crowd) wait(m *member, kind int) {
	m.kind, m.since, m.in = kind, c.o.Now(), c.waiting[kind]
	m.at, m.own = m.in.PushBack(m), m.from.waiting[kind].PushBack(m)
}

func (c *Crowd) work(m *member) {
	if m.in != nil {
		m.in.Remove(m.at)
		m.from.waiting[m.kind].Remove(m.own)
		m.in = nil
	}
}

func (c *Crowd) leave(m *member) {
	c.work(m)
	delete(c.members, m.conn)
	if m.from.n--; m.from.n == 0 {
		delete(c.of, m.from.key)
	}
}

// State is http.Server's ConnState.
func (c *Crowd) State(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[conn]
	if m == nil { // it has made room
		return
	}
	switch s {
	case http.StateActive:
		c.work(m)
	case http.StateIdle:
		c.work(m)
		c.wait(m, idle)
	case http.StateClosed, http.StateHijacked:
		c.leave(m)
	}
}
