// Package trust says what a member's reports have led to, and what follows: a
// level with its limits, and medals. It is arithmetic over counts; others count.
//
// The rules are these, and stand on a page for all to read:
//
//   - Everyone begins as new. Limits of new members keep spammers' work small,
//     and are wide enough for anyone who reports a bug.
//   - Known is who has been here three days and led to one thing: a confirmed
//     fix, a duplicate found, an accepted answer; or has been here thirty days
//     and written five posts.
//   - Trusted is who has led to ten things, three of them confirmed fixes, over
//     at least thirty days.
//   - A post that a moderator had to take down after a flag takes two things
//     away for ninety days, and nobody is trusted meanwhile, nor known for
//     staying alone. Nobody falls below new; nobody is put out.
//
// There are no quotas: a level is never lost by doing nothing.
package trust

import (
	"slices"
	"time"
)

// Counts are what a member's reports led to.
type Counts struct {
	ConfirmedFixes  int // reports whose fix was confirmed on a handset
	DuplicatesFound int // marked as a duplicate by the member, and merged by a moderator
	AnswersAccepted int
	FixesTried      int // fixes that the member confirmed or refuted on their own handset
	Posts           int
	Days            int // since the member registered
	FlagsUpheld     int // posts of theirs taken down after a flag, in the last 90 days
}

// Things is what a level is reckoned by.
func (c Counts) Things() int {
	return max(0, c.ConfirmedFixes+c.DuplicatesFound+c.AnswersAccepted-2*c.FlagsUpheld)
}

// Level is how far a member is trusted.
type Level int

const (
	New Level = iota
	Known
	Trusted
)

func (l Level) String() string { return [...]string{"new", "known", "trusted"}[l] }

// What the levels ask for.
const (
	KnownDays, KnownThings     = 3, 1
	QuietDays, QuietPosts      = 30, 5 // known by staying
	TrustedDays, TrustedThings = 30, 10
	TrustedFixes               = 3
	FlagTime                   = 90 * 24 * time.Hour // that an upheld flag counts
)

// Levels are all levels, the lowest first.
func Levels() []Level { return []Level{New, Known, Trusted} }

// LevelOf is the level that follows from the counts.
func LevelOf(c Counts) Level {
	switch {
	case c.Days >= TrustedDays && c.Things() >= TrustedThings && c.ConfirmedFixes >= TrustedFixes && c.FlagsUpheld == 0:
		return Trusted
	case c.Days >= KnownDays && c.Things() >= KnownThings, c.Days >= QuietDays && c.Posts >= QuietPosts && c.FlagsUpheld == 0:
		return Known
	}
	return New
}

// Limits are what a member may do in a time. They slow down floods; a person
// who reports bugs does not meet them.
type Limits struct {
	PostsPerHour   int
	ThreadsPerDay  int
	LinksPerPost   int // to other sites
	UploadsPerDay  int
	UploadBytes    int64 // of one file
	MentionsInPost int   // members who are told
}

// LimitsOf are the limits of a level.
func LimitsOf(l Level) Limits {
	switch l {
	case Trusted:
		return Limits{PostsPerHour: 120, ThreadsPerDay: 50, LinksPerPost: 50, UploadsPerDay: 200, UploadBytes: 64 << 20, MentionsInPost: 20}
	case Known:
		return Limits{PostsPerHour: 60, ThreadsPerDay: 20, LinksPerPost: 20, UploadsPerDay: 60, UploadBytes: 64 << 20, MentionsInPost: 10}
	}
	return Limits{PostsPerHour: 20, ThreadsPerDay: 5, LinksPerPost: 2, UploadsPerDay: 10, UploadBytes: 32 << 20, MentionsInPost: 3}
}

// Medal is thanks for what reports led to. It opens nothing.
type Medal struct {
	Key  string // of its name and rule in the message files
	Need int    // of what it counts
	Have int
}

// Rarest is the one of some medals, by their keys, that a page with room for one
// shows; "" for none.
func Rarest(keys []string) string {
	for _, key := range []string{"hundred-fixes", "ten-fixes", "helper", "finder", "tester", "first-fix"} {
		if slices.Contains(keys, key) {
			return key
		}
	}
	return ""
}

// Won tells whether the member has it.
func (m Medal) Won() bool { return m.Have >= m.Need }

// Medals are all medals with how far a member is, in the order of pages.
func Medals(c Counts) []Medal {
	return []Medal{
		{"first-fix", 1, c.ConfirmedFixes},
		{"ten-fixes", 10, c.ConfirmedFixes},
		{"hundred-fixes", 100, c.ConfirmedFixes},
		{"tester", 5, c.FixesTried},
		{"finder", 5, c.DuplicatesFound},
		{"helper", 10, c.AnswersAccepted},
	}
}
