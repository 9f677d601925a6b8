// Package checks measures how fast update checks are answered: a real history of
// releases is put into a store (History, Fill), a server process answers from it
// (Serve), beside a handler that does the least there is to do, and clients ask
// both in turns (Measure).
package checks

import (
	"bufio"
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/wire"
)

// Row is one package of a history.
type Row struct {
	Date     time.Time // of the release; of the first sight where it is not known
	Codename string
	Channel  string // a channel of ours
	OTA      bool   // a zip for the recovery; else images for fastboot
	Version  string
	Android  string
	Size     int64 // bytes, as exact as it is told
	MD5      string
	File     string
}

// History is a list of packages, oldest first, with what was wrong with it.
type History struct {
	Rows    []Row          `json:"-"`
	Read    int            `json:"read"`    // lines
	Devices int            `json:"devices"` // codenames
	Dirt    map[string]int `json:"dirt"`    // lines by what is wrong with them
}

// columns of a history, tab-separated, the first line.
const columns = "date\tseen\tcodename\tphone\tbranch\tmethod\tversion\tandroid\tsize\tmd5\tfile"

var channels = map[string]string{"Weekly": wire.Weekly, "Public Beta": wire.Alpha, "Stable Beta": wire.Beta, "Stable": wire.Stable}

// maxLine and maxRows bound what is read.
const (
	maxLine = 4 << 10
	maxRows = 1_000_000
)

// ReadHistory reads a history. A line of which the columns are wrong is an error;
// one with dirty data is mended where that can be done, else left out, and
// counted in either case.
func ReadHistory(r io.Reader) (History, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	if !lines.Scan() || lines.Text() != columns {
		return History{}, fmt.Errorf("cannot read history: line 1 is %.80q, expected %q (%w)", lines.Text(), columns, cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
	}
	h := History{Dirt: map[string]int{}}
	devices, files, sums := map[string]bool{}, map[[2]string]bool{}, map[string]string{}
	for lines.Scan() {
		h.Read++
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 11 {
			return History{}, fmt.Errorf("cannot read history: line %d has %d columns, expected 11", h.Read+1, len(fields))
		}
		if h.Read > maxRows {
			return History{}, fmt.Errorf("cannot read history: it has more than %d lines", maxRows)
		}
		row, dirt := readRow(fields)
		devices[row.Codename] = true
		file := [2]string{row.Codename, row.File}
		switch {
		case files[file]:
			dirt = append(dirt, "listed twice (left out)")
		case row.MD5 != "" && sums[row.MD5] != "" && sums[row.MD5] != row.Codename:
			dirt = append(dirt, "the same bytes under two codenames")
		}
		left := files[file]
		for _, d := range dirt {
			h.Dirt[d]++
			left = left || strings.HasSuffix(d, "(left out)")
		}
		if !left {
			files[file] = true
			sums[row.MD5] = row.Codename
			h.Rows = append(h.Rows, row)
		}
	}
	if err := lines.Err(); err != nil {
		return History{}, fmt.Errorf("cannot read history: line %d: %w", h.Read+2, err)
	}
	h.Devices = len(devices)
	slices.SortStableFunc(h.Rows, func(a, b Row) int { return a.Date.Compare(b.Date) })
	return h, nil
}

func readRow(f []string) (r Row, dirt []string) {
	r = Row{Codename: f[2], Channel: channels[f[4]], OTA: f[5] == "Recovery", Version: f[6], Android: f[7], MD5: strings.ToLower(f[9]), File: f[10]}
	note := func(bad bool, what string) {
		if bad {
			dirt = append(dirt, what)
		}
	}
	var err error
	if r.Date, err = time.Parse(time.DateOnly, f[0]); err != nil {
		if r.Date, err = time.Parse(time.RFC3339, f[1]); err == nil {
			r.Date = r.Date.UTC()
		}
		note(true, "no date (taken from when it was first seen)")
	}
	var ok bool
	r.Size, ok = readSize(f[8])
	note(!ok || r.Size < 1<<20, "no believable size")
	if sum, err := hex.DecodeString(r.MD5); err != nil || len(sum) != md5.Size {
		r.MD5 = ""
		note(true, "no MD5")
	}
	note(err != nil, "no time at all (left out)")
	note(!wire.IsCodename(r.Codename), "no codename (left out)")
	note(r.Channel == "" || f[5] != "Recovery" && f[5] != "Fastboot", "no known branch or method (left out)")
	note(r.Version == "" || len(r.Version) > wire.MaxField, "no version (left out)")
	note(r.File == "" || strings.ContainsAny(r.File, "/\\\x00"), "no file name (left out)")
	return r, dirt
}

// readSize reads "351.5 MB"; units are powers of 1024, as the source has them.
func readSize(text string) (int64, bool) {
	number, unit, ok := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(number, 64)
	shift, known := map[string]int{"Bytes": 0, "kB": 10, "KB": 10, "MB": 20, "GB": 30}[unit]
	if !ok || err != nil || !known || !(n >= 0 && n < 1<<20) {
		return 0, false
	}
	return int64(n * float64(int64(1)<<shift)), true
}
