package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes listens without a network, so that a test may run by a clock of its own:
// how busy the machine is changes nothing, and what takes long is over at once.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.IPAddr{} }

// answer is all that comes back of what is sent until the server hangs up, and
// how long that took.
func (p pipes) answer(text string) (string, time.Duration) {
	c, there := net.Pipe()
	defer c.Close()
	began := time.Now()
	p <- there
	_ = c.SetDeadline(began.Add(time.Hour))
	go func() { _, _ = io.WriteString(c, text) }() // it may be refused half way
	got, err := io.ReadAll(c)
	if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
		return fmt.Sprintf("no end: %.60q", got), time.Since(began)
	}
	return string(got), time.Since(began)
}

// TestHostileConnections: headers without end are refused, those that come drop
// by drop are cut off, and others are answered meanwhile.
func TestHostileConnections(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a request":        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 "}, // and nothing after it
		"a long header":    {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", "HTTP/1.1 431 "},
		"many headers":     {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n", "HTTP/1.1 431 "},
		"a long address":   {"GET /" + strings.Repeat("x", 40<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 431 "},
		"no HTTP":          {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400 "},
		"two lengths":      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", "HTTP/1.1 400 "},
		"nothing but dots": {"GET / HTTP/1.1\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := newHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }), slog.New(slog.DiscardHandler))
				if srv.ReadHeaderTimeout <= 0 || srv.ReadTimeout <= 0 || srv.IdleTimeout <= 0 {
					t.Fatalf("a connection may take for ever: %v, %v, %v", srv.ReadHeaderTimeout, srv.ReadTimeout, srv.IdleTimeout)
				}
				l := make(pipes)
				ended := make(chan error, 1)
				go func() { ended <- srv.Serve(l) }()
				defer func() { srv.Close(); <-ended }()
				var slow sync.WaitGroup
				for range 20 {
					slow.Go(func() {
						if got, took := l.answer("GET / HTTP/1.1\r\nHost: x\r\nX-Drop: "); got != "" || took != srv.ReadHeaderTimeout {
							t.Errorf("headers without an end were answered with %.60q after %v, expected the end of the connection after %v", got, took, srv.ReadHeaderTimeout)
						}
					})
				}
				synctest.Wait() // they have said their drop
				got, took := l.answer(c.text)
				if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
					t.Errorf("answered with %.60q, expected %q", got, c.want)
				}
				if took > srv.IdleTimeout {
					t.Errorf("it was held open for %v", took)
				}
				slow.Wait()
			})
		})
	}
}
