package train

import "github.com/fridayos/friday/internal/mistake"

// Sayings are the sentences that the train says of itself: the reasons that it
// writes down, and its errors that a person can do something about. They are kept
// as they stand here; pages read them back to say them in other languages.
func Sayings() *mistake.Book { return said }

var said = mistake.NewBook("train", map[string]string{
	"open":           "commits gather for it",
	"cut":            "cut",
	"cut-from":       "cut from commit {Commit}: {Subject}",
	"built":          "built",
	"proven":         "{N} packages are made and proven",
	"tested":         "{N} of {All} devices are ready",
	"ring":           "the test ring is next",
	"left":           "the gate is open",
	"settled":        "all {N} rollouts have ended",
	"differs":        "the build differs from the one that {Release} had before; cut a respin: {Cause}",
	"cut-closed":     "cannot cut release: the OS repository is not open here",
	"cut-device":     "cannot cut release: the OS repository has no device \"{Device}\" at commit {Commit}; it has {Devices}",
	"cut-stock":      "cannot cut release: no device of the OS repository has stock; take some in with \"friday stock add FILE --device CODENAME\"",
	"cut-problems":   "cannot cut release: no device can be built at commit {Commit}: {Cause}",
	"cut-twice":      "cannot cut release {Release}: it is {ReleaseState} already; cut a respin of it, or name another day",
	"respin-name":    "cannot respin release \"{Release}\": it is not named by date",
	"respin-many":    "cannot respin release {Release}: it has 99 respins already",
	"name":           "cannot use release name \"{Release}\": expected a date such as 26.11.27, or 26.11.27.1 for a respin",
	"name-day":       "cannot use release name \"{Release}\": there is no such day",
	"why":            "cannot {Verb} release {Release}: say why; people will read it",
	"aboard":         "cannot {Verb} release {Release}: {Device} is not on this train",
	"nothing":        "cannot {Verb} release {Release}: it is {ReleaseState}, and there is nothing to {Verb}",
	"skip-late":      "cannot skip release {Release}: it is {ReleaseState}",
	"ship-early":     "cannot ship release {Release}: it is {ReleaseState}; wait for the worker, or hold the device",
	"ship-none":      "cannot ship release {Release} on {Channel}: no device of it is ready to leave",
	"go-on":          "cannot let {Release} go on for {Device}: it was stopped ({Reason}); say why it may, people will read it",
	"region-not":     "cannot let {Release} go on for {Device} in {Region}: it is not halted there",
	"region-all":     "cannot let {Release} go on for {Device} in {Region} alone: it is {From} in all regions",
	"ship-state":     "cannot ship {Release} to {Device}: it is {DeviceState}",
	"gate-unbuilt":   "cannot ship {Release} to {Device}: it is {DeviceState}: {Reason}",
	"gate-package":   "cannot ship {Release} to {Device}: package {File} is for {Other} and leads to build {Build}",
	"gate-device":    "cannot ship {Release} to {Device}: its build is for {Other}",
	"gate-full":      "cannot ship {Release} to {Device}: it has no full package that was proven",
	"gate-patch":     "cannot ship {Release} to {Device}: its patch level is \"{Level}\", expected a day such as 2026-11-05",
	"gate-older":     "cannot ship {Release} to {Device}: its timestamp {Time} is older than {Before} of {Other}",
	"gate-patch-old": "cannot ship {Release} to {Device}: its patch level {Level} is older than {Before} of {Other}; phones would wipe their data",
	"gate-rollback":  "cannot ship {Release} to {Device}: its rollback index {Index} is lower than {Before} of {Other}; phones would not boot",
	"gate-variant":   "cannot ship {Release} to {Device}: it is for variant \"{Variant}\" and {Other} was for \"{Before}\"",
	"gate-ring":      "cannot ship {Release} to {Device}: the test ring halted it: {Reason}",
})
