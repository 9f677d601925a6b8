package updateapi

import (
	"net/http"
	"strings"

	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// custotaInfo is the update info of Custota, version 2.
type custotaInfo struct {
	Version     int                        `json:"version"`
	Full        custotaLocation            `json:"full"`
	Incremental map[string]custotaLocation `json:"incremental"` // by the vbmeta digest of the phone, lower-case hex
}

type custotaLocation struct {
	OTA  string `json:"location_ota"`
	Csig string `json:"location_csig"`
}

// custota answers Custota, which asks for CODENAME.json under the address that
// the phone's owner entered. It reads the answer, then the csig that is for the
// digest of what runs, and trusts what a worker signed there.
func (s *Server) custota(w http.ResponseWriter, r *http.Request) {
	snapshot, fresh := s.fresh()
	if !fresh {
		s.metrics.lineage.WithLabelValues("lease_out").Inc()
		fail(w, http.StatusServiceUnavailable, "cannot say what to install: this server has not heard of the rollouts for a while")
		return
	}
	device, isJSON := strings.CutSuffix(r.PathValue("file"), ".json")
	channel := r.PathValue("channel")
	full, incremental, ok := snapshot.Custota(device, channel)
	if !isJSON || !ok || !wire.OpenChannel(channel) {
		fail(w, http.StatusNotFound, "there is no release for this device on this channel; expected "+wire.PathCustota+"CHANNEL/CODENAME.json")
		return
	}
	info := custotaInfo{Version: 2, Full: s.custotaLocation(full), Incremental: map[string]custotaLocation{}}
	for digest, d := range incremental {
		info.Incremental[digest] = s.custotaLocation(d)
	}
	s.metrics.lineage.WithLabelValues("custota").Inc()
	writeJSON(w, http.StatusOK, info)
}

func (s *Server) custotaLocation(d fleet.Described) custotaLocation {
	return custotaLocation{
		OTA:  s.o.BaseURL + packagePath(d.Package),
		Csig: s.o.BaseURL + wire.PackagePath(d.Csig.Digest.String(), fleet.CsigFile(d.Package)),
	}
}
