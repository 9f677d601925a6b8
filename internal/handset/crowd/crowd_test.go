package crowd_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/fridayos/friday/internal/handset/crowd"
	"github.com/fridayos/friday/internal/wire"
)

func options(server string) crowd.Options {
	return crowd.Options{Server: server, Count: 2000, Devices: []string{"umi", "lmi"}, Regions: []string{"IN", "DE"}, Versions: []string{"26.11.20", "26.11.13@1500"}, Timestamp: 2000, PatchLevel: "2026-11-05",
		Early: 0.5, Modified: 0.1, Fails: 0.05, RollsBack: 0.05, Silent: 0.05, Rounds: 2, Connections: 8, Seed: 1}
}

// TestCrowd: a server that offers umi a build hears of every one that took it,
// as often and as badly as the options say.
func TestCrowd(t *testing.T) {
	var mu sync.Mutex
	events, regions, zones, runs := map[wire.Event]int{}, map[string]int{}, map[int]bool{}, map[string]int64{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+wire.PathCheckIn, func(w http.ResponseWriter, r *http.Request) {
		var c wire.CheckIn
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil || c.Check() != nil {
			t.Errorf("a check-in is %+v, %v", c, err)
		}
		mu.Lock()
		regions[c.Region]++
		zones[c.UTCOffset] = true
		runs[c.Incremental] = c.Timestamp
		mu.Unlock()
		var reply wire.CheckInReply
		if c.Device == "umi" && c.Incremental != "26.11.27" {
			reply.Offer = &wire.Offer{Version: "26.11.27", Timestamp: 3000, PatchLevel: "2026-11-05", Token: "t"}
		}
		_ = json.NewEncoder(w).Encode(reply)
	})
	mux.HandleFunc("POST "+wire.PathOutcome, func(w http.ResponseWriter, r *http.Request) {
		var o wire.Outcome
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.Token != "t" {
			t.Errorf("an outcome is %+v, %v", o, err)
		}
		mu.Lock()
		events[o.Event]++
		mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	f, err := crowd.New(options(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Offers != events[wire.Downloaded] || s.Versions["26.11.27"] != events[wire.Booted] || s.Versions["26.11.27"]+s.Versions["26.11.20"]+s.Versions["26.11.13"] != 2000 {
		t.Errorf("summed %+v, the server heard %v", s, events)
	}
	if s.CheckIns > 4000 || s.CheckIns < 3900 { // the silent ones ask no more
		t.Errorf("%d check-ins", s.CheckIns)
	}
	for event, about := range map[wire.Event]int{wire.Failed: 50, wire.RolledBack: 50, wire.Booted: 850} {
		if n := events[event]; n < about/2 || n > about*3/2 {
			t.Errorf("%s: %d, expected about %d", event, n, about)
		}
	}
	if !maps.Equal(runs, map[string]int64{"26.11.20": 2000, "26.11.13": 1500, "26.11.27": 3000}) {
		t.Errorf("they ran %v", runs)
	}
	if len(regions) != 2 || len(zones) < 50 {
		t.Errorf("regions %v, %d time zones", regions, len(zones))
	}
}

func TestCrowdRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", http.StatusServiceUnavailable) }))
	defer server.Close()
	f, err := crowd.New(options(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Run(t.Context())
	if err != nil || s.Refused["503 Service Unavailable"] != 4000 || s.Offers != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	server.Close()
	if _, err := f.Run(t.Context()); err == nil {
		t.Error("a server that is gone went unsaid")
	}
	for want, change := range map[string]func(o *crowd.Options){
		"expected an addr": func(o *crowd.Options) { o.Server = "nowhere" },
		"0 versions":       func(o *crowd.Options) { o.Versions = nil },
		"a version is":     func(o *crowd.Options) { o.Versions = []string{"26.11.20@soon"} },
		"0 handsets":       func(o *crowd.Options) { o.Count = 0 },
		"no device":        func(o *crowd.Options) { o.Devices = nil },
		"patch level":      func(o *crowd.Options) { o.PatchLevel = "soon" },
		"a share is":       func(o *crowd.Options) { o.Fails = 1.5 },
		"a share is 1.1":   func(o *crowd.Options) { o.Fails, o.RollsBack, o.Silent = 0.5, 0.5, 0.1 },
		"round or more":    func(o *crowd.Options) { o.Rounds = 0 },
		"10000 connectio":  func(o *crowd.Options) { o.Connections = 0 },
	} {
		o := options("http://nowhere")
		change(&o)
		if _, err := crowd.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

// TestServerThatHangsUp: a server may end a connection after any answer; what has
// no answer at all is an error.
func TestServerThatHangsUp(t *testing.T) {
	n := 0
	var mu sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%3 == 0 {
			w.Header().Set("Connection", "close")
		}
		_ = json.NewEncoder(w).Encode(wire.CheckInReply{NextCheck: 60})
	}))
	defer server.Close()
	o := options(server.URL)
	o.Count, o.Silent = 300, 0
	f, err := crowd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := f.Run(t.Context()); err != nil || s.CheckIns != 600 || len(s.Refused) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	mute := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer mute.Close()
	if f, err = crowd.New(options(mute.URL)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Run(t.Context()); err == nil {
		t.Error("a server without an answer went unsaid")
	}
}
