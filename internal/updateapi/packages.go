package updateapi

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

func packagePath(p *catalog.Package) string {
	return wire.PackagePath(p.Digest.String(), p.File)
}

// servePackage serves the bytes of a package that a rollout offers. The address
// names the bytes, so it may be cached for ever; only refusals may not.
func (s *Server) servePackage(w http.ResponseWriter, r *http.Request) {
	snapshot, ok := s.fresh()
	if !ok {
		s.packageFailed(w, http.StatusServiceUnavailable, "cannot serve package: this server has not heard of the rollouts for a while")
		return
	}
	served, ok := snapshot.Package(r.PathValue("digest"))
	if !ok || served.Package.File != r.PathValue("file") {
		s.packageFailed(w, http.StatusNotFound, "cannot serve package: there is none by this name")
		return
	}
	s.checkedCsig(r, served)
	s.sendPackage(w, r, served)
}

// sendPackage sends a package's bytes, or whoever asks to where they are.
func (s *Server) sendPackage(w http.ResponseWriter, r *http.Request, served fleet.Served) {
	switch {
	case served.State == fleet.Pulled:
		s.packageFailed(w, http.StatusGone, "cannot serve package: its release was pulled")
		return
	case served.State == fleet.Halted:
		s.packageFailed(w, http.StatusServiceUnavailable, "cannot serve package: its rollout is halted")
		return
	}
	if s.o.PackagesURL != "" && r.Header.Get("CDN-Loop") == "" { // RFC 8586: the CDN itself gets the bytes
		// The redirect is for now: a package that is pulled has to be gone from here.
		s.metrics.packages.WithLabelValues("redirected").Inc()
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, s.o.PackagesURL+packagePath(&served.Package), http.StatusFound)
		return
	}
	if strings.TrimSpace(r.Header.Get("Range")) == "bytes=-0" { // the last 0 bytes: net/http answers 206 with a range that ends before it begins
		w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(served.Package.Size, 10))
		s.packageFailed(w, http.StatusRequestedRangeNotSatisfiable, "cannot serve package: no byte is in the range")
		return
	}
	b, err := s.o.Blobs.Open(served.Package.Digest)
	if err != nil {
		s.o.Log.Error("cannot open package", "digest", served.Package.Digest.String(), "error", err)
		s.packageFailed(w, http.StatusInternalServerError, "cannot serve package: its bytes cannot be read here")
		return
	}
	defer b.Close()
	s.metrics.packages.WithLabelValues("served").Inc()
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	if served.Package.Kind == fleet.KindCsig {
		h.Set("Content-Type", "application/pkcs7-mime")
	}
	h.Set("ETag", `"`+served.Package.Digest.String()+`"`)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	more := func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience)) }
	http.ServeContent(w, r, "", time.Time{}, eachRead{io.NewSectionReader(b, 0, b.Size()), more})
}

// eachRead calls more before each piece.
type eachRead struct {
	io.ReadSeeker
	more func()
}

func (e eachRead) Read(p []byte) (int, error) {
	e.more()
	return e.ReadSeeker.Read(p)
}

func (s *Server) packageFailed(w http.ResponseWriter, status int, message string) {
	s.metrics.packages.WithLabelValues("refused").Inc()
	fail(w, status, message)
}
