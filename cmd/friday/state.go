package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

// stateFlags say where an installation's state lies.
type stateFlags struct {
	dir, db, blobs string
}

func (f *stateFlags) register(c *cobra.Command) {
	dir := os.Getenv("FRIDAY_DIR")
	if dir == "" {
		dir = ".friday"
	}
	c.Flags().StringVar(&f.dir, "dir", dir, "`folder` of this installation (or $FRIDAY_DIR)")
	c.Flags().StringVar(&f.db, "db", "", "`address` of the database: sqlite:PATH or postgres://… (default what friday.yaml says)")
	c.Flags().StringVar(&f.blobs, "blobs", "", "`folder` of the bytes (default DIR/blobs)")
}

// installation is an opened state folder.
type installation struct {
	config
	dir     string
	db      *db.DB
	blobs   *blob.Store
	reports *blob.Store   // members' scrubbed logs, which are kept for a time
	files   *upload.Store // of posts; nil but where they are served
}

// open opens the state, which friday init has made.
func (f *stateFlags) open(ctx context.Context) (_ *installation, err error) {
	if err := checkDatabase(f.db); f.db != "" && err != nil {
		return nil, fmt.Errorf("cannot open installation: --db is %w", err)
	}
	if strings.Contains(f.blobs, "://") {
		return nil, fmt.Errorf("cannot open installation: --blobs is %q, expected a folder", f.blobs)
	}
	s := &installation{dir: f.dir}
	if s.config, err = readConfig(f.dir); err != nil {
		return nil, err
	}
	blobs := f.blobs
	if blobs == "" {
		blobs = filepath.Join(f.dir, "blobs")
	}
	if s.blobs, err = blob.Open(blobs); err != nil {
		return nil, err
	}
	// A store of its own: what is no longer wanted there is swept away.
	if s.reports, err = blob.Open(filepath.Join(blobs, "reports")); err != nil {
		return nil, err
	}
	address := f.db
	if address == "" {
		address = s.Database
	}
	if address == "" {
		address = "sqlite:" + filepath.Join(f.dir, "friday.db")
	}
	if s.db, err = db.Open(ctx, address); err != nil {
		return nil, err
	}
	if err := s.db.Migrate(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

func (s *installation) Close() error { return s.db.Close() }

// repository opens the OS repository of this installation.
func (s *installation) repository() (*osrepo.Repo, error) {
	path := s.Repository
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	return osrepo.Open(path)
}

// train opens the train. repo is needed to cut and to build, not to look.
func (s *installation) train(repo *osrepo.Repo, log *slog.Logger) *train.Train {
	return &train.Train{DB: s.db, Repo: repo, Blobs: s.blobs, Schedule: train.DefaultSchedule(time.Local), Log: log, OnTurn: s.tellTurn}
}
