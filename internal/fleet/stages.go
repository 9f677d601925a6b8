package fleet

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of stages that people write.
const (
	maxStages    = 20
	maxLeast     = 365 * 24 * time.Hour
	maxOutcomes  = 1_000_000
	maxHandsets  = 1_000_000_000
	usualLeast   = 24 * time.Hour
	maxStageText = 1000 // bytes
)

// ParseStages reads stages as people write them, "20,1%/30%:6h,10%:2d:30,100%":
// of each a number of handsets or a percentage of the fleet, after a slash the
// percentage of those who want it early; after a colon the least time, in days (d),
// hours (h) or minutes (m), a day unless given; after another the least number of
// handsets that must have ended the update.
func ParseStages(text string) ([]Stage, error) {
	if len(text) > maxStageText {
		return nil, said.New("stages", "stages-read", "Is", strconv.Quote(text[:40]+"…"))
	}
	var stages []Stage
	for part := range strings.SplitSeq(text, ",") {
		s, ok := parseStage(strings.TrimSpace(part))
		if !ok {
			return nil, said.New("stages", "stages-read", "Is", strconv.Quote(part))
		}
		stages = append(stages, s)
	}
	if err := CheckStages(stages); err != nil {
		return nil, err
	}
	return stages, nil
}

func parseStage(text string) (s Stage, ok bool) {
	part := strings.Split(text, ":")
	s.Least = usualLeast
	if len(part) > 3 {
		return s, false
	}
	size, volunteers, early := strings.Cut(part[0], "/")
	number, percent := strings.CutSuffix(size, "%")
	n, ok := count(number, maxHandsets)
	if !ok || n == 0 {
		return s, false
	}
	if s.Handsets = n; percent {
		s.Handsets, s.Percent = 0, int(min(n, maxOutcomes))
	}
	if early {
		number, percent := strings.CutSuffix(volunteers, "%")
		n, ok := count(number, 100)
		if !ok || !percent || n == 0 {
			return s, false
		}
		s.Volunteers = int(n)
	}
	if len(part) > 1 {
		if s.Least, ok = parseLeast(part[1]); !ok {
			return s, false
		}
	}
	if len(part) > 2 {
		s.Outcomes, ok = count(part[2], maxOutcomes)
	}
	return s, ok
}

// count reads digits and nothing else.
func count(text string, most int64) (int64, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= 0 && n <= most && text[0] != '+' && text[0] != '-'
}

func parseLeast(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, ok := count(days, int64(maxLeast/(24*time.Hour)))
		return time.Duration(n) * 24 * time.Hour, ok
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0 && d <= maxLeast
}

// FormatStages writes stages as ParseStages reads them.
func FormatStages(stages []Stage) string {
	var all []string
	for _, s := range stages {
		text := s.size()
		if s.Volunteers > 0 {
			text += fmt.Sprintf("/%d%%", s.Volunteers)
		}
		text += ":" + formatLeast(s.Least)
		if s.Outcomes > 0 {
			text += ":" + strconv.FormatInt(s.Outcomes, 10)
		}
		all = append(all, text)
	}
	return strings.Join(all, ",")
}

// size is how people write how much of the fleet a stage is for.
func (s Stage) size() string {
	if s.Handsets > 0 {
		return strconv.FormatInt(s.Handsets, 10)
	}
	return fmt.Sprintf("%d%%", s.Percent)
}

func formatLeast(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d > 0 && d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	case d > 0 && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d > 0 && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// CheckStages says what is wrong with stages.
func CheckStages(stages []Stage) error {
	if len(stages) == 0 || len(stages) > maxStages {
		return said.New("stages", "stages-count", "N", len(stages), "Most", maxStages)
	}
	var last Stage
	for i, s := range stages {
		wrong := func(code string, values ...any) error {
			return said.New("stages", code, append([]any{"Stage", i + 1, "Is", s.size(), "Last", last.size()}, values...)...)
		}
		switch {
		case s.Handsets < 0 || s.Handsets > 0 && (s.Percent != 0 || s.Volunteers != 0):
			return wrong("stages-both")
		case s.Handsets > 0 && last.Percent > 0:
			return wrong("stages-first")
		case s.Handsets > 0 && s.Handsets <= last.Handsets, s.Handsets == 0 && (s.Percent <= last.Percent || s.Percent > 100):
			return wrong("stages-more")
		case s.Handsets == 0 && s.Volunteers != 0 && (s.Volunteers < s.Percent || s.Volunteers < last.Volunteers || s.Volunteers > 100):
			return wrong("stages-volunteers", "Percent", s.Volunteers)
		case s.Least < 0 || s.Least > maxLeast || s.Outcomes < 0:
			return wrong("stages-least")
		}
		last = s
	}
	if last.Percent != 100 {
		return said.New("stages", "stages-last", "Is", last.size())
	}
	return nil
}
