// Package github reads issues and their comments as GitHub gives them, for
// package imports. It takes, in any mixture and order, in files that hold
// objects, lists, pages of lists or lines:
//
//   - what the REST API answers to "list repository issues" and "list issue
//     comments for a repository" (docs.github.com/rest/issues),
//   - what 'gh issue list --json number,title,body,author,…' prints,
//   - issues_*.json and issue_comments_*.json of a migration archive
//     (docs.github.com/rest/migrations), where people, labels and issues are
//     named by their addresses.
//
// Pull requests and their comments stay behind, counted. It asks nothing of the
// network, and of a person it reads the login alone.
package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/imports"
	"github.com/fridayos/friday/internal/imports/prose"
)

// Service is what GitHub is called in Friday.
const Service = "github"

// Source reads GitHub's files.
type Source struct {
	Files imports.Files
	Repo  string // OWNER/REPO of issues that do not say it; empty: they must
}

// Want tells which files of a folder or archive can hold issues: those of the
// repositories themselves and attachments cannot.
func Want(name string) bool {
	ext := path.Ext(name)
	return (ext == ".json" || ext == ".jsonl" || ext == ".ndjson") && !strings.Contains("/"+name, "/attachments/") && !strings.Contains("/"+name, ".git/")
}

// Service is the name of the service.
func (s *Source) Service() string { return Service }

// Realm is empty: a login is one person's on all of GitHub.
func (s *Source) Realm() string { return "" }

// Defaults are what GitHub's own labels mean.
func (s *Source) Defaults() imports.Mapping {
	return imports.Mapping{Kind: "bug", Part: "System", Kinds: map[string]string{
		"bug": "bug", "defect": "bug", "crash": "bug", "regression": "bug",
		"enhancement": "idea", "feature": "idea", "feature request": "idea", "feature-request": "idea",
		"question": "question", "help wanted": "question", "support": "question", "discussion": "talk",
	}}
}

// Threads gives every issue, and tells of everything that is none.
func (s *Source) Threads(ctx context.Context, t *imports.Tally, fn func(imports.Thread) error) error {
	return s.records(ctx, func(where string, r *record, err error) error {
		switch {
		case err != nil:
			t.Bad(where, "%v", err)
		case r.pull():
			t.Skip("pull requests")
		case r.issue():
			thread, err := s.thread(r, t)
			if err != nil {
				t.Bad(where, "%v", err)
				return nil
			}
			return fn(thread)
		case r.comment():
		default:
			t.Skip("records that are no issues")
		}
		return nil
	})
}

// Posts gives every comment.
func (s *Source) Posts(ctx context.Context, t *imports.Tally, fn func(imports.Post) error) error {
	return s.records(ctx, func(where string, r *record, err error) error {
		switch {
		case err != nil || r.pull(): // told already
		case r.issue():
			of, err := s.origin(r)
			if err != nil {
				return nil // told already
			}
			for i, c := range r.inner() {
				if err := s.give(t, fmt.Sprintf("%s, comment %d", where, i+1), c, of, fn); err != nil {
					return err
				}
			}
		case r.comment():
			about := firstOf(r.IssueURL, text(r.Issue))
			if isPull(r.HTMLURL) || isPull(r.URL) || about == "" && text(r.PullRequest) != "" {
				t.Skip("comments of pull requests")
				return nil
			}
			of, ok := parse(about)
			if !ok {
				t.Bad(where, "a comment of %q, expected the address of an issue", about)
				return nil
			}
			return s.give(t, where, r, of, fn)
		}
		return nil
	})
}

func (s *Source) give(t *imports.Tally, where string, r *record, of place, fn func(imports.Post) error) error {
	ref, ok := r.ref()
	if !ok {
		t.Bad(where, "a comment without a number or an address that has one")
		return nil
	}
	at, err := r.created()
	if err != nil {
		t.Bad(where, "%v", err)
		return nil
	}
	body, links := of.rules().Rewrite(r.Body)
	t.Links += links
	return fn(imports.Post{Place: of.key(), Thread: of.number, Ref: ref, Body: body, Author: r.login(), At: at, Hidden: r.IsMinimized})
}

// records gives every object of the files.
func (s *Source) records(ctx context.Context, fn func(where string, r *record, err error) error) error {
	return s.Files.Walk(ctx, func(name string, in io.Reader) error {
		err := imports.Objects(in, func(offset int64, raw []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			var r record
			err := json.Unmarshal(raw, &r)
			if err != nil {
				err = errors.New(strings.TrimPrefix(err.Error(), "json: "))
			}
			return fn(fmt.Sprintf("%s, byte %d", name, offset), &r, err)
		})
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
		return errors.Join(err, ctx.Err())
	})
}

