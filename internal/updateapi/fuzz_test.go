package updateapi_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/wire"
)

func FuzzBodies(f *testing.F) {
	b := newBench(f, sqlite(f))
	b.refresh(f)
	for _, seed := range []string{`{}`, `null`, `[`, `{"device":"umi","patch_level":"2026-11-05","channel":"weekly","bucket":1,"ticket":"x.y"}`,
		`{"token":"` + b.tickets.For("offer").Sign([]byte(`{"id":"x","rollout":1,"expires":9999999999}`)) + `","event":"failed","stage":"apply"}`, `{"code":"ABCD","device":"umi"}`} {
		for i := range 3 {
			f.Add(i, seed)
		}
	}
	paths := []string{wire.PathCheckIn, wire.PathOutcome, wire.PathClaim}
	f.Fuzz(func(t *testing.T, i int, body string) {
		w := httptest.NewRecorder()
		b.api.ServeHTTP(w, httptest.NewRequest("POST", paths[uint(i)%3], strings.NewReader(body)))
		switch w.Code {
		case 200, 204, 400, 403, 410, 413, 429:
		default:
			t.Fatalf("%s answered %q with %d %s", paths[uint(i)%3], body, w.Code, w.Body)
		}
	})
}
