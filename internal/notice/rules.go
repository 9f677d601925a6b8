package notice

import (
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/feedback"
)

// Kind is what a notice is about; a member chooses by it.
type Kind string

// Kinds of notice.
const (
	Ask     Kind = "ask"     // the fix is on your handset: does it work?
	Fix     Kind = "fix"     // a release carries, or no longer carries, the fix of what you watch
	Mention Kind = "mention" // someone named or quoted you, or accepted your answer
	Reply   Kind = "reply"   // a new post in what you watch
	State   Kind = "state"   // something else became of what you watch
	System  Kind = "system"  // what concerns your account or your duties
	Digest  Kind = "digest"  // the week: what was shipped, and what of it is yours
)

// Kinds lists all kinds in the order in which letters and pages show them.
func Kinds() []Kind { return []Kind{Ask, Fix, Mention, Reply, State, System, Digest} }

// Channel is a way to tell.
type Channel string

// Channels.
const (
	Site Channel = "site"
	Mail Channel = "mail"
	Push Channel = "push"
)

// Channels lists all channels.
func Channels() []Channel { return []Channel{Site, Mail, Push} }

// Wishes say what a member is told how.
type Wishes map[Kind]map[Channel]bool

// Usual is what a member is told who never chose: all on the site and by mail,
// and pushed what is about them; the week by mail alone.
func Usual() Wishes {
	w := Wishes{}
	for _, k := range Kinds() {
		w[k] = map[Channel]bool{Site: true, Mail: true, Push: k == Ask || k == Fix || k == Mention}
	}
	w[Digest] = map[Channel]bool{Mail: true}
	return w
}

// gather is how long a letter waits for what else there is to tell: a release's
// rollouts bring fixes and questions within the hour.
func gather(k Kind) time.Duration {
	switch k {
	case Ask, Fix:
		return time.Hour
	case Digest: // it has gathered already
		return 0
	case Mention, System:
		return 2 * time.Minute
	}
	return 15 * time.Minute
}

// told says who is told of an event, and as what: those who watch the thread,
// those who muted it left out, whoever did it left out. A question to a member
// reaches them even in a muted thread. Who may see the thread is another matter.
func told(e feedback.Event, watch, muted []int64) map[int64]Kind {
	out := map[int64]Kind{}
	one := func(id int64, k Kind) {
		if id > 0 && id != e.Actor && (k == Ask || !slices.Contains(muted, id)) {
			out[id] = k
		}
	}
	all := func(k Kind) {
		for _, id := range watch {
			one(id, k)
		}
	}
	switch e.Kind {
	case feedback.EventAsked:
		out[e.Member] = Ask
	case feedback.EventMention, feedback.EventQuote, feedback.EventAccepted:
		one(e.Member, Mention)
	case feedback.EventPosted:
		all(Reply)
	case feedback.EventReleased, feedback.EventPulled:
		all(Fix)
	case feedback.EventState:
		switch e.State {
		case feedback.Reported, feedback.InRelease, feedback.OnHandset: // the report itself, and what Fix and Ask tell
		default:
			all(State)
		}
	case feedback.EventObjected, feedback.EventMerged, feedback.EventUnmerged, feedback.EventSplit, feedback.EventMoved, feedback.EventOpened:
		all(State)
	}
	delete(out, 0)
	return out
}

// about is what one notice tells of: what happened at once for several devices,
// and a post that also mentions and quotes, is told once.
func about(e feedback.Event, k Kind) string {
	thread := strconv.FormatInt(e.ThreadID, 10)
	switch {
	case e.PostID != 0 && e.Kind != feedback.EventAccepted:
		return "post " + strconv.FormatInt(e.PostID, 10)
	case k == Ask:
		return "ask " + thread + " " + e.Device + " " + e.Release
	case k == Fix:
		return string(e.Kind) + " " + thread + " " + e.Release
	case e.Kind == feedback.EventState:
		return "state " + thread + " " + string(e.State) + " " + strconv.FormatInt(e.At.UnixMicro(), 10)
	}
	return "event " + strconv.FormatInt(e.ID, 10)
}

// word is what happened, for the words of the notice.
func word(e feedback.Event) string {
	if e.Kind == feedback.EventState {
		return string(e.State)
	}
	return string(e.Kind)
}
