package markdown

import (
	"container/list"
	"crypto/sha256"
	"html/template"
	"sync"
)

// maxKept is how many bytes of HTML are kept.
const maxKept = 16 << 20

// kept remembers what was rendered; the longest unused goes first.
type kept struct {
	mu     sync.Mutex
	size   int
	recent list.List // of *rendered, the last used in front
	by     map[[sha256.Size]byte]*list.Element
}

type rendered struct {
	key  [sha256.Size]byte
	html template.HTML
}

func (k *kept) get(source string, render func(string) template.HTML) template.HTML {
	key := sha256.Sum256([]byte(source))
	k.mu.Lock()
	if e := k.by[key]; e != nil {
		k.recent.MoveToFront(e)
		k.mu.Unlock()
		return e.Value.(*rendered).html
	}
	k.mu.Unlock()
	html := render(source) // two at once may both do it
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.by == nil {
		k.by = map[[sha256.Size]byte]*list.Element{}
	}
	if k.by[key] == nil && len(html) <= maxKept/8 {
		k.by[key] = k.recent.PushFront(&rendered{key, html})
		k.size += len(html)
	}
	for k.size > maxKept {
		old := k.recent.Remove(k.recent.Back()).(*rendered)
		delete(k.by, old.key)
		k.size -= len(old.html)
	}
	return html
}
