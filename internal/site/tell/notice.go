package tell

import (
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/site/text"
)

// NoticeKind is a kind of notice as a heading.
func NoticeKind(t *text.Text, k notice.Kind) string { return t.T("notice.kind." + string(k)) }

// Notice says what a notice tells, in one sentence.
func Notice(t *text.Text, e notice.Entry) string {
	actor := e.Actor
	if actor == "" {
		actor = t.T("notice.someone")
	}
	say := func(what string) string {
		return t.T("notice.say."+what, "Title", e.Title, "Actor", actor, "Device", e.DeviceName, "Release", e.Release)
	}
	switch e.Kind {
	case notice.Ask, notice.Reply, notice.Digest:
		return say(string(e.Kind))
	case notice.System:
		if key := "notice.system." + e.Word; t.Has(key) {
			return t.T(key, "Subject", e.Release, "Device", e.DeviceName, "Reason", Said(t, e.Detail), "Actor", actor, "At", e.At.UTC().Format("2006-01-02 15:04 UTC"))
		}
		return t.T("notice.system.anything", "Subject", e.Release)
	case notice.Fix:
		if e.Word == string(feedback.EventPulled) {
			return say("pulled")
		}
		return say("fix")
	case notice.Mention:
		switch feedback.EventKind(e.Word) {
		case feedback.EventAccepted, feedback.EventQuote:
			return say(e.Word)
		}
		return say("mention")
	}
	switch feedback.EventKind(e.Word) {
	case feedback.EventObjected, feedback.EventMerged, feedback.EventUnmerged, feedback.EventSplit, feedback.EventMoved, feedback.EventOpened:
		return say(e.Word)
	}
	state := StateName(t, feedback.State(e.Word))
	if e.DeviceName != "" {
		return t.T("notice.say.state-on", "Title", e.Title, "State", state, "Device", e.DeviceName)
	}
	return t.T("notice.say.state", "Title", e.Title, "State", state)
}
