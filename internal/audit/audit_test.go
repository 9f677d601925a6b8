package audit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func TestTrail(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		at := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return at })
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, e := range []audit.Event{
				{ActorID: 1, Actor: "Åsa", Action: "rollout.start", Subject: "26.11.27 umi", Detail: `{"stage":1}`},
				{ActorID: 2, Actor: "Bo", Action: "rollout.halt", Subject: "26.11.27 umi"},
				{ActorID: 2, Actor: "Bo", Action: "rollout", Subject: "x"},
				{Actor: "friday", Action: "rolloutx.y", Subject: "26.11.27 hlte", AboutID: 7},
			} {
				if err := audit.Record(tx, e); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		boom := errors.New("boom")
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := audit.Record(tx, audit.Event{Actor: "x", Action: "lost"}); err != nil {
				return err
			}
			return boom
		}); !errors.Is(err, boom) {
			t.Fatal(err)
		}
		for _, c := range []struct {
			filter audit.Filter
			want   string
		}{
			{audit.Filter{}, "rolloutx.y rollout rollout.halt rollout.start"},
			{audit.Filter{Action: "rollout."}, "rollout.halt rollout.start"},
			{audit.Filter{Action: "rollout"}, "rollout"},
			{audit.Filter{Subject: "26.11.27 umi"}, "rollout.halt rollout.start"},
			{audit.Filter{ActorID: 2, Action: "rollout."}, "rollout.halt"},
			{audit.Filter{AboutID: 7}, "rolloutx.y"},
			{audit.Filter{AboutID: 1}, ""},
			{audit.Filter{Within: "26.11.27"}, "rolloutx.y rollout.halt rollout.start"},
			{audit.Filter{Within: "26.11.27 um"}, ""},
			{audit.Filter{Within: "26_11.27"}, ""},
			{audit.Filter{Within: "26.11.27 umi", Action: "rollout."}, "rollout.halt rollout.start"},
			{audit.Filter{Limit: 1}, "rolloutx.y"},
			{audit.Filter{Subject: "none"}, ""},
		} {
			if got := actions(t, d, c.filter); got != c.want {
				t.Errorf("%+v: found %q, want %q", c.filter, got, c.want)
			}
		}
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			page, err := audit.List(tx, audit.Filter{Limit: 2})
			if err != nil {
				return err
			}
			rest, err := audit.List(tx, audit.Filter{Before: page[1].ID})
			if err != nil {
				return err
			}
			if len(rest) != 2 || rest[0].Action != "rollout.halt" {
				t.Errorf("the second page is %v", rest)
			}
			if first := rest[1]; first.Actor != "Åsa" || first.ActorID != 1 || first.Detail != `{"stage":1}` || !first.At.Equal(at) {
				t.Errorf("found %+v", first)
			}
			if rest[0].Detail != "{}" {
				t.Errorf("an empty detail is %q", rest[0].Detail)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func actions(t *testing.T, d *db.DB, f audit.Filter) string {
	t.Helper()
	var found []string
	if err := d.Read(t.Context(), func(tx *db.Tx) error {
		events, err := audit.List(tx, f)
		for _, e := range events {
			found = append(found, e.Action)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, " ")
}

func TestRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, e := range []audit.Event{{Actor: "x"}, {Action: "a.b", Detail: "not JSON"}} {
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return audit.Record(tx, e) }); err == nil {
				t.Errorf("%+v was recorded", e)
			}
		}
	})
}
