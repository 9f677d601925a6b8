package tell

import (
	"errors"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/verdict"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/train"
)

func TestMistakesAreSaid(t *testing.T) {
	book, err := text.Read(Files)
	if err != nil {
		t.Fatal(err)
	}
	en, es, zh := book.In("en"), book.In("es"), book.In("zh")
	long := mistake.New("title", "title-long", "The title has {N} characters; at most {Most} fit.", "N", 1, "Most", 140)
	for _, c := range []struct {
		t    *text.Text
		m    *mistake.Mistake
		want string
	}{
		{en, long, "The title has 1 character; at most 140 fit."},
		{es, long, "El título tiene 1 carácter; caben 140 como mucho."},
		{zh, &mistake.Mistake{Message: "已经说过。"}, "已经说过。"},
		{zh, mistake.New("x", "not-in-the-files", "Stands as it is."), "Stands as it is."},
		{zh, train.Sayings().New("verb", "skip-late", "Release", "26.11.27", "ReleaseState", train.Shipping), "26.11.27 已不能跳过：推送中。"},
		{es, train.Sayings().New("rev", "cut-problems", "Commit", "abc", "Cause", errors.New("no stock")), "Ningún teléfono se puede compilar en el commit abc: no stock"},
	} {
		if got := Mistake(c.t, c.m); got != c.want {
			t.Errorf("in %s %q, expected %q", c.t.Lang, got, c.want)
		}
	}
}

// What the rooms write down is read back, whatever is in it.
func TestReasonsAreSaid(t *testing.T) {
	book, err := text.Read(Files)
	if err != nil {
		t.Fatal(err)
	}
	zh := book.In("zh")
	figures := []string{}
	for _, measure := range []string{"failed", "rolled back", "went silent"} {
		for _, f := range []fleet.Figure{
			{Measure: measure, Verdict: verdict.Of(verdict.Tally{N: 40, Bad: 20}, verdict.Tally{N: 1000, Bad: 2}, verdict.First)},
			{Measure: measure, Region: "eu", Verdict: verdict.Of(verdict.Tally{N: 40, Bad: 9}, verdict.Tally{}, verdict.First)},
			{Measure: measure, Enrolled: true, Verdict: verdict.Of(verdict.Tally{N: 40, Bad: 9}, verdict.Tally{N: 3}, verdict.First)},
		} {
			figures = append(figures, f.String(), f.String()+"; a human has to look")
		}
	}
	f := fleet.Figure{Measure: "met a crash that is new in this build or grew", Enrolled: true, Verdict: verdict.Of(verdict.Tally{N: 9, Bad: 5}, verdict.Tally{}, verdict.First)}
	for _, words := range append(figures, f.String(), "built", "the gate is open", "3 packages are made and proven",
		"cannot ship 26.11.27 to umi: the test ring halted it: "+f.String(),
		"cannot ship 26.11.27 to umi: it has no full package that was proven\ncannot ship 26.11.27 to hlte: it is held: built") {
		got := Said(zh, words)
		if strings.Contains(got, " of ") || strings.Contains(got, "cannot") || strings.Contains(got, "built") || got == words {
			t.Errorf("%q is said %q", words, got)
		}
	}
	if got, words := Said(zh, "Boot loops on two handsets."), "Boot loops on two handsets."; got != words {
		t.Errorf("a human's words are said %q", got)
	}
	for to, want := range map[string]string{"weekly running 5%": "weekly · 推送中 5%", "weekly running 20 handsets": "weekly · 推送中 20 台手机", "beta halted": "beta · " + zh.T("rollout.halted"), "held": zh.T("device-state.held")} {
		if got := Step(zh, train.Transition{Device: "umi", To: to}); got != want {
			t.Errorf("a step to %q is %q, expected %q", to, got, want)
		}
	}
}
