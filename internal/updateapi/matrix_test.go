package updateapi_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// strangers is what each route answers someone without a ticket, or with words
// that are none: a route that is not here fails the test.
var strangers = map[string]struct {
	path string
	want int
}{
	"POST " + wire.PathCheckIn:                     {wire.PathCheckIn, http.StatusBadRequest},
	"POST " + wire.PathOutcome:                     {wire.PathOutcome, http.StatusBadRequest},
	"POST " + wire.PathClaim:                       {wire.PathClaim, http.StatusBadRequest},
	"GET " + wire.PathLineageV2:                    {"/api/v2/devices/none/builds", http.StatusOK},
	"GET " + wire.PathLineageV1:                    {"/api/v1/none/weekly/x", http.StatusOK},
	"GET " + wire.PathGrapheneOS + "{name}":        {wire.PathGrapheneOS + "none-weekly", http.StatusNotFound},
	"GET " + wire.PathCustota + "{channel}/{file}": {wire.PathCustota + "weekly/none.json", http.StatusNotFound},
	"GET " + wire.PathUpdateEngine:                 {"/api/update_engine/v1/none/weekly", http.StatusNotFound},
	"GET " + wire.PathPackages + "{digest}/{file}": {wire.PathPackages + strings.Repeat("0", 64) + "/x.zip", http.StatusNotFound},
	"GET " + updateapi.PathOpenAPI:                 {updateapi.PathOpenAPI, http.StatusOK},
}

// TestStrangers: every route by every method, with a member's cookie and without:
// the cookie changes nothing, none is set, and no answer is broken.
func TestStrangers(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	routes := b.api.Routes()
	for pattern := range strangers {
		if !slices.Contains(routes, pattern) {
			t.Errorf("the table has %s, which is no route", pattern)
		}
	}
	for _, pattern := range routes {
		c, ok := strangers[pattern]
		if !ok {
			t.Errorf("route %s is not in the table", pattern)
			continue
		}
		own, _, _ := strings.Cut(pattern, " ")
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
			var answers [2]string
			for i, cookie := range []string{"", "friday=a-session; __Host-friday=a-session"} {
				r, err := http.NewRequestWithContext(t.Context(), method, b.http.URL+c.path, strings.NewReader(`{"device": [}`))
				if err != nil {
					t.Fatal(err)
				}
				if cookie != "" {
					r.Header.Set("Cookie", cookie)
				}
				resp, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				want := http.StatusMethodNotAllowed
				if method == own {
					want = c.want
				}
				if err != nil || resp.StatusCode != want || resp.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s by %s: %d %v, %v; expected %d and no cookie", pattern, method, resp.StatusCode, resp.Header["Set-Cookie"], err, want)
				}
				answers[i] = string(body)
			}
			if answers[0] != answers[1] {
				t.Errorf("%s by %s answers a member's cookie otherwise:\n%s\n%s", pattern, method, answers[0], answers[1])
			}
		}
	}
	b.write(t, func(tx *db.Tx) error {
		var n int
		err := tx.QueryRow(`SELECT COUNT(*) FROM claims`).Scan(&n)
		if n != 0 {
			t.Errorf("strangers made %d claims", n)
		}
		return err
	})
}
