package updateapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/wire"
)

// TestWrongAsking: what no client means is refused as its own mistake, not as the
// server's, and a range of no bytes has no Content-Range that cannot be.
func TestWrongAsking(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	if resp, _ := get(t, http.DefaultClient, b.http.URL+"/api/v2/devices/umi/builds?type="+strings.Repeat("x", 6000), ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a type of 6000 bytes is answered with %d", resp.StatusCode)
	}
	p := b.packages[catalog.Full]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.http.URL+wire.PackagePath(p.Digest.String(), p.File), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Range", "bytes=-0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestedRangeNotSatisfiable || resp.Header.Get("Content-Range") != "bytes */30000" {
		t.Errorf("the last 0 bytes are answered with %d, Content-Range %q", resp.StatusCode, resp.Header.Get("Content-Range"))
	}
}
