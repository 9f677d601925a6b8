package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
)

func (c *call) fileThread() error {
	var in struct {
		Kind    feedback.Kind `json:"kind"`
		Title   string        `json:"title"`
		Body    string        `json:"body"`
		Part    string        `json:"part"`
		Build   string        `json:"build"`
		Lang    string        `json:"lang"`
		Devices []string      `json:"devices"`
		Private bool          `json:"private"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	var out threadJSON
	err := c.write(func(tx *db.Tx) error {
		if err := catalogued(tx, in.Devices...); err != nil {
			return err
		}
		held, err := c.writing(tx, in.Title, in.Body, func() (moderation.Subject, bool, error) {
			n := feedback.NewThread{Kind: in.Kind, Title: in.Title, Body: in.Body, AuthorID: c.viewer.ID, Part: in.Part, Build: in.Build, Lang: in.Lang, Devices: in.Devices, Private: in.Private}
			if n.Private {
				var err error
				if n.Named, err = member.MaintainersOf(tx, n.Part, n.Devices...); err != nil {
					return moderation.Subject{}, false, err
				}
			}
			t, err := feedback.New(tx, n)
			if err == nil {
				out, err = c.toThread(tx, t)
			}
			return moderation.Subject{Kind: moderation.Thread, ID: t.ID}, n.Private, err
		})
		out.Hidden = held
		return err
	})
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", fmt.Sprintf("%s%s/threads/%d", c.BaseURL, Prefix, out.ID))
	return c.send(http.StatusCreated, out)
}

// catalogued refuses devices that the catalogue does not have.
func catalogued(tx *db.Tx, codenames ...string) error {
	if len(codenames) == 0 {
		return nil
	}
	all, err := device.List(tx)
	if err != nil {
		return err
	}
	for _, codename := range codenames {
		if !slices.ContainsFunc(all, func(d device.Device) bool { return d.Codename == codename }) {
			return &feedback.InputError{Field: "device", Message: "There is no such device in the catalogue."}
		}
	}
	return nil
}

func (c *call) reply() error {
	var in struct {
		Body string `json:"body"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	var out postJSON
	err := c.write(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		held, err := c.writing(tx, "", in.Body, func() (moderation.Subject, bool, error) {
			p, err := feedback.Reply(tx, c.inForum(), t.ID, in.Body)
			if err == nil {
				out, err = c.toPost(tx, p)
			}
			return moderation.Subject{Kind: moderation.Post, ID: p.ID}, t.Private, err
		})
		out.Hidden = held
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusCreated, out)
}

// on does one thing to the thread of the address and answers that it is done.
func (c *call) on(fn func(tx *db.Tx, t feedback.Thread) error) error {
	err := c.write(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		return fn(tx, t)
	})
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (c *call) setVote(on bool) error {
	return c.on(func(tx *db.Tx, t feedback.Thread) error { return stake.Vote(tx, c.inForum(), t.ID, on) })
}

func (c *call) setWatch(on bool) error {
	return c.on(func(tx *db.Tx, t feedback.Thread) error { return stake.Watch(tx, c.inForum(), t.ID, on) })
}

func (c *call) vote() error    { return c.setVote(true) }
func (c *call) unvote() error  { return c.setVote(false) }
func (c *call) watch() error   { return c.setWatch(true) }
func (c *call) unwatch() error { return c.setWatch(false) }

func (c *call) mute() error {
	return c.on(func(tx *db.Tx, t feedback.Thread) error { return stake.Mute(tx, c.inForum(), t.ID) })
}

func (c *call) unmute() error {
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		s, err := stake.Of(tx, c.inForum(), t.ID)
		if err != nil || !s.Muted {
			return err
		}
		return stake.Watch(tx, c.inForum(), t.ID, false)
	})
}

