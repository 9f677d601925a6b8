package trust

import (
	"math/rand/v2"
	"testing"
)

func TestLevelOf(t *testing.T) {
	for name, c := range map[string]struct {
		counts Counts
		want   Level
	}{
		"nobody":                          {Counts{}, New},
		"a first day with a fix":          {Counts{Days: 2, ConfirmedFixes: 5}, New},
		"three days and a fix":            {Counts{Days: 3, ConfirmedFixes: 1}, Known},
		"three days and a duplicate":      {Counts{Days: 3, DuplicatesFound: 1}, Known},
		"three days and an answer":        {Counts{Days: 3, AnswersAccepted: 1}, Known},
		"three days of posts":             {Counts{Days: 3, Posts: 500}, New},
		"thirty days and five posts":      {Counts{Days: 30, Posts: 5}, Known},
		"thirty days and a flag":          {Counts{Days: 30, Posts: 50, FlagsUpheld: 1}, New},
		"a fix and a flag":                {Counts{Days: 90, ConfirmedFixes: 1, FlagsUpheld: 1}, New},
		"three fixes and a flag":          {Counts{Days: 90, ConfirmedFixes: 3, FlagsUpheld: 1}, Known},
		"years of silence":                {Counts{Days: 3000}, New},
		"ten things":                      {Counts{Days: 30, ConfirmedFixes: 3, DuplicatesFound: 3, AnswersAccepted: 4}, Trusted},
		"ten things within a month":       {Counts{Days: 29, ConfirmedFixes: 3, DuplicatesFound: 3, AnswersAccepted: 4}, Known},
		"ten answers without fixes":       {Counts{Days: 300, AnswersAccepted: 100}, Known},
		"a hundred things and one flag":   {Counts{Days: 300, ConfirmedFixes: 100, FlagsUpheld: 1}, Known},
		"a hundred things, years of rest": {Counts{Days: 3000, ConfirmedFixes: 100}, Trusted},
	} {
		if got := LevelOf(c.counts); got != c.want {
			t.Errorf("%s: found %v, expected %v", name, got, c.want)
		}
	}
}

// More of what is good never lowers a level, more flags never raise it, and a
// higher level never allows less.
func TestRises(t *testing.T) {
	const seed = 41
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		c := Counts{r.IntN(12), r.IntN(8), r.IntN(8), r.IntN(8), r.IntN(12), r.IntN(60), r.IntN(4)}
		level := LevelOf(c)
		for _, more := range []func(c *Counts){
			func(c *Counts) { c.ConfirmedFixes++ }, func(c *Counts) { c.DuplicatesFound++ }, func(c *Counts) { c.AnswersAccepted++ },
			func(c *Counts) { c.FixesTried++ }, func(c *Counts) { c.Posts++ }, func(c *Counts) { c.Days++ },
		} {
			next := c
			more(&next)
			if LevelOf(next) < level {
				t.Fatalf("%+v is %v, and %+v is %v", c, level, next, LevelOf(next))
			}
		}
		flagged := c
		flagged.FlagsUpheld++
		if LevelOf(flagged) > level {
			t.Fatalf("%+v is %v, and with another flag %v", c, level, LevelOf(flagged))
		}
	}
	for l := New; l < Trusted; l++ {
		a, b := LimitsOf(l), LimitsOf(l+1)
		if a.PostsPerHour > b.PostsPerHour || a.ThreadsPerDay > b.ThreadsPerDay || a.LinksPerPost > b.LinksPerPost || a.UploadsPerDay > b.UploadsPerDay ||
			a.UploadBytes > b.UploadBytes || a.MentionsInPost > b.MentionsInPost || a.PostsPerHour == 0 || a.LinksPerPost == 0 {
			t.Errorf("%v may %+v, %v may %+v", l, a, l+1, b)
		}
	}
}

func TestMedals(t *testing.T) {
	won := map[string]bool{}
	for _, m := range Medals(Counts{ConfirmedFixes: 10, FixesTried: 4, AnswersAccepted: 10}) {
		won[m.Key] = m.Won()
	}
	for key, want := range map[string]bool{"first-fix": true, "ten-fixes": true, "hundred-fixes": false, "tester": false, "finder": false, "helper": true} {
		if won[key] != want {
			t.Errorf("%s: found %v", key, won[key])
		}
	}
}
