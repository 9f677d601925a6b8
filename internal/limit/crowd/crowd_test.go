package crowd_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/limit/crowd"
)

// server is a real one on loopback; what is asked of /wait waits for go on.
type server struct {
	*testing.T
	crowd *crowd.Crowd
	addr  string
	goOn  chan struct{}
	ahead atomic.Int64 // of the clock
	busy  atomic.Int64 // requests that wait
}

func newServer(t *testing.T, o crowd.Options) *server {
	t.Helper()
	s := &server{T: t, goOn: make(chan struct{})}
	o.Now = func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	s.crowd = crowd.New(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	srv := &http.Server{ConnState: s.crowd.State, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			s.busy.Add(1)
			<-s.goOn
			s.busy.Add(-1)
		}
		fmt.Fprint(w, "hello")
	})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.crowd.Listener(l)) }()
	t.Cleanup(func() { srv.Close(); <-ended })
	return s
}

// conn opens a connection from an address of loopback and says something.
func (s *server) conn(from, text string) net.Conn {
	s.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(s.Context(), "tcp", s.addr)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		s.Fatal(err)
	}
	return c
}

const (
	request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	waits   = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
	drop    = "GET / HTTP/1.1\r\nHost: x\r\nX-Drop: "
)

// status is what a connection is answered with; 0: it was closed.
func status(c net.Conn) int {
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, r.Body)
	if err != nil {
		return 0
	}
	return r.StatusCode
}

func (s *server) want(c net.Conn, what string, want int) {
	s.Helper()
	if got := status(c); got != want {
		s.Errorf("%s is answered with %d, expected %d (%+v)", what, got, want, s.crowd.Counts())
	}
}

// until waits for something that happens by itself.
func (s *server) until(what string, is func() bool) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 30*time.Second)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			s.Fatalf("%s: never (%+v)", what, s.crowd.Counts())
		case <-time.After(time.Millisecond):
		}
	}
}

const most = 20

// TestIdle: a connection that is idle makes room, the one that is longest so.
func TestIdle(t *testing.T) {
	s := newServer(t, crowd.Options{Most: most, PerAddress: most})
	var all []net.Conn
	for range most {
		c := s.conn("127.0.0.1", request)
		s.want(c, "one of few", 200)
		all = append(all, c)
		// The answer is there before the server calls it idle; the next one is after it.
		s.until("idle", func() bool { return s.crowd.Counts().Idle == int64(len(all)) })
	}
	for i := range 5 {
		s.want(s.conn("127.0.0.1", request), "one more", 200)
		if n, err := all[i].Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("the one that was idle longest reads %d bytes, %v", n, err)
		}
	}
	if _, err := io.WriteString(all[most-1], request); err != nil {
		t.Fatal(err)
	}
	s.want(all[most-1], "the one that was idle shortest", 200)
	if n := s.crowd.Counts(); n.Open > most || n.Evicted != 5 || n.Refused != 0 {
		t.Errorf("counts are %+v", n)
	}
}

// TestSilent: connections whose request never ends make room after a second.
func TestSilent(t *testing.T) {
	s := newServer(t, crowd.Options{Most: most, PerAddress: most})
	for range most {
		s.conn("127.0.0.1", drop)
	}
	s.until("all open", func() bool { return s.crowd.Counts().Open == most })
	s.want(s.conn("127.0.0.1", request), "one more, at once", 503)
	s.ahead.Store(int64(time.Second))
	for range 5 {
		s.want(s.conn("127.0.0.1", request), "one more, a second later", 200)
	}
}

// TestBusy: nobody is cut off in the middle of a request; who comes is told so,
// and taken when there is room again.
func TestBusy(t *testing.T) {
	s := newServer(t, crowd.Options{Most: most, PerAddress: most})
	var all []net.Conn
	for range most {
		all = append(all, s.conn("127.0.0.1", waits))
	}
	s.until("all busy", func() bool { return s.busy.Load() == most })
	s.ahead.Store(int64(time.Hour))
	for range 3 {
		c := s.conn("127.0.0.1", request)
		text, err := io.ReadAll(c)
		if err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 503 ") || !strings.Contains(string(text), "\r\nRetry-After: 30\r\n") || !strings.HasSuffix(string(text), "come again") {
			t.Errorf("who comes reads %q, %v", text, err)
		}
	}
	close(s.goOn)
	for _, c := range all {
		s.want(c, "one that was busy", 200)
	}
	s.want(s.conn("127.0.0.1", request), "one more", 200)
	if n := s.crowd.Counts(); n.Refused != 3 {
		t.Errorf("counts are %+v", n)
	}
}

// TestAddress: one address does not take all; what it has idle makes room for its
// own, and others never notice.
func TestAddress(t *testing.T) {
	s := newServer(t, crowd.Options{Most: most}) // half of them for each
	for range most / 2 {
		s.conn("127.0.0.2", waits)
	}
	s.until("all of one address busy", func() bool { return s.busy.Load() == most/2 })
	s.want(s.conn("127.0.0.2", request), "one more of the address", 503)
	for range 2 * most { // each leaves its connection open
		s.want(s.conn("127.0.0.3", request), "another's", 200)
	}
	s.want(s.conn("127.0.0.4", request), "a third's", 200)
	close(s.goOn)
	s.until("requests end", func() bool { return s.busy.Load() == 0 })
	s.want(s.conn("127.0.0.2", request), "one more of the address, later", 200)
}

// TestCarrier: of many handsets behind one address, each with a connection that it
// leaves open, all are served, as are those behind a trusted proxy.
func TestCarrier(t *testing.T) {
	for name, o := range map[string]crowd.Options{"an address": {Most: most}, "a proxy": {Most: most, PerAddress: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, o)
			var served atomic.Int64
			var wg sync.WaitGroup
			for range 5 { // at once
				wg.Go(func() {
					for range 60 {
						if c := s.conn("127.0.0.9", request); status(c) == 200 {
							served.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if n := s.crowd.Counts(); served.Load() != 300 || n.Open > most || n.Refused != 0 {
				t.Errorf("%d of 300 are served, %+v", served.Load(), n)
			}
		})
	}
}

// TestGone: what has left is forgotten.
func TestGone(t *testing.T) {
	s := newServer(t, crowd.Options{Most: most})
	for i := range 3 * most {
		c := s.conn(fmt.Sprint("127.0.1.", i+1), request)
		s.want(c, "one of many", 200)
		c.Close()
	}
	s.until("all gone", func() bool { return s.crowd.Counts().Open == 0 })
	if n := s.crowd.Counts(); n.Refused != 0 {
		t.Errorf("counts are %+v", n)
	}
}

func TestDefault(t *testing.T) {
	for files, want := range map[uint64]int{0: 64, 256: 64, 1024: 384, 20_000: 9872, 1_048_576: 50_000, 1 << 63: 50_000, 1<<64 - 1: 50_000} {
		if got := crowd.Default(files); got != want {
			t.Errorf("of %d files: %d connections, expected %d", files, got, want)
		}
	}
}
