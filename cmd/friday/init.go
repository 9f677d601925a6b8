package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/osrepo/skeleton"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

func newInit() *cobra.Command {
	var name, url string
	var devices []string
	var noStock bool
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a new OS repository",
		Long: `Makes a git repository that describes an OS: os.yaml, devices/, layers/. Its folder .friday, which git ignores, gets the signing keys and this installation's configuration.

It comes with a device of each of five vendors. Firmware is made up for each, so that all of it builds before any real firmware is at hand; 'friday stock add' of the vendor's own takes its place.`,
		Example: "  friday init mango --name \"Mango OS\" --url https://os.example.org\n  friday init mango --device umi --no-stock",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkURL(url); err != nil {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--url is %w", err)}
			}
			if strings.TrimSpace(name) == "" {
				return &usageError{cmd.CommandPath(), errors.New("--name is empty; what is the OS called?")}
			}
			for _, d := range devices {
				if !slices.Contains(skeleton.Examples(), d) {
					return &usageError{cmd.CommandPath(), fmt.Errorf("--device is %q, expected of %s; others are described in devices/CODENAME/device.yaml afterwards", d, strings.Join(skeleton.Examples(), ", "))}
				}
			}
			dir := args[0]
			if err := skeleton.Write(dir, skeleton.Options{Name: name, UpdateURL: url, Examples: devices}); err != nil {
				return err
			}
			state := filepath.Join(dir, ".friday")
			if err := os.MkdirAll(state, 0o700); err != nil {
				return fmt.Errorf("cannot make %s: %w", state, err)
			}
			if err := os.WriteFile(filepath.Join(state, "friday.yaml"), fmt.Appendf(nil, configText, url), 0o644); err != nil {
				return fmt.Errorf("cannot write configuration: %w", err)
			}
			if err := keys.Generate(filepath.Join(state, "keys")); err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			fmt.Fprintf(w, "Made the OS repository %s, with keys in %s.\nKeep the keys: a phone that trusts them takes no update signed by others.\n", dir, filepath.Join(state, "keys"))
			next := "  friday stock add FIRMWARE.zip --device CODENAME\n  friday build CODENAME -o out\n"
			if !noStock {
				fmt.Fprintf(w, "\nDevices, with firmware that was made up so that they build:\n")
				if err := makeUp(cmd.Context(), w, state, devices); err != nil {
					return err
				}
				next = "  friday build --all -o out\n  friday stock add FIRMWARE.zip --device CODENAME   # the vendor's own\n"
			}
			fmt.Fprintf(w, "\nNext, inside %s:\n%s  friday serve --with-worker\n", dir, next)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "My OS", "what the OS is called")
	c.Flags().StringVar(&url, "url", "http://127.0.0.1:8017", "`address` at which people and handsets will find the server")
	c.Flags().StringSliceVar(&devices, "device", skeleton.Examples(), "`codenames` of the devices that it comes with")
	c.Flags().BoolVar(&noStock, "no-stock", false, "make up no firmware")
	return c
}

// makers are those whose phones the examples are.
var makers = map[string]stocktest.Maker{
	"umi": stocktest.Xiaomi, "hlte": stocktest.Samsung, "sumire": stocktest.Sony, "m8": stocktest.HTC, "instantnoodle": stocktest.OnePlus,
}

// madeUp is the firmware of an example: as little as builds. It is from 2009, older
// than any vendor's, so that whatever is taken in later comes before it.
func madeUp(codename string) stocktest.Spec {
	return stocktest.Spec{Maker: makers[codename], Version: "made-up", Timestamp: 1230768000, Files: 250, Bytes: 2 << 20}
}

// makeUp makes firmware for the examples and takes it in.
func makeUp(ctx context.Context, w io.Writer, state string, devices []string) (err error) {
	f := stateFlags{dir: state}
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	temp, err := os.MkdirTemp(state, "made-up-")
	if err != nil {
		return fmt.Errorf("cannot make up firmware: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	key, cert, err := stocktest.VendorKeys(1)
	if err != nil {
		return err
	}
	for _, codename := range devices {
		file, err := os.Create(filepath.Join(temp, codename))
		if err != nil {
			return fmt.Errorf("cannot make up firmware: %w", err)
		}
		err = stocktest.Write(ctx, file, madeUp(codename), key, cert)
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
		var stock catalog.Stock
		if err := withFile(file.Name(), func(r *os.File, size int64) (err error) {
			stock, err = intake.Add(ctx, s.blobs, nest.File{Name: codename, R: r, Size: size}, codename, temp)
			return err
		}); err != nil {
			return err
		}
		if err := s.db.Write(ctx, func(tx *db.Tx) error {
			stock.AddedAt = tx.Now()
			return catalog.PutStock(tx, stock)
		}); err != nil {
			return err
		}
		if err := os.Remove(file.Name()); err != nil {
			return fmt.Errorf("cannot make up firmware: %w", err)
		}
		fmt.Fprintf(w, "  %-14s %s, Android %s\n", codename, makers[codename], stock.Release)
	}
	return nil
}
