package bugreport

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bugreport/logcat"
	"github.com/fridayos/friday/android/fingerprint"
)

// factFinder gathers facts from the lines of a report; the first of a sort wins.
type factFinder struct {
	f           Facts
	device      string // of the fingerprint
	incremental string
	product     bool
}

func first(at *string, value string) {
	const longest = 200
	value = strings.TrimSpace(value)
	if *at == "" && len(value) <= longest && value != "(unknown)" && value != "unknown" {
		*at = value
	}
}

func (x *factFinder) line(line []byte) {
	if len(line) > 4096 {
		return
	}
	if len(line) > 0 && line[0] == '[' && x.property(line) {
		return
	}
	if e, ok := logcat.Parse(line); ok {
		if line = e.Message; !e.Kernel && string(e.Tag) != "DEBUG" {
			return // what apps log is no fact
		}
	}
	if len(line) < 5 {
		return
	}
	text := bytes.TrimRight(line, " \r")
	cut := func(prefix string) (string, bool) {
		if bytes.HasPrefix(text, []byte(prefix)) {
			return string(text[len(prefix):]), true
		}
		return "", false
	}
	switch text[0] {
	case 'B':
		if v, ok := cut("Build fingerprint: "); ok {
			x.print(strings.Trim(v, "'\""))
		} else if v, ok := cut("Build: "); ok {
			if _, err := fingerprint.Parse(v); err == nil { // as the drop box has it
				x.print(v)
			} else {
				first(&x.f.Build, v)
			}
		}
	case 'K':
		if v, ok := cut("Kernel: "); ok {
			x.kernel(v)
		}
	case 'L':
		x.kernel(string(text))
	case 'U':
		if v, ok := cut("Uptime: "); ok {
			x.uptime(v)
		}
	case 'u':
		x.uptime(string(text))
	case '=':
		if v, ok := cut("== dumpstate: "); ok {
			first(&x.f.Taken, v)
		}
	}
}

func (x *factFinder) print(v string) {
	if p, err := fingerprint.Parse(v); err == nil && x.f.Fingerprint == "" {
		x.f.Fingerprint, x.device, x.incremental = v, p.Device, p.Incremental
		first(&x.f.Android, p.Release)
		if x.f.Build == "" {
			x.incremental = p.ID
		}
	}
}

func (x *factFinder) kernel(v string) {
	if rest, ok := strings.CutPrefix(v, "Linux version "); ok {
		rest, _, _ = strings.Cut(rest, " ")
		first(&x.f.Kernel, rest)
	}
}

// uptime reads "up 1 week, 2 days, 3 hours, 4 minutes,  load average: …".
func (x *factFinder) uptime(v string) {
	rest, ok := strings.CutPrefix(v, "up ")
	if !ok || x.f.Uptime != 0 || len(rest) > 200 {
		return
	}
	fields := strings.Fields(strings.ReplaceAll(rest, ",", " "))
	var sum time.Duration
	for i := 0; i+1 < len(fields); i += 2 {
		n, err := strconv.Atoi(fields[i])
		if err != nil || n < 0 || n > 10000 {
			break
		}
		switch strings.TrimSuffix(fields[i+1], "s") {
		case "week":
			sum += time.Duration(n) * 7 * 24 * time.Hour
		case "day":
			sum += time.Duration(n) * 24 * time.Hour
		case "hour":
			sum += time.Duration(n) * time.Hour
		case "minute":
			sum += time.Duration(n) * time.Minute
		case "second":
			sum += time.Duration(n) * time.Second
		}
	}
	x.f.Uptime = sum
}

// property reads a line of getprop: [ro.product.device]: [umi].
func (x *factFinder) property(line []byte) bool {
	key, value, ok := bytes.Cut(line, []byte("]: ["))
	if !ok {
		return false
	}
	v := string(bytes.TrimSuffix(bytes.TrimRight(value, "\r "), []byte("]")))
	switch string(key[1:]) {
	case "ro.product.device":
		if v != "" && !x.product { // nearer to the truth than a fingerprint, which is often the stock's
			x.product, x.f.Device = true, v
		}
	case "ro.friday.version":
		first(&x.f.Version, v)
	case "ro.product.model":
		first(&x.f.Model, v)
	case "ro.build.fingerprint":
		x.print(v)
	case "ro.build.display.id":
		first(&x.f.Build, v)
	case "ro.build.version.release":
		if v != "" {
			x.f.Android = v
		}
	case "ro.build.version.security_patch":
		first(&x.f.PatchLevel, v)
	}
	return true
}

func (x *factFinder) facts() Facts {
	f := x.f
	first(&f.Device, x.device)
	first(&f.Build, x.incremental)
	return f
}
