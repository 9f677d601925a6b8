package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/osrepo/skeleton"
)

func newInit() *cobra.Command {
	var name, url string
	c := &cobra.Command{
		Use:     "init DIR",
		Short:   "Make a new OS repository",
		Long:    "Makes a git repository that describes an OS: os.yaml, devices/, layers/. Its folder .friday, which git ignores, gets the signing keys and this installation's configuration.",
		Example: "  friday init mango --name \"Mango OS\" --url https://os.example.org",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkURL(url); err != nil {
				return &usageError{cmd.CommandPath(), fmt.Errorf("--url is %w", err)}
			}
			if strings.TrimSpace(name) == "" {
				return &usageError{cmd.CommandPath(), errors.New("--name is empty; what is the OS called?")}
			}
			dir := args[0]
			if err := skeleton.Write(dir, skeleton.Options{Name: name, UpdateURL: url}); err != nil {
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
			fmt.Fprintf(cmd.OutOrStdout(), `Made the OS repository %s, with keys in %s.
Keep the keys: a phone that trusts them takes no update signed by others.

Next, inside %s:
  friday stock add FIRMWARE.zip --device CODENAME
  friday build CODENAME -o out
  friday serve --with-worker
`, dir, filepath.Join(state, "keys"), dir)
			return nil
		},
	}
	c.Flags().StringVar(&name, "name", "My OS", "what the OS is called")
	c.Flags().StringVar(&url, "url", "http://127.0.0.1:8017", "`address` at which people and handsets will find the server")
	return c
}
