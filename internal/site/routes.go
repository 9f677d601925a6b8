package site

import "net/http"

// need is what a route asks of whoever calls it.
type need int

const (
	anyone need = iota
	signedIn
	maintainer // of any device; what they may do with which is checked again with the devices
	moderator
	admin
)

type route struct {
	pattern string
	need    need
	handle  func(c *call) error
}

// routes is every page and form. The test of the permission matrix walks it.
var routes = []route{
	{"GET /{$}", anyone, (*call).home},
	{"GET /t", anyone, (*call).threads},
	{"GET /t/new", signedIn, (*call).newThread},
	{"POST /t/new", signedIn, (*call).fileThread},
	{"GET /t/{thread}", anyone, (*call).thread},
	{"POST /t/{thread}/reply", signedIn, (*call).reply},
	{"POST /t/{thread}/vote", signedIn, (*call).vote},
	{"POST /t/{thread}/metoo", signedIn, (*call).meToo},
	{"POST /t/{thread}/watch", signedIn, (*call).watch},
	{"POST /t/{thread}/answer", signedIn, (*call).answer},
	{"POST /t/{thread}/object", signedIn, (*call).object},
	{"POST /t/{thread}/mark", maintainer, (*call).mark},
	{"POST /t/{thread}/hide", moderator, (*call).hide},
	{"GET /d", anyone, (*call).devices},
	{"GET /d/{codename}", anyone, (*call).device},
	{"GET /r", anyone, (*call).releases},
	{"GET /r/{release}", anyone, (*call).release},
	{"GET /train", anyone, (*call).console},
	{"POST /train/cut", admin, (*call).cut},
	{"POST /train/skip", admin, (*call).skip},
	{"POST /train/move", maintainer, (*call).move},
	{"GET /m/{name}", anyone, (*call).member},
	{"POST /m/{name}/roles", admin, (*call).setRoles},
	{"GET /me", signedIn, (*call).me},
	{"POST /me/claim", signedIn, (*call).claim},
	{"POST /me/sessions/end", signedIn, (*call).endSession},
	{"GET /signin", anyone, (*call).signIn},
	{"POST /signin", anyone, (*call).doSignIn},
	{"GET /register", anyone, (*call).register},
	{"POST /register", anyone, (*call).doRegister},
	{"POST /signout", signedIn, (*call).signOut},
	{"GET /first-run", anyone, (*call).firstRun},
	{"POST /first-run", anyone, (*call).doFirstRun},
}

// serve wraps a route: who calls, whether they may, and what errors look like.
func (s *server) serve(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		c := &call{s: s, w: w, r: req}
		err := c.begin(r.need)
		if err == nil {
			err = r.handle(c)
		}
		if err != nil {
			c.fail(err)
		}
	})
}
