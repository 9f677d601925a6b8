package notice

import (
	"errors"
	"slices"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

// Entry is a notice with what its words need.
type Entry struct {
	Notice
	Title      string // of the thread
	Actor      string // member's name; empty: gone, or the train
	DeviceName string // "Xiaomi Mi 10"; the codename where the catalogue has no other
	Where      string // address; empty: it leads nowhere
}

// Entries completes notices, those that the member may still see. base is put in
// front of the addresses: the site's, or nothing.
func Entries(tx *db.Tx, base string, who member.Member, notices []Notice) (all []Entry, err error) {
	viewer := feedback.Viewer{Member: who.ID, Moderates: who.Moderates()}
	for _, n := range notices {
		e := Entry{Notice: n, DeviceName: n.Device}
		switch {
		case n.Place != "":
			e.Where = base + n.Place
		case n.PostID != 0:
			e.Where = base + "/p/" + strconv.FormatInt(n.PostID, 10)
		case n.ThreadID != 0:
			e.Where = base + "/t/" + strconv.FormatInt(n.ThreadID, 10)
		}
		if n.ThreadID != 0 {
			th, err := feedback.ByID(tx, viewer, n.ThreadID)
			if errors.Is(err, feedback.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			e.Title = th.Title
		}
		if e.DeviceName, err = deviceName(tx, n.Device); err != nil {
			return nil, err
		}
		if n.ActorID > 0 {
			m, err := member.ByID(tx, n.ActorID)
			if err != nil && !errors.Is(err, member.ErrNotFound) {
				return nil, err
			}
			e.Actor = m.Name
		}
		all = append(all, e)
	}
	return all, nil
}

func deviceName(tx *db.Tx, codename string) (string, error) {
	if codename == "" {
		return "", nil
	}
	d, err := device.ByCodename(tx, codename)
	if errors.Is(err, device.ErrNotFound) || err == nil && d.Name == "" {
		return codename, nil
	}
	return d.Name, err
}

// due leaves out what changed between a notice and its sending: questions that
// were answered or taken back, and threads that the member muted meanwhile.
func due(tx *db.Tx, who member.Member, notices []Notice) (all []Notice, err error) {
	viewer := feedback.Viewer{Member: who.ID, Moderates: who.Moderates()}
	asks, err := feedback.OpenAsks(tx, viewer)
	if err != nil {
		return nil, err
	}
	for _, n := range notices {
		open := func(a feedback.Ask) bool {
			return a.ThreadID == n.ThreadID && a.Device == n.Device && a.Release == n.Release
		}
		switch {
		case n.Kind == Ask && !slices.ContainsFunc(asks, open):
			continue
		case n.Kind != Ask && n.ThreadID != 0:
			s, err := stake.Of(tx, viewer, n.ThreadID)
			if errors.Is(err, feedback.ErrNotFound) || err == nil && s.Muted {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		all = append(all, n)
	}
	return all, nil
}
