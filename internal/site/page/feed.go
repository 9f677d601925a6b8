package page

import "net/url"

// ThreadsFeed is the address of the Atom feed of threads that are chosen by names
// and values, one after the other; empty ones choose nothing.
func ThreadsFeed(chosen ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(chosen); i += 2 {
		if chosen[i+1] != "" {
			q.Set(chosen[i], chosen[i+1])
		}
	}
	if len(q) == 0 {
		return "" // that of all threads, which every page names
	}
	return "/api/forum/v1/threads.atom?" + q.Encode()
}
