package handset

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/wire"
)

// TestWishes: what the owner chose goes with every check-in, also after the phone
// was switched off, until they choose again.
func TestWishes(t *testing.T) {
	m, one := ours(t), week(1)
	p := m.phone(t, customKey, m.build(t, one))
	s := newServer(t, "", wire.Offer{Version: one.version})
	c := &Client{Base: s.URL}
	round := func() wire.CheckIn {
		t.Helper()
		must(p.Run(ctx, c))(t)
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.checkins[len(s.checkins)-1]
	}
	came := round()
	if came.Early || came.DelayDays != 0 || came.WaitGood != 0 || came.UTCOffset != 0 {
		t.Errorf("who wished nothing asks %+v", came)
	}
	want := Wishes{Channel: wire.Stable, DelayDays: 3, WaitGood: 99, UTCOffset: 330}
	if err := p.Wish(want); err != nil {
		t.Fatal(err)
	}
	p = must(Open(p.dir))(t)
	if got := round(); got.Channel != wire.Stable || got.Early || got.DelayDays != 3 || got.WaitGood != 99 || got.UTCOffset != 330 || got.Bucket != came.Bucket {
		t.Errorf("it asks %+v", got)
	}
	for wrong, w := range map[string]Wishes{
		`channel is "nightly"`: {Channel: "nightly"},
		"the delay is 61 days": {DelayDays: 61}, "the delay is -1 days": {DelayDays: -1},
		"101 percent": {WaitGood: 101}, "-1441 minutes": {UTCOffset: -1441},
		"wanted early, and 1 days": {Early: true, DelayDays: 1},
	} {
		if err := p.Wish(w); err == nil || !strings.HasPrefix(err.Error(), "cannot wish that: ") || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%+v: %v, expected %q", w, err, wrong)
		}
	}
	if p.Wishes() != want {
		t.Errorf("after mistakes it wishes %+v", p.Wishes())
	}
	if err := p.Wish(Wishes{Early: true}); err != nil {
		t.Fatal(err)
	}
	if got := round(); !got.Early || got.Channel != came.Channel || got.DelayDays != 0 || got.UTCOffset != 0 {
		t.Errorf("it asks %+v", got)
	}
}
