package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/train"
)

func newWorker() *cobra.Command {
	var f stateFlags
	var keyDir string
	c := &cobra.Command{
		Use:     "worker",
		Short:   "Build, package and sign what the train asks for",
		Long:    "Takes build and package jobs from the database, signs what it makes with the release keys, and moves the train on. Run as many as you like on one PostgreSQL.",
		Example: "  friday worker --dir .friday --keys /secure/keys",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)).With("process", "worker")
			s, err := f.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			ring, err := s.keyRing(keyDir)
			if err != nil {
				return err
			}
			repo, err := s.repository()
			if err != nil {
				return err
			}
			temp := filepath.Join(s.dir, "tmp")
			if err := os.MkdirAll(temp, 0o700); err != nil {
				return fmt.Errorf("cannot make folder for temporary files: %w", err)
			}
			tr := s.train(repo, log)
			workers, err := tr.Workers(train.WorkerOptions{Keys: ring, TempDir: temp})
			if err != nil {
				return err
			}
			log.Info("working")
			err = jobs.Run(cmd.Context(), s.db, workers, jobs.RunOptions{Log: log})
			if err != nil && cmd.Context().Err() == nil {
				return err
			}
			log.Info("stopped") // as it was told to: what ran has ended or waits for the next worker
			return nil
		},
	}
	f.register(c)
	c.Flags().StringVar(&keyDir, "keys", "", "`folder` of the release keys (default what os.yaml says)")
	return c
}

// keyRing opens the release keys: those in dir, or where os.yaml says, or the
// installation's own.
func (s *installation) keyRing(dir string) (*keys.Ring, error) {
	if dir == "" {
		dir = s.keyFolder()
	}
	ring, err := keys.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot open release keys: there is no folder %s; 'friday init' made them: name their folder with --keys", dir)
	}
	return ring, err
}

// keyFolder is the one that os.yaml names, if it is there, else DIR/keys. Which
// commit is built does not matter: keys are the operator's.
func (s *installation) keyFolder() string {
	own := filepath.Join(s.dir, "keys")
	repo, err := s.repository()
	if err != nil {
		return own
	}
	o, err := repo.OS("HEAD")
	if err != nil {
		return own // who builds it is told what is wrong with it
	}
	named := o.Keys
	if !filepath.IsAbs(named) {
		named = filepath.Join(repo.Dir(), filepath.FromSlash(named))
	}
	if _, err := os.Stat(named); err != nil {
		return own
	}
	return named
}
