package api

import (
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/moderation"
)

// TestSpamIsWeighed: the API is no way around what the pages ask of new members.
func TestSpamIsWeighed(t *testing.T) {
	w := newWorld(t, sqlite(t))
	r := w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "Links", "body": "https://a.example/1 https://b.example/2 https://c.example/3 https://d.example/4 https://e.example/5 https://f.example/6 https://g.example/7 https://h.example/8 https://i.example/9"})
	if r.want(w, 422); w.call("GET", "/threads/1", "", nil).StatusCode != 404 {
		t.Error("what was refused is there")
	}
	var one threadJSON
	w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "CHEAP PHONES", "body": "BUY NOW https://bit.ly/x contact me on telegram @cheap or WhatsApp +1 555 0100"}).want(w, 201).into(w, &one)
	if !one.Hidden {
		t.Errorf("what looks like spam is not held: %+v", one)
	}
	w.call("GET", "/threads/1", "ben", nil).want(w, 404)
	w.write(func(tx *db.Tx) error {
		queue, err := moderation.Queue(tx, 10)
		if err != nil || len(queue) != 1 || queue[0].Subject != (moderation.Subject{Kind: moderation.Thread, ID: 1}) {
			t.Errorf("the moderators have %+v, %v", queue, err)
		}
		return err
	})
	w.now = w.now.Add(30 * time.Minute)
	status := 0
	for range 60 {
		if status = w.call("POST", "/threads/1/posts", "kim", map[string]any{"body": "Looking at it."}).StatusCode; status != 201 {
			break
		}
	}
	if status != 201 {
		t.Errorf("a moderator is stopped: %d", status)
	}
	w.call("PUT", "/threads/1/hidden", "kim", map[string]any{"reason": "Not here."}).want(w, 204)
	for range 200 {
		if status = w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "Question of the day", "body": "What do you think of the new launcher, everyone?"}).StatusCode; status != 201 {
			break
		}
	}
	if status != 429 {
		t.Errorf("a new member may file without end: %d", status)
	}
}
