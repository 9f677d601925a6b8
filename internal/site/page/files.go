package page

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/markdown"
	"github.com/fridayos/friday/internal/upload"
)

// maxUpload bounds a form with files, whatever a member's own limits are.
const maxUpload = 160 << 20

// maxSending is how long sending such a form may take: a phone on a slow line.
const maxSending = 10 * time.Minute

// multipartForm says whether a request is a form that carries files.
func multipartForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "multipart/form-data" && r.Method == http.MethodPost
}

// readFiles reads a form with files: its fields into PostForm, its files into
// the store, where they belong to nobody until attach. Files that are refused
// leave fileErr, for the handler to say beside the form.
func (c *Call) readFiles() error {
	deadline := http.NewResponseController(c.W)
	_ = deadline.SetReadDeadline(time.Now().Add(maxSending)) // a recorder in a test has none
	_ = deadline.SetWriteDeadline(time.Now().Add(maxSending + maxAnswer))
	parts, err := c.R.MultipartReader()
	if err != nil {
		return ErrNotText
	}
	c.R.PostForm = url.Values{}
	room := int64(MaxBody)
	limits := reputation.FileLimits(c.Viewer.Level)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		var tooLarge *http.MaxBytesError
		if err != nil && !errors.As(err, &tooLarge) {
			err = ErrNotText // it is not as forms are
		}
		if err == nil {
			err = c.readPart(part, &room, limits)
		}
		if err != nil {
			return err
		}
	}
	return c.checkText()
}

func (c *Call) readPart(part *multipart.Part, room *int64, limits upload.Limits) error {
	_, params, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	if _, file := params["filename"]; !file {
		text, err := io.ReadAll(io.LimitReader(part, *room+1))
		if err != nil {
			return err
		}
		if *room -= int64(len(text)) + 16; *room < 0 {
			return &http.MaxBytesError{Limit: MaxBody}
		}
		c.R.PostForm.Add(part.FormName(), string(text))
		return nil
	}
	switch {
	case params["filename"] == "": // nothing was chosen
		return nil
	case c.Site.Uploads == nil:
		return ErrNotFound
	case c.fileErr != nil: // the form comes back anyway
		return nil
	case len(c.drafts)+len(c.logs) == limits.Files:
		c.fileErr = &upload.Refused{Reason: upload.TooMany, Name: upload.SafeName(params["filename"], upload.Text), Limit: int64(limits.Files)}
		return nil
	}
	return c.takeFile(c.R.Context(), params["filename"], part, limits)
}

// HasFiles says whether the form brought any.
func (c *Call) HasFiles() bool { return len(c.drafts)+len(c.logs) > 0 || c.fileErr != nil }

// attach gives the files of the form to what was just written. Files that were
// refused make it fail with the mistake to show beside the form.
func (c *Call) attach(tx *db.Tx, to upload.Ref) error {
	if c.fileErr != nil {
		return c.refusedFile(c.fileErr)
	}
	if err := c.keepLogs(tx); err != nil || len(c.drafts) == 0 {
		return err
	}
	_, err := c.Site.Uploads.Put(tx, c.Viewer.ID, to, c.drafts, reputation.FileLimits(c.Viewer.Level))
	var refused *upload.Refused
	if errors.As(err, &refused) {
		return c.refusedFile(refused)
	}
	return err
}

func (c *Call) refusedFile(e *upload.Refused) error {
	limit := e.Limit
	switch e.Reason {
	case upload.TooLarge, upload.DayFull, upload.AllFull:
		limit >>= 20
	case upload.TooWide:
		limit /= 1_000_000
	}
	return Refuse("file", c.Text.T("upload.refused."+string(e.Reason), "Name", e.Name, "Limit", limit))
}

// FileView is a file as a page shows it.
type FileView struct {
	Name, Path, Small string
	Size              string
	Picture           bool
	Width, Height     int // in the text
	Wide, High        int // below it
}

// ViewFile is how a page shows a file.
func ViewFile(f upload.File) FileView {
	v := FileView{Name: f.Name, Path: f.Path(), Small: f.Path(), Size: fileSize(f.Blob.Size), Picture: f.Picture()}
	if f.Picture() {
		v.Width, v.Height = f.Width, f.Height
		if !f.Small.Digest.IsZero() {
			v.Small += "?small=1"
			v.Width, v.Height = f.SmallBounds()
		}
		v.Wide, v.High = lower(v.Width, v.Height, belowHeight)
		v.Width, v.Height = lower(v.Width, v.Height, textHeight)
	}
	return v
}

// How high a picture stands on a page, in pixels: a screenshot of a phone is high.
const textHeight, belowHeight = 640, 220

// lower is the size of a picture that is at most so high.
func lower(w, h, most int) (int, int) {
	if h <= most {
		return w, h
	}
	return max(1, w*most/h), most
}

func fileSize(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d kB", (n+1023)>>10)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
}

// Shown is as much of a post's text as fits into budget bytes of HTML, with its
// own pictures in it; whole says that it was all, and below are the files that
// the text does not show.
func (c *Call) Shown(body string, files []upload.File, budget int) (html template.HTML, whole bool, below []FileView) {
	shown := map[string]bool{}
	if len(files) > 0 {
		for _, name := range c.Site.Markdown.Names(body) {
			shown[name] = true
		}
	}
	for _, f := range files {
		if v := ViewFile(f); !v.Picture || !shown[v.Name] {
			below = append(below, v)
		}
	}
	html, whole = c.Site.Markdown.Beginning(body, budget, Pictures(files)...)
	return html, whole, below
}

// Pictures are those of a post's files that its text can show.
func Pictures(files []upload.File) (all []markdown.Picture) {
	for _, f := range files {
		if v := ViewFile(f); v.Picture {
			all = append(all, markdown.Picture{Name: v.Name, Path: v.Path, Small: v.Small, Width: v.Width, Height: v.Height})
		}
	}
	return all
}

// filesHost reads the origin that files are served from.
func filesHost(address, own string) (string, error) {
	if address == "" {
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Host == own || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("cannot make the site: the uploads' URL is %q, expected another origin than the site's, such as https://files.example.org", address)
	}
	return u.Host, nil
}

// filesOrigin is that origin for a policy of where pictures may come from.
func (s *Site) filesOrigin() string {
	if s.files == "" {
		return ""
	}
	return " " + strings.TrimSuffix(s.UploadsURL, "/")
}

// FilesOnly answers on the origin of files with nothing but files, to whoever has
// an address that was signed; all else goes on to next.
func (s *Site) FilesOnly(next http.Handler) http.Handler {
	if s.files == "" || s.Uploads == nil {
		return next
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /u/{id}/{name}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
		var f upload.File
		if err == nil {
			err = s.DB.Read(r.Context(), func(tx *db.Tx) (err error) { f, err = upload.ByID(tx, id); return err })
		}
		small, ok := f.Signed(r.URL.Query(), s.DB.Now())
		if err != nil || !ok {
			http.NotFound(w, r) // as for a file that is not there
			return
		}
		if err := s.Uploads.Serve(w, r, f, small, true); err != nil {
			s.Log.Error("cannot serve file", "id", id, "err", err)
			http.NotFound(w, r)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host == s.files {
			mux.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
