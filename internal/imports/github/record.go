package github

import (
	"encoding/json"
	"errors"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// record is any object of the three shapes: what a field holds differs, so those
// are read when it is known what the record is.
type record struct {
	Type        string          `json:"type"` // of an archive: issue, issue_comment, …
	ID          json.RawMessage `json:"id"`
	Number      int64           `json:"number"`
	Title       string          `json:"title"`
	Body        string          `json:"body"`
	State       string          `json:"state"`
	Locked      bool            `json:"locked"`
	IsMinimized bool            `json:"isMinimized"`

	HTMLURL       string          `json:"html_url"`
	URL           string          `json:"url"`
	IssueURL      string          `json:"issue_url"`
	RepositoryURL string          `json:"repository_url"`
	Issue         json.RawMessage `json:"issue"`        // of an archive's comment: an address
	PullRequest   json.RawMessage `json:"pull_request"` // of REST's issue an object, of an archive's comment an address

	User   json.RawMessage `json:"user"`   // object with a login, or an address
	Author json.RawMessage `json:"author"` // gh's

	CreatedAt     string `json:"created_at"`
	CreatedAtGH   string `json:"createdAt"`
	ClosedAt      string `json:"closed_at"`
	ClosedAtGH    string `json:"closedAt"`
	StateReason   string `json:"state_reason"`
	StateReasonGH string `json:"stateReason"`

	Labels         []json.RawMessage `json:"labels"`   // objects with a name, names, or addresses
	Comments       json.RawMessage   `json:"comments"` // gh's are in here; REST's are a number
	Reactions      json.RawMessage   `json:"reactions"`
	ReactionGroups []struct {
		Content string `json:"content"`
		Users   struct {
			TotalCount int `json:"totalCount"`
		} `json:"users"`
	} `json:"reactionGroups"`
}

func (r *record) pull() bool {
	return r.Type == "pull_request" || r.Type == "" && r.Title != "" && (object(r.PullRequest) || isPull(r.HTMLURL) || isPull(r.URL))
}

func (r *record) issue() bool {
	return r.Type == "issue" || r.Type == "" && r.Title != "" && (r.Number > 0 || strings.Contains(r.HTMLURL+r.URL, "/issues/"))
}

func (r *record) comment() bool {
	return r.Type == "issue_comment" || r.Type == "" && r.Title == "" && r.IssueURL != ""
}

// inner are the comments that lie in an issue, as gh prints them.
func (r *record) inner() (all []*record) {
	var list []json.RawMessage
	if json.Unmarshal(r.Comments, &list) != nil {
		return nil // a number
	}
	for _, raw := range list {
		c := &record{}
		if json.Unmarshal(raw, c) != nil {
			c = &record{} // without a number: told when it is given
		}
		all = append(all, c)
	}
	return all
}

var commentURL = regexp.MustCompile(`#issuecomment-([0-9]{1,18})$`)

// ref is the number of a comment.
func (r *record) ref() (int64, bool) {
	if n, err := strconv.ParseInt(string(r.ID), 10, 64); err == nil && n > 0 {
		return n, true
	}
	for _, a := range []string{r.HTMLURL, r.URL} {
		if m := commentURL.FindStringSubmatch(a); m != nil {
			n, err := strconv.ParseInt(m[1], 10, 64)
			return n, err == nil && n > 0
		}
	}
	return 0, false
}

// login is who wrote it; empty for an account that is gone.
func (r *record) login() string {
	for _, raw := range []json.RawMessage{r.User, r.Author} {
		var who struct {
			Login string `json:"login"`
		}
		if object(raw) && json.Unmarshal(raw, &who) == nil && who.Login != "" {
			return ghost(who.Login)
		}
		if a := text(raw); a != "" {
			if u, err := url.Parse(a); err == nil {
				return ghost(path.Base(u.Path))
			}
		}
	}
	return ""
}

// ghost is the account that GitHub shows for those that are gone.
func ghost(login string) string {
	if login == "ghost" || login == "." || login == "/" {
		return ""
	}
	return login
}

func (r *record) labels() (all []string) {
	for _, raw := range r.Labels {
		var l struct {
			Name string `json:"name"`
		}
		name := text(raw)
		if at := strings.LastIndex(name, "/labels/"); at >= 0 && strings.Contains(name, "://") {
			name = name[at+len("/labels/"):]
			if plain, err := url.PathUnescape(name); err == nil {
				name = plain
			}
		}
		if object(raw) && json.Unmarshal(raw, &l) == nil {
			name = l.Name
		}
		if name != "" {
			all = append(all, name)
		}
	}
	return all
}

// votes are the thumbs up.
func (r *record) votes() int {
	for _, g := range r.ReactionGroups {
		if g.Content == "THUMBS_UP" {
			return g.Users.TotalCount
		}
	}
	var sums struct {
		Up int `json:"+1"`
	}
	if object(r.Reactions) && json.Unmarshal(r.Reactions, &sums) == nil {
		return sums.Up
	}
	var each []struct {
		Content string `json:"content"`
	}
	n := 0
	if json.Unmarshal(r.Reactions, &each) == nil {
		for _, e := range each {
			if e.Content == "+1" || e.Content == "thumbs_up" {
				n++
			}
		}
	}
	return n
}

func (r *record) created() (time.Time, error) {
	t, err := stamp(firstOf(r.CreatedAt, r.CreatedAtGH))
	if err == nil && t.IsZero() {
		err = errors.New("it does not say when it was written (created_at)")
	}
	return t, err
}

func object(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }

// text is a JSON text; empty if it is anything else.
func text(raw json.RawMessage) string {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
