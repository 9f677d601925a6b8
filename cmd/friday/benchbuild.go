package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/bench"
)

func newBenchBuild() *cobra.Command {
	var o bench.BuildOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "build",
		Short: "How fast and how small a week's build is",
		Long: `Makes firmware from a seed, with a system of erofs and of ext4, with and without error correction; builds it; then changes one file of 1 MiB and builds again, three times. Blocks written of the file system are counted beside those of the file; hash tree, error correction and footer are counted apart. The time of a build is shown beside one reading of the image for its digest.

Then it builds the same layers for several devices of one stock generation, of which a fifth of the files is each one's own and the system is compressed, and shows the processor time of each: what is packed for one device is not packed again for the next. All of that is done three times; the best counts.`,
		Example: "  friday bench build --json\n  friday bench build --mib 128 --files 1000 --devices 0",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, f := range []struct {
				name         string
				value, least int
				most         int
			}{
				{"mib", o.MiB, 1, 8192}, {"files", o.Files, 200, 100_000}, {"devices", o.Devices, 0, 20}, {"device-mib", o.DeviceMiB, 1, 8192}, {"weeks", o.Weeks, 1, 3},
			} {
				if f.value < f.least || f.value > f.most {
					return &usageError{cmd.CommandPath(), fmt.Errorf("--%s is %d, expected %d to %d", f.name, f.value, f.least, f.most)}
				}
			}
			figures, err := bench.Builds(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), figures)
			}
			return printBuilds(cmd.OutOrStdout(), figures)
		},
	}
	f := c.Flags()
	f.IntVar(&o.MiB, "mib", 1024, "`MiB` of the files of the system")
	f.IntVar(&o.Files, "files", 8000, "how many `files` the system has, about")
	f.IntVar(&o.Devices, "devices", 5, "how many `devices` share a stock generation; 0 leaves them out")
	f.IntVar(&o.DeviceMiB, "device-mib", 256, "`MiB` of the files of each one's system")
	f.IntVar(&o.Weeks, "weeks", 2, "how many `weeks` they are built")
	f.Uint64Var(&o.Seed, "seed", 1, "what the files begin from")
	f.StringVar(&o.Dir, "dir", "", "`folder` for what is made (default the system's)")
	f.BoolVar(&asJSON, "json", false, "print figures as JSON")
	return c
}

func printBuilds(w io.Writer, figures bench.BuildFigures) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "one file of 1 MiB\timage\tfirst\tbuild\treading\tbesides\tprocessor\tchanged\twritten\tratio\tbehind")
	for _, f := range figures.Weekly {
		fmt.Fprintf(tw, "%s\t%.0f MiB\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%.2f s\t%d\t%d\t%.2f\t%d\n", f.Name, f.MiB, f.First, f.Seconds, f.Reading, f.Besides, f.BesidesProcessor, f.Changed, f.Written, f.Ratio, f.Behind)
	}
	if len(figures.Devices) > 0 {
		fmt.Fprintln(tw, "\ndevice\tweek\tbuild\tprocessor\tpacked\tknown before")
		for _, d := range figures.Devices {
			fmt.Fprintf(tw, "%s\t%d\t%.2f s\t%.2f s\t%s\t%s\n", d.Device, d.Week, d.Seconds, d.Processor, size(d.Packed), size(d.Recalled))
		}
	}
	if err := tw.Flush(); err != nil || figures.Further == 0 {
		return err
	}
	_, err := fmt.Fprintf(w, "a further device takes at most %.2f of the processor time of the first\n", figures.Further)
	return err
}
