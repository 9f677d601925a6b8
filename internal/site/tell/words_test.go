package tell

import (
	"testing"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/train"
)

func book(t *testing.T) *text.Book {
	t.Helper()
	b, err := text.Read(Files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func english(t *testing.T) *text.Text { return book(t).In("en") }

func TestWords(t *testing.T) {
	en, es, zh, hi := english(t), book(t).In("es"), book(t).In("zh"), book(t).In("hi")
	for _, c := range []struct{ got, want string }{
		{Size(en, 999), "999 B"}, {Size(en, 12_345), "12 kB"}, {Size(en, 48_200_000), "48.2 MB"}, {Size(en, 1_412_345_678), "1.41 GB"}, {Size(es, 48_200_000), "48,2 MB"},
		{Days(en, 0.0004), "less than a minute"}, {Days(en, 0.001), "1 minute"}, {Days(en, 0.04), "58 minutes"}, {Days(en, 0.3), "7 hours"},
		{Days(en, 0.96), "1 day"}, {Days(en, 1), "1 day"}, {Days(en, 7.26), "7.3 days"}, {Days(en, 9.99), "10 days"}, {Days(en, 41.4), "41 days"},
		{Days(es, 7.26), "7,3 días"}, {Days(es, 1), "1 día"}, {Days(zh, 1), "1 天"}, {Days(zh, 7.26), "7.3 天"}, {Days(hi, 0.04167), "1 घंटा"}, {Days(hi, 0.3), "7 घंटे"},
		{Part(zh, "Camera"), "相机"}, {Part(zh, "Lock screen"), "锁屏"}, {Part(zh, "Radar"), "Radar"},
	} {
		if c.got != c.want {
			t.Errorf("%q, expected %q", c.got, c.want)
		}
	}
}

// Whatever a room may say has a word in every language.
func TestEveryWordIsThere(t *testing.T) {
	for _, l := range book(t).All() {
		has := func(keys ...string) {
			for _, key := range keys {
				if !l.Has(key) {
					t.Errorf("%s has no message %s", l.Lang, key)
				}
			}
		}
		for _, s := range feedback.AllStates() {
			has("state."+string(s), "mark."+string(State(l, s).Mark))
		}
		for _, s := range []feedback.State{feedback.InRelease, feedback.OnHandset, feedback.Confirmed} {
			has("state.before-release." + string(s))
		}
		for _, k := range feedback.Kinds() {
			has("kind." + string(k))
		}
		for _, p := range feedback.Parts() {
			has(partKey(p))
		}
		for _, s := range []fleet.State{fleet.Planned, fleet.Running, fleet.Held, fleet.Halted, fleet.Complete, fleet.Pulled} {
			has("rollout." + string(s))
		}
		for _, s := range []train.DeviceState{train.Building, train.Packaging, train.Ready, train.Leaving, train.Held, train.Withdrawn} {
			has("device-state." + string(s))
		}
		for _, s := range []train.State{train.Open, train.Frozen, train.Testing, train.Shipping, train.Settled, train.Skipped, train.Pulled} {
			has("train-state." + string(s))
		}
		for _, m := range []line.Mark{line.Passed, line.Here, line.Next, line.Ahead, line.Confirmed, line.Held, line.Halted, line.Missed} {
			has("mark." + string(m))
		}
	}
}
