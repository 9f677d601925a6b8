package handset

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/pipenet"
	"github.com/fridayos/friday/internal/wire"
)

// slow is hostile in a bubble of time: what takes long there is over at once, and
// how busy the machine is changes nothing.
func slow(t *testing.T, h func(w http.ResponseWriter, r *http.Request)) *Client {
	l := make(pipenet.Listener)
	s := &http.Server{Handler: http.HandlerFunc(h)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	transport := &http.Transport{DialContext: l.DialContext}
	t.Cleanup(func() { s.Close(); <-ended; transport.CloseIdleConnections() })
	return &Client{Base: "http://server", HTTP: &http.Client{Transport: transport}, Stall: 300 * time.Millisecond}
}

// hostile answers everything with one handler; what it holds open ends with the test.
func hostile(t *testing.T, h func(w http.ResponseWriter, r *http.Request)) *Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(h))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return &Client{Base: s.URL}
}

func TestServerThatDrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drip := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			for range 100 {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-time.After(100 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		}
		c := slow(t, drip)
		began := time.Now()
		if err := c.post(t.Context(), wire.PathCheckIn, struct{}{}, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reply that never ends: %v", err)
		}
		if took := time.Since(began); took != c.Stall {
			t.Errorf("it held the phone for %s, expected %s", took, c.Stall)
		}
	})
}

func TestServerThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pieces, pause = 8, 100 * time.Millisecond
		c := slow(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-999/1000")
			w.WriteHeader(http.StatusPartialContent)
			for range pieces { // slowly, but longer than the phone waits for a piece
				_, _ = w.Write([]byte("ten bytes."))
				w.(http.Flusher).Flush()
				time.Sleep(pause)
			}
			<-r.Context().Done()
		})
		f, err := os.Create(filepath.Join(t.TempDir(), "package"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		began := time.Now()
		if err := c.download(t.Context(), "/p", f, 0, 1000); !errors.Is(err, errStalled) || errors.Is(err, errWrongContent) {
			t.Errorf("a download that stands still: %v", err)
		}
		if took, want := time.Since(began), (pieces-1)*pause+c.Stall; took != want {
			t.Errorf("it held the phone for %s, expected %s", took, want)
		}
		if fi, err := f.Stat(); err != nil || fi.Size() != 10*pieces {
			t.Errorf("of what came, %d bytes were kept: %v", fi.Size(), err)
		}
	})
}

// The ticket and the code of a claim go to the server and nowhere else.
func TestServerThatSendsElsewhere(t *testing.T) {
	reached := false
	other := hostile(t, func(w http.ResponseWriter, _ *http.Request) { reached = true; w.WriteHeader(http.StatusNoContent) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		c := hostile(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.Base+r.URL.Path, code) })
		err := c.post(t.Context(), wire.PathOutcome, wire.Outcome{Ticket: "secret"}, nil)
		var status *statusError
		if !errors.As(err, &status) || status.permanent() {
			t.Errorf("%d: %v, expected an error that is tried again", code, err)
		}
	}
	if reached {
		t.Error("the other host was asked")
	}
}

func TestServerThatPromisesTooMuch(t *testing.T) {
	o := wire.Offer{Release: "x", Size: 1 << 62, SHA256: strings.Repeat("a", 64), PatchLevel: "2026-11-05"}
	if err := checkOffer(&o, System{}); err == nil {
		t.Error("a package of 4 EiB is taken")
	}
	endless := hostile(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
				return
			}
		}
	})
	if err := endless.post(t.Context(), wire.PathCheckIn, struct{}{}, nil); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless reply: %v", err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "package"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := endless.download(t.Context(), "/p", f, 0, 1000); !errors.Is(err, errWrongContent) {
		t.Errorf("an endless package: %v", err)
	}
}

func TestDetailFits(t *testing.T) {
	for n := range 4 {
		if got := oneLine(strings.Repeat("x", n) + strings.Repeat("€", 400)); len(got) > wire.MaxField || !utf8.ValidString(got) {
			t.Errorf("a detail of %d bytes, text: %v", len(got), utf8.ValidString(got))
		}
	}
}
