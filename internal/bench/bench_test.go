package bench

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

const (
	bugsHead  = "Summary,Issue id,Created,Description\n"
	linksHead = "Issue id,Duplicate id\n"
)

func TestReadSet(t *testing.T) {
	s, err := ReadSet(strings.NewReader("\uFEFFSummary,Issue id,Status,Created,Description\n"+
		"Third,3,Open,2021-09-30 17:20:00+00:00,c\nFirst,10,Open,30/Sep/21 17:00,\"a\nb\"\nSecond,2,Open,2021-09-30T17:20:00Z,\nSecond,2,Open,2021-09-30T17:20:00Z,\n"),
		strings.NewReader(linksHead+"10,3\n3,\"2, 10\"\n3,3\n3,77\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range s.Reports {
		got = append(got, r.ID)
	}
	if ids := strings.Join(got, " "); ids != "10 2 3" { // by time, then by number
		t.Errorf("the reports are %s, want 10 2 3", ids)
	}
	if e := s.Reports[2].Earlier; len(e) != 2 || len(s.Reports[0].Earlier) != 0 {
		t.Errorf("the last repeats %v, want the two before it", e)
	}
	notes := strings.Join(s.Notes, "\n")
	for _, want := range []string{"1 rows repeat", "1 of 5 links name a report that the bugs do not have and are left out (the first: line 5: 77)"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes lack %q:\n%s", want, notes)
		}
	}
}

func TestReadSetRefuses(t *testing.T) {
	good := bugsHead + "A,1,30/Sep/21 17:20,a\nB,2,01/Oct/21 17:20,b\n"
	for _, c := range []struct{ name, bugs, links, want string }{
		{"empty", "", linksHead, "cannot read the bugs: the file is empty, expected CSV with the columns Issue id"},
		{"no column", "Summary,Issue id,Description\n", linksHead, `cannot read the bugs: line 1: there is no column "Created"; found Summary, Issue id, Description`},
		{"date", bugsHead + "A,1,yesterday,a\n", linksHead, `cannot read the bugs: line 2: Created is "yesterday", expected a date such as`},
		{"no id", bugsHead + "A,,30/Sep/21 17:20,a\n", linksHead, "line 2: the Issue id is empty"},
		{"no report", bugsHead, linksHead, "there is no report in it"},
		{"row too short", bugsHead + "A,1\n", linksHead, "wrong number of fields"},
		{"quote", bugsHead + "\"A,1,30/Sep/21 17:20,a\n", linksHead, "cannot read the bugs: "},
		{"links without a column", good, "Issue id,Other\n", `cannot read the links: line 1: there is no column "Duplicate id"`},
		{"no link", good, linksHead, "there is no link in it"},
		{"half a link", good, linksHead + "1,\n", `line 2: a link needs two ids, found "1" and ""`},
		{"all dangling", good, linksHead + "1,7\n8,2\n", "none of the 2 links is between two reports of the bugs (the first that is missing: line 2: 7)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadSet(strings.NewReader(c.bugs), strings.NewReader(c.links))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
	broken := errors.New("the disk is broken")
	if _, err := ReadSet(iotest.ErrReader(broken), strings.NewReader(linksHead)); !errors.Is(err, broken) {
		t.Errorf("the error is %v, want the reader's", err)
	}
}

// TestNoFuture: a report is compared with what came before it alone.
func TestNoFuture(t *testing.T) {
	s, err := ReadSet(strings.NewReader(bugsHead+
		"Camera crashes,1,2021-01-01,\nSound is gone,2,2021-01-02,\nCamera crashes again,3,2021-01-03,\nCamera crashes again,4,2021-01-04,\n"),
		strings.NewReader(linksHead+"1,3\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := FindDuplicates(s)
	if err != nil || d.Queries != 1 || d.RecallAt1 != 1 || d.Recall10 != 1 || d.MRR != 1 {
		t.Errorf("found %+v, %v; want the one question answered first", d, err)
	}
	s.Reports[2].Earlier = nil
	if _, err := FindDuplicates(s); err == nil {
		t.Error("a set without links was measured")
	}
}

// TestHadoop holds the measure on real reports to what was promised.
func TestHadoop(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "duplicates")
	bugs, err := os.Open(filepath.Join(dir, "hadoop_bugs.csv"))
	if err != nil {
		t.Skipf("real bug reports are missing: %v", err)
	}
	defer bugs.Close()
	links, err := os.Open(filepath.Join(dir, "hadoop_bugs-combined.csv"))
	if err != nil {
		t.Skipf("real bug reports are missing: %v", err)
	}
	defer links.Close()
	s, err := ReadSet(bugs, links)
	if err != nil {
		t.Fatal(err)
	}
	d, err := FindDuplicates(s)
	if err != nil {
		t.Fatal(err)
	}
	low, high := d.Interval10()
	t.Logf("recall@10 %.3f (%.3f to %.3f), MRR %.3f", d.Recall10, low, high, d.MRR)
	if d.Queries != 66 || d.Recall10 < 0.83 {
		t.Errorf("%d questions with a recall@10 of %.3f, want 66 and at least 0.83", d.Queries, d.Recall10)
	}
}

func TestWilson(t *testing.T) {
	for _, c := range []struct {
		hits, n   int
		low, high float64
	}{{0, 0, 0, 1}, {0, 10, 0, 0.2775}, {5, 10, 0.2366, 0.7634}, {10, 10, 0.7225, 1}, {55, 66, 0.7257, 0.9044}} {
		low, high := Wilson(c.hits, c.n)
		if math.Abs(low-c.low) > 5e-4 || math.Abs(high-c.high) > 5e-4 {
			t.Errorf("Wilson(%d, %d) is %.4f to %.4f, want %.4f to %.4f", c.hits, c.n, low, high, c.low, c.high)
		}
	}
}

func TestTypeTitles(t *testing.T) {
	p, err := TypeTitles(t.Context(), 300, 1)
	if err != nil || p.Prefixes < 1000 || p.P95 < p.P50 || p.P50 <= 0 {
		t.Errorf("found %+v, %v", p, err)
	}
	if a, b := newWriter(7).body(), newWriter(7).body(); a != b {
		t.Errorf("one seed wrote %q and %q", a, b)
	}
}

func FuzzReadSet(f *testing.F) {
	f.Add(bugsHead+"A,1,30/Sep/21 17:20,a\nB,2,2021-10-01,b\n", linksHead+"1,2\n")
	f.Add("Issue id,Summary,Description,Created\n\"", "Issue id,Duplicate id\n1,\"2,3\"\n")
	f.Fuzz(func(t *testing.T, bugs, links string) {
		s, err := ReadSet(strings.NewReader(bugs), strings.NewReader(links))
		if err != nil {
			return
		}
		for i, r := range s.Reports {
			for _, e := range r.Earlier {
				if e >= i {
					t.Fatalf("report %d repeats %d, which is not earlier", i, e)
				}
			}
		}
	})
}
