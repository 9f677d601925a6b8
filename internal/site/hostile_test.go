package site

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

// A name is one name however it is written, and who guesses from one address
// does not keep its owner out.
func TestGuessing(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.people()
	from := func(address, name, password string) int {
		r := httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader(url.Values{"name": {name}, "password": {password}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = address + ":4000"
		return w.send("", r).Code
	}
	last := 0
	for i, name := range []string{"ana", "ANA", " ana", "ana  ", "\tana", "ａｎａ", "Ana", "ana\n", "\u00a0ana", "aNa", strings.Repeat(" ", 300) + "ana"} {
		if last = from("203.0.113.7", name, "guess"); i < 9 && last != 422 {
			t.Errorf("guess %d: %d, expected 422", i, last)
		}
	}
	if last != 429 {
		t.Errorf("the eleventh guess at one name: %d, expected 429", last)
	}
	for range 30 {
		from("203.0.113.7", "ana", "guess")
	}
	if got := from("198.51.100.1", "ana", password); got != 303 {
		t.Errorf("her own sign-in from another address: %d, expected 303", got)
	}
	for i := range 80 {
		last = from(fmt.Sprintf("198.51.100.%d", i+2), "ana", "guess")
	}
	if last != 429 {
		t.Errorf("guesses from many addresses: %d, expected 429", last)
	}
}

func TestWhatIsNoText(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.people()
		for _, bad := range []string{"%00", "%ff", "a%00b"} {
			for _, path := range []string{"/m/" + bad, "/d/" + bad, "/r/" + bad, "/t/" + bad, "/t?q=" + bad, "/t?device=" + bad, "/t?part=" + bad, "/t/new?device=" + bad, "/signin?next=" + bad, "/?" + bad + "=1"} {
				if got := w.get("ana", path).Code; got != 404 {
					t.Errorf("%s: %d, expected 404", path, got)
				}
			}
			text, err := url.QueryUnescape(bad)
			if err != nil {
				t.Fatal(err)
			}
			for path, form := range map[string]url.Values{
				"/signin": {"name": {text}, "password": {password}}, "/register": {"name": {text}, "password": {password}},
				"/t/new": {"kind": {"bug"}, "title": {text}, "body": {text}, "device": {text}}, "/me/claim": {"device": {text}},
			} {
				fresh(w)
				if got := w.post("ana", path, form).Code; got != 400 {
					t.Errorf("%s with %q: %d, expected 400", path, text, got)
				}
			}
		}
	})
}
