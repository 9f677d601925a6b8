package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestHostileConnections: headers without end are refused, those that come drop
// by drop are cut off, and others are answered meanwhile.
func TestHostileConnections(t *testing.T) {
	srv := newHTTP(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }), slog.New(slog.DiscardHandler))
	if srv.ReadHeaderTimeout <= 0 || srv.ReadTimeout <= 0 || srv.IdleTimeout <= 0 {
		t.Errorf("a connection may take for ever: %v, %v, %v", srv.ReadHeaderTimeout, srv.ReadTimeout, srv.IdleTimeout)
	}
	srv.ReadHeaderTimeout, srv.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	// answer is all that comes back until the server hangs up.
	answer := func(text string) string {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		_, _ = io.WriteString(c, text) // it may be refused half way
		got, err := io.ReadAll(c)
		if nerr, ok := err.(net.Error); ok && nerr.Timeout() {
			return fmt.Sprintf("no end: %.60q", got)
		}
		return string(got)
	}
	slow := make(chan string, 20)
	for range cap(slow) {
		go func() { slow <- answer("GET / HTTP/1.1\r\nHost: x\r\nX-Drop: ") }()
	}
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
			if got := answer(c.text); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("answered with %.60q, expected %q", got, c.want)
			}
		})
	}
	for range cap(slow) {
		if got := <-slow; got != "" {
			t.Errorf("headers without an end were answered with %.60q, expected the end of the connection", got)
		}
	}
}