func (s *Source) thread(r *record, t *imports.Tally) (imports.Thread, error) {
	of, err := s.origin(r)
	if err != nil {
		return imports.Thread{}, err
	}
	at, err := r.created()
	if err != nil {
		return imports.Thread{}, err
	}
	body, links := of.rules().Rewrite(r.Body)
	t.Links += links
	out := imports.Thread{Place: of.key(), Number: of.number, URL: of.address(), Title: r.Title, Body: body, Author: r.login(), Labels: r.labels(), At: at,
		Votes: r.votes(), Locked: r.Locked}
	if out.ClosedAt, err = stamp(firstOf(r.ClosedAt, r.ClosedAtGH)); err != nil {
		return imports.Thread{}, fmt.Errorf("closed_at: %w", err)
	}
	out.Closed = strings.EqualFold(r.State, "closed") || r.State == "" && !out.ClosedAt.IsZero()
	if !out.Closed {
		return out, nil
	}
	out.Reason = "Closed on GitHub."
	switch strings.ToLower(firstOf(r.StateReason, r.StateReasonGH)) {
	case "completed":
		out.Reason = "Closed on GitHub as completed."
	case "not_planned":
		out.Reason, out.Declined = "Closed on GitHub as not planned.", true
	case "duplicate":
		out.Reason, out.Declined = "Closed on GitHub as a duplicate.", true
	}
	return out, nil
}

// origin says which issue a record is.
func (s *Source) origin(r *record) (place, error) {
	for _, a := range []string{r.HTMLURL, r.URL} {
		if of, ok := parse(a); ok {
			return of, nil
		}
	}
	if r.Number <= 0 {
		return place{}, errors.New("an issue without a number or an address that has one")
	}
	repo := s.Repo
	if at := strings.Index(r.RepositoryURL, "/repos/"); at >= 0 {
		repo = r.RepositoryURL[at+len("/repos/"):]
	}
	if repo == "" {
		return place{}, fmt.Errorf("issue %d does not say of which repository it is; say --repo OWNER/REPO", r.Number)
	}
	if !Repo.MatchString(repo) {
		return place{}, fmt.Errorf("issue %d is of repository %q, expected OWNER/REPO", r.Number, repo)
	}
	return place{"https://github.com", repo, r.Number}, nil
}

// Repo is how OWNER/REPO is written.
var Repo = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$`)

// place is one issue's.
type place struct {
	site   string // https://github.com, or an enterprise's server
	repo   string // OWNER/REPO as it is written
	number int64
}

func (p place) key() string { return strings.ToLower(p.repo) }

func (p place) address() string {
	return p.site + "/" + p.repo + "/issues/" + strconv.FormatInt(p.number, 10)
}

var issuePath = regexp.MustCompile(`^(?:/api/v3)?(?:/repos)?/([^/]+/[^/]+)/issues/([0-9]{1,12})$`)

// parse reads the address of an issue, on the site or of the API.
func parse(address string) (place, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return place{}, false
	}
	m := issuePath.FindStringSubmatch(u.Path)
	if m == nil || !Repo.MatchString(m[1]) {
		return place{}, false
	}
	n, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil || n == 0 {
		return place{}, false
	}
	host := strings.ToLower(u.Host)
	if host == "api.github.com" || host == "www.github.com" {
		host = "github.com"
	}
	return place{u.Scheme + "://" + host, m[1], n}, true
}

func isPull(address string) bool {
	return strings.Contains(address, "/pull/") || strings.Contains(address, "/pulls/")
}

// Address is where an imported issue, or with a comment above 0 that comment, is
// found here: it leads on to the thread.
func Address(repo string, number, comment int64) string {
	a := "/imported/" + Service + "/" + strings.ToLower(repo) + "/" + strconv.FormatInt(number, 10)
	if comment > 0 {
		a += "/" + strconv.FormatInt(comment, 10)
	}
	return a
}

var commentOf = regexp.MustCompile(`^issuecomment-([0-9]{1,18})$`)

// rules lead what a text of this issue's repository refers to.
func (p place) rules() prose.Rules {
	_, short, _ := strings.Cut(p.repo, "/")
	return prose.Rules{
		Link: func(address string) (to, name string) {
			of, ok := parse(address)
			if !ok || of.site != p.site || of.key() != p.key() {
				return "", ""
			}
			comment := int64(0)
			if u, err := url.Parse(address); err == nil {
				if m := commentOf.FindStringSubmatch(u.Fragment); m != nil {
					comment, _ = strconv.ParseInt(m[1], 10, 64) // digits, few enough
				}
			}
			return Address(p.repo, of.number, comment), fmt.Sprintf("%s#%d", short, of.number)
		},
		Reference: func(repo string, number int64) (to, name string) {
			if repo == "" || strings.EqualFold(repo, p.repo) {
				return Address(p.repo, number, 0), fmt.Sprintf("%s#%d", short, number)
			}
			return fmt.Sprintf("%s/%s/issues/%d", p.site, repo, number), fmt.Sprintf("%s#%d", repo, number)
		},
	}
}

func stamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("the time is %.40q, expected one such as 2026-11-27T16:00:00Z", s)
	}
	if t.Year() <= 1 { // what gh prints for none
		return time.Time{}, nil
	}
	return t, nil
}
