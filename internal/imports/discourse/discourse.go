// Package discourse reads a Discourse forum, for package imports, from what its
// people can get out of it:
//
//   - the backup that an administrator downloads (NAME.tar.gz with dump.sql.gz,
//     or the dump alone): PostgreSQL's text dump, whose COPY lists of topics,
//     posts, users, categories and tags are read by the names of their columns,
//   - a folder of what the site answers to /t/ID.json?print=true&include_raw=true
//     (and /t/ID/posts.json), with /categories.json or /site.json for the names of
//     categories.
//
// Messages between members, deleted things, whispers, what only staff sees, and
// topics of categories that not everyone may read stay behind, counted. Of a
// person it reads the user name alone; addresses are never looked at. Pictures
// lead to where the old forum keeps them.
package discourse

import (
	"context"
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

// Service is what Discourse is called in Friday.
const Service = "discourse"

// Source reads a forum's files.
type Source struct {
	Files imports.Files
	Site  *url.URL // where the forum was reached

	known catalogue
	read  bool // known is filled
}

// Want tells which files of a folder or archive are read.
func Want(name string) bool {
	ext := path.Ext(name)
	return (ext == ".json" || ext == ".sql") && !strings.Contains("/"+name, "/uploads/")
}

// ParseSite reads the address of a forum.
func ParseSite(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !hostName.MatchString(u.Host) || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the forum's address is %q, expected one such as https://forum.example.org", text)
	}
	u.Host = strings.ToLower(u.Host)
	return u, nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?$`)

// Service is the name of the service.
func (s *Source) Service() string { return Service }

// Realm is the forum's host: each has members of its own.
func (s *Source) Realm() string { return s.Site.Host }

// Defaults are what categories and tags are often called.
func (s *Source) Defaults() imports.Mapping {
	return imports.Mapping{Kind: "talk", Part: "System", Kinds: map[string]string{
		"bug": "bug", "bugs": "bug", "bug report": "bug", "bug reports": "bug", "bug-report": "bug", "bug-reports": "bug",
		"feature": "idea", "features": "idea", "feature request": "idea", "feature requests": "idea", "feature-requests": "idea", "ideas": "idea", "suggestions": "idea",
		"question": "question", "questions": "question", "support": "question", "help": "question",
	}}
}

// category is one of the forum's.
type category struct {
	name, slug string
	parent     int64
	restricted bool // not everyone may read it
}

// topic is what is known of one before its posts are read.
type topic struct {
	title                    string
	category                 int64
	tags                     []int64
	names                    []string // of tags, where they come by name
	user                     int64
	author                   string // where it comes by name
	at                       time.Time
	votes                    int   // of the voting plugin; less than 0: it has none
	accepted                 int64 // post
	closed, locked, unlisted bool
	listed                   bool   // the topic itself was there, not only what speaks of it
	behind                   string // why it stays behind
}

// catalogue is all that a post needs to be understood: small beside the texts.
type catalogue struct {
	categories map[int64]category
	tags       map[int64]string
	users      map[int64]string
	topics     map[int64]*topic
	uploads    map[string]string // by the SHA-1 of short addresses: path at the old forum
}

func newCatalogue() catalogue {
	return catalogue{categories: map[int64]category{}, tags: map[int64]string{}, users: map[int64]string{}, topics: map[int64]*topic{}, uploads: map[string]string{}}
}

func (c *catalogue) topic(id int64) *topic {
	t := c.topics[id]
	if t == nil {
		t = &topic{votes: -1}
		c.topics[id] = t
	}
	return t
}

// labels are what a mapping can name a topic by: its category's name and slug,
// those of the category around it, and its tags.
func (c *catalogue) labels(t *topic) (all []string) {
	add := func(label string) {
		for _, have := range all {
			if strings.EqualFold(have, label) {
				return
			}
		}
		if label != "" {
			all = append(all, label)
		}
	}
	id := t.category
	for range 5 { // Discourse has three levels at most
		cat, ok := c.categories[id]
		if !ok {
			break
		}
		add(cat.name)
		add(cat.slug)
		id = cat.parent
	}
	for _, id := range t.tags {
		add(c.tags[id])
	}
	for _, name := range t.names {
		add(name)
	}
	return all
}

// post is one as either shape gives it.
type post struct {
	id, topic, number int64
	user              int64
	author            string // where it comes by name
	raw               string
	at                time.Time
	likes             int
	kind              int64
	hidden            bool
	deleted           bool
	accepted          bool
}

// Kinds of post: small actions are the lines "closed this topic", whispers are
// for staff.
const (
	smallAction = 3
	whisper     = 4
)

// behind says why a post stays behind; empty if it does not.
func (p *post) behind() string {
	switch {
	case p.deleted:
		return "deleted posts"
	case p.kind == whisper:
		return "whispers"
	case p.kind == smallAction:
		return "notes of what was done to topics"
	case p.kind > whisper || p.kind < 0:
		return "posts of unknown kinds"
	}
	return ""
}

// Threads gives every topic whose first post is there.
func (s *Source) Threads(ctx context.Context, t *imports.Tally, fn func(imports.Thread) error) error {
	if err := s.learn(ctx, t); err != nil {
		return err
	}
	begun := map[int64]bool{}
	err := s.posts(ctx, func(where string, p *post, err error) error {
		if err != nil {
			t.Bad(where, "%v", err)
			return nil
		}
		if p.number != 1 {
			return nil
		}
		of := s.known.topics[p.topic]
		switch {
		case of == nil || !of.listed:
			t.Bad(where, "a post of topic %d, which is not there", p.topic)
			return nil
		case begun[p.topic]:
			return nil // the same topic in two files
		}
		begun[p.topic] = true
		if why := s.why(of, p); why != "" {
			t.Skip(why)
			return nil
		}
		if p.raw == "" {
			t.Bad(where, "topic %d has no raw text; ask for it with include_raw=true", p.topic)
			return nil
		}
		return fn(s.thread(p, of, t))
	})
	if err != nil {
		return err
	}
	for id, of := range s.known.topics {
		if !begun[id] && of.listed && of.behind == "" {
			t.Skip("topics without a first post")
		}
	}
	return nil
}

// why says why a whole topic stays behind.
func (s *Source) why(of *topic, first *post) string {
	if of.behind != "" {
		return of.behind
	}
	if s.known.categories[of.category].restricted {
		return "topics of categories that not everyone may read"
	}
	if first.behind() != "" {
		return "topics without a first post"
	}
	return ""
}

func (s *Source) thread(p *post, of *topic, t *imports.Tally) imports.Thread {
	body, links := s.rules().Rewrite(s.pictures(p.raw))
	t.Links += links
	title, at := of.title, of.at
	if at.IsZero() {
		at = p.at
	}
	out := imports.Thread{Place: s.Site.Host, Number: p.topic, URL: s.Site.String() + "/t/" + strconv.FormatInt(p.topic, 10), Title: title, Body: body,
		Author: s.author(p), Labels: s.known.labels(of), At: at, Ref: 1, Votes: p.likes, Locked: of.locked, Hidden: of.unlisted || p.hidden,
		Closed: of.closed, Answered: of.accepted != 0, Reason: "The topic was closed on " + s.Site.Host + "."}
	if of.votes >= 0 {
		out.Votes = of.votes
	}
	return out
}

// Posts gives every post but the first ones.
func (s *Source) Posts(ctx context.Context, t *imports.Tally, fn func(imports.Post) error) error {
	if err := s.learn(ctx, &imports.Tally{}); err != nil {
		return err
	}
	return s.posts(ctx, func(where string, p *post, err error) error {
		if err != nil || p.number == 1 { // told already
			return nil
		}
		of := s.known.topics[p.topic]
		switch {
		case of == nil || !of.listed:
			t.Bad(where, "a post of topic %d, which is not there", p.topic)
			return nil
		case s.why(of, &post{kind: 1}) != "":
			t.Skip("posts of topics that stay behind")
			return nil
		case p.behind() != "":
			t.Skip(p.behind())
			return nil
		case p.raw == "":
			t.Bad(where, "post %d of topic %d has no raw text; ask for it with include_raw=true", p.number, p.topic)
			return nil
		}
		body, links := s.rules().Rewrite(s.pictures(p.raw))
		t.Links += links
		return fn(imports.Post{Place: s.Site.Host, Thread: p.topic, Ref: p.number, Body: body, Author: s.author(p), At: p.at, Hidden: p.hidden,
			Accepted: p.accepted || of.accepted != 0 && of.accepted == p.id})
	})
}

func (s *Source) author(p *post) string {
	name := p.author
	if name == "" {
		name = s.known.users[p.user]
	}
	return name
}

// posts gives the posts of all files.
func (s *Source) posts(ctx context.Context, fn func(where string, p *post, err error) error) error {
	return s.Files.Walk(ctx, func(name string, r io.Reader) error {
		if isDump(name) {
			return s.enough(name, dumpPosts(ctx, name, r, fn))
		}
		return jsonPosts(ctx, name, r, fn)
	})
}

// learn reads everything but the posts, once.
func (s *Source) learn(ctx context.Context, t *imports.Tally) error {
	if s.read {
		return nil
	}
	s.known = newCatalogue()
	err := s.Files.Walk(ctx, func(name string, r io.Reader) error {
		if isDump(name) {
			return s.enough(name, s.known.dump(ctx, name, r, t))
		}
		return s.known.json(ctx, name, r, t)
	})
	s.read = err == nil
	return err
}

// enough ends the reading of a backup behind its dump: what follows is uploads.
func (s *Source) enough(name string, err error) error {
	if err == nil && len(s.Files.Paths) == 1 && strings.HasPrefix(name, s.Files.Paths[0]+":") {
		return imports.ErrEnough
	}
	return err
}

func isDump(name string) bool {
	name = strings.TrimSuffix(name, ".gz")
	return strings.HasSuffix(name, ".sql")
}

// Address is where an imported topic, or with a post above 1 that post, is found
// here: it leads on to the thread.
func (s *Source) Address(topic, number int64) string {
	a := "/imported/" + Service + "/" + s.Site.Host + "/" + strconv.FormatInt(topic, 10)
	if number > 1 {
		a += "/" + strconv.FormatInt(number, 10)
	}
	return a
}

var topicPath = regexp.MustCompile(`^/t/(?:[^/]*[^/0-9][^/]*/)?([0-9]{1,15})(?:/([0-9]{1,9}))?(?:\.json)?/?$`)

func (s *Source) rules() prose.Rules {
	return prose.Rules{Quotes: true, Quoted: s.Address, Link: func(address string) (to, name string) {
		u, err := url.Parse(address)
		if err != nil || u.Host != "" && !strings.EqualFold(u.Host, s.Site.Host) || u.Host == "" && !strings.HasPrefix(address, "/") {
			return "", ""
		}
		m := topicPath.FindStringSubmatch(u.Path)
		if m == nil {
			if u.Host == "" && strings.HasPrefix(u.Path, "/") && !strings.HasPrefix(u.Path, "/imported/") { // only the old forum knows what it is
				return s.Site.String() + address, address
			}
			return "", ""
		}
		topic, _ := strconv.ParseInt(m[1], 10, 64) // digits, few enough
		number := int64(0)
		if m[2] != "" {
			number, _ = strconv.ParseInt(m[2], 10, 64)
		}
		name = "#" + m[1]
		if of := s.known.topics[topic]; of != nil && of.title != "" && of.behind == "" && !s.known.categories[of.category].restricted {
			name = strings.NewReplacer("[", "(", "]", ")", "\n", " ", "`", "'", "*", "", "_", " ", "<", "(", ">", ")").Replace(of.title)
		}
		return s.Address(topic, number), name
	}}
}

var shortUpload = regexp.MustCompile(`upload://([0-9A-Za-z]{10,40})(\.[A-Za-z0-9]{1,8})?`)

// pictures leads the short addresses of uploads to the old forum: it answers to
// them as long as it runs, and where the backup says under which path a file lies,
// whoever keeps the folder of uploads can serve that.
func (s *Source) pictures(raw string) string {
	if !strings.Contains(raw, "upload://") {
		return raw
	}
	return shortUpload.ReplaceAllStringFunc(raw, func(short string) string {
		m := shortUpload.FindStringSubmatch(short)
		if at := s.known.uploads[m[1]]; at != "" {
			if strings.HasPrefix(at, "//") {
				return s.Site.Scheme + ":" + at
			}
			return s.Site.String() + at
		}
		return s.Site.String() + "/uploads/short-url/" + m[1] + m[2]
	})
}
