package updateapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/updateapi/quickjson"
	"github.com/fridayos/friday/internal/wire"
)

// buffers are for bodies on their way in and out: a check-in takes one.
var buffers = sync.Pool{New: func() any { return &buffer{make([]byte, 0, 2<<10)} }}

type buffer struct{ b []byte }

// fill reads r to its end. It grows with what has come, not with what was
// announced.
func (b *buffer) fill(r io.Reader) error {
	b.b = b.b[:0]
	for {
		if len(b.b) == cap(b.b) {
			b.b = append(b.b, 0)[:len(b.b)]
		}
		n, err := r.Read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// bodyPatience is how long a client may take to send a request's body.
const bodyPatience = 10 * time.Second

// readBody reads a request's body, within the limits; on false it has answered.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (text string, ok bool) {
	// A recorder in a test has no deadlines; every real connection has.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
	body := io.Reader(r.Body)
	if r.ContentLength < 0 || r.ContentLength > wire.MaxRequest { // else net/http reads no more than that
		body = http.MaxBytesReader(w, r.Body, wire.MaxRequest)
	}
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	err := b.fill(body)
	if err != nil {
		s.metrics.health.unread(err)
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("cannot read request: it has more than %d bytes", wire.MaxRequest))
			return "", false
		}
		fail(w, http.StatusBadRequest, "cannot read request: "+err.Error())
		return "", false
	}
	return string(b.b), true
}

// readJSON reads a request's body into v, within the limits; quick, which may be
// nil, is tried first. On false it has answered.
func readJSON[T any](s *Server, w http.ResponseWriter, r *http.Request, v *T, quick func(string, *T) bool) bool {
	text, ok := s.readBody(w, r)
	return ok && (quick != nil && quick(text, v) || unmarshal(w, text, v))
}

// unmarshal reads a body's text into v; on false it has answered.
func unmarshal(w http.ResponseWriter, text string, v any) bool {
	if err := json.Unmarshal([]byte(text), v); err != nil {
		fail(w, http.StatusBadRequest, "cannot read request: "+err.Error())
		return false
	}
	return true
}

// readCheckIn is readJSON for what nearly all requests are: it takes nothing from
// the heap but the text.
func (s *Server) readCheckIn(w http.ResponseWriter, r *http.Request) (c wire.CheckIn, ok bool) {
	text, ok := s.readBody(w, r)
	if !ok || quickjson.CheckIn(text, &c) {
		return c, ok
	}
	slow := new(wire.CheckIn)
	ok = unmarshal(w, text, slow)
	return *slow, ok
}

// Values of headers that all answers share; nobody changes them.
var (
	typeJSON = []string{"application/json"}
	noStore  = []string{"no-store"}
	noSniff  = []string{"nosniff"}
)

// writeReply answers a check-in. net/http writes the length.
func writeReply(w http.ResponseWriter, reply *wire.CheckInReply) {
	b := buffers.Get().(*buffer)
	defer buffers.Put(b)
	b.b = quickjson.AppendReply(b.b[:0], reply)
	h := w.Header()
	h["Content-Type"], h["Cache-Control"] = typeJSON, noStore
	_, _ = w.Write(b.b) // the client may be gone
}
