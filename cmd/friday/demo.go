package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fridayos/friday/internal/demo"
)

func newDemo() *cobra.Command {
	o := demo.Options{}
	c := &cobra.Command{
		Use:     "demo",
		Short:   "Run the whole loop on this machine, and open the site",
		Long:    "Makes a phone's stock firmware, an OS, a site, a worker and a virtual handset in a folder,\nand runs the whole loop on them: a report becomes a signed update, the handset installs it,\nand the reporter says that it works. Then the site stays open to look around in.",
		Example: "  friday demo\n  friday demo --headless --dir /tmp/loop && cat /tmp/loop/report.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, port, err := net.SplitHostPort(o.Addr); err != nil || port == "" {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--addr is %q, expected HOST:PORT such as 127.0.0.1:8017", o.Addr)}
			}
			exe, err := os.Executable()
			if err != nil {
				return fmt.Errorf("cannot run demo: %w", err)
			}
			o.Exe, o.Out = exe, cmd.OutOrStdout()
			if f, ok := o.Out.(*os.File); ok {
				o.Terminal = term.IsTerminal(int(f.Fd()))
			}
			if o.Headless && !cmd.Flags().Changed("addr") {
				o.Addr = "127.0.0.1:0"
			}
			return demo.Run(cmd.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Dir, "dir", "friday-demo", "`folder` for everything that the demo makes")
	c.Flags().StringVar(&o.Addr, "addr", "127.0.0.1:8017", "`HOST:PORT` of the site (with --headless a free port)")
	c.Flags().BoolVar(&o.Headless, "headless", false, "end by itself and leave DIR/report.json")
	c.Flags().StringVar(&o.Database, "db", "", "database (default SQLite in DIR)")
	c.Flags().StringVar(&o.Files, "files", "", "`folder` with 1/ and 2/: real Android files, last week's and this week's")
	return c
}
