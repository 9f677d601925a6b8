package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	forumapi "github.com/fridayos/friday/internal/api"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/alike"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site"
	"github.com/fridayos/friday/internal/updateapi"
)

// drain is how long running requests may take after SIGTERM.
const drain = 20 * time.Second

type serveFlags struct {
	stateFlags
	listen     string
	withWorker bool
	keys       string
}

func newServe() *cobra.Command {
	var f serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the site and the update API",
		Long: "Serves the forum, the train console and the update API, and tells members and webhooks what happens: " +
			"by mail, push and HTTP, as friday.yaml allows. Run as many as you like on one PostgreSQL: nobody is told twice. " +
			"It opens no release key: 'friday worker' builds and signs. --with-worker starts one as a process of its own. " +
			"SIGTERM lets running requests finish.",
		Example: "  friday serve --dir .friday --with-worker\n  friday serve --db postgres://friday@db/friday",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), &f, cmd.ErrOrStderr())
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.listen, "listen", "", "`HOST:PORT` to serve at (default what friday.yaml says)")
	c.Flags().BoolVar(&f.withWorker, "with-worker", false, "start a worker too, as a process of its own")
	c.Flags().StringVar(&f.keys, "keys", "", "`folder` of the release keys, handed to the worker of --with-worker")
	return c
}

func serve(ctx context.Context, f *serveFlags, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, nil))
	// Most of the memory is what stays (kept pages, the index of duplicates): collecting
	// sooner than Go does by itself costs little and saves a third of it.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	s, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if f.listen != "" {
		s.Listen = f.listen
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	threads := alike.New(s.db)
	threads.Crashes = crash.Prints
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "friday", Name: "duplicates_threads", Help: "Threads that may be suggested as duplicates; it grows after the start."},
		func() float64 { return float64(threads.Len()) }))
	api, handler, tells, err := s.handlers(ctx, log, registry, threads)
	if err != nil {
		return err
	}
	if err := api.Refresh(ctx); err != nil {
		return err
	}
	listener, err := listen(s.Listen, "the site", "choose another address with --listen or \"listen\" in friday.yaml")
	if err != nil {
		return err
	}
	defer listener.Close()
	var metrics net.Listener
	if s.Metrics != "" {
		if metrics, err = listen(s.Metrics, "metrics", "change or empty \"metrics\" in friday.yaml"); err != nil {
			return err
		}
		defer metrics.Close()
	}
	if err := s.firstRun(ctx, stderr); err != nil {
		return err
	}
	// From here on nothing returns before all of these have ended.
	group, ctx := errgroup.WithContext(ctx)
	// Until the last reader is done, machines may ask (/readyz says that we drain)
	// and outcomes are still written down.
	asked, drained := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer drained()
		srv, l := bounded(newHTTP(handler, log), listener, s.crowd(registry, log))
		return serveUntil(ctx, srv, l)
	})
	group.Go(func() error { return api.Run(asked) })
	group.Go(func() error { tidier{s.db, s.files, s.reports, log}.run(ctx); return nil })
	group.Go(func() error {
		return threads.Run(ctx, func(err error) { log.Warn("suggestions of duplicates may be old", "error", err) })
	})
	group.Go(func() error { s.crashWords(ctx, log); return nil })
	group.Go(func() error { return tells.run(ctx) })
	if metrics != nil {
		group.Go(func() error { return serveUntil(asked, newHTTP(s.metrics(ctx, api, registry), log), metrics) })
	}
	if f.withWorker {
		group.Go(func() error { return f.runWorker(ctx, stderr) })
	}
	log.Info("serving", "url", s.BaseURL, "listen", listener.Addr().String())
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	log.Info("stopped")
	return nil
}

func listen(address, what, advice string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve %s: %w; %s", what, err, advice)
	}
	return l, nil
}

