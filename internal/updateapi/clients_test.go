package updateapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
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

// lineageV1 reads a list as the old LineageOS Updater did: every field of every
// element by name and type; what is shown is not older than what runs, by
// version as text and by time, and of its own type; installed is only what has
// the same version.
func lineageV1(body []byte, version string, date int64, romtype string) (shown []string, err error) {
	var list struct {
		Response []map[string]any `json:"response"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	if list.Response == nil {
		return nil, fmt.Errorf("there is no response")
	}
	for _, u := range list.Response {
		text := func(name string) string {
			s, ok := u[name].(string)
			if !ok || s == "" {
				err = fmt.Errorf("%s is %v, expected a text", name, u[name])
			}
			return s
		}
		number := func(name string) int64 {
			n, ok := u[name].(float64)
			if !ok {
				err = fmt.Errorf("%s is %v, expected a number", name, u[name])
			}
			return int64(n)
		}
		file, id, typ, url, v, at, size := text("filename"), text("id"), text("romtype"), text("url"), text("version"), number("datetime"), number("size")
		if err != nil {
			return nil, err
		}
		if v >= version && at > date && strings.EqualFold(typ, romtype) && id != "" && size > 0 && strings.HasPrefix(url, "http") {
			shown = append(shown, file)
		}
	}
	return shown, nil
}

func TestLineageOSUpdaterV1(t *testing.T) {
	b := newBench(t, sqlite(t))
	address := b.http.URL + "/api/v1/umi/unofficial/eng.ana.20261120"
	if resp, _ := get(t, http.DefaultClient, address, ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first snapshot it is answered with %d", resp.StatusCode)
	}
	b.refresh(t)
	shows := func(want string) {
		t.Helper()
		resp, body := get(t, http.DefaultClient, address, "")
		shown, err := lineageV1(body, "26.11.20", 2000, "UNOFFICIAL")
		if err != nil || resp.StatusCode != http.StatusOK || strings.Join(shown, " ") != want {
			t.Errorf("%d, %v, shown is %q, expected %q:\n%s", resp.StatusCode, err, shown, want, body)
		}
	}
	shows("") // in its stages
	complete(t, b)
	shows("umi-full-26.11.27.zip")
	// It goes on with a download where it stopped.
	_, body := get(t, http.DefaultClient, address, "")
	var list struct{ Response []struct{ URL string } }
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	resp, rest := get(t, http.DefaultClient, list.Response[0].URL, "bytes=29000-")
	if resp.StatusCode != http.StatusPartialContent || !bytes.Equal(rest, b.full[29000:]) || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes 29000-%d/%d", len(b.full)-1, len(b.full)) {
		t.Errorf("a download that goes on gets %d, %q, %d bytes", resp.StatusCode, resp.Header.Get("Content-Range"), len(rest))
	}
	b.pull(t)
	shows("")
}

// TestGrapheneOSUpdater replays its way: the line, the incremental by the name
// that it makes up, on 404 and nothing else the full package; by Range, where 416
// means that it has all.
func TestGrapheneOSUpdater(t *testing.T) {
	b := newBench(t, sqlite(t))
	base := b.http.URL + "/grapheneos/"
	if resp, _ := get(t, http.DefaultClient, base+"umi-weekly", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first snapshot it is answered with %d", resp.StatusCode)
	}
	if resp, _ := get(t, http.DefaultClient, base+"umi-incremental-26.11.20-26.11.27.zip", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("before the first snapshot a package is answered with %d: on 404 it would fetch the full one", resp.StatusCode)
	}
	b.refresh(t)
	if resp, _ := get(t, http.DefaultClient, base+"umi-weekly", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("while the rollout is in its stages it is answered with %d", resp.StatusCode)
	}
	complete(t, b)
	resp, body := get(t, http.DefaultClient, base+"umi-weekly", "")
	line, rest, _ := strings.Cut(string(body), "\n")
	f := strings.Split(line, " ")
	if resp.StatusCode != http.StatusOK || rest != "" || len(f) != 4 || f[2] != "umi" || f[3] != "weekly" {
		t.Fatalf("the line is %q", body)
	}
	if at, err := strconv.ParseInt(f[1], 10, 64); err != nil || at != b.new.Timestamp {
		t.Errorf("the timestamp is %q", f[1])
	}
	fetch := func(from string) (path string, body []byte) {
		t.Helper()
		path = base + "umi-incremental-" + from + "-" + f[0] + ".zip"
		resp, body := get(t, http.DefaultClient, path, "bytes=0-")
		if resp.StatusCode == http.StatusNotFound {
			path = base + "umi-ota_update-" + f[0] + ".zip"
			resp, body = get(t, http.DefaultClient, path, "bytes=0-")
		}
		if resp.StatusCode != http.StatusPartialContent {
			t.Fatalf("%s is answered with %d", path, resp.StatusCode)
		}
		return path, body
	}
	path, body := fetch("26.11.20")
	if string(body) != "small" {
		t.Errorf("the incremental is %q", body)
	}
	if resp, _ := get(t, http.DefaultClient, path, "bytes=5-"); resp.StatusCode != http.StatusRequestedRangeNotSatisfiable || resp.Header.Get("Content-Range") != "bytes */5" {
		t.Errorf("what is complete is answered with %d, %q", resp.StatusCode, resp.Header.Get("Content-Range"))
	}
	if _, body := fetch("26.11.06"); !bytes.Equal(body, b.full) {
		t.Errorf("from a build without an incremental it gets %d bytes", len(body))
	}
	for _, name := range []string{"umi", "umi-nightly", "umi-", "-weekly", "lmi-weekly", "umi-ota_update-26.11.28.zip", "umi-incremental-.zip", ".zip", "umi-alpha"} {
		if resp, _ := get(t, http.DefaultClient, base+name, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s is answered with %d", name, resp.StatusCode)
		}
	}
	b.pull(t)
	if resp, _ := get(t, http.DefaultClient, path, ""); resp.StatusCode != http.StatusGone {
		t.Errorf("a pulled package is answered with %d", resp.StatusCode)
	}
}

// TestUpdateEngine replays what update_engine checks: a payload within the zip,
// properties as NAME=VALUE of which FILE_SIZE is the payload's, a ranged GET.
func TestUpdateEngine(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	complete(t, b)
	for from, kind := range map[string]string{"": catalog.Full, "26.11.20": catalog.Incremental, "unknown": catalog.Full} {
		p := b.packages[kind]
		resp, body := get(t, http.DefaultClient, b.http.URL+"/api/update_engine/v1/umi/weekly?from="+from, "")
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
			if !ok || strings.ContainsAny(h, "\r\n") {
				t.Errorf("a header is %q", h)
			}
			headers[name] = value
		}
		if u.Offset != p.PayloadOffset || u.Size != p.PayloadSize || u.Offset+u.Size > p.Size || headers["FILE_SIZE"] != fmt.Sprint(u.Size) {
			t.Errorf("from %q it is told %+v", from, u)
		}
		resp, _ = get(t, http.DefaultClient, u.URL, fmt.Sprintf("bytes=%d-%d", u.Offset, u.Offset+u.Size-1))
		if want := fmt.Sprintf("bytes %d-%d/%d", u.Offset, u.Offset+u.Size-1, p.Size); resp.StatusCode != http.StatusPartialContent || resp.Header.Get("Content-Range") != want {
			t.Errorf("from %q the payload is answered with %d, %q", from, resp.StatusCode, resp.Header.Get("Content-Range"))
		}
	}
	b.pull(t)
	if resp, _ := get(t, http.DefaultClient, b.http.URL+"/api/update_engine/v1/umi/weekly", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("pulled, and answered with %d", resp.StatusCode)
	}
}

// TestCDN: handsets are redirected to a CDN, whose own requests get the bytes; a
// pulled package is redirected nowhere, and no redirect is kept.
func TestCDN(t *testing.T) {
	b := newBench(t, sqlite(t))
	api, err := updateapi.New(updateapi.Options{DB: b.db, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "http://os.example", PackagesURL: "https://cdn.example/", Metrics: prometheus.NewPedanticRegistry(),
		Clock: func() time.Time { return *b.clock.Load() }})
	if err != nil {
		t.Fatal(err)
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
