package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is a line of `go test -json`; `go doc cmd/test2json` and `go help
// buildjson` describe it.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	Elapsed     float64
	ImportPath  string // of build-output
	FailedBuild string // the ImportPath for whose build a package failed
}

// test is what is known of one test; the one without a name is its package
// outside any test.
type test struct {
	result string // pass, fail or skip; empty: not ended
	output []string
}

type tally struct {
	out     io.Writer
	running map[string]map[string]*test // by package and test, until the package ends
	builds  map[string][]string         // what builds said, by import path

	passed   int
	packages int
	skipped  []outcome
	failed   []outcome
}

// outcome is a test that failed or was skipped, and what it said.
type outcome struct {
	name string // package and test
	said []string
}

func newTally(out io.Writer) *tally {
	return &tally{out: out, running: map[string]map[string]*test{}, builds: map[string][]string{}}
}

// read takes events until the input ends. A package that is then still running
// has failed: whoever ran it was stopped.
func (t *tally) read(r io.Reader) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		var e event
		if json.Unmarshal(s.Bytes(), &e) != nil {
			fmt.Fprintln(t.out, s.Text()) // the go command's own words
			continue
		}
		t.take(e)
	}
	for _, pkg := range slices.Sorted(maps.Keys(t.running)) {
		t.end(event{Action: "fail", Package: pkg})
	}
	return s.Err()
}

func (t *tally) take(e event) {
	switch {
	case e.Action == "build-output":
		t.builds[e.ImportPath] = append(t.builds[e.ImportPath], lines(e.Output)...)
		return
	case e.Package == "":
		return
	}
	tests := t.running[e.Package]
	if tests == nil {
		tests = map[string]*test{}
		t.running[e.Package] = tests
	}
	one := tests[e.Test]
	if one == nil {
		one = &test{}
		tests[e.Test] = one
	}
	switch e.Action {
	case "output":
		one.output = append(one.output, lines(e.Output)...)
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.end(e)
			return
		}
		one.result = e.Action
		if e.Action == "pass" {
			one.output = nil
		}
	}
}

// end counts the tests of a package and prints its line, with what its failed
// tests said.
func (t *tally) end(e event) {
	tests := t.running[e.Package]
	delete(t.running, e.Package)
	t.packages++
	fmt.Fprintf(t.out, "%-5s %-58s %6.1fs\n", e.Action, e.Package, e.Elapsed)

	var failed []outcome
	for _, name := range leaves(tests) {
		one := tests[name]
		result := one.result
		if result == "" { // it ran when the package was stopped
			if e.Action != "fail" {
				continue
			}
			result = "fail"
		}
		switch result {
		case "pass":
			t.passed++
		case "skip":
			t.skipped = append(t.skipped, outcome{e.Package + " " + name, said(tests, name)})
		case "fail":
			failed = append(failed, outcome{e.Package + " " + name, said(tests, name)})
		}
	}
	if e.Action == "fail" && len(failed) == 0 { // outside a test: its build, its TestMain
		words := slices.Clone(t.builds[e.FailedBuild])
		if own := tests[""]; own != nil {
			words = append(words, own.output...)
		}
		failed = append(failed, outcome{e.Package, words})
	}
	for _, f := range failed {
		fmt.Fprintln(t.out, "     ", f.name)
		for _, line := range f.said {
			fmt.Fprintln(t.out, "     ", line)
		}
	}
	t.failed = append(t.failed, failed...)
}

// leaves returns the names of the tests to count, sorted: those without
// subtests, and a test that failed or did not end though none of its subtests
// did so.
func leaves(tests map[string]*test) []string {
	bad := func(name string) bool { return tests[name].result == "fail" || tests[name].result == "" }
	parents, blamed := map[string]bool{}, map[string]bool{}
	for name := range tests {
		for parent := name; strings.Contains(parent, "/"); {
			parent = parent[:strings.LastIndex(parent, "/")]
			parents[parent] = true
			blamed[parent] = blamed[parent] || bad(name)
		}
	}
	var names []string
	for name := range tests {
		if name != "" && (!parents[name] || bad(name) && !blamed[name]) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// said returns what a test printed without the frame that the testing package
// puts around it; the words of the nearest test above it if it printed nothing
// itself, as a panic is printed by the outermost.
func said(tests map[string]*test, name string) []string {
	for {
		if one := tests[name]; one != nil {
			words := slices.DeleteFunc(slices.Clone(one.output), func(line string) bool {
				return strings.HasPrefix(line, "=== ") || strings.HasPrefix(strings.TrimSpace(line), "--- ") || strings.TrimSpace(line) == ""
			})
			if len(words) > 0 {
				return words
			}
		}
		i := strings.LastIndex(name, "/")
		if i < 0 {
			return nil
		}
		name = name[:i]
	}
}

// lines splits what was printed; the end of a line ends an event too, but for
// one longer than the pipe's buffer.
func lines(output string) []string { return strings.Split(strings.TrimRight(output, "\n"), "\n") }
