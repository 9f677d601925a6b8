// Package updateapi is what handsets call: Friday's own check-in, the LineageOS
// Updater's list, outcomes, claims, and packages by range.
package updateapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/keys"
)

// Options is what the API needs.
type Options struct {
	DB       *db.DB
	Blobs    *blob.Store
	Tickets  *keys.Ticket
	Log      *slog.Logger
	BaseURL  string // absolute, without a slash at the end: LineageOS needs absolute URLs
	Metrics  prometheus.Registerer
	OnBooted func(tx *db.Tx, claim int64, build string) error // a claimed handset runs a build
	Clock    func() time.Time                                 // nil: time.Now
	Lease    time.Duration                                    // 0: 5 s
	Refresh  time.Duration                                    // 0: 1 s; also how often outcomes are flushed
}

// Server answers handsets.
type Server struct{}

// New prepares a server; its first snapshot is read by Run or Refresh.
func New(o Options) (*Server, error) { panic("unwritten") }

// ServeHTTP answers the paths in package wire and /api/friday/v1/openapi.yaml.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("unwritten") }

// Run refreshes the snapshot and flushes outcomes until ctx ends; then it
// flushes a last time.
func (s *Server) Run(ctx context.Context) error { panic("unwritten") }

// Refresh reads the snapshot now; Flush writes the outcomes now.
func (s *Server) Refresh(ctx context.Context) error { panic("unwritten") }
func (s *Server) Flush(ctx context.Context) error   { panic("unwritten") }

// Ready says why the node can make no offers, or nil.
func (s *Server) Ready() error { panic("unwritten") }
