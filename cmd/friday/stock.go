package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/rom/intake"
)

func newStock() *cobra.Command {
	return group("stock", "Vendors' firmware that builds start from", newStockAdd(), newStockList())
}

func newStockAdd() *cobra.Command {
	var f stateFlags
	var device string
	var asJSON bool
	c := &cobra.Command{
		Use:     "add FILE --device CODENAME",
		Short:   "Take in a vendor's firmware",
		Long:    "Reads a vendor's firmware, keeps its partitions by digest, and makes the index of its files that layers are checked against.\n\nIt takes full OTA zips (A/B and block-based), Xiaomi's fastboot .tgz, Samsung's Odin zip, Sony's .ftf, HTC's RUU zip, OnePlus's .ops, and archives of images.",
		Example: "  friday stock add umi-ota-15.zip --device umi\n  friday stock add N9005XXUGBOK6_N9005OXXGBOK6.zip --device hlte",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if device == "" {
				return &usageError{cmd.CommandPath(), fmt.Errorf("whose firmware is it? Name the device with --device CODENAME")}
			}
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			var stock, before catalog.Stock
			if err := withFile(args[0], func(file *os.File, size int64) (err error) {
				stock, err = intake.Add(cmd.Context(), s.blobs, nest.File{Name: filepath.Base(args[0]), R: file, Size: size}, device, s.dir)
				return err
			}); err != nil {
				return err
			}
			if err := s.db.Write(cmd.Context(), func(tx *db.Tx) (err error) {
				if before, err = catalog.StockOf(tx, device); err != nil && !errors.Is(err, catalog.ErrNotFound) {
					return err
				}
				stock.AddedAt = tx.Now()
				return catalog.PutStock(tx, stock)
			}); err != nil {
				return err
			}
			moved, err := s.stockMoved(before, stock)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), struct {
					catalog.Stock
					Moved *stockMove `json:"moved,omitempty"`
				}{stock, moved})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Took in %s for %s.\n", stock.Fingerprint, stock.Device)
			if err := printStock(cmd.OutOrStdout(), stock); err != nil || moved == nil {
				return err
			}
			return moved.print(cmd.OutOrStdout())
		},
	}
	f.register(c)
	c.Flags().StringVar(&device, "device", "", "`codename` of the device that the firmware is for")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

func printStock(w io.Writer, s catalog.Stock) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(tw, "digest\t%s\n", s.Digest)
	patch := "security patch " + s.PatchLevel
	if s.PatchLevel == "" { // Android 5 and older
		patch = "it does not say a security patch level"
	}
	fmt.Fprintf(tw, "android\t%s, %s\n", s.Release, patch)
	for _, p := range s.Partitions {
		fmt.Fprintf(tw, "%s\t%s\n", p.Name, strings.TrimSpace(size(p.Size)+" "+p.FS))
	}
	return tw.Flush()
}

func newStockList() *cobra.Command {
	var f stateFlags
	var asJSON bool
	c := &cobra.Command{
		Use:     "list [CODENAME]",
		Short:   "List the firmware that was taken in",
		Example: "  friday stock list umi",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			device := ""
			if len(args) > 0 {
				device = args[0]
			}
			list := []catalog.Stock{} // "[]" as JSON, not "null"
			if err := s.db.Read(cmd.Context(), func(tx *db.Tx) error {
				found, err := catalog.Stocks(tx, device)
				list = append(list, found...)
				return err
			}); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), list)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			for _, st := range list {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", st.Device, st.Fingerprint, st.PatchLevel, st.AddedAt.Format(time.DateOnly))
			}
			return tw.Flush()
		},
	}
	f.register(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}

// printJSON prints v for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// size writes a number of bytes as a person reads it.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