func (c *call) accept() error {
	var in struct {
		Post int64 `json:"post"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	if in.Post <= 0 {
		return &feedback.InputError{Field: "post", Message: "This is no answer in this thread."}
	}
	return c.on(func(tx *db.Tx, t feedback.Thread) error { return feedback.Accept(tx, c.inForum(), t.ID, in.Post) })
}

func (c *call) unaccept() error {
	return c.on(func(tx *db.Tx, t feedback.Thread) error { return feedback.Accept(tx, c.inForum(), t.ID, 0) })
}

func (c *call) meToo() error {
	var in struct {
		Device *string `json:"device"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		on := feedback.AnyDevice
		if in.Device != nil && *in.Device != "" {
			on = *in.Device
			if err := catalogued(tx, on); err != nil {
				return err
			}
		}
		return stake.MeToo(tx, c.inForum(), t.ID, on)
	})
}

func (c *call) answer() error {
	var in struct {
		Device  string           `json:"device"`
		Verdict feedback.Verdict `json:"verdict"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Answer(tx, c.inForum(), t.ID, in.Device, in.Verdict)
	})
}

func (c *call) object() error {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Object(tx, c.inForum(), t.ID, in.Reason)
	})
}

var errNotYours = &problem{Status: http.StatusForbidden, Detail: "This is not yours to do: your account lacks the role."}

func (c *call) mark() error {
	var in struct {
		State  feedback.State `json:"state"`
		Device *string        `json:"device"`
		Reason string         `json:"reason"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	if !c.viewer.Is(member.Maintainer) {
		return errNotYours
	}
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		on := feedback.AnyDevice
		if in.Device != nil {
			on = *in.Device
		}
		if !c.maintainsAll(t, on) {
			return errNotYours
		}
		return feedback.Mark(tx, c.viewer.ID, t.ID, feedback.Word{State: in.State, Device: on, Reason: in.Reason})
	})
}

// maintainsAll tells whether the member may speak for what a word on the thread
// concerns: one of its devices, or all of them; a maintainer of the thread's part
// may for each. For a thread that names no device any maintainer does.
func (c *call) maintainsAll(t feedback.Thread, on string) bool {
	if on != feedback.AnyDevice {
		return c.viewer.Decides(t.Part, on)
	}
	return !slices.ContainsFunc(t.Devices, func(d feedback.DeviceState) bool {
		return d.Device != feedback.AnyDevice && !c.viewer.Decides(t.Part, d.Device)
	})
}

// decide has a moderator decide about the thread of the address, with a reason that
// its author reads: as the moderators' desk does.
func (c *call) decide(do func(tx *db.Tx, about moderation.About, by moderation.Actor, reason string) ([]moderation.Effect, error)) error {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	if !c.viewer.Moderates() {
		return errNotYours
	}
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		about := moderation.About{Subject: moderation.Subject{Kind: moderation.Thread, ID: t.ID}, AuthorID: max(0, t.AuthorID)}
		effects, err := do(tx, about, moderation.Actor{ID: c.viewer.ID, Name: c.viewer.Name, Admin: c.viewer.Is(member.Admin)}, in.Reason)
		var wrong *moderation.Wrong
		switch {
		case errors.As(err, &wrong):
			return &problem{Status: http.StatusUnprocessableEntity, Field: wrong.Field, Detail: "Give a reason, which the author reads: some words, not too many."}
		case errors.Is(err, moderation.ErrOwn), errors.Is(err, moderation.ErrStaff):
			return &problem{Status: http.StatusForbidden, Detail: "This is about you or by you: another moderator decides."}
		case errors.Is(err, moderation.ErrTwice), errors.Is(err, moderation.ErrDecided):
			return &problem{Status: http.StatusConflict, Detail: "That was done already."}
		case err != nil:
			return err
		}
		return reputation.Apply(tx, c.viewer.ID, effects)
	})
}

func (c *call) hide() error {
	return c.decide(func(tx *db.Tx, about moderation.About, by moderation.Actor, reason string) ([]moderation.Effect, error) {
		_, effects, err := moderation.Decide(tx, about, by, 0, moderation.Ruling{Action: moderation.Hide, Reason: reason})
		return effects, err
	})
}

func (c *call) show() error { return c.decide(moderation.Show) }
