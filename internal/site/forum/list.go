package forum

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/search"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type threadsView struct {
	Question                      string
	Problems                      []string // of the question
	Threads                       []page.ThreadRow
	Filtered                      bool
	Kinds, States, Devices, Parts []page.Choice
	Earlier, Later                string
}

const perPage = 30

// feedLink is where the same list is an Atom feed: chosen by what counts here.
func feedLink(f feedback.Filter, words string) string {
	if len(words) > 1000 {
		words = ""
	}
	return page.ThreadsFeed("kind", string(f.Kind), "state", string(f.State), "device", f.Device, "part", f.Part, "q", words)
}

// Threads is the list of threads, filtered.
func Threads(c *page.Call) error {
	q := c.R.URL.Query()
	pageNo, after := pageAt(q)
	f := feedback.Filter{Kind: feedback.Kind(q.Get("kind")), State: feedback.State(q.Get("state")), Device: q.Get("device"),
		Part: q.Get("part"), Limit: perPage}
	if !slices.Contains(feedback.Kinds(), f.Kind) {
		f.Kind = ""
	}
	if !slices.Contains(feedback.AllStates(), f.State) {
		f.State = ""
	}
	question := strings.ToValidUTF8(q.Get("q"), " ")
	if strings.ContainsRune(f.Device+f.Part, 0) {
		return page.ErrNotFound
	}
	v := threadsView{Question: question, Filtered: f.Kind != "" || f.State != "" || f.Device != "" || f.Part != "" || question != ""}
	device, part := f.Device, f.Part
	err := c.Read(func(tx *db.Tx) error {
		f, asked, err := feedback.Narrow(tx, question, f)
		if err != nil {
			return err
		}
		searched := len(f.Terms)+len(f.Without) > 0
		if f.After = after; after == nil || searched {
			f.After, f.Offset = nil, min(pageNo, leafed)*perPage
		}
		threads, more, err := feedback.List(tx, c.Viewer.InForum(), f)
		if err != nil {
			return err
		}
		hits, err := feedback.Hits(tx, threads, f.Terms)
		if err != nil {
			return err
		}
		v.Problems = problems(c, asked.Problems)
		v.Threads = c.Rows(threads)
		for i, r := range v.Threads {
			if h := hits[r.ID]; len(h.Parts) > 0 {
				v.Threads[i].Found, v.Threads[i].FoundAt = h.Parts, "/p/"+strconv.FormatInt(h.PostID, 10)
			}
		}
		if more && searched && pageNo < leafed {
			v.Later = pageLink(q, pageNo+1, nil)
		} else if more && !searched {
			v.Later = pageLink(q, pageNo+1, threads[len(threads)-1].Place())
		}
		if pageNo > 0 {
			v.Earlier = pageLink(q, min(pageNo-1, leafed), nil)
		}
		cat, err := page.ReadCatalogue(tx)
		v.Devices = cat.Choices(device)
		return err
	})
	if err != nil {
		return err
	}
	v.Kinds = kindChoices(c, f.Kind)
	v.Parts = partChoices(c, part)
	for _, s := range feedback.AllStates() {
		v.States = append(v.States, page.Choice{Value: string(s), Word: tell.StateName(c.Text, s), On: s == f.State})
	}
	return c.Show("threads", page.Page{Title: c.Text.T("threads.title"), Nav: "threads", Feed: feedLink(f, question), Body: v})
}

// problems says what a question could not mean.
func problems(c *page.Call, all []search.Problem) (said []string) {
	for _, p := range all {
		said = append(said, c.Text.T("find."+string(p.Kind), "Text", p.Text, "Like", p.Like))
	}
	return said
}

func kindChoices(c *page.Call, on feedback.Kind) (all []page.Choice) {
	for _, k := range feedback.Kinds() {
		all = append(all, page.Choice{Value: string(k), Word: tell.Kind(c.Text, k), On: k == on})
	}
	return all
}

func partChoices(c *page.Call, on string) []page.Choice {
	return page.Choices(feedback.Parts(), on, func(part string) string { return tell.Part(c.Text, part) })
}

// leafed is the last page that is found by its number, which means reading all
// pages before it. Those behind it are found by the thread that they come after.
const leafed = 100

// pageAt reads which page is asked for, from 0, and after which thread it begins:
// nil if that is not said. Anything else is the first page.
func pageAt(q url.Values) (number int, after *feedback.Place) {
	number, _ = strconv.Atoi(q.Get("page"))
	number = min(max(number, 0), 1_000_000)
	var p feedback.Place
	var pinned, last int64
	if n, err := fmt.Sscanf(q.Get("after"), "%d-%d-%d", &pinned, &last, &p.ID); err == nil && n == 3 && number > 0 {
		p.Pinned, p.LastAt = pinned == 1, db.Time(last)
		return number, &p
	}
	return min(number, leafed), nil
}

func pageLink(q url.Values, n int, after *feedback.Place) string {
	out := url.Values{"page": {strconv.Itoa(n)}}
	for _, k := range []string{"q", "kind", "state", "device", "part"} {
		if v := q.Get(k); v != "" {
			out.Set(k, v)
		}
	}
	if after != nil {
		pinned := 0
		if after.Pinned {
			pinned = 1
		}
		out.Set("after", fmt.Sprintf("%d-%d-%d", pinned, db.Micros(after.LastAt), after.ID))
	}
	return "/t?" + out.Encode()
}
