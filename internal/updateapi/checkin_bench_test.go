package updateapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/wire"
)

// asked is a request that is sent again and again, and takes the answer.
type asked struct {
	http.Request
	body   strings.Reader
	text   string
	header http.Header
	status int
	n      int
}

func newAsked(t testing.TB, c wire.CheckIn) *asked {
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{Request: *httptest.NewRequest(http.MethodPost, wire.PathCheckIn, nil), text: string(text), header: http.Header{}}
	a.ContentLength = int64(len(text))
	a.Body = io.NopCloser(&a.body)
	return a
}

func (a *asked) Header() http.Header { return a.header }

// As a connection's.
func (a *asked) SetReadDeadline(time.Time) error  { return nil }
func (a *asked) SetWriteDeadline(time.Time) error { return nil }

func (a *asked) WriteHeader(s int) { a.status = s }
func (a *asked) Write(b []byte) (int, error) {
	a.n += len(b)
	return len(b), nil
}

// of asks h once.
func (a *asked) of(h http.Handler) {
	a.body.Reset(a.text)
	a.status, a.n = http.StatusOK, 0
	h.ServeHTTP(a, &a.Request)
}

// newest runs what is newest, as nearly all do; behind gets an offer.
func newest() wire.CheckIn {
	c := checkin()
	c.Incremental, c.VBMetaDigest, c.Timestamp, c.DaysSinceLast = "26.11.27", "", 3000, 0
	c.Fingerprint, c.Region, c.BaseVersion, c.Slot, c.Agent = "Friday/umi/umi:13/TQ3A/1:user/release-keys", "IN", "13", "a", "friday-agent/1"
	return c
}

func BenchmarkCheckIn(b *testing.B) {
	for name, c := range map[string]wire.CheckIn{"nothing new": newest(), "offer": checkin()} {
		b.Run(name, func(b *testing.B) {
			s := newBench(b, sqlite(b))
			s.refresh(b)
			a := newAsked(b, c)
			b.ReportAllocs()
			for b.Loop() {
				a.of(s.api)
			}
			if a.status != http.StatusOK {
				b.Fatalf("answered with %d", a.status)
			}
		})
	}
}

// TestCheckInAllocates: what a check-in takes from the heap stays what it is,
// the first time as the thousandth.
func TestCheckInAllocates(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	for name, c := range map[string]struct {
		asks wire.CheckIn
		most float64
	}{"nothing new": {newest(), 2}, "offer": {checkin(), 17}} {
		a := newAsked(t, c.asks)
		early := testing.AllocsPerRun(100, func() { a.of(b.api) })
		for range 2000 {
			a.of(b.api)
		}
		late := testing.AllocsPerRun(100, func() { a.of(b.api) })
		if a.status != http.StatusOK || a.n == 0 {
			t.Fatalf("%s: answered with %d and %d bytes", name, a.status, a.n)
		}
		if late > early+1 || late > c.most {
			t.Errorf("%s: %v allocations at first, %v later, expected no more, and %v at most", name, early, late, c.most)
		}
	}
}
