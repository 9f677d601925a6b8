package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/upload"
)

// uploads opens the folder of posts' files. It is another than that of what
// phones receive: whoever can write to one cannot write to the other.
func (s *installation) uploads() (*upload.Store, error) {
	blobs, err := blob.Open(filepath.Join(s.dir, "uploads"))
	if err != nil {
		return nil, err
	}
	return upload.NewStore(blobs), nil
}

// tidyEvery is how often files that nobody needs are looked for, and what has
// been kept for its time is forgotten.
const tidyEvery = time.Hour

// tidy does so until ctx ends. Several servers may do it at once.
func (s *installation) tidy(ctx context.Context, files *upload.Store, log *slog.Logger) error {
	for {
		if err := s.db.Write(ctx, moderation.Forget); err != nil && ctx.Err() == nil {
			log.Error("cannot forget where flags came from", "err", err)
		}
		if err := s.db.Write(ctx, func(tx *db.Tx) error { _, err := reputation.Award(tx); return err }); err != nil && ctx.Err() == nil {
			log.Error("cannot award medals", "err", err)
		}
		did, err := files.Sweep(ctx, s.db)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			log.Error("cannot sweep uploads", "err", err)
		case did != (upload.Swept{}):
			log.Info("swept uploads", "files", did.Orphans, "blobs", did.Blobs, "bytes", did.Bytes)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tidyEvery):
		}
	}
}
