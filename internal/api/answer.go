package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/train"
)

// problem is an error as RFC 9457 writes it. Type is "about:blank": the status says all.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Field  string `json:"field,omitempty"` // of the request, that is at fault
	retry  time.Duration
}

func (p *problem) Error() string { return p.Detail }

func (s *Server) problem(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.retry.Seconds()))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="Friday"`)
	}
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		s.Log.Debug("nobody reads the answer", "err", err)
	}
}

// fail answers an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	var input *feedback.InputError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		s.problem(w, *p)
	case errors.As(err, &input):
		s.problem(w, problem{Status: http.StatusUnprocessableEntity, Detail: input.Message, Field: input.Field})
	case errors.As(err, &large):
		s.problem(w, problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("The body has more than %d bytes.", large.Limit)})
	case errors.Is(err, feedback.ErrNoAsk):
		s.problem(w, problem{Status: http.StatusConflict, Detail: "There is no open question for you here: you answered it already, or the fix was taken back."})
	case missing(err):
		s.problem(w, problem{Status: http.StatusNotFound, Detail: "There is no such thing, or it may not be seen."})
	case r.Context().Err() != nil: // nobody listens
	default:
		id := strconv.FormatInt(db.NewID(), 36)
		s.Log.Error("cannot answer", "id", id, "method", r.Method, "path", r.URL.Path, "err", err)
		s.problem(w, problem{Status: http.StatusInternalServerError, Detail: "The server broke down here; tell a maintainer this number: " + id + "."})
	}
}

func missing(err error) bool {
	return errors.Is(err, feedback.ErrNotFound) || errors.Is(err, member.ErrNotFound) || errors.Is(err, catalog.ErrNotFound) ||
		errors.Is(err, device.ErrNotFound) || errors.Is(err, train.ErrNotFound) || errors.Is(err, db.ErrNoRows)
}

var errHidden = fmt.Errorf("hidden: %w", feedback.ErrNotFound)

func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// send writes v, or that it has not changed since the caller last read it.
func (c *call) send(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	body = append(body, '\n')
	h := c.w.Header()
	h.Set("Content-Type", "application/json")
	if c.r.Method == http.MethodGet || c.r.Method == http.MethodHead {
		h.Set("ETag", etag(body))
		if known(c.r.Header.Get("If-None-Match"), h.Get("ETag")) {
			h.Del("Content-Type")
			c.w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body) // who went away needs no answer
	}
	return nil
}

// known tells whether If-None-Match has the tag.
func known(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}

// body reads the request's JSON into v, strictly: unknown fields are errors.
func (c *call) body(v any) error {
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &problem{Status: http.StatusUnsupportedMediaType, Detail: "Expected Content-Type: application/json."}
	}
	text, err := io.ReadAll(c.r.Body)
	if err != nil {
		return err
	}
	bad := func(why string) error {
		return &problem{Status: http.StatusBadRequest, Detail: "The body is not what openapi.yaml describes: " + why + "."}
	}
	if !utf8.Valid(text) {
		return bad("it is not UTF-8")
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return bad(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return bad("something follows the object")
	}
	return nil
}

// query reads the parameters of a list, strictly: what is not in names is an error.
func (c *call) query(names ...string) (url.Values, error) {
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, &problem{Status: http.StatusBadRequest, Detail: "The query cannot be read."}
	}
	for name, values := range q {
		switch {
		case !slices.Contains(names, name):
			return nil, &problem{Status: http.StatusBadRequest, Field: name, Detail: fmt.Sprintf("There is no parameter %.40q; expected %s.", name, strings.Join(names, ", "))}
		case len(values) > 1:
			return nil, &problem{Status: http.StatusBadRequest, Field: name, Detail: fmt.Sprintf("The parameter %q stands there %d times, expected once.", name, len(values))}
		case !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0) || len(values[0]) > 1000:
			return nil, &problem{Status: http.StatusBadRequest, Field: name, Detail: "The parameter is no text of at most 1000 bytes."}
		}
	}
	return q, nil
}

// number reads a whole number between low and high; def if there is none.
func number(q url.Values, name string, def, low, high int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, &problem{Status: http.StatusBadRequest, Field: name, Detail: fmt.Sprintf("%s is %.40q, expected a number from %d to %d.", name, text, low, high)}
	}
	return n, nil
}

// choice reads one of a few words; empty if there is none.
func choice[T ~string](q url.Values, name string, all []T) (T, error) {
	v := T(q.Get(name))
	if v != "" && !slices.Contains(all, v) {
		var words []string
		for _, a := range all {
			words = append(words, string(a))
		}
		return "", &problem{Status: http.StatusBadRequest, Field: name, Detail: fmt.Sprintf("%s is %.40q, expected one of %s.", name, string(v), strings.Join(words, ", "))}
	}
	return v, nil
}
