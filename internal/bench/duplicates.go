// Package bench measures Friday: how well and how fast its parts do what they
// are for, on data that is given or made from a seed. It prints nothing and
// judges nothing; the command shows its figures beside those of others.
package bench

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/feedback/duplicate"
)

// Report is one bug report of a set.
type Report struct {
	ID, Title, Body string
	At              time.Time
	Earlier         []int // the reports that it repeats, by their place in the set
}

// Set is a list of reports in the order in which they were filed.
type Set struct {
	Reports []Report
	Notes   []string // what of the files could not be used, one sentence each
}

// The columns that ReadSet asks for; others may stand beside them.
var (
	bugColumns  = []string{"Issue id", "Summary", "Description", "Created"}
	linkColumns = []string{"Issue id", "Duplicate id"}
)

// dates are the forms of dates that trackers export.
var dates = []string{"02/Jan/06 15:04", time.RFC3339, "2006-01-02 15:04:05-07:00", "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05.000-0700",
	time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", time.DateOnly}

// ReadSet reads reports (CSV with the columns Issue id, Summary, Description,
// Created) and the links between those that say the same (Issue id, Duplicate
// id; several separated by commas). The later report of a link repeats the
// earlier one, whichever way round the link names them.
func ReadSet(bugs, links io.Reader) (Set, error) {
	var s Set
	if err := s.readReports(bugs); err != nil {
		return Set{}, fmt.Errorf("cannot read the bugs: %w", err)
	}
	if err := s.readLinks(links); err != nil {
		return Set{}, fmt.Errorf("cannot read the links: %w", err)
	}
	return s, nil
}

func (s *Set) readReports(r io.Reader) error {
	seen, repeated := map[string]bool{}, 0
	err := rows(r, bugColumns, func(line int, row []string) error {
		id := strings.TrimSpace(row[0])
		at, err := date(row[3])
		switch {
		case err != nil:
			return fmt.Errorf("line %d: %w", line, err)
		case id == "":
			return fmt.Errorf("line %d: the Issue id is empty", line)
		case seen[id]:
			repeated++
			return nil
		}
		seen[id] = true
		s.Reports = append(s.Reports, Report{ID: id, Title: row[1], Body: row[2], At: at})
		return nil
	})
	if err != nil {
		return err
	}
	if len(s.Reports) == 0 {
		return errors.New("there is no report in it")
	}
	if repeated > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("%d rows repeat an Issue id; the first of each counts.", repeated))
	}
	slices.SortStableFunc(s.Reports, func(a, b Report) int { return cmp.Or(a.At.Compare(b.At), byNumber(a.ID, b.ID)) })
	return nil
}

