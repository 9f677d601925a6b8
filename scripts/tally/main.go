// Command tally reads `go test -json` from standard input and prints what a
// person wants of it: a line for each package, the output of what failed, the
// name of what was skipped, and last "N passed, N failed, N skipped". It counts
// leaf tests: a test with subtests is counted by them. With -strict a skipped
// test is a failure, unless what it says matches -optional.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

type tally struct {
	out      io.Writer
	output   map[string][]string // by package and test, until it ends well
	result   map[string]string
	packages int
	broken   int // packages that failed outside a test
}

func main() {
	strict := flag.Bool("strict", false, "a skipped test is a failure")
	optional := flag.String("optional", "^$", "regular expression: a test that says this may be skipped all the same")
	flag.Parse()
	may, err := regexp.Compile(*optional)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot use -optional:", err)
		os.Exit(2)
	}
	t := &tally{out: os.Stdout, output: map[string][]string{}, result: map[string]string{}}
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "cannot read test events:", err)
		os.Exit(1)
	}
	if !t.summary(*strict, may) {
		os.Exit(1)
	}
}

func (t *tally) read(r io.Reader) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var e event
		if json.Unmarshal(s.Bytes(), &e) != nil {
			fmt.Fprintln(t.out, s.Text()) // the go command's own words, such as a build error
			continue
		}
		t.take(e)
	}
	return s.Err()
}

func (t *tally) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		t.output[key] = append(t.output[key], e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test != "" {
		t.result[key] = e.Action
		if e.Action != "fail" && e.Action != "skip" {
			delete(t.output, key)
		}
		return
	}
	t.packages++
	fmt.Fprintf(t.out, "%-5s %-58s %6.1fs\n", e.Action, e.Package, e.Elapsed)
	if e.Action == "fail" {
		t.fail(e.Package)
	}
	for k := range t.output {
		if strings.HasPrefix(k, e.Package+" ") && t.result[k] != "skip" {
			delete(t.output, k)
		}
	}
}

// fail prints what the failed tests of a package said.
func (t *tally) fail(pkg string) {
	var keys []string
	for k := range t.output {
		if strings.HasPrefix(k, pkg+" ") && (t.result[k] == "fail" || t.result[k] == "" && strings.TrimPrefix(k, pkg+" ") != "") {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		t.broken++
		keys = append(keys, pkg+" ")
	}
	slices.Sort(keys)
	for _, k := range keys {
		for _, line := range t.output[k] {
			fmt.Fprint(t.out, "      ", line)
		}
	}
}

func (t *tally) summary(strict bool, optional *regexp.Regexp) bool {
	parents := map[string]bool{}
	for k := range t.result {
		for i, c := range k {
			if c == '/' && strings.Contains(k[:i], " ") {
				parents[k[:i]] = true
			}
		}
	}
	count := map[string]int{}
	var skipped []string
	missed := 0 // skipped, and should not have been
	for k, r := range t.result {
		if parents[k] && r != "fail" {
			continue
		}
		count[r]++
		if r == "skip" {
			said := strings.TrimSpace(strings.Join(t.output[k], " "))
			skipped = append(skipped, k+": "+said)
			if !optional.MatchString(said) {
				missed++
			}
		}
	}
	slices.Sort(skipped)
	for _, s := range skipped {
		fmt.Fprintln(t.out, "skipped", s)
	}
	if t.packages == 0 {
		t.broken++
		fmt.Fprintln(t.out, "no package was tested")
	}
	failed := count["fail"] + t.broken
	fmt.Fprintf(t.out, "%d passed, %d failed, %d skipped\n", count["pass"], failed, count["skip"])
	return failed == 0 && (!strict || missed == 0)
}
