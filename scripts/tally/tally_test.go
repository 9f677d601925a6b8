package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// feed reports on events and returns what was printed.
func feed(t *testing.T, events string, optional *regexp.Regexp) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	tally := newTally(&out)
	if err := tally.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	ok := tally.report(optional)
	return out.String(), ok
}

// printed makes the event of a printed line.
func printed(pkg, test, line string) event {
	return event{Action: "output", Package: pkg, Test: test, Output: line + "\n"}
}

func ended(action, pkg, test string) event { return event{Action: action, Package: pkg, Test: test} }

func stream(events ...event) string {
	var b strings.Builder
	for _, e := range events {
		line, _ := json.Marshal(e)
		b.Write(append(line, '\n'))
	}
	return b.String()
}

func lastLine(out string) string {
	all := strings.Split(strings.TrimSpace(out), "\n")
	return all[len(all)-1]
}

func TestCounts(t *testing.T) {
	for _, c := range []struct {
		name   string
		events string
		last   string
		ok     bool
	}{
		{"all pass, and a parent is not counted", stream(
			ended("run", "p", "TestA"), ended("run", "p", "TestA/x"), ended("pass", "p", "TestA/x"), ended("pass", "p", "TestA"),
			ended("run", "p", "TestB"), ended("pass", "p", "TestB"), ended("pass", "p", "")),
			"2 passed, 0 failed, 0 skipped", true},
		{"a subtest that fails fails once", stream(
			ended("run", "p", "TestA"), ended("run", "p", "TestA/x"), ended("run", "p", "TestA/x/y"), ended("run", "p", "TestA/z"),
			ended("fail", "p", "TestA/x/y"), ended("fail", "p", "TestA/x"), ended("pass", "p", "TestA/z"), ended("fail", "p", "TestA"), ended("fail", "p", "")),
			"1 passed, 1 failed, 0 skipped", false},
		{"a parent that fails by itself counts", stream(
			ended("run", "p", "TestA"), ended("run", "p", "TestA/x"), ended("pass", "p", "TestA/x"), ended("fail", "p", "TestA"), ended("fail", "p", "")),
			"1 passed, 1 failed, 0 skipped", false},
		{"a slash in a package's path makes no subtest", stream(
			ended("pass", "a/b", "TestA"), ended("pass", "a/b", ""), ended("pass", "a", "TestB"), ended("pass", "a", "")),
			"2 passed, 0 failed, 0 skipped", true},
		{"a package that fails outside its tests", stream(
			ended("pass", "p", "TestA"), printed("p", "", "exit status 3"), ended("fail", "p", "")),
			"1 passed, 1 failed, 0 skipped", false},
		{"a test that time ran out for", stream(
			ended("run", "p", "TestA"), ended("run", "p", "TestA/x"), printed("p", "TestA/x", "panic: test timed out after 1s"), ended("fail", "p", "")),
			"0 passed, 1 failed, 0 skipped", false},
		{"a package that never ended", stream(ended("run", "p", "TestA"), ended("pass", "p", "TestA")),
			"1 passed, 1 failed, 0 skipped", false},
		{"a test that never ended", stream(ended("run", "p", "TestA")),
			"0 passed, 1 failed, 0 skipped", false},
		{"a package without tests", stream(ended("skip", "p", "")),
			"0 passed, 0 failed, 0 skipped", true},
		{"nothing at all", "", "0 passed, 1 failed, 0 skipped", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, ok := feed(t, c.events, nil)
			if last := lastLine(out); last != c.last || ok != c.ok {
				t.Errorf("got %q, %v; want %q, %v; printed:\n%s", last, ok, c.last, c.ok, out)
			}
		})
	}
}

func TestSkips(t *testing.T) {
	events := stream(
		printed("p", "TestA", "    a_test.go:3: there is no qemu"), printed("p", "TestA", "--- SKIP: TestA (0.00s)"),
		ended("skip", "p", "TestA"), ended("pass", "p", ""))
	for optional, want := range map[string]bool{"": true, "qemu": true, "chromium": false} {
		var may *regexp.Regexp
		if optional != "" {
			may = regexp.MustCompile(optional)
		}
		out, ok := feed(t, events, may)
		if ok != want || lastLine(out) != "0 passed, 0 failed, 1 skipped" || !strings.Contains(out, "skipped p TestA: a_test.go:3: there is no qemu\n") {
			t.Errorf("optional %q: %v; printed:\n%s", optional, ok, out)
		}
		if strings.Contains(out, "must not be skipped p TestA\n") == want {
			t.Errorf("optional %q: the end does not say what must not be skipped:\n%s", optional, out)
		}
	}
}

