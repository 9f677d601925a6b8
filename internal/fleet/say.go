package fleet

import "github.com/fridayos/friday/internal/mistake"

// Sayings are the sentences that rollouts say of themselves: why one stopped or
// went on, and why it cannot. They are kept as English text; pages read them back
// to say them in other languages.
func Sayings() *mistake.Book { return said }

const passes = "; {Before}; up to {Limit}% would pass, and the odds against that are {Odds} to 1"

var said = mistake.NewBook("fleet", map[string]string{
	"enrolled-failed":      "{Bad} of {N} enrolled handsets{Where} failed" + passes,
	"enrolled-rolled-back": "{Bad} of {N} enrolled handsets{Where} rolled back" + passes,
	"enrolled-silent":      "{Bad} of {N} enrolled handsets{Where} went silent" + passes,
	"enrolled-crashed":     "{Bad} of {N} enrolled handsets{Where} met a crash that is new in this build or grew" + passes,
	"failed":               "{Bad} of {N} handsets{Where} failed" + passes,
	"rolled-back":          "{Bad} of {N} handsets{Where} rolled back" + passes,
	"silent":               "{Bad} of {N} handsets{Where} went silent" + passes,
	"where":                " in region {Region}",
	"before":               "of the build before, {Bad} of {N}",
	"before-little":        "of the build before too little is known ({N} handsets)",
	"look":                 "{Reason}; a human has to look",
	"crashes":              "crashes that are new in this build or grew: {N}; a human has to look",
	"stage":                "after {Time} at {Percent}%, {N} handsets ended the update, {Bad} of them badly",
	"stage-places":         "after {Time} at {Places} handsets, {N} handsets ended the update, {Bad} of them badly",
	"stages-read":          "cannot use stages: {Is} is none, expected such as 20, 10%, 10%/50%, 10%:6h or 10%:2d:30",
	"stages-count":         "cannot use stages: there are {N}, expected 1 to {Most}",
	"stages-both":          "cannot use stages: stage {Stage} counts handsets, and has a percentage too; expected one of them",
	"stages-first":         "cannot use stages: stage {Stage} is {Is} after {Last}, expected those that count handsets first",
	"stages-more":          "cannot use stages: stage {Stage} is {Is} after {Last}, expected more than the one before and at most 100%",
	"stages-volunteers":    "cannot use stages: stage {Stage} has {Percent}% of the volunteers, expected no fewer than of all, nor than before, and at most 100%",
	"stages-least":         "cannot use stages: stage {Stage} has a least time or number of outcomes below nothing, or lasts more than 365 days",
	"stages-last":          "cannot use stages: the last is {Is}, expected 100%",
	"region-name":          "cannot change a rollout in a region: it is \"{Region}\", expected two capital letters such as IN, or GLOBAL",
	"change":               "cannot change rollout of {Release} for {Device} on {Channel}: it is {From} and cannot become {To}",
	"stages":               "cannot change rollout of {Release} for {Device} on {Channel}: stage {Stage} of {All} cannot follow stage {Before}",
	"same":                 "cannot change rollout of {Release} for {Device} on {Channel}: it is {From} at stage {Stage} already",
	"why":                  "cannot change rollout of {Release} for {Device} on {Channel}: a reason must be given",
	"twice":                "cannot start rollout of {Release} for {Device} on {Channel}: there is one already",
})
