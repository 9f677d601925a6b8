// Command friday is the engine of a community phone OS: the forum, the ROM
// factory, the update server and the train that ties them together.
//
// There is one file per verb. A verb parses its flags, opens what it needs and
// calls one room; what it prints for a person goes to standard error while it
// works and to standard output when it is a result. Exit status: 0 done,
// 1 failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main without the process, for tests.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := untilSignal(stderr)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(stderr, "friday: stopped")
		return 1
	}
	fmt.Fprintln(stderr, "friday:", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(stderr, "See '%s --help'.\n", usage.command)
		return 2
	}
	return 1
}

// untilSignal ends its context with SIGINT or SIGTERM, so that what runs tidies
// up. A second SIGINT ends the process at once; a second SIGTERM does not, since
// a child gets Ctrl-C from the terminal and SIGTERM from its parent.
func untilSignal(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		interrupts := 0
		for s := range signals {
			cancel()
			if s != os.Interrupt {
				continue
			}
			if interrupts++; interrupts > 1 {
				fmt.Fprintln(stderr, "friday: ended at once")
				os.Exit(1)
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// usageError is a mistake in the command line.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "friday",
		Short:         "The engine of a community phone OS",
		Long:          "Friday listens to the people who use your OS, builds it for their phones from stock firmware and layers, and puts a signed update on every one of them each week.",
		Example:       "  friday demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("unknown command %q", args[0])}
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetUsageFunc(usage)
	root.SetHelpFunc(help)
	add := func(group, title string, commands ...*cobra.Command) {
		root.AddGroup(&cobra.Group{ID: group, Title: title})
		for _, c := range commands {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("make", "Make an OS", newInit(), newStock(), newBuild(), newOTA(), newAVB(), newImage(), newFlash())
	add("ship", "Ship it", newServe(), newWorker(), newTrain(), newImport(), newSweep())
	add("try", "Try it", newDemo(), newHandset(), newBugreport(), newBench())
	root.SetHelpCommand(newHelp(root))
	wrapUsage(root)
	return root
}

// group is a noun: it has verbs and does nothing itself.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{cmd.CommandPath(), fmt.Errorf("unknown verb %q of %s", args[0], cmd.CommandPath())}
			}
			return cmd.Help()
		},
	}
	c.AddCommand(verbs...)
	for _, v := range verbs {
		example, _, _ := strings.Cut(v.Example, "\n")
		c.Example = strings.TrimPrefix(c.Example+"\n"+example, "\n")
	}
	return c
}
