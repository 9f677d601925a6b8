package updateapi

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/wire"
)

// The LineageOS Updater asks at an address that the system has in a property, in
// which it puts its device, type and incremental for {device}, {type} and {incr}.
// So the address can tell what the client itself does not: ?incr={incr}&type={type}
// and a bucket that a layer drew. A handset that tells its bucket and a build that
// we know gets releases in its turn; every other what is complete and for all.

// lineageBuild is one element of the list (v2). Its first decoders were strict:
// nothing is there that they do not know, and every field that they need is.
type lineageBuild struct {
	Datetime int64         `json:"datetime"`
	Type     string        `json:"type"`
	Version  string        `json:"version"`
	Files    []lineageFile `json:"files"`
}

type lineageFile struct {
	Filename   string `json:"filename"`
	SHA256     string `json:"sha256"`
	Size       int64  `json:"size"`
	URL        string `json:"url"`
	PatchLevel string `json:"os_patch_level"`
	SDKLevel   int    `json:"os_sdk_level"`
	// PropertyFiles is left out where there are none: the client takes an empty
	// text for a list with an entry, and fails.
	PropertyFiles string `json:"ota_property_files,omitempty"`
}

// maxLineage is where one of the clients stops reading.
const maxLineage = 4 << 10

// maxType is the longest type, in bytes, that a system may call its own.
const maxType = 64

// lineage answers the LineageOS Updater since its version 23.2. An empty list
// makes handsets delete their download: it is sent when there is no release for
// them, never because this node does not know.
func (s *Server) lineage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if len(q.Get("type")) > maxType { // it comes back in the list, which has to stay small
		fail(w, http.StatusBadRequest, "cannot list builds: type is too long; expected the system's own, such as nightly")
		return
	}
	b, full, ok := s.listedFor(w, r, s.o.LineageChannel, q.Get("incr"))
	if !ok {
		return
	}
	kind := q.Get("type") // shown is only what is of the system's own type
	if kind == "" {
		kind = s.o.LineageChannel
	}
	list := []lineageBuild{}
	if full != nil {
		list = append(list, lineageBuild{
			Datetime: b.Timestamp, Type: kind, Version: b.Version,
			Files: []lineageFile{{
				Filename: full.File, SHA256: full.Digest.String(), Size: full.Size, URL: s.o.BaseURL + packagePath(full),
				PatchLevel: b.PatchLevel, SDKLevel: b.SDK, PropertyFiles: full.PropertyFiles,
			}},
		})
	}
	if body, err := json.Marshal(list); err != nil || len(body) > maxLineage {
		s.o.Log.Error("cannot list builds for LineageOS clients", "device", r.PathValue("device"), "bytes", len(body), "error", err)
		s.metrics.lineage.WithLabelValues("too_large").Inc()
		fail(w, http.StatusInternalServerError, "cannot list builds: the list is too large for the clients")
		return
	}
	s.metrics.lineage.WithLabelValues("listed").Inc()
	writeJSON(w, http.StatusOK, list)
}

// lineageV1Build is one element of the list that the LineageOS Updater read
// until 2026.
type lineageV1Build struct {
	Datetime int64  `json:"datetime"`
	Filename string `json:"filename"`
	ID       string `json:"id"`
	ROMType  string `json:"romtype"`
	Size     int64  `json:"size"`
	URL      string `json:"url"`
	Version  string `json:"version"`
}

// lineageV1 answers the LineageOS Updater before its version 23.2. It shows what
// has the type that it asked for, whatever that is called here.
func (s *Server) lineageV1(w http.ResponseWriter, r *http.Request) {
	channel := r.PathValue("type")
	if !wire.OpenChannel(channel) {
		channel = s.o.LineageChannel
	}
	b, full, ok := s.listedFor(w, r, channel, r.PathValue("incr"))
	if !ok {
		return
	}
	list := []lineageV1Build{}
	if full != nil {
		list = append(list, lineageV1Build{Datetime: b.Timestamp, Filename: full.File, ID: full.Digest.String(), ROMType: r.PathValue("type"), Size: full.Size,
			URL: s.o.BaseURL + packagePath(full), Version: b.Version})
	}
	s.metrics.lineage.WithLabelValues("listed_v1").Inc()
	writeJSON(w, http.StatusOK, map[string]any{"response": list})
}

// listedFor is listed for a handset that may have told what it runs and, in its
// query, its bucket and region.
func (s *Server) listedFor(w http.ResponseWriter, r *http.Request, channel, incremental string) (*catalog.Build, *catalog.Package, bool) {
	device, q := r.PathValue("device"), r.URL.Query()
	b, full, ok := s.listed(w, device, channel)
	if !ok {
		return nil, nil, false
	}
	if full != nil || s.snapshot.Load().Knows(device, incremental) { // of a device that is shipped
		s.checked(r, adoption.LineageOS, device, incremental)
	}
	bucket, ok := bucketOf(q.Get("bucket"))
	if !ok {
		return b, full, true
	}
	if d := s.snapshot.Load().InTurn(device, channel, incremental, q.Get("region"), bucket, s.o.Clock()); d.Offer() {
		return d.Build, d.Package, true
	}
	return b, full, true
}

// bucketOf reads a bucket. A larger number is what a handset drew that cannot
// calculate: it is mixed, since clocks of phones tick in steps, and cut down to a
// bucket.
func bucketOf(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, false
	}
	if n >= wire.Buckets {
		n = (n ^ n>>30) * 0xbf58476d1ce4e5b9 // SplitMix64's last steps
		n = (n ^ n>>27) * 0x94d049bb133111eb
		n = (n ^ n>>31) % wire.Buckets
	}
	return int(n), true
}
