package updateapi_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// described has openapi.yaml judge what goes over the wire in a test: each
// request that was taken, and each answer. Of what repeats, the first few count.
type described struct {
	http.Handler
	t    testing.TB
	mu   sync.Mutex
	seen map[string]int
}

var openAPIJudge = sync.OnceValues(func() (validator.Validator, error) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

func judged(t testing.TB, h http.Handler) *described {
	return &described{Handler: h, t: t, seen: map[string]int{}}
}

const judgedEach = 5

// tee keeps what is answered.
type tee struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *tee) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *tee) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *tee) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.body.Len() < 1<<20 {
		w.body.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

func (d *described) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent bytes.Buffer
	if r.Body != nil {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
	}
	out := &tee{ResponseWriter: w}
	d.Handler.ServeHTTP(out, r)
	// A status that a person's mistake in the address gets is not described for
	// each address.
	if r.Method == http.MethodHead || out.status == http.StatusMethodNotAllowed || out.status == http.StatusNotFound && strings.Contains(out.body.String(), "openapi.yaml describes") {
		return
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	key := r.Method + " " + path + " " + r.Pattern + " " + http.StatusText(out.status)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen[key]++; d.seen[key] > judgedEach {
		return
	}
	judge, err := openAPIJudge()
	if err != nil {
		d.t.Errorf("openapi.yaml cannot judge: %v", err)
		return
	}
	again := r.Clone(d.t.Context())
	again.Body = io.NopCloser(bytes.NewReader(sent.Bytes()))
	if out.status < 400 {
		if ok, errs := judge.ValidateHttpRequest(again); !ok {
			d.t.Errorf("%s %s was taken, and openapi.yaml refuses it: %s: %v\n%s", r.Method, r.URL, errs[0].Message, errs[0].SchemaValidationErrors, sent.Bytes())
		}
		again.Body = io.NopCloser(bytes.NewReader(sent.Bytes()))
	}
	body := out.body.Bytes()
	if kind := out.Header().Get("Content-Type"); len(body) > 0 && kind != "application/json" {
		body = []byte("bytes") // zips and text have no schema
	}
	answer := &http.Response{StatusCode: out.status, Header: out.Header().Clone(), Body: io.NopCloser(bytes.NewReader(body)), Request: again}
	if len(body) == 0 {
		answer.Header.Del("Content-Type")
	}
	if ok, errs := judge.ValidateHttpResponse(again, answer); !ok {
		d.t.Errorf("%s %s is answered with %d %s, and openapi.yaml refuses it: %s: %v\n%.500s", r.Method, r.URL, out.status, out.Header().Get("Content-Type"), errs[0].Message, errs[0].SchemaValidationErrors, out.body.Bytes())
	}
}

// TestTheDescriptionJudges: it is OpenAPI, and it finds what is wrong.
func TestTheDescriptionJudges(t *testing.T) {
	judge, err := openAPIJudge()
	if err != nil {
		t.Fatal(err)
	}
	if ok, errs := judge.ValidateDocument(); !ok {
		t.Errorf("openapi.yaml is no OpenAPI 3.1: %s: %v", errs[0].Message, errs[0].SchemaValidationErrors)
	}
	good := `{"device":"umi","incremental":"1","timestamp":1,"patch_level":"2026-11-05","rollback_index":0,"channel":"weekly","bucket":1,"days_since_last":-1}`
	for body, want := range map[string]bool{good: true, strings.Replace(good, `"bucket":1,`, "", 1): false, strings.Replace(good, `"bucket":1`, `"bucket":"1"`, 1): false, strings.Replace(good, "weekly", "nightly", 1): false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://os.example/api/friday/v1/checkin", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if ok, _ := judge.ValidateHttpRequest(r); ok != want {
			t.Errorf("%s: %v, expected %v", body, ok, want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://os.example/api/friday/v1/checkin", nil)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]bool{`{"offer":null,"next_check":60}`: true, `{"offer":{},"next_check":60}`: false, `{"offer":null}`: false} {
		resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}
		if ok, _ := judge.ValidateHttpResponse(r, resp); ok != want {
			t.Errorf("the answer %s: %v, expected %v", body, ok, want)
		}
	}
}
