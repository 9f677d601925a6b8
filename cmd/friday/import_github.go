package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/imports"
	"github.com/fridayos/friday/internal/imports/github"
)

func newImportGitHub() *cobra.Command {
	var f importFlags
	var repo string
	c := &cobra.Command{
		Use:   "github FILE|DIR...",
		Short: "Bring issues and their comments from GitHub",
		Long: "Reads issues and comments as GitHub's REST API gives them (pages one after the other, lists or lines), as 'gh issue list --json' prints them, " +
			"or from a migration archive, packed or not. Pull requests stay behind.\n\n" +
			"gh api --paginate 'repos/OWNER/REPO/issues?state=all&per_page=100' > issues.json\n\n" +
			"gh api --paginate 'repos/OWNER/REPO/issues/comments?per_page=100' > comments.json\n\n" + importAbout,
		Example: "  friday import github issues.json comments.json --dry-run\n  friday import github migration.tar.gz --map labels.yaml --json",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if repo != "" && !github.Repo.MatchString(repo) {
				return usageOf(cmd, fmt.Errorf("--repo is %q, expected OWNER/REPO", repo))
			}
			s := &github.Source{Files: imports.Files{Paths: args, Want: github.Want}, Repo: repo}
			return f.run(cmd, &s.Files, s, "issues")
		},
	}
	f.register(c)
	c.Flags().StringVar(&repo, "repo", "", "`OWNER/REPO` of issues that do not say theirs")
	return c
}
