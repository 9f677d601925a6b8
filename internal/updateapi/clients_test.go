package updateapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/updateapi"
)

// complete lets the newer release of a bench reach everyone.
func complete(t *testing.T, b *bench) {
	t.Helper()
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Next(tx, b.rollout.ID, "ana", "all well")
		return err
	})
	b.refresh(t)
}

func (b *bench) pull(t *testing.T) {
	t.Helper()
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, b.rollout.ID, "ana", "eats photos")
		return err
	})
	b.refresh(t)
}

// get fetches an address; ranges is a Range header, or empty.
func get(t *testing.T, client *http.Client, address, ranges string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

// TestUpdateEngine replays what update_engine does with url, offset, size and
// headers (common/libcurl_http_fetcher.cc, payload_consumer/install_plan.cc): it
// follows at most 10 redirects, asks for the bytes that it lacks by their first
// and last, and wants them with 206; the payload's size and hash are those of the
// headers, its first bytes the magic.
func TestUpdateEngine(t *testing.T) {
	b := newBench(t, sqlite(t))
	s := ship(t, b)
	s.complete(t)
	redirects := 0
	client := &http.Client{CheckRedirect: func(_ *http.Request, via []*http.Request) error {
		if redirects = len(via); redirects > 10 {
			return errors.New("too many redirects")
		}
		return nil
	}}
	for from, kind := range map[string]string{"": catalog.Full, "26.11.20": catalog.Incremental, "unknown": catalog.Full} {
		p := s.packages[kind]
		resp, body := get(t, http.DefaultClient, b.http.URL+"/api/update_engine/v1/cmi/weekly?from="+from, "")
		var u struct {
			URL          string
			Offset, Size int64
			Headers      []string
		}
		if err := json.Unmarshal(body, &u); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%d, %v: %s", resp.StatusCode, err, body)
		}
		headers := map[string]string{}
		for _, h := range u.Headers {
			name, value, ok := strings.Cut(h, "=")
			if _, twice := headers[name]; !ok || twice || strings.ContainsAny(h, "\r\n") {
				t.Errorf("a header is %q", h)
			}
			headers[name] = value
		}
		if u.Offset != p.PayloadOffset || u.Size != p.PayloadSize || u.Offset+u.Size > p.Size || headers["FILE_SIZE"] != fmt.Sprint(u.Size) || headers["FILE_HASH"] == "" || headers["METADATA_SIZE"] == "" {
			t.Errorf("from %q it is told %+v", from, u)
		}
		for _, at := range []int64{0, u.Size / 2, u.Size - 1} { // it goes on where it was cut off
			resp, body := get(t, client, u.URL, fmt.Sprintf("bytes=%d-%d", u.Offset+at, u.Offset+u.Size-1))
			if want := fmt.Sprintf("bytes %d-%d/%d", u.Offset+at, u.Offset+u.Size-1, p.Size); resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Content-Range") != want || resp.ContentLength != u.Size-at || at == 0 && !bytes.HasPrefix(body, []byte("CrAU")) {
				t.Errorf("from %q the payload from %d on is answered with %d, %q, %d bytes", from, at, resp.StatusCode, resp.Header.Get("Content-Range"), resp.ContentLength)
			}
		}
	}
	if redirects != 0 {
		t.Errorf("it was redirected %d times", redirects)
	}
	s.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, s.rollout.ID, "ana", "eats photos")
		return err
	})
	s.refresh(t)
	if resp, _ := get(t, http.DefaultClient, b.http.URL+"/api/update_engine/v1/cmi/weekly", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("pulled, and answered with %d", resp.StatusCode)
	}
}

// TestCDN: handsets are redirected to a CDN, whose own requests get the bytes; a
// pulled package is redirected nowhere, and no redirect is kept.
func TestCDN(t *testing.T) {
	b := newBench(t, sqlite(t))
	api, err := updateapi.New(updateapi.Options{DB: b.db, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "https://os.example", PackagesURL: "https://cdn.example/", Metrics: prometheus.NewPedanticRegistry(),
		Clock: func() time.Time { return *b.clock.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	// No client follows a redirect from one protocol to another.
	if _, err := updateapi.New(updateapi.Options{DB: b.db, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "https://os.example", PackagesURL: "http://cdn.example/"}); err == nil || !strings.Contains(err.Error(), "expected https as the base URL") {
		t.Errorf("a CDN without TLS: %v", err)
	}
	n := b.serve(t, api, b.db)
	n.refresh(t)
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	p := b.packages[catalog.Full]
	path := "/packages/" + p.Digest.String() + "/" + p.File
	for _, path := range []string{path, "/grapheneos/umi-ota_update-26.11.27.zip"} {
		resp, _ := get(t, stay, n.http.URL+path, "bytes=5-9")
		if resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "https://cdn.example/packages/"+p.Digest.String()+"/"+p.File || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is answered with %d to %q, %q", path, resp.StatusCode, resp.Header.Get("Location"), resp.Header.Get("Cache-Control"))
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", n.http.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("CDN-Loop", "cdn.example")
	resp, err := stay.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK || !bytes.Equal(body, b.full) {
		t.Errorf("the CDN gets %d, %d bytes, %v", resp.StatusCode, len(body), err)
	}
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Pull(tx, b.rollout.ID, "ana", "eats photos")
		return err
	})
	n.refresh(t)
	if resp, _ := get(t, stay, n.http.URL+path, ""); resp.StatusCode != http.StatusGone {
		t.Errorf("a pulled package is answered with %d", resp.StatusCode)
	}
}
