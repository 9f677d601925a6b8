package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/avb"
)

func newAVB() *cobra.Command {
	return group("avb", "Android Verified Boot", newAVBInfo(), newAVBVerify())
}

func newAVBVerify() *cobra.Command {
	var keyFile string
	var asJSON bool
	c := &cobra.Command{
		Use:     "verify DIR",
		Short:   "Verify the vbmeta chain over a folder of images",
		Long:    "Reads DIR/vbmeta.img, checks its signature, and checks every partition that the chain describes (DIR/<partition>.img), block by block.",
		Example: "  friday avb verify out --key avb_custom_key.bin",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var key []byte
			if keyFile != "" {
				var err error
				if key, err = readAVBKey(keyFile); err != nil {
					return err
				}
			}
			var files []*os.File
			defer func() {
				for _, f := range files {
					f.Close()
				}
			}()
			chain, err := avb.VerifyChain(cmd.Context(), func(partition string) (io.ReaderAt, int64, error) {
				f, err := os.Open(filepath.Join(args[0], filepath.Base(partition)+".img"))
				if err != nil {
					return nil, 0, err
				}
				files = append(files, f)
				fi, err := f.Stat()
				if err != nil {
					return nil, 0, err
				}
				return f, fi.Size(), nil
			}, key)
			if errors.Is(err, fs.ErrNotExist) && len(files) == 0 {
				return fmt.Errorf("cannot verify %s: there is no vbmeta.img in it", args[0])
			}
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w; images are named <partition>.img", err)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{
					"vbmeta_digest": hex.EncodeToString(chain.Digest[:]), "rollback_indexes": chain.RollbackIndexes,
					"trusted": key != nil,
				})
			}
			return printChain(cmd.OutOrStdout(), chain, key != nil)
		},
	}
	c.Flags().StringVar(&keyFile, "key", "", "`file` of the public key that is trusted, PEM or as a phone stores it (default any)")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

func printChain(w io.Writer, c avb.Chain, trusted bool) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(tw, "vbmeta digest\t%x\n", c.Digest)
	for _, location := range slices.Sorted(maps.Keys(c.RollbackIndexes)) {
		fmt.Fprintf(tw, "rollback index\t%d at location %d\n", c.RollbackIndexes[location], location)
	}
	by := "by its own key: whole, but not shown to be anybody's"
	if trusted {
		by = "by the given key"
	}
	fmt.Fprintf(tw, "verified\t%s\n", by)
	return tw.Flush()
}
