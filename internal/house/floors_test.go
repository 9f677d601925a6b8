// Package house holds no code: its test keeps the floors of ARCHITECTURE.md.
package house

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/fridayos/friday/"

// floors gives each room its floor. An arrow only points down, and packages on
// one floor do not know each other; a room may have packages of its own below
// it ("internal/site/line" belongs to internal/site).
var floors = map[string]int{
	"cmd/friday":          7,
	"cmd/update-binary":   1,
	"internal/demo":       7,
	"internal/bench":      7,
	"internal/site":       6,
	"internal/updateapi":  6,
	"internal/api":        6,
	"internal/imports":    5,
	"internal/reputation": 5,
	"internal/train":      5,
	"internal/webhook":    5,
	"internal/notice":     5,
	"internal/rom":        4,
	"internal/ota":        4,
	"internal/fleet":      4,
	"internal/feedback":   4,
	"internal/crash":      4,
	"internal/moderation": 4,
	"internal/device":     3,
	"internal/member":     3,
	"internal/catalog":    3,
	"internal/osrepo":     3,
	"internal/upload":     3,
	"internal/token":      3,
	"internal/jobs":       2,
	"internal/audit":      2,
	"internal/search":     2,
	"internal/mail":       2,
	"internal/db":         1,
	"internal/blob":       1,
	"internal/keys":       1,
	"internal/limit":      1,
	"internal/outward":    1,
	"internal/mistake":    1,
	"internal/wire":       0,
	"android":             0,
}

// beside are the rooms that stand beside the house, and all that they may use.
var beside = map[string][]string{
	"internal/handset":   {"android", "internal/wire"},
	"internal/stocktest": {"android"},
	"internal/judge":     {"android"},
	"internal/pipenet":   {},
}

// sameFloor lists the arrows within a floor that are wanted.
var sameFloor = map[[2]string]bool{
	{"cmd/friday", "internal/demo"}:  true, // main wires
	{"cmd/friday", "internal/bench"}: true,
	{"android", "android"}:           true, // codecs share tree
}

type pkg struct {
	ImportPath string
	Imports    []string // its tests' are left out
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "../../...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	d := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// room names the room that a package of ours belongs to.
func room(path string) string {
	path = strings.TrimPrefix(path, module)
	if strings.HasPrefix(path, "android/") {
		return "android"
	}
	if parts := strings.SplitN(path, "/", 3); len(parts) > 2 {
		return parts[0] + "/" + parts[1]
	}
	return path
}

func TestArrowsPointDown(t *testing.T) {
	list := packages(t)
	if len(list) < len(floors)/2 {
		t.Fatalf("go list found %d packages; the test looks in the wrong place", len(list))
	}
	for _, p := range list {
		from := room(p.ImportPath)
		if from == "internal/house" || strings.HasPrefix(from, "scripts/") {
			continue // tools of the workshop, not rooms
		}
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, module) && room(imp) != from {
				if err := arrow(from, room(imp)); err != "" {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, err)
				}
			}
		}
		if _, ok := floors[from]; !ok && beside[from] == nil {
			t.Errorf("%s: room %s has no floor; give it one here and in ARCHITECTURE.md", p.ImportPath, from)
		}
	}
}

func arrow(from, to string) string {
	if allowed, ok := beside[from]; ok {
		for _, a := range allowed {
			if a == to {
				return ""
			}
		}
		return from + " may import only " + strings.Join(allowed, ", ")
	}
	switch to {
	case "internal/judge":
		return "only tests ask the judges"
	case "internal/pipenet":
		return "only tests do without a network"
	}
	if _, ok := beside[to]; ok {
		if floors[from] == 7 {
			return ""
		}
		return to + " stands beside the house; only floor 7 may use it"
	}
	switch {
	case floors[from] > floors[to] || sameFloor[[2]string{from, to}]:
		return ""
	case floors[from] == floors[to]:
		return "packages on one floor do not know each other"
	}
	return "the arrow points up"
}

// TestArrowRules makes sure that the test above can fail.
func TestArrowRules(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"internal/site", "internal/train", true},
		{"internal/train", "internal/site", false},
		{"internal/fleet", "internal/feedback", false},
		{"internal/handset", "internal/wire", true},
		{"internal/handset", "internal/keys", false},
		{"internal/site", "internal/handset", false},
		{"cmd/friday", "internal/handset", true},
		{"cmd/friday", "internal/judge", false},
	} {
		if got := arrow(c.from, c.to); (got == "") != c.ok {
			t.Errorf("arrow(%s, %s) = %q, want ok %v", c.from, c.to, got, c.ok)
		}
	}
}

// TestServeHoldsNoReleaseKey: the rooms that serve cannot even reach the code
// that opens release keys or builds.
func TestServeHoldsNoReleaseKey(t *testing.T) {
	for _, p := range packages(t) {
		switch room(p.ImportPath) {
		case "internal/site", "internal/updateapi", "internal/fleet", "internal/feedback", "internal/crash":
			for _, imp := range p.Imports {
				if r := room(imp); r == "internal/rom" || r == "internal/ota" {
					t.Errorf("%s imports %s: building and signing belong to the worker", p.ImportPath, imp)
				}
			}
		}
	}
}
