package updateapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// bench is a server with two releases for umi; the newer one runs at 100%.
type bench struct {
	db       *db.DB
	api      *updateapi.Server
	http     *httptest.Server
	blobs    *blob.Store
	tickets  *keys.Ticket
	full     []byte
	old, new catalog.Build
	packages map[string]catalog.Package // by kind, to the newer build
	rollout  fleet.Rollout
	clock    atomic.Pointer[time.Time] // of the lease
	booted   []outcome.Boot
	bootErr  error
}

func (b *bench) advance(d time.Duration) {
	next := b.clock.Load().Add(d)
	b.clock.Store(&next)
}

func build(version string, timestamp int64) catalog.Build {
	images := []catalog.Partition{{Name: "system", Digest: blob.Digest{byte(timestamp)}, Size: 4096}}
	return catalog.Build{ID: catalog.BuildID("umi", version, images), Device: "umi", Version: version, Incremental: version, PatchLevel: "2026-11-05", SDK: 35,
		Timestamp: timestamp, RollbackIndex: 5, VBMetaDigest: "d" + version, Images: images}
}

func newBench(t testing.TB, d *db.DB) *bench {
	t.Helper()
	b := &bench{db: d, full: bytes.Repeat([]byte("friday"), 5000), old: build("26.11.20", 2000), new: build("26.11.27", 3000), packages: map[string]catalog.Package{}}
	now := time.Now()
	b.clock.Store(&now)
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	if b.tickets, err = keys.OpenTicket(filepath.Join(t.TempDir(), "ticket.key")); err != nil {
		t.Fatal(err)
	}
	b.blobs = blobs
	b.write(t, func(tx *db.Tx) error {
		err := errors.Join(catalog.PutBuild(tx, b.old), catalog.PutBuild(tx, b.new),
			catalog.PutRelease(tx, catalog.Release{Name: "26.11.27", Commit: "c0ffee", Notes: "Fixed: #41", CutAt: time.Now(), Builds: map[string]string{"umi": b.new.ID}}))
		if err != nil {
			return err
		}
		for kind, content := range map[string][]byte{catalog.Full: b.full, catalog.Incremental: []byte("small")} {
			ref, err := blobs.Put(t.Context(), bytes.NewReader(content))
			if err != nil {
				return err
			}
			p := catalog.Package{Digest: ref.Digest, Size: ref.Size, Kind: kind, Device: "umi", To: b.new.ID, File: "umi-" + kind + "-26.11.27.zip", PayloadOffset: 1, PayloadSize: 2,
				Properties: "FILE_SIZE=2\n", PropertyFiles: "payload.bin:1:2,payload_properties.txt:3:9", ProvenAt: time.Now()}
			if kind == catalog.Incremental {
				p.From = b.old.ID
			}
			b.packages[kind] = p
			if err := catalog.PutPackage(tx, p); err != nil {
				return err
			}
		}
		b.rollout, err = fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Weekly, Build: b.new.ID, Stages: []fleet.Stage{{Percent: 100}}}, "ana", "go")
		return err
	})
	b.http = httptest.NewUnstartedServer(nil)
	b.api, err = updateapi.New(updateapi.Options{DB: d, Blobs: blobs, Tickets: b.tickets, BaseURL: "http://" + b.http.Listener.Addr().String(), Metrics: prometheus.NewPedanticRegistry(),
		Clock: func() time.Time { return *b.clock.Load() },
		OnBooted: func(_ *db.Tx, claim int64, build string) error {
			if b.bootErr == nil {
				b.booted = append(b.booted, outcome.Boot{Claim: claim, Build: build})
			}
			return b.bootErr
		}})
	if err != nil {
		t.Fatal(err)
	}
	b.http.Config.Handler = judged(t, b.api)
	b.http.Start()
	t.Cleanup(b.http.Close)
	return b
}

// serve is b with another server before the same database.
func (b *bench) serve(t *testing.T, api *updateapi.Server, d *db.DB) *bench {
	next := &bench{db: d, api: api, http: httptest.NewServer(api), blobs: b.blobs, tickets: b.tickets, old: b.old, new: b.new, packages: b.packages, rollout: b.rollout}
	t.Cleanup(next.http.Close)
	return next
}

