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

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/pipenet"
)

// answer is all that comes back of what is sent until the server hangs up, and
// how long that took.
func answer(l pipenet.Listener, text string) (string, time.Duration) {
	began := time.Now()
	c := l.Dial()
	defer c.Close()
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
				l := make(pipenet.Listener)
				ended := make(chan error, 1)
				go func() { ended <- srv.Serve(l) }()
				defer func() { srv.Close(); <-ended }()
				var slow sync.WaitGroup
				for range 20 {
					slow.Go(func() {
						if got, took := answer(l, "GET / HTTP/1.1\r\nHost: x\r\nX-Drop: "); got != "" || took != srv.ReadHeaderTimeout {
							t.Errorf("headers without an end were answered with %.60q after %v, expected the end of the connection after %v", got, took, srv.ReadHeaderTimeout)
						}
					})
				}
				synctest.Wait() // they have said their drop
				got, took := answer(l, c.text)
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

// TestConnections: of a server as serve makes it, one address cannot have all
// connections, who comes when there is no room is told so, and the figures say it.
func TestConnections(t *testing.T) {
	s := &installation{}
	s.Connections = connectionsConfig{Most: 64, PerAddress: 8}
	registry := prometheus.NewPedanticRegistry()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var busy sync.WaitGroup
	busy.Add(8)
	goOn := make(chan struct{})
	srv, bound := bounded(newHTTP(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			busy.Done()
			<-goOn
		}
	}), slog.New(slog.DiscardHandler)), l, s.crowd(registry, slog.New(slog.DiscardHandler)))
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(bound) }()
	defer func() { srv.Close(); <-ended }()
	ask := func(from, path string) net.Conn {
		t.Helper()
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(t.Context(), "tcp", l.Addr().String())
		if err == nil {
			t.Cleanup(func() { c.Close() })
			_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	answered := func(c net.Conn) string {
		var b [12]byte
		_, _ = io.ReadFull(c, b[:])
		return string(b[:])
	}
	for range 8 {
		ask("127.0.0.2", "/wait")
	}
	busy.Wait()
	if got := answered(ask("127.0.0.2", "/")); got != "HTTP/1.1 503" {
		t.Errorf("a ninth connection of one address is answered with %q", got)
	}
	if got := answered(ask("127.0.0.3", "/")); got != "HTTP/1.1 200" {
		t.Errorf("another address is answered with %q", got)
	}
	close(goOn)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
	}
	if got["friday_connections_most"] != 64 || got["friday_connections_open"] < 1 || got["friday_connections_refused_total"] != 1 {
		t.Errorf("the figures are %v", got)
	}
}
