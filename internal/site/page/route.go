package page

import "net/http"

// Need is what a route asks of whoever calls it.
type Need int

// Needs.
const (
	Anyone Need = iota
	SignedIn
	Maintainer // of any device; what they may do with which is checked again with the devices
	Moderator
	Admin
)

// Route is one page or form: a pattern of net/http's ServeMux, who may, and what answers.
type Route struct {
	Pattern string
	Need    Need
	Handle  func(c *Call) error
	Files   bool  // its form may carry files
	MaxBody int64 // of a form with files that it reads itself, in bytes; 0: it reads none
}

// Serve wraps a route: who calls, whether they may, and what errors look like.
func (s *Site) Serve(r Route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		most := int64(MaxBody)
		switch {
		case r.MaxBody > 0:
			most = r.MaxBody
		case multipartForm(req): // read only where files are taken, and then bounded by who sends it
			most = maxUpload
		}
		req.Body = http.MaxBytesReader(w, req.Body, most)
		c := &Call{Site: s, W: w, R: req, Text: s.Language(req)}
		err := c.begin(r)
		if err == nil {
			err = r.Handle(c)
		}
		if err != nil {
			c.Fail(err)
		}
	})
}
