package forum

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/feedback/text"
	"github.com/fridayos/friday/internal/site/page"
)

// threadState is what a thread is beside its posts and its way, and what the
// viewer may do about that.
type threadState struct {
	Private, Locked    bool
	AcceptedID         int64
	Polls              []poll.Poll
	QuoteID            int64 // post that the draft quotes
	Named              []string
	Installed          []page.Choice // phones on which the viewer may have the fix: "26.11.27 on Mi 10"
	MayReply, MayName  bool
	MayAccept, CanPoll bool
}

// readState reads it; a post to quote becomes the draft of a reply.
func readState(c *page.Call, tx *db.Tx, t feedback.Thread, v *threadView) (s threadState, err error) {
	viewer := c.Viewer.InForum()
	mine := c.Viewer.ID != 0 && (t.AuthorID == c.Viewer.ID || viewer.Moderates)
	s = threadState{Private: t.Private, Locked: t.Locked, AcceptedID: t.AcceptedID, MayReply: c.Viewer.ID != 0 && (!t.Locked || viewer.Moderates),
		MayAccept: mine && t.Kind == feedback.Question, CanPoll: mine && t.Kind == feedback.Talk}
	if s.Polls, err = poll.Of(tx, viewer, t.ID); err != nil {
		return s, err
	}
	if t.Private {
		if err := s.readNamed(c, tx, t); err != nil {
			return s, err
		}
	}
	if c.Viewer.ID != 0 {
		if err := s.readInstalled(c, tx, t, v.Stake.Devices); err != nil {
			return s, err
		}
	}
	id, err := strconv.ParseInt(cmp.Or(c.R.PostForm.Get("quote"), c.R.URL.Query().Get("quote")), 10, 64)
	if err != nil || !s.MayReply {
		return s, nil // there is nothing to quote, or no reply to quote it in
	}
	p, _, err := feedback.PostByID(tx, viewer, id)
	if errors.Is(err, feedback.ErrNotFound) {
		return s, nil
	}
	if err == nil && p.Body != "" {
		s.QuoteID, v.Draft = p.ID, cmp.Or(v.Draft, text.Quote(p.Body))
	}
	return s, err
}

func (s *threadState) readNamed(c *page.Call, tx *db.Tx, t feedback.Thread) error {
	named, err := order.Named(tx, c.Viewer.InForum(), t.ID)
	if err != nil {
		return err
	}
	s.MayName = slices.Contains(named, c.Viewer.ID)
	who := page.Names{}
	for _, id := range named {
		name, err := who.Of(tx, id)
		if err != nil {
			return err
		}
		s.Named = append(s.Named, name)
	}
	return nil
}

// readInstalled finds the fixes that a release carries to phones on which the
// viewer has it, and that no handset of theirs is known to run.
func (s *threadState) readInstalled(c *page.Call, tx *db.Tx, t feedback.Thread, has []string) error {
	runs, err := feedback.Runs(tx, c.Viewer.ID)
	if err != nil {
		return err
	}
	cat, err := page.ReadCatalogue(tx)
	if err != nil {
		return err
	}
	asked := []feedback.State{feedback.InRelease, feedback.OnHandset, feedback.Confirmed, feedback.Closed} // once others confirmed it, those who had it are asked still
	for _, d := range t.Devices {
		if d.Build == "" || !slices.Contains(asked, d.State) || !slices.Contains(has, d.Device) {
			continue
		}
		b, err := catalog.BuildByID(tx, d.Build)
		if page.IsMissing(err) {
			continue
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(runs, func(r feedback.Build) bool { return r.Device == b.Device && r.Timestamp >= b.Timestamp }) {
			s.Installed = append(s.Installed, page.Choice{Value: d.Device, Word: d.Release + ", " + cat.Name(b.Device)})
		}
	}
	return nil
}

// buildOf finds a build by its version, of the device or, where that is any, of
// the only one that the thread names.
func buildOf(c *page.Call, tx *db.Tx, t feedback.Thread, device, version string) (feedback.Build, error) {
	devices := []string{device}
	if device == feedback.AnyDevice {
		devices = nil
		for _, d := range t.Devices {
			devices = append(devices, d.Device)
		}
	}
	if len(devices) == 1 && devices[0] == feedback.AnyDevice {
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return feedback.Build{}, err
		}
		devices = nil
		for _, choice := range cat.Choices() {
			devices = append(devices, choice.Value)
		}
	}
	for _, d := range devices {
		builds, err := catalog.Builds(tx, d)
		if err != nil {
			return feedback.Build{}, err
		}
		for _, b := range builds {
			if b.Version == version {
				return feedback.Build{ID: b.ID, Device: b.Device, Version: b.Version, Timestamp: b.Timestamp}, nil
			}
		}
	}
	return feedback.Build{}, page.Refuse("build", c.Text.T("thread.no-build"))
}

// Installed is a member's word that their phone runs the build with the fix: for
// those whose updater is another than ours.
func Installed(c *page.Call) error {
	return onThread(c, "installed", func(tx *db.Tx, t feedback.Thread) error {
		device := c.R.PostForm.Get("device")
		for _, d := range t.Devices {
			if d.Device != device || d.Build == "" {
				continue
			}
			b, err := catalog.BuildByID(tx, d.Build)
			if err != nil {
				return err
			}
			_, err = feedback.Installed(tx, c.Viewer.ID, feedback.Build{ID: b.ID, Device: b.Device, Version: b.Version, Timestamp: b.Timestamp})
			return err
		}
		return page.Refuse("device", c.Text.T("thread.no-build"))
	})
}
