package main

import (
	"fmt"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/own"
	"github.com/fridayos/friday/internal/member/holding"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/token"
	"github.com/fridayos/friday/internal/upload"
	"github.com/fridayos/friday/internal/webhook"
)

// keepers are what the rooms above members keep about them.
func keepers() []holding.Keeper {
	return []holding.Keeper{
		{Name: "forum", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			r, err := own.Export(tx, id)
			if err != nil {
				return err
			}
			return yield(r)
		}, Erase: own.Erase},
		{Name: "medals", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			won, err := reputation.MedalsOf(tx, id)
			for _, m := range won[id] {
				if err == nil {
					err = yield(map[string]any{"medal": m.Medal, "won": m.At})
				}
			}
			return err
		}},
		{Name: "uploads", Export: holding.Each(upload.OfMember, func(f upload.File) any { return f }), Erase: upload.Erase},
		{Name: "moderation", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			const page = 100
			for before := int64(0); ; {
				events, err := moderation.Trail(tx, id, before, page)
				if err != nil {
					return err
				}
				for _, e := range events {
					if err := yield(e); err != nil {
						return err
					}
					before = e.ID
				}
				if len(events) < page {
					return nil
				}
			}
		}, Erase: moderation.Erase},
		{Name: "crash-reports", Export: crashReports, Erase: crash.Erase},
		{Name: "notices", Export: notices, Erase: notice.Forget},
		{Name: "notice-wishes", Export: func(tx *db.Tx, id int64, yield func(any) error) error {
			wishes, err := notice.WishesOf(tx, id)
			if err != nil {
				return err
			}
			return yield(wishes)
		}},
		{Name: "push-browsers", Export: holding.Each(notice.Browsers, func(b notice.Subscribed) any {
			return map[string]any{"push_service": b.Service, "since": b.CreatedAt}
		})},
		{Name: "tokens", Export: holding.Each(token.List, func(t token.Token) any {
			return map[string]any{"name": t.Name, "ends_with": t.Hint, "scopes": t.Scopes, "made": t.CreatedAt, "until": t.ExpiresAt, "used": t.UsedAt}
		})}, // they go with the member's row
		{Name: "webhooks", Export: holding.Each(webhook.OfMember, func(h webhook.Hook) any {
			return map[string]any{"url": h.URL, "kinds": h.Kinds, "device": h.Device, "note": h.Note, "made": h.CreatedAt, "switched_off": h.DisabledAt}
		}), Erase: webhook.Forget},
	}
}

// crashReports are what the member sent, with what was found in it. The scrubbed
// text can be had from the site as long as it is kept.
func crashReports(tx *db.Tx, id int64, yield func(any) error) error {
	all, err := crash.OfMember(tx, id)
	if err != nil {
		return err
	}
	for _, r := range all {
		crashes, err := crash.In(tx, r.ID)
		if err != nil {
			return err
		}
		out := map[string]any{"sent": r.At, "thread": r.ThreadID, "device": r.Device, "build": r.Build, "maintainers_only": r.Private, "facts": r.Facts, "crashes": crashes, "text_bytes": r.Text.Size}
		if r.Text.Size > 0 {
			out["text"], out["text_kept_until"] = fmt.Sprintf("/report/%d/text", r.ID), r.KeepUntil
		}
		if err := yield(out); err != nil {
			return err
		}
	}
	return nil
}

// notices are what the member was told, page by page.
func notices(tx *db.Tx, id int64, yield func(any) error) error {
	const page = 200
	for before := int64(0); ; {
		all, err := notice.All(tx, id, before, page)
		if err != nil {
			return err
		}
		for _, n := range all {
			if err := yield(map[string]any{"kind": n.Kind, "thread": n.ThreadID, "post": n.PostID, "device": n.Device, "release": n.Release, "what": n.Word, "at": n.At, "read": n.ReadAt}); err != nil {
				return err
			}
			before = n.ID
		}
		if len(all) < page {
			return nil
		}
	}
}