func (b *bench) write(t testing.TB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := b.db.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) refresh(t testing.TB) {
	t.Helper()
	if err := b.api.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// post sends v and decodes the answer into out, unless that is nil.
func (b *bench) post(t testing.TB, path string, v, out any) int {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(b.http.URL+path, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 400 {
		var e wire.Error
		if json.Unmarshal(text, &e) != nil || e.Error == "" {
			t.Errorf("%s answered %d with %q, expected an error in JSON", path, resp.StatusCode, text)
		}
		return resp.StatusCode
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			t.Fatalf("%s answered %q: %v", path, text, err)
		}
	}
	return resp.StatusCode
}

func checkin() wire.CheckIn {
	return wire.CheckIn{Device: "umi", Incremental: "26.11.20", VBMetaDigest: "d26.11.20", Timestamp: 2000, PatchLevel: "2026-11-05", RollbackIndex: 5, Channel: "weekly", Bucket: 77, DaysSinceLast: -1}
}

func (b *bench) offer(t testing.TB, c wire.CheckIn) *wire.Offer {
	t.Helper()
	var r wire.CheckInReply
	if status := b.post(t, wire.PathCheckIn, c, &r); status != http.StatusOK {
		t.Fatalf("the check-in was answered with %d", status)
	}
	if r.NextCheck <= 0 || (r.Offer == nil) == (r.Reason == "") {
		t.Errorf("the reply is %+v", r)
	}
	return r.Offer
}

func TestCheckInToOutcome(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		if status := b.post(t, wire.PathCheckIn, checkin(), nil); status != http.StatusServiceUnavailable {
			t.Errorf("before the first snapshot the check-in was answered with %d", status)
		}
		b.refresh(t)
		o := b.offer(t, checkin())
		p := b.packages[catalog.Incremental]
		if o == nil || o.Kind != wire.Incremental || o.SHA256 != p.Digest.String() || o.Size != 5 || o.Version != "26.11.27" || o.Notes != "Fixed: #41" || o.Timestamp != 3000 {
			t.Fatalf("offered %+v", o)
		}
		for _, e := range []wire.Event{wire.Downloaded, wire.Applied, wire.Booted, wire.Booted} {
			if status := b.post(t, wire.PathOutcome, wire.Outcome{Token: o.Token, Event: e, Incremental: "26.11.27"}, nil); status != http.StatusNoContent {
				t.Errorf("%s was answered with %d", e, status)
			}
		}
		for name, out := range map[string]struct {
			o    wire.Outcome
			want int
		}{
			"forged":            {wire.Outcome{Token: o.Token + "x", Event: wire.Booted}, 403},
			"a ticket as token": {wire.Outcome{Token: b.tickets.Sign([]byte(`{"id":"x","rollout":1,"expires":99999999999}`)), Event: wire.Booted}, 403},
			"expired":           {wire.Outcome{Token: b.tickets.For("offer").Sign([]byte(`{"id":"x","expires":1}`)), Event: wire.Booted}, 410},
			"no event":          {wire.Outcome{Token: o.Token}, 400},
			"another build":     {wire.Outcome{Token: o.Token, Event: wire.Booted, Incremental: "26.11.20"}, 400},
			"a long field":      {wire.Outcome{Token: o.Token, Event: wire.Failed, Detail: strings.Repeat("x", 513)}, 400},
		} {
			if status := b.post(t, wire.PathOutcome, out.o, nil); status != out.want {
				t.Errorf("%s: answered with %d, expected %d", name, status, out.want)
			}
		}
		for range 2 {
			if err := b.api.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b.write(t, func(tx *db.Tx) error {
			n, err := outcome.Of(tx, b.rollout.ID)
			if n.Anonymous != (outcome.Group{Downloaded: 1, Applied: 1, Booted: 1}) {
				t.Errorf("counted %+v", n)
			}
			return err
		})
		if len(b.booted) != 0 {
			t.Errorf("an anonymous boot was handed on: %+v", b.booted)
		}
	})
}

