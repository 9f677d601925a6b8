// Package site is the pages: it puts together what the packages below it show
// (forum, account, office) and keeps the one table of all routes with the role
// that each needs (routes.go). What pages are made with is in package page.
package site

import (
	"net/http"

	"github.com/fridayos/friday/internal/site/account"
	"github.com/fridayos/friday/internal/site/desk"
	"github.com/fridayos/friday/internal/site/forum"
	"github.com/fridayos/friday/internal/site/hooks"
	"github.com/fridayos/friday/internal/site/notices"
	"github.com/fridayos/friday/internal/site/office"
	"github.com/fridayos/friday/internal/site/order"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/report"
	"github.com/fridayos/friday/internal/site/testring"
)

// Options are what the pages need.
type Options = page.Options

type server struct {
	core    *page.Site
	handler http.Handler
}

// New makes the pages' handler.
func New(o Options) (http.Handler, error) {
	core, err := page.New(o, forum.Files, account.Files, office.Files, order.Files, desk.Files, report.Files, testring.Files, notices.Files, hooks.Files)
	if err != nil {
		return nil, err
	}
	s := &server{core: core}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.Pattern, core.Serve(page.Route{Pattern: r.Pattern, Need: r.Need, Handle: r.Handle, Files: takesFiles[r.Pattern], MaxBody: bodies[r.Pattern]}))
	}
	mux.HandleFunc("GET /static/{file}", core.ServeAsset)
	mux.Handle("/", core.Serve(page.Route{Handle: func(*page.Call) error { return page.ErrNotFound }}))
	s.handler = core.Guard(core.FilesOnly(http.NewCrossOriginProtection().Handler(mux)))
	return s, nil
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }
