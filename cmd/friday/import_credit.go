package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
	"github.com/fridayos/friday/internal/imports/discourse"
	"github.com/fridayos/friday/internal/imports/github"
	"github.com/fridayos/friday/internal/member"
)

func newImportCredit() *cobra.Command {
	var f stateFlags
	var site string
	var asJSON bool
	c := &cobra.Command{
		Use:   "credit NAME MEMBER",
		Short: "Make a member the author of what a name wrote elsewhere",
		Long: "Threads and posts that were imported under a name become a member's, those of later imports too. " +
			"Make sure first that they are one person: an import keeps no address by which anyone could tell. " +
			"NAME is a login on GitHub, or with --site a user name on that Discourse forum.",
		Example: "  friday import credit octo-ana ana\n  friday import credit ana_k ana --site https://forum.example.org",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			service, realm := github.Service, ""
			if site != "" {
				u, err := discourse.ParseSite(site)
				if err != nil {
					return usageOf(cmd, err)
				}
				service, realm = discourse.Service, u.Host
			}
			i, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer i.Close()
			var done elsewhere.Credited
			err = i.db.Write(cmd.Context(), func(tx *db.Tx) error {
				m, err := member.ByName(tx, args[1])
				if err != nil {
					return fmt.Errorf("cannot credit %s: %w", args[0], err)
				}
				done, err = elsewhere.Credit(tx, audit.Event{Actor: "friday import"}, service, realm, args[0], m)
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"name": done.Name, "member": args[1], "threads": done.Threads, "posts": done.Posts})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d threads and %d posts of %s are %s's now\n", done.Threads, done.Posts, done.Name, args[1])
			return err
		},
	}
	f.register(c)
	c.Flags().StringVar(&site, "site", "", "`URL` of the Discourse forum that the name is from")
	c.Flags().BoolVar(&asJSON, "json", false, "print facts as JSON")
	return c
}
