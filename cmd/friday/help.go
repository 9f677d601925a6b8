package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// columns is what help keeps to.
const columns = 80

// usage prints how a command is used, in no more than so many columns.
func usage(c *cobra.Command) error {
	w := c.OutOrStderr()
	line, verb := c.UseLine(), "VERB"
	if !c.HasParent() {
		verb = "COMMAND"
	}
	if c.HasAvailableSubCommands() {
		line = c.CommandPath() + " " + verb
	}
	fmt.Fprintf(w, "Usage:\n  %s\n", line)
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s\n", c.Example)
	}
	for _, g := range c.Groups() {
		fmt.Fprintf(w, "\n%s:\n", g.Title)
		printVerbs(w, c, g.ID)
	}
	if c.HasAvailableSubCommands() && len(c.Groups()) == 0 {
		fmt.Fprintln(w, "\nVerbs:")
		printVerbs(w, c, "")
	}
	if c.HasAvailableLocalFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", c.LocalFlags().FlagUsagesWrapped(columns))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nMore about one: %s %s --help\n", c.CommandPath(), verb)
	}
	return nil
}

func printVerbs(w io.Writer, c *cobra.Command, group string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.GroupID == group {
			fmt.Fprintf(w, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
		}
	}
}

// help prints what a command is for and how it is used.
func help(c *cobra.Command, _ []string) {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	w := c.OutOrStdout()
	fmt.Fprintf(w, "%s\n\n", fill(text))
	c.SetOut(w)
	if err := usage(c); err != nil {
		fmt.Fprintln(c.ErrOrStderr(), err)
	}
}

// fill breaks the lines of a text anew; an empty line parts paragraphs.
func fill(text string) string {
	var paragraphs []string
	for p := range strings.SplitSeq(text, "\n\n") {
		var b strings.Builder
		at := 0
		for _, word := range strings.Fields(p) {
			n := utf8.RuneCountInString(word)
			switch {
			case at == 0:
			case at+1+n > columns:
				b.WriteByte('\n')
				at = 0
			default:
				b.WriteByte(' ')
				at++
			}
			b.WriteString(word)
			at += n
		}
		paragraphs = append(paragraphs, b.String())
	}
	return strings.Join(paragraphs, "\n\n")
}

// newHelp is 'friday help NOUN VERB'.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Tell about a command",
		Example: "  friday help ota full",
		GroupID: "try",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{root.CommandPath(), fmt.Errorf("there is no command %q", strings.Join(args, " "))}
			}
			return found.Help()
		},
	}
}

// wrapUsage makes every mistake in flags and arguments a usageError, whichever
// of cobra's ways reports it.
func wrapUsage(c *cobra.Command) {
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return &usageError{c.CommandPath(), err} })
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if own := new(usageError); err == nil || errors.As(err, &own) {
				return err // it says itself what was expected
			}
			found := "none"
			if len(args) > 0 {
				found = strings.Join(args, " ")
			}
			return &usageError{c.CommandPath(), fmt.Errorf("wrong arguments: expected '%s', found %s", c.UseLine(), found)}
		}
	}
	for _, sub := range c.Commands() {
		wrapUsage(sub)
	}
}
