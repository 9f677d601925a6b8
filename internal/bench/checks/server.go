package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// Addresses are where a server of Serve listens.
type Addresses struct {
	Friday string `json:"friday"`
	Bare   string `json:"bare"`
}

// Serve answers from the store in dir, as friday serve does, and beside that with
// a bare handler, until ctx ends. It prints its Addresses as JSON to out first.
func Serve(ctx context.Context, dir string, out io.Writer) error {
	if os.Getenv("GOGC") == "" { // as friday serve
		debug.SetGCPercent(50)
	}
	d, err := db.Open(ctx, "sqlite:"+filepath.Join(dir, "friday.db"))
	if err != nil {
		return err
	}
	defer d.Close()
	blobs, err := blob.Open(filepath.Join(dir, "blobs"))
	if err != nil {
		return err
	}
	tickets, err := keys.OpenTicket(filepath.Join(dir, "ticket.key"))
	if err != nil {
		return err
	}
	api, err := updateapi.New(updateapi.Options{DB: d, Blobs: blobs, Tickets: tickets, BaseURL: "http://127.0.0.1", TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err == nil {
		err = api.Refresh(ctx)
	}
	if err != nil {
		return err
	}
	bare, err := newBare(ctx, d)
	if err != nil {
		return err
	}
	var a Addresses
	served := make(chan error, 3)
	for _, s := range []struct {
		handler http.Handler
		address *string
	}{{api, &a.Friday}, {bare, &a.Bare}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("cannot serve: %w", err)
		}
		*s.address = l.Addr().String()
		srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
		defer srv.Close()
		go func() { served <- srv.Serve(l) }()
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	go func() { served <- api.Run(run) }()
	if err := json.NewEncoder(out).Encode(a); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-served:
		return errors.Join(errors.New("the server has ended"), err)
	}
}

// bare is the least that can answer a check-in: it reads the request as JSON,
// looks into a map, and writes an offer or none as JSON. It knows no stages,
// tickets, guards, limits or metrics.
type bare map[[2]string]*wire.Offer

// newBare knows the newest rollout of every device and channel.
func newBare(ctx context.Context, d *db.DB) (bare, error) {
	b := bare{}
	err := d.Read(ctx, func(tx *db.Tx) error {
		rollouts, err := fleet.All(tx)
		if err != nil {
			return err
		}
		for _, r := range rollouts {
			build, err := catalog.BuildByID(tx, r.Build)
			if err != nil {
				return err
			}
			key := [2]string{r.Device, r.Channel}
			if have := b[key]; have != nil && have.Timestamp >= build.Timestamp {
				continue
			}
			packages, err := catalog.PackagesTo(tx, r.Build)
			if err != nil {
				return err
			}
			p := packages[0]
			b[key] = &wire.Offer{Release: r.Release, Version: build.Incremental, Kind: p.Kind, URL: wire.PackagePath(p.Digest.String(), p.File), SHA256: p.Digest.String(), Size: p.Size,
				PayloadOffset: p.PayloadOffset, PayloadSize: p.PayloadSize, Properties: p.Properties, Timestamp: build.Timestamp, PatchLevel: build.PatchLevel, Token: "none"}
		}
		return nil
	})
	return b, err
}

func (b bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var c wire.CheckIn
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply := wire.CheckInReply{NextCheck: 21600}
	if o := b[[2]string{c.Device, c.Channel}]; o != nil && o.Timestamp > c.Timestamp && c.Bucket < wire.Buckets/2 {
		reply.Offer = o
	}
	body, err := json.Marshal(reply)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the client may be gone
}