// byNumber orders IDs that are numbers by their value: trackers count upwards.
func byNumber(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

func (s *Set) readLinks(r io.Reader) error {
	place := map[string]int{}
	for i, r := range s.Reports {
		place[r.ID] = i
	}
	total, dangling, first := 0, 0, ""
	err := rows(r, linkColumns, func(line int, row []string) error {
		a := strings.TrimSpace(row[0])
		for b := range strings.SplitSeq(row[1], ",") {
			b = strings.TrimSpace(b)
			if a == "" || b == "" {
				return fmt.Errorf("line %d: a link needs two ids, found %q and %q", line, row[0], row[1])
			}
			total++
			i, ok := place[a]
			j, known := place[b]
			if !ok || !known {
				if dangling++; dangling == 1 {
					first = fmt.Sprintf("line %d: %s", line, map[bool]string{true: b, false: a}[ok])
				}
				continue
			}
			later := &s.Reports[max(i, j)]
			if i != j && !slices.Contains(later.Earlier, min(i, j)) {
				later.Earlier = append(later.Earlier, min(i, j))
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case total == 0:
		return errors.New("there is no link in it")
	case dangling == total:
		return fmt.Errorf("none of the %d links is between two reports of the bugs (the first that is missing: %s); do the files belong together?", total, first)
	case dangling > 0:
		s.Notes = append(s.Notes, fmt.Sprintf("%d of %d links name a report that the bugs do not have and are left out (the first: %s).", dangling, total, first))
	}
	return nil
}

// rows reads a CSV file and calls fn with the named columns of every row.
func rows(r io.Reader, columns []string, fn func(line int, row []string) error) error {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the file is empty, expected CSV with the columns %s", strings.Join(columns, ", "))
	}
	if err != nil {
		return err
	}
	header = slices.Clone(header)
	header[0] = strings.TrimPrefix(header[0], "\uFEFF")
	at := make([]int, len(columns))
	for i, c := range columns {
		if at[i] = slices.Index(header, c); at[i] < 0 {
			return fmt.Errorf("line 1: there is no column %q; found %s", c, strings.Join(header, ", "))
		}
	}
	row := make([]string, len(columns))
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, n := range at {
			row[i] = strings.Clone(record[n])
		}
		line, _ := in.FieldPos(0)
		if err := fn(line, row); err != nil {
			return err
		}
	}
}

func date(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, form := range dates {
		if at, err := time.Parse(form, s); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("Created is %s, expected a date such as 30/Sep/21 17:20 or 2021-09-30 17:20:00", strconv.Quote(s))
}

// Duplicates is how well later reports found the earlier ones that they repeat.
type Duplicates struct {
	Queries   int     `json:"queries"`
	RecallAt1 float64 `json:"recall_at_1"`
	Recall10  float64 `json:"recall_at_10"`
	MRR       float64 `json:"mrr"`    // mean of 1/rank of the first that is right, over the whole list
	P50       float64 `json:"p50_ms"` // of one question, in milliseconds

	hits1, hits10 int
}

// FindDuplicates goes through a set as it happened: each report that repeats
// earlier ones asks an index that holds all reports before it, and nothing of
// what came later.
func FindDuplicates(s Set) (Duplicates, error) {
	var d Duplicates
	var took []time.Duration
	index := duplicate.New()
	for i, r := range s.Reports {
		if len(r.Earlier) > 0 {
			q := duplicate.Query{Title: r.Title, Body: r.Body, At: r.At, Limit: 10}
			began := time.Now()
			index.Find(q)
			took = append(took, time.Since(began))
			q.Limit = i
			rank := 1 + slices.IndexFunc(index.Find(q), func(c duplicate.Candidate) bool { return slices.Contains(r.Earlier, int(c.ID)) })
			d.count(rank)
		}
		index.Put(duplicate.Document{ID: int64(i), Title: r.Title, Body: r.Body, At: r.At})
	}
	if d.Queries == 0 {
		return d, errors.New("cannot measure duplicates: no report of the set repeats an earlier one")
	}
	n := float64(d.Queries)
	d.RecallAt1, d.Recall10, d.MRR = float64(d.hits1)/n, float64(d.hits10)/n, d.MRR/n
	d.P50 = milliseconds(percentile(took, 0.5))
	return d, nil
}

// count takes in a question's rank; 0: not found.
func (d *Duplicates) count(rank int) {
	d.Queries++
	if rank == 0 {
		return
	}
	d.MRR += 1 / float64(rank)
	if rank == 1 {
		d.hits1++
	}
	if rank <= 10 {
		d.hits10++
	}
}

// Hits10 is in how many questions one that is right was among the first ten.
func (d Duplicates) Hits10() int { return d.hits10 }

// Interval10 is the interval in which Recall@10 lies with 95% certainty.
func (d Duplicates) Interval10() (low, high float64) { return Wilson(d.hits10, d.Queries) }

// Wilson is the interval of Wilson's score (1927) for hits of n at 95%.
func Wilson(hits, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959964
	p, m := float64(hits)/float64(n), float64(n)
	middle := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, middle-half), min(1, middle+half)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// percentile is the value below which so much of all lies.
func percentile(all []time.Duration, part float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(part*float64(len(all))))]
}
