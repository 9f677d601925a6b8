package upload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Path is a file's address on the site, where the caller looks at who asks.
func (f File) Path() string { return fmt.Sprintf("/u/%d/%s", f.ID, url.PathEscape(f.Name)) }

// linkTime is how long a signed address works, at least; twice that at most.
const linkTime = 10 * time.Minute

// SignedPath is a file's address on another origin, where no cookie says who
// asks: whoever has it may read the file until it runs out. It stays the same
// for some minutes, so that browsers keep what they loaded.
func (f File) SignedPath(small bool, now time.Time) string {
	until := now.Truncate(linkTime).Add(2 * linkTime).Unix()
	q := url.Values{"until": {strconv.FormatInt(until, 10)}, "key": {f.sign(small, until)}}
	if small {
		q.Set("small", "1")
	}
	return f.Path() + "?" + q.Encode()
}

// Signed says whether a request carries an address of SignedPath for this file
// that has not run out, and whether it is of the small copy.
func (f File) Signed(q url.Values, now time.Time) (small, ok bool) {
	until, err := strconv.ParseInt(q.Get("until"), 10, 64)
	small = q.Get("small") == "1"
	return small, err == nil && now.Unix() < until && hmac.Equal([]byte(q.Get("key")), []byte(f.sign(small, until)))
}

func (f File) sign(small bool, until int64) string {
	mac := hmac.New(sha256.New, []byte(f.secret))
	fmt.Fprintf(mac, "%d %d %t", f.ID, until, small)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// Serve answers with a file, as something that can do nothing: only pictures
// that were encoded here are shown, all else is a download, and neither may
// run scripts, load anything or be taken for another type. shared says that
// the answer is for another origin than its page's.
//
// Browsers ask again each time, since who may see a file changes, and get no
// bytes twice; a signed address is good until it ends.
func (s *Store) Serve(w http.ResponseWriter, r *http.Request, f File, small, shared bool) error {
	ref, kind := f.Blob, f.Type
	if small && !f.Small.Digest.IsZero() {
		ref, kind = f.Small, f.SmallType
	}
	b, err := s.blobs.OpenRef(ref)
	if err != nil {
		return fmt.Errorf("cannot serve file %d: %w", f.ID, err)
	}
	defer b.Close()
	how := "attachment"
	if f.Picture() {
		how = "inline"
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType(how, map[string]string{"filename": f.Name}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("ETag", `"`+ref.Digest.String()+`"`)
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if shared {
		h.Set("Cache-Control", fmt.Sprintf("private, max-age=%d", int(linkTime.Seconds())))
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	http.ServeContent(w, r, "", time.Time{}, b)
	return nil
}
