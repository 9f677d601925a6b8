package limit

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	l := New(0.5, 3, 10)
	now := time.Unix(1000, 0)
	l.now = func() time.Time { return now }
	take := func(key string, want int) {
		t.Helper()
		n := 0
		for range 10 {
			if l.Allow(key) {
				n++
			}
		}
		if n != want {
			t.Errorf("%s was let do %d things, want %d", key, n, want)
		}
	}
	take("a", 3)
	take("b", 3) // each key for itself
	if ok, after := l.Take("a"); ok || after != 2*time.Second {
		t.Errorf("found %v, %v; want a wait of 2s", ok, after)
	}
	now = now.Add(2 * time.Second)
	take("a", 1)
	now = now.Add(-time.Hour) // a clock set back neither gives nor takes
	take("a", 0)
	now = now.Add(3 * time.Hour)
	take("a", 3) // no more than the burst
	l.Reset("a")
	take("a", 3)
}

func TestBounded(t *testing.T) {
	l := New(1, 1, 100)
	for i := range 10_000 {
		l.Allow(fmt.Sprint(i))
	}
	if len(l.buckets) != 100 || l.recent.Len() != 100 {
		t.Errorf("%d and %d keys are remembered, want 100", len(l.buckets), l.recent.Len())
	}
	if l.Allow("9999") {
		t.Error("the newest key was forgotten")
	}
	if !l.Allow("0") {
		t.Error("the oldest key was remembered")
	}
}

func TestConcurrent(t *testing.T) {
	l := New(0, 50, 10)
	var allowed atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i := range 100 {
				if l.Allow("one") {
					allowed.Add(1)
				}
				l.Allow(fmt.Sprint(i % 5))
			}
		})
	}
	group.Wait()
	if n := allowed.Load(); n != 50 {
		t.Errorf("allowed %d, want 50", n)
	}
}

func TestAddress(t *testing.T) {
	for _, c := range [][2]string{
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	} {
		if got := Address(netip.MustParseAddr(c[0])); got != c[1] {
			t.Errorf("%s has the key %s, want %s", c[0], got, c[1])
		}
	}
}

func FuzzCaller(f *testing.F) {
	f.Add("192.0.2.1:1234", "203.0.113.9, 10.0.0.1")
	f.Add("10.0.0.1:1", "::ffff:10.0.0.2, fe80::1%eth0, x")
	f.Add("[::1]:80", ",,")
	f.Add("@", "")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	f.Fuzz(func(t *testing.T, remote, forwarded string) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		direct := Caller(&http.Request{RemoteAddr: remote}, trusted)
		if got := Caller(r, nil); got != direct {
			t.Errorf("nobody is trusted, and yet %q from %q makes %q of %q", forwarded, remote, got, direct)
		}
		if got := Caller(r, trusted); len(got) > max(len(remote), 64) {
			t.Errorf("a key of %d bytes from %q and %q", len(got), remote, forwarded)
		}
	})
}
