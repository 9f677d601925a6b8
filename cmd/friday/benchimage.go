package main

import (
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/bench"
)

func newBenchImage() *cobra.Command {
	var o bench.ImageOptions
	var asJSON bool
	c := &cobra.Command{
		Use:     "image",
		Short:   "How fast images are read and written",
		Long:    "Makes a tree of files from a seed, writes it as ext4 and erofs, reads it from compressed erofs, and extracts a payload; each beside mke2fs, mkfs.erofs, fsck.erofs and xz where they are installed. A ratio below 1 is faster than they are. Then this program looks into firmware with a large super partition, several levels down, and what it had in memory at most is shown.",
		Example: "  friday bench image --json\n  friday bench image --mib 2048 --payload-mib 256",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.MiB < 1 || o.MiB > 1<<20 || o.PayloadMiB < 0 || o.PayloadMiB > o.MiB {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--mib is %d and --payload-mib %d, expected 1 to 1048576, and no more than that", o.MiB, o.PayloadMiB)}
			}
			if o.SuperMiB != 0 && (o.SuperMiB < 4*o.MiB || o.SuperMiB > 1<<20) {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--super-mib is %d, expected 0, or four times --mib to 1048576", o.SuperMiB)}
			}
			if o.SuperMiB > 0 {
				program, err := os.Executable()
				if err != nil {
					return fmt.Errorf("cannot measure memory: %w", err)
				}
				o.Program = program
			}
			figures, err := bench.Images(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), figures)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, f := range figures {
				note := f.Note
				if note == "" && f.PeerProcessor > 0 {
					note = fmt.Sprintf("processor %.2f s, %.2f s", f.Processor, f.PeerProcessor)
				}
				if f.PeakMiB > 0 {
					note = f.Note
				}
				line := fmt.Sprintf("%s\t%.2f s\t%s %.2f s\tratio %.2f\t%s", f.Name, f.Seconds, f.Peer, f.PeerSeconds, f.Ratio, note)
				if f.PeerSeconds == 0 {
					line = fmt.Sprintf("%s\t%.2f s\t-\t-\t%s", f.Name, f.Seconds, note)
				}
				fmt.Fprintln(tw, line)
			}
			return tw.Flush()
		},
	}
	f := c.Flags()
	f.IntVar(&o.MiB, "mib", 256, "`MiB` of content in the tree")
	f.IntVar(&o.PayloadMiB, "payload-mib", 32, "`MiB` of the partition in the payload; 0 leaves it out")
	f.IntVar(&o.SuperMiB, "super-mib", 8192, "`MiB` of the super partition; 0 leaves memory out")
	f.Uint64Var(&o.Seed, "seed", 1, "what the tree begins from")
	f.StringVar(&o.Dir, "dir", "", "`folder` for what is made (default the system's)")
	f.BoolVar(&asJSON, "json", false, "print figures as JSON")
	return c
}
