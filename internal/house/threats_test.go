package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	placeOfTests = regexp.MustCompile("`([a-z/]+)`((?: (?:Test|Fuzz)\\w+)+)")
	testName     = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestThreatsAreTested: every line of docs/security.md names tests, and each of
// them is in the package that it is said to be in.
func TestThreatsAreTested(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 3 || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[0]) == "threat" {
			continue
		}
		rows++
		places := placeOfTests.FindAllStringSubmatch(cells[2], -1)
		if len(places) == 0 || strings.TrimSpace(placeOfTests.ReplaceAllString(strings.ReplaceAll(cells[2], ";", ""), "")) != "" {
			t.Errorf("%q names no tests, or they are not written as `package` TestName: %q", cells[0], cells[2])
		}
		for _, p := range places {
			have := testsIn(t, p[1])
			for _, name := range strings.Fields(p[2]) {
				if !have[name] {
					t.Errorf("%q: package %s has no %s", strings.TrimSpace(cells[0]), p[1], name)
				}
			}
		}
	}
	if rows < 15 {
		t.Errorf("%d threats are read, expected them all", rows)
	}
}

func testsIn(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, f := range files {
		code, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testName.FindAllStringSubmatch(string(code), -1) {
			have[m[1]] = true
		}
	}
	return have
}
