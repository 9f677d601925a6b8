package page

import (
	"errors"
	"testing"
	"time"
)

func TestFigure(t *testing.T) {
	var f Figures
	start := time.Date(2026, 11, 27, 17, 0, 0, 0, time.UTC)
	counted := 0
	for i, c := range []struct {
		at      time.Duration
		name    string
		err     error
		counted int
	}{
		{0, "a", errors.New("no"), 1}, {0, "a", nil, 2}, {59 * time.Second, "a", nil, 2}, {0, "b", nil, 3},
		{60 * time.Second, "a", nil, 4}, {-time.Hour, "a", nil, 5},
	} {
		got, err := Figure(&f, c.name, start.Add(c.at), time.Minute, func() (int, error) { counted++; return counted, c.err })
		if counted != c.counted || !errors.Is(err, c.err) || err == nil && c.name == "a" && got != c.counted {
			t.Errorf("step %d: counted %d times, got %d, %v; expected %d", i, counted, got, err, c.counted)
		}
	}
}
