package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/imports"
	"github.com/fridayos/friday/internal/imports/discourse"
)

func newImportDiscourse() *cobra.Command {
	var f importFlags
	var site string
	c := &cobra.Command{
		Use:   "discourse FILE|DIR... --site URL",
		Short: "Bring topics and their posts from a Discourse forum",
		Long: "Reads the backup that an administrator of a Discourse forum downloads (.tar.gz, or its dump.sql), " +
			"or a folder of what the forum answers to /t/ID.json?print=true&include_raw=true, with /categories.json for the names of categories. " +
			"Messages between members, whispers, deleted posts and categories that not everyone may read stay behind. " +
			"Pictures are links to the old forum's; keep its uploads where they are.\n\n" + importAbout,
		Example: "  friday import discourse backup.tgz --site https://forum.example.org --dry-run\n  friday import discourse topics --site https://forum.example.org --map map.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if site == "" {
				return usageOf(cmd, errors.New("say with --site where the forum was reached, such as https://forum.example.org: its links begin with it"))
			}
			u, err := discourse.ParseSite(site)
			if err != nil {
				return usageOf(cmd, err)
			}
			s := &discourse.Source{Files: imports.Files{Paths: args, Want: discourse.Want}, Site: u}
			return f.run(cmd, &s.Files, s, "topics")
		},
	}
	f.register(c)
	c.Flags().StringVar(&site, "site", "", "`URL` where the forum was reached")
	return c
}