func TestClaim(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		b.refresh(t)
		var code string
		b.write(t, func(tx *db.Tx) (err error) {
			code, _, err = member.FirstRunCode(tx)
			return err
		})
		m, err := member.NewPasswords(member.TestCost()).RegisterAdmin(t.Context(), d, code, "ana", "correct horse battery staple")
		if err != nil {
			t.Fatal(err)
		}
		b.write(t, func(tx *db.Tx) (err error) {
			code, err = member.NewClaimCode(tx, m.ID, "umi")
			return err
		})
		if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: "nonsense", Device: "umi"}, nil); status != http.StatusForbidden {
			t.Errorf("a wrong code was answered with %d", status)
		}
		var r wire.ClaimReply
		if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: code, Device: "umi"}, &r); status != http.StatusOK {
			t.Fatalf("the code was answered with %d", status)
		}
		if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: code, Device: "umi"}, nil); status != http.StatusForbidden {
			t.Errorf("a used code was answered with %d", status)
		}
		c := checkin()
		c.Channel, c.Ticket = "beta", r.Ticket
		var reply wire.CheckInReply
		b.post(t, wire.PathCheckIn, c, &reply)
		if !strings.Contains(reply.Reason, "no release") {
			t.Errorf("the team on beta is told %q, expected that there is nothing yet", reply.Reason)
		}
		b.write(t, func(tx *db.Tx) error { // claimed long before the release
			_, err := tx.Exec("UPDATE claims SET created_at = 1")
			return err
		})
		c.Channel = "weekly"
		o := b.offer(t, c)
		if status := b.post(t, wire.PathOutcome, wire.Outcome{Token: o.Token, Ticket: r.Ticket, Event: wire.Booted, Incremental: "26.11.27"}, nil); status != http.StatusNoContent {
			t.Fatalf("booted was answered with %d", status)
		}
		b.bootErr = errors.New("not now")
		if err := b.api.Flush(t.Context()); err == nil {
			t.Error("a boot that could not be handed on went unsaid")
		}
		b.bootErr = nil
		for range 2 {
			if err := b.api.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(b.booted) != 1 || b.booted[0].Build != b.new.ID {
			t.Fatalf("handed on %+v", b.booted)
		}
		b.write(t, func(tx *db.Tx) error {
			claim, err := member.ClaimByID(tx, b.booted[0].Claim)
			if claim.MemberID != m.ID {
				t.Errorf("the claim is %+v", claim)
			}
			n, err2 := outcome.Of(tx, b.rollout.ID)
			if n.Enrolled.Booted != 1 {
				t.Errorf("counted %+v", n)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		b.refresh(t)
		p := b.packages[catalog.Full]
		package_ := wire.PathPackages + p.Digest.String() + "/" + p.File
		lineage := strings.ReplaceAll(wire.PathLineageV2, "{device}", "umi")
		get := func(path string) int {
			resp, err := http.Get(b.http.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			return resp.StatusCode
		}
		expect := func(name string, checkin_, package__, lineage_ int) {
			t.Helper()
			if got := b.post(t, wire.PathCheckIn, checkin(), nil); got != checkin_ {
				t.Errorf("%s: check-in is answered with %d, expected %d", name, got, checkin_)
			}
			if got := get(package_); got != package__ {
				t.Errorf("%s: package is answered with %d, expected %d", name, got, package__)
			}
			if got := get(lineage); got != lineage_ {
				t.Errorf("%s: list is answered with %d, expected %d", name, got, lineage_)
			}
			if ready := b.api.Ready() == nil; ready != (checkin_ == 200) {
				t.Errorf("%s: ready is %v", name, ready)
			}
		}
		expect("fresh", 200, 200, 200)
		b.advance(5*time.Second - 1)
		expect("just in time", 200, 200, 200)
		b.advance(1)
		expect("out", 503, 503, 503)
		b.refresh(t)
		expect("renewed", 200, 200, 200)
		b.write(t, func(tx *db.Tx) error {
			_, err := fleet.Halt(tx, b.rollout.ID, "ana", "camera")
			return err
		})
		expect("halted, within the lease", 200, 200, 200)
		b.refresh(t)
		expect("halted", 200, 503, 200)
		if o := b.offer(t, checkin()); o != nil {
			t.Errorf("halted, and offered %+v", o)
		}
		b.write(t, func(tx *db.Tx) error {
			_, err := fleet.Pull(tx, b.rollout.ID, "ana", "camera")
			return err
		})
		b.refresh(t)
		expect("pulled", 200, 410, 200)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.api.Refresh(cancelled); err == nil {
			t.Error("a refresh that could not read renewed the lease")
		}
		b.advance(5 * time.Second)
		expect("out again", 503, 503, 503)
	})
}

func TestRanges(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	p := b.packages[catalog.Full]
	address := b.http.URL + wire.PathPackages + p.Digest.String() + "/" + p.File
	size := len(b.full)
	for _, c := range []struct {
		method, ranges, match string
		status                int
		contentRange          string
		from, to              int
	}{
		{"GET", "", "", 200, "", 0, size},
		{"HEAD", "", "", 200, "", 0, 0},
		{"GET", "bytes=0-", "", 206, fmt.Sprintf("bytes 0-%d/%d", size-1, size), 0, size},
		{"GET", "bytes=100-199", "", 206, fmt.Sprintf("bytes 100-199/%d", size), 100, 200},
		{"GET", fmt.Sprintf("bytes=%d-", size-1), "", 206, fmt.Sprintf("bytes %d-%d/%d", size-1, size-1, size), size - 1, size},
		{"GET", "bytes=-7", "", 206, fmt.Sprintf("bytes %d-%d/%d", size-7, size-1, size), size - 7, size},
		{"GET", fmt.Sprintf("bytes=29990-%d", size+99), "", 206, fmt.Sprintf("bytes 29990-%d/%d", size-1, size), 29990, size},
		{"GET", fmt.Sprintf("bytes=%d-", size), "", 416, fmt.Sprintf("bytes */%d", size), 0, 0},
		{"GET", "", `"` + p.Digest.String() + `"`, 304, "", 0, 0},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.ranges != "" {
			req.Header.Set("Range", c.ranges)
		}
		if c.match != "" {
			req.Header.Set("If-None-Match", c.match)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.status || resp.Header.Get("Content-Range") != c.contentRange {
			t.Errorf("%s %s: %d, Content-Range %q, %v; expected %d, %q", c.method, c.ranges, resp.StatusCode, resp.Header.Get("Content-Range"), err, c.status, c.contentRange)
		}
		if c.status < 300 && !bytes.Equal(got, b.full[c.from:c.to]) {
			t.Errorf("%s %s: %d bytes that differ from the package's", c.method, c.ranges, len(got))
		}
		if cache := resp.Header.Get("Cache-Control"); c.status < 400 && cache != "public, max-age=31536000, immutable" {
			t.Errorf("%s %s: Cache-Control is %q", c.method, c.ranges, cache)
		}
	}
	for _, path := range []string{"/" + p.Digest.String() + "/other.zip", "/" + strings.Repeat("0", 64) + "/" + p.File, "/x/" + p.File, "/../../etc/passwd"} {
		resp, err := http.Get(b.http.URL + "/packages" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", path, resp.StatusCode, resp.Header.Get("Cache-Control"))
		}
	}
}

func sqlite(t testing.TB) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestLimits(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"not JSON":         {"POST", wire.PathCheckIn, "hello", 400},
		"two values":       {"POST", wire.PathCheckIn, `{"device":"umi"} {}`, 400},
		"wrong type":       {"POST", wire.PathCheckIn, `{"device":7}`, 400},
		"no device":        {"POST", wire.PathCheckIn, `{}`, 400},
		"a bucket outside": {"POST", wire.PathCheckIn, `{"device":"umi","bucket":10000}`, 400},
		"too large":        {"POST", wire.PathCheckIn, `{"device":"` + strings.Repeat("x", wire.MaxRequest) + `"}`, 413},
		"wrong method":     {"GET", wire.PathCheckIn, "", 405},
		"nothing there":    {"GET", "/api/friday/v2/checkin", "", 404},
		"unknown fields":   {"POST", wire.PathCheckIn, `{"device":"umi","incremental":"1","timestamp":1,"rollback_index":0,"bucket":1,"days_since_last":-1,"patch_level":"2026-11-05","channel":"weekly","new":{"x":[1]}}`, 200},
		"empty claim":      {"POST", wire.PathClaim, `{}`, 400},
		"null":             {"POST", wire.PathOutcome, `null`, 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, b.http.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var e wire.Error
		err = json.NewDecoder(resp.Body).Decode(&e)
		resp.Body.Close()
		if resp.StatusCode != c.want || err != nil || c.want >= 400 && (e.Error == "" || resp.Header.Get("Content-Type") != "application/json") {
			t.Errorf("%s: answered with %d %q, %v; expected %d", name, resp.StatusCode, e.Error, err, c.want)
		}
	}
}

func TestRunFlushesAtTheEnd(t *testing.T) {
	b := newBench(t, sqlite(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.api.Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); b.api.Ready() != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Run did not read the rollouts")
		}
	}
	o := b.offer(t, checkin())
	b.post(t, wire.PathOutcome, wire.Outcome{Token: o.Token, Event: wire.Downloaded}, nil)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *db.Tx) error {
		n, err := outcome.Of(tx, b.rollout.ID)
		if n.Anonymous.Downloaded != 1 {
			t.Errorf("counted %+v", n)
		}
		return err
	})
}
