package updateapi

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/wire"
)

// Clients that other projects made. They say nothing about themselves, but those
// whose address was told to (see lineage.go), so they get what is complete and for
// all; of a node that does not know, they get a 503, which all of them take for a
// reason to ask again.

// listed is the build that such clients may have, or an answer: ok is false
// then. Both may be nil: there is none.
func (s *Server) listed(w http.ResponseWriter, device, channel string) (b *catalog.Build, full *catalog.Package, ok bool) {
	snapshot, fresh := s.fresh()
	if !fresh {
		s.metrics.lineage.WithLabelValues("lease_out").Inc()
		fail(w, http.StatusServiceUnavailable, "cannot list builds: this server has not heard of the rollouts for a while")
		return nil, nil, false
	}
	_, b, full = snapshot.Listed(device, channel)
	return b, full, true
}

// grapheneOS answers GrapheneOS's Updater: a line about the newest build under
// DEVICE-CHANNEL, and packages by the names that it makes up from that line. It
// takes 404, and nothing else, to say that there is no such incremental, and
// then asks for the full package.
func (s *Server) grapheneOS(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if strings.HasSuffix(name, ".zip") {
		s.grapheneOSPackage(w, r, strings.TrimSuffix(name, ".zip"))
		return
	}
	i := strings.LastIndexByte(name, '-')
	if i < 0 || !slices.Contains(wire.Channels(), name[i+1:]) {
		fail(w, http.StatusNotFound, "there is nothing at this address; expected DEVICE-CHANNEL")
		return
	}
	device, channel := name[:i], name[i+1:]
	b, full, ok := s.listed(w, device, channel)
	switch {
	case !ok:
	case full == nil || !wire.OpenChannel(channel):
		fail(w, http.StatusNotFound, "there is no release for this device on this channel")
	default:
		s.metrics.lineage.WithLabelValues("grapheneos").Inc()
		s.checked(r, adoption.GrapheneOS, device, "")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintf(w, "%s %d %s %s\n", b.Incremental, b.Timestamp, device, channel)
	}
}

// grapheneOSPackage serves DEVICE-incremental-OLD-NEW and DEVICE-ota_update-NEW.
// A codename may have hyphens, and so may an incremental.
func (s *Server) grapheneOSPackage(w http.ResponseWriter, r *http.Request, name string) {
	snapshot, fresh := s.fresh()
	if !fresh {
		s.packageFailed(w, http.StatusServiceUnavailable, "cannot serve package: this server has not heard of the rollouts for a while")
		return
	}
	find := func() (fleet.Served, bool) {
		if device, to, ok := strings.Cut(name, "-ota_update-"); ok {
			return snapshot.Leading(device, "", to)
		}
		device, builds, _ := strings.Cut(name, "-incremental-")
		for i, c := range builds {
			if c != '-' {
				continue
			}
			if p, ok := snapshot.Leading(device, builds[:i], builds[i+1:]); ok {
				if r.Header.Get("Range") == "" { // it begins
					s.checked(r, adoption.GrapheneOS, device, builds[:i])
				}
				return p, true
			}
		}
		return fleet.Served{}, false
	}
	p, ok := find()
	if !ok {
		s.packageFailed(w, http.StatusNotFound, "cannot serve package: there is none by this name")
		return
	}
	s.sendPackage(w, r, p)
}

// updateEngine is what update_engine_client wants: --payload, --offset, --size
// and --headers.
type updateEngine struct {
	URL     string   `json:"url"`
	Offset  int64    `json:"offset"`
	Size    int64    `json:"size"`
	Headers []string `json:"headers"` // NAME=VALUE
	Version string   `json:"version"`
	Release string   `json:"release"`
}

// rawUpdate says what update_engine itself needs to install the newest release
// that is for all: from=INCREMENTAL asks for a package from that build.
func (s *Server) rawUpdate(w http.ResponseWriter, r *http.Request) {
	snapshot, fresh := s.fresh()
	if !fresh {
		fail(w, http.StatusServiceUnavailable, "cannot say what to install: this server has not heard of the rollouts for a while")
		return
	}
	rollout, b, p := snapshot.Listed(r.PathValue("device"), r.PathValue("channel"))
	if rollout == nil || !wire.OpenChannel(rollout.Channel) {
		fail(w, http.StatusNotFound, "there is no release for this device on this channel")
		return
	}
	if from := r.URL.Query().Get("from"); from != "" {
		if served, ok := snapshot.Leading(rollout.Device, from, b.Incremental); ok {
			p = &served.Package
		}
	}
	u := updateEngine{URL: s.o.BaseURL + packagePath(p), Offset: p.PayloadOffset, Size: p.PayloadSize, Headers: []string{}, Version: b.Incremental, Release: rollout.Release}
	for line := range strings.Lines(p.Properties) {
		if line = strings.TrimSpace(line); line != "" {
			u.Headers = append(u.Headers, line)
		}
	}
	s.metrics.lineage.WithLabelValues("update_engine").Inc()
	writeJSON(w, http.StatusOK, u)
}
