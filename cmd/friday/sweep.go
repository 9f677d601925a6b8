package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/rom"
)

func newSweep() *cobra.Command {
	var f stateFlags
	var asJSON bool
	c := &cobra.Command{
		Use:     "sweep",
		Short:   "Remove compressed content that no build reads any more",
		Long:    "Removes from the store what older versions of Friday compressed for builds and this one does not read. Stock, builds and packages stay whole. Run it after an update of Friday, once every worker runs the new version.",
		Example: "  friday sweep --dir .friday",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			did, err := rom.Sweep(cmd.Context(), s.blobs)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), did)
			}
			if did.Ways == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "There is nothing that no build reads.")
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Removed %s of compressed content that no build reads.\n", size(did.Bytes))
			return nil
		},
	}
	f.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}
