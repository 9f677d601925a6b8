package tell

import (
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/train"
)

// Mistake is what is wrong with what someone wrote, in a language. One without a
// code is said as it stands.
func Mistake(t *text.Text, m *mistake.Mistake) string {
	if m.Code == "" {
		return m.Message
	}
	key := "wrong." + m.Code
	if strings.Contains(m.Code, ".") { // a room's own saying
		key = "said." + m.Code
	}
	if !t.Has(key) {
		return m.Message
	}
	return say(t, key, m.Values)
}

// Said is a reason or an error, in a language, if it is a sentence of the train or
// of its rollouts; what a person wrote is said as it stands. Several sentences
// stand on lines of their own.
func Said(t *text.Text, words string) string {
	lines, known := strings.Split(words, "\n"), 0
	for i, l := range lines {
		if s, ok := saying(t, l); ok {
			lines[i] = s
			known++
		}
	}
	if known == len(lines) {
		return strings.Join(lines, "\n")
	}
	if s, ok := saying(t, words); ok { // what it names has lines of its own
		return s
	}
	return strings.Join(lines, "\n")
}

func saying(t *text.Text, words string) (string, bool) {
	for _, book := range []*mistake.Book{train.Sayings(), fleet.Sayings()} {
		if code, values, ok := book.Read(words); ok {
			return say(t, "said."+book.Room()+"."+code, values), true
		}
	}
	return "", false
}

// say is a message with its values, those that are words of ours in the language
// too, in the plural form that N asks for.
func say(t *text.Text, key string, values []any) string {
	n, counted := 0, false
	args := make([]any, len(values))
	for i := 0; i+1 < len(values); i += 2 {
		name, _ := values[i].(string)
		args[i], args[i+1] = name, value(t, name, values[i+1])
		switch v := values[i+1].(type) {
		case int:
			if name == "N" {
				n, counted = v, true
			}
		case int64:
			if name == "N" {
				n, counted = int(v), true
			}
		}
	}
	if counted {
		return t.N(key, n, args...)
	}
	return t.T(key, args...)
}

// value is one of them as a reader knows it.
func value(t *text.Text, name string, v any) any {
	word := func(prefix string) any {
		if s, ok := asText(v); ok && t.Has(prefix+s) {
			return t.T(prefix + s)
		}
		return v
	}
	switch name {
	case "ReleaseState":
		return word("train-state.")
	case "DeviceState":
		return word("device-state.")
	case "From", "To":
		return word("rollout.")
	case "Reason", "Where":
		if s, ok := asText(v); ok {
			return Said(t, s)
		}
	case "Before":
		if s, ok := asText(v); ok {
			return Said(t, s)
		}
	case "Odds":
		if v == "more than a million" {
			return t.T("number.million")
		}
	case "Cause":
		if err, ok := v.(error); ok {
			return err.Error()
		}
	}
	return v
}

func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case train.State:
		return string(v), true
	case train.DeviceState:
		return string(v), true
	case fleet.State:
		return string(v), true
	case feedback.State:
		return string(v), true
	}
	return "", false
}

// Step is what a step of the train made of a release, of one of its devices, or
// of a rollout: the last with its channel, and how far it is.
func Step(t *text.Text, s train.Transition) string {
	if s.Device == "" {
		return Train(t, train.State(s.To)).Text
	}
	channel, rest, rollout := strings.Cut(s.To, " ")
	if !rollout {
		return DeviceState(t, train.DeviceState(s.To)).Text
	}
	state, percent, _ := strings.Cut(rest, " ")
	if region, ok := strings.CutPrefix(percent, "in "); ok {
		percent = strings.TrimSpace(t.T("said.fleet.where", "Region", region))
	}
	if n, ok := strings.CutSuffix(percent, " handsets"); ok {
		if n, err := strconv.Atoi(n); err == nil {
			percent = t.N("stop.handsets", n)
		}
	}
	return strings.TrimSpace(channel + " · " + Rollout(t, fleet.State(state)).Text + " " + percent)
}
