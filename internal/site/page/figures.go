package page

import (
	"sync"
	"time"
)

// Figures keeps what is dear to count and may be some minutes old. Its zero
// value is empty.
type Figures struct {
	mu  sync.Mutex
	all map[string]figure
}

type figure struct {
	value any
	until time.Time
}

// Figure returns what count gave under a name within the last age, or counts
// anew. Errors are not kept. What two counts at once give is kept once.
func Figure[T any](f *Figures, name string, now time.Time, age time.Duration, count func() (T, error)) (T, error) {
	f.mu.Lock()
	kept, ok := f.all[name]
	f.mu.Unlock()
	if value, fits := kept.value.(T); ok && fits && now.Before(kept.until) && kept.until.Sub(now) <= age { // a clock set back does not keep it for ever
		return value, nil
	}
	value, err := count()
	if err == nil {
		f.mu.Lock()
		if f.all == nil {
			f.all = map[string]figure{}
		}
		f.all[name] = figure{value, now.Add(age)}
		f.mu.Unlock()
	}
	return value, err
}