// handlers puts site and update API behind one address, and opens what tells of
// what happens there.
func (s *installation) handlers(ctx context.Context, log *slog.Logger, registry *prometheus.Registry, threads *alike.Finder) (*updateapi.Server, http.Handler, *reach, error) {
	tickets, err := keys.OpenTicket(filepath.Join(s.dir, "ticket.key"))
	if err != nil {
		return nil, nil, nil, err
	}
	repo, err := s.repository()
	if err != nil {
		return nil, nil, nil, err
	}
	tr := s.train(repo, log)
	name := "" // the site has one of its own
	if snapshot, err := tr.TakeDevices(ctx, "HEAD"); err != nil {
		log.Warn("the OS repository was not read; devices and the site's name may be old", "error", err)
	} else {
		name = snapshot.OS.Name
	}
	api, err := updateapi.New(updateapi.Options{
		DB: s.db, Blobs: s.blobs, Tickets: tickets, TrustedProxies: s.proxies, Log: log, BaseURL: s.BaseURL, PackagesURL: s.PackagesURL, Metrics: registry, OnBooted: tr.Booted,
		Lease: s.Fleet.lease, Flush: s.Fleet.flush, CheckEvery: s.Fleet.checkEvery, LineageChannel: s.Fleet.LineageChannel,
	})
	if err != nil {
		return nil, nil, nil, err
	}
	if s.files, err = s.uploads(); err != nil {
		return nil, nil, nil, err
	}
	services, err := s.services()
	if err != nil {
		return nil, nil, nil, err
	}
	tells, err := s.reach(tickets, tr, name, log)
	if err != nil {
		return nil, nil, nil, err
	}
	pages, err := site.New(site.Options{DB: s.db, Train: tr, Reports: s.reports, Name: name, BaseURL: s.BaseURL, TrustedProxies: s.proxies, Log: log, Alike: threads.Like,
		Uploads: s.files, UploadsURL: s.UploadsURL, Mail: s.Mail != (mailConfig{}), Services: services, Keepers: keepers(),
		Tickets: tickets, PushKey: tells.teller.Push.Public, Outward: s.outward})
	if err != nil {
		return nil, nil, nil, err
	}
	programs, err := forumapi.New(forumapi.Options{DB: s.db, Train: tr, Uploads: s.files, BaseURL: s.BaseURL, TrustedProxies: s.proxies, Log: log})
	if err != nil {
		return nil, nil, nil, err
	}
	return api, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, forumapi.Prefix+"/") {
			programs.ServeHTTP(w, r)
			return
		}
		for _, prefix := range updateapi.Patterns() {
			if strings.HasPrefix(r.URL.Path, prefix) {
				api.ServeHTTP(w, r)
				return
			}
		}
		pages.ServeHTTP(w, r)
	}), tells, nil
}

// crashWords makes crashes findable that were published before they were searched.
func (s *installation) crashWords(ctx context.Context, log *slog.Logger) {
	n, err := crash.FillWords(ctx, s.db, feedback.Everything().Sees)
	if err != nil && ctx.Err() == nil {
		log.Error("old crashes are not found by their words; they will be after the next start", "error", err)
	} else if n > 0 {
		log.Info("old crashes are found by their words", "logs", n)
	}
}

// firstRun prints the one-time code that makes the first administrator.
func (s *installation) firstRun(ctx context.Context, stderr io.Writer) error {
	return s.db.Write(ctx, func(tx *db.Tx) error {
		code, needed, err := member.FirstRunCode(tx)
		if err == nil && needed {
			fmt.Fprintf(stderr, "\nNobody administers this site yet. Open\n  %s/first-run?code=%s\nto become its administrator. The address works once.\n\n", s.BaseURL, code)
		}
		return err
	})
}

// serveUntil serves until ctx ends, then lets running requests finish.
func serveUntil(ctx context.Context, srv *http.Server, l net.Listener) error {
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		done <- srv.Shutdown(ctx)
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve: %w", err)
	}
	if err := <-done; err != nil {
		return fmt.Errorf("cannot finish running requests within %s: %w", drain, err)
	}
	return nil
}

// metrics are what machines ask: figures, and whether all is well.
func (s *installation) metrics(ctx context.Context, api *updateapi.Server, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(ctx.Err(), s.db.Ping(r.Context()), api.Ready()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	return mux
}

// runWorker runs a worker as a process of its own, so that this one never holds
// a release key.
func (f *serveFlags) runWorker(ctx context.Context, stderr io.Writer) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot start worker: %w", err)
	}
	args := []string{"worker", "--dir", f.dir, "--db", f.db, "--blobs", f.blobs, "--keys", f.keys}
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Stdout, cmd.Stderr = stderr, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * drain // its jobs drain too
	if err := cmd.Run(); ctx.Err() == nil {
		return fmt.Errorf("cannot go on without the worker: %w", errors.Join(err, errors.New("it has ended")))
	}
	return nil
}

// newHTTP is a server with limits on what strangers may send, and for how long.
// How long an answer may take is for whoever gives it: a package takes hours.
func newHTTP(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