// A log's last lines must say what failed however much else was printed.
func TestEndNamesFailures(t *testing.T) {
	var events []event
	add := func(e ...event) { events = append(events, e...) }
	for i := range 100 {
		add(printed("p", "TestScript/a", fmt.Sprintf("        [line %d]", i)))
	}
	add(printed("p", "TestScript/a", "        > friday ota build"), printed("p", "TestScript/a", "        [stderr] cannot build"),
		printed("p", "TestScript/a", "        FAIL: testdata/a.txtar:12: unexpected command failure"),
		ended("fail", "p", "TestScript/a"), ended("fail", "p", "TestScript"), ended("fail", "p", ""))
	add(printed("q", "TestCrash", "panic: nil map"), printed("q", "TestCrash", ""), printed("q", "TestCrash", "goroutine 1 [running]:"))
	for range 100 {
		add(printed("q", "TestCrash", "\tmain.go:1 +0x3"))
	}
	add(ended("fail", "q", "TestCrash"), ended("fail", "q", ""))
	for i := range 200 {
		pkg := fmt.Sprintf("r%d", i)
		add(ended("pass", pkg, "TestA"), ended("pass", pkg, ""))
	}
	out, _ := feed(t, stream(events...), nil)
	want := `
FAILED:
failed p TestScript/a
    > friday ota build
    [stderr] cannot build
    FAIL: testdata/a.txtar:12: unexpected command failure
failed q TestCrash
    panic: nil map
    main.go:1 +0x3
    main.go:1 +0x3
200 passed, 2 failed, 0 skipped
`
	if !strings.HasSuffix(out, want) {
		t.Errorf("the end does not read\n%s\nbut\n%s", want, out)
	}
	end := out[strings.LastIndex(out, "r199"):]
	if !strings.Contains(end, "[line 99]") || strings.Contains(end, "[line 50]") {
		t.Errorf("the end does not hold the last %d lines of the script, or more:\n%s", tailEach, end)
	}
}

// However much fails, the end is bounded and says how much it leaves out.
func TestEndIsBounded(t *testing.T) {
	var events []event
	for i := range 60 {
		name := fmt.Sprintf("Test%02d", i)
		for range 40 {
			events = append(events, printed("p", name, strings.Repeat("long ", 1000)))
		}
		events = append(events, ended("fail", "p", name))
	}
	events = append(events, ended("fail", "p", ""), ended("pass", "q", ""))
	out, ok := feed(t, stream(events...), nil)
	end := strings.Split(strings.TrimSpace(out[strings.Index(out, "pass  q"):]), "\n")
	if ok || len(end) > 1+tailAll+2+shown+1 {
		t.Errorf("%v, and %d lines at the end", ok, len(end))
	}
	for _, line := range end {
		if len(line) > width+20 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	last := strings.Join(end[len(end)-3:], "\n")
	if !regexp.MustCompile(`failed p Test\d\d\nand \d+ more\n0 passed, 60 failed, 0 skipped$`).MatchString(last) {
		t.Errorf("the end reads %q", last)
	}
}

// What the go command of today prints.
func TestReal(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":           "module sample\n\ngo 1.24\n",
		"good/a_test.go":   "package a\n\nimport \"testing\"\n\nfunc TestA(t *testing.T) { t.Run(\"x\", func(t *testing.T) {}); t.Run(\"y\", func(t *testing.T) { t.Skip(\"no y\") }) }\n",
		"broken/b_test.go": "package b\n\nimport \"testing\"\n\nfunc TestB(t *testing.T) { absent() }\n",
		"bad/c_test.go":    "package c\n\nimport \"testing\"\n\nfunc TestC(t *testing.T) { t.Run(\"x\", func(t *testing.T) { t.Error(\"one\\ntwo\") }) }\n",
		"crash/d_test.go":  "package d\n\nimport \"testing\"\n\nfunc TestD(t *testing.T) { t.Run(\"x\", func(t *testing.T) { var m map[int]int; m[0]++ }) }\n",
		"main/e_test.go":   "package e\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { m.Run(); println(\"left something behind\"); os.Exit(3) }\n\nfunc TestE(t *testing.T) {}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-json", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOPROXY=off")
	events, err := cmd.Output()
	if _, ok := err.(*exec.ExitError); !ok {
		t.Fatalf("go test: %v, though tests fail", err)
	}
	out, ok := feed(t, string(events), nil)
	if ok || lastLine(out) != "2 passed, 4 failed, 1 skipped" {
		t.Errorf("got %v, %q; printed:\n%s", ok, lastLine(out), out)
	}
	for _, want := range []string{
		"skipped sample/good TestA/y: a_test.go:5: no y\n",
		"failed sample/bad TestC/x\n    c_test.go:5: one\n    two\n",
		"failed sample/broken\n    broken/b_test.go:5:28: undefined: absent\n",
		"failed sample/crash TestD/x\n    panic: assignment to entry in nil map",
		"failed sample/main\n    left something behind\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing:\n%s", want, out)
		}
	}
}
