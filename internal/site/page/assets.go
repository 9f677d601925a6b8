package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

type asset struct {
	body []byte
	gzip []byte
	mime string
	href string // with a digest: it may be cached for good
}

func readAssets(files fs.FS) (map[string]asset, error) {
	assets := map[string]asset{}
	mimes := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(body)
		name = path.Base(name)
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err == nil {
			_, err = z.Write(body)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("cannot compress %s: %w", name, err)
		}
		assets[name] = asset{body, packed.Bytes(), mimes[path.Ext(name)], "/static/" + name + "?" + hex.EncodeToString(sum[:6])}
	}
	return assets, nil
}

// ServeAsset answers GET /static/{file}.
func (s *Site) ServeAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.mime)
	if "?"+r.URL.RawQuery == a.href[strings.IndexByte(a.href, '?'):] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "public, max-age=300")
	}
	w.Header().Set("Vary", "Accept-Encoding")
	body := a.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.gzip
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
