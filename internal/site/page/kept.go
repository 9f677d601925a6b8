package page

import (
	"container/list"
	"net/http"
	"strconv"
	"sync"
)

// mostKept is how many bytes of whole pages are kept.
const mostKept = 24 << 20

// kept holds pages as they were shown to whoever is not signed in; the longest
// unused goes first. A page is good while the database's revision is what it was
// before the page was read, on whichever node something is written, and within
// the same second, as some pages say how long it is until something happens.
type kept struct {
	mu     sync.Mutex
	size   int
	recent list.List // of *keptPage, the last used in front
	by     map[string]*list.Element
	making map[string]chan struct{} // closed when the page is there, or will not be
}

type keptPage struct {
	key, revision string
	body          []byte
}

// begin says that a page is made now, or, with a channel to wait for, that somebody
// else does.
func (k *kept) begin(key string) (wait <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if made := k.making[key]; made != nil {
		return made
	}
	if k.making == nil {
		k.making = map[string]chan struct{}{}
	}
	k.making[key] = make(chan struct{})
	return nil
}

func (k *kept) end(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.making[key])
	delete(k.making, key)
}

func (k *kept) get(key, revision string) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.by[key]
	if e == nil {
		return nil
	}
	p := e.Value.(*keptPage)
	if p.revision != revision {
		return nil
	}
	k.recent.MoveToFront(e)
	return p.body
}

func (k *kept) put(key, revision string, body []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[string]*list.Element{}
	}
	if e := k.by[key]; e != nil {
		k.drop(e)
	}
	p := &keptPage{key, revision, body}
	k.by[key] = k.recent.PushFront(p)
	k.size += p.weight()
	for k.size > mostKept {
		k.drop(k.recent.Back())
	}
}

func (k *kept) drop(e *list.Element) {
	p := k.recent.Remove(e).(*keptPage)
	delete(k.by, p.key)
	k.size -= p.weight()
}

// weight is what a page takes, with what holds it.
func (p *keptPage) weight() int { return len(p.body) + len(p.key) + len(p.revision) + 300 }

// Kept is a handler whose pages are the same for everyone who is not signed in,
// as long as nothing is written: it answers them from memory then. What it shows may
// depend on the address, the language, the database and the time in seconds alone.
func Kept(handle func(c *Call) error) func(c *Call) error {
	return func(c *Call) error {
		if c.R.Method != http.MethodGet || c.Viewer.ID != 0 || len(c.R.URL.RawQuery) > 500 || c.R.URL.Query().Has("done") {
			return handle(c)
		}
		revision, err := c.Site.DB.Revision(c.R.Context())
		if err != nil {
			return err
		}
		revision += " " + strconv.FormatInt(c.Site.DB.Now().Unix(), 36)
		key := c.Text.Lang + " " + c.R.URL.RequestURI()
		for tries := range 2 {
			if body := c.Site.kept.get(key, revision); body != nil {
				c.answer(http.StatusOK, body)
				return nil
			}
			if tries > 0 {
				return handle(c) // whoever was waited for made none
			}
			wait := c.Site.kept.begin(key + " " + revision)
			if wait == nil {
				break
			}
			select {
			case <-wait:
			case <-c.R.Context().Done():
				return c.R.Context().Err()
			}
		}
		defer c.Site.kept.end(key + " " + revision)
		c.keep = func(body []byte) { c.Site.kept.put(key, revision, body) }
		return handle(c)
	}
}
