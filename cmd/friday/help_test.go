package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelp holds every command to a line about it, an example that runs this
// very command, and help that fits a terminal.
func TestHelp(t *testing.T) {
	root := newRoot()
	root.InitDefaultHelpCmd()
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		t.Run(strings.ReplaceAll(c.CommandPath(), " ", "_"), func(t *testing.T) { checkHelp(t, c) })
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(root)
}

func checkHelp(t *testing.T, c *cobra.Command) {
	if c.Short == "" || strings.HasSuffix(c.Short, ".") {
		t.Errorf("its line is %q, want a few words without a full stop", c.Short)
	}
	for line := range strings.SplitSeq(c.Example, "\n") {
		if !strings.HasPrefix(line, "  "+c.CommandPath()) {
			t.Errorf("its example is %q, want it to begin with %q", line, "  "+c.CommandPath())
		}
		// An example's command must be known, and its flags too.
		args := strings.Fields(strings.TrimPrefix(strings.Split(line, " && ")[0], "  friday"))
		found, rest, err := newRoot().Find(args)
		if err != nil {
			t.Errorf("example %q: %v", line, err)
			continue
		}
		if err := found.ParseFlags(rest); err != nil {
			t.Errorf("example %q: %v", line, err)
		}
	}
	var out strings.Builder
	if status := run(append(strings.Fields(c.CommandPath())[1:], "--help"), &out, &out); status != 0 {
		t.Errorf("--help ends with status %d", status)
	}
	for line := range strings.SplitSeq(out.String(), "\n") {
		if n := utf8.RuneCountInString(line); n > columns || strings.TrimRight(line, " ") != line {
			t.Errorf("help has a line of %d columns, want at most %d and no space at its end: %q", n, columns, line)
		}
	}
	for _, want := range []string{"Usage:\n  " + c.CommandPath(), "\nExamples:\n" + c.Example + "\n", "\nFlags:\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help lacks %q:\n%s", want, out.String())
		}
	}
}

func TestFill(t *testing.T) {
	long := strings.Repeat("word ", 30)
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"short", "a b", "a b"},
		{"broken elsewhere", "a\n  b", "a b"},
		{"paragraphs", "a\n\nb", "a\n\nb"},
		{"folds", long, strings.TrimSpace(strings.Repeat("word ", 16)) + "\n" + strings.TrimSpace(strings.Repeat("word ", 14))},
		{"too long a word", strings.Repeat("x", 90) + " y", strings.Repeat("x", 90) + "\ny"},
		{"counts runes", strings.Repeat("…", 79) + " y", strings.Repeat("…", 79) + "\ny"},
	} {
		if got := fill(c.in); got != c.want {
			t.Errorf("%s: fill gives %q, want %q", c.name, got, c.want)
		}
	}
}
