package discourse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/imports"
)

// maxLine is how many bytes one row of a dump may have: a post's text and what
// was made of it.
const maxLine = 32 << 20

// row is one row of a COPY list, by the names of its columns.
type row struct {
	table  string
	fields []string
	null   []bool
	at     map[string]int // shared by a table's rows
}

func (r *row) has(column string) bool {
	i, ok := r.at[column]
	return ok && !r.null[i]
}

func (r *row) text(column string) string {
	if i, ok := r.at[column]; ok && !r.null[i] {
		return r.fields[i]
	}
	return ""
}

// number is 0 for what is NULL or none.
func (r *row) number(column string) int64 {
	n, err := strconv.ParseInt(r.text(column), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (r *row) yes(column string) bool { return r.text(column) == "t" }

// time reads PostgreSQL's timestamps, which Discourse keeps in UTC.
func (r *row) time(column string) (time.Time, error) {
	text := r.text(column)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04:05Z07"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%s is %.40q, expected a time such as 2026-11-27 16:00:00.123", column, text)
}

var errNoTable = errors.New("it holds no table of posts, expected a dump of a Discourse forum")

// rows gives the rows of some tables of a dump.
func rows(ctx context.Context, name string, r io.Reader, tables []string, fn func(where string, r *row, err error) error) error {
	in := lines{in: bufio.NewReaderSize(r, 1<<16)}
	fail := func(err error) error { return fmt.Errorf("cannot read %s: %w", name, err) }
	posts := false
	for {
		line, err := in.next(false)
		if errors.Is(err, io.EOF) {
			if !posts {
				return fail(errNoTable)
			}
			return ctx.Err()
		}
		if err != nil {
			return fail(err)
		}
		table, columns, ok := header(line)
		if !ok {
			continue
		}
		posts = posts || table == "posts"
		wanted := slices.Contains(tables, table)
		one := row{table: table, at: map[string]int{}}
		for i, c := range columns {
			one.at[c] = i
		}
		for {
			line, err := in.next(wanted)
			if errors.Is(err, io.EOF) {
				return fail(fmt.Errorf("it ends at line %d, within table %s", in.number, table))
			}
			if err != nil {
				return fail(err)
			}
			if string(line) == `\.` {
				break
			}
			if !wanted {
				continue
			}
			if in.number%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			var bad error
			if one.fields, one.null, bad = split(line, one.fields[:0], one.null[:0]); bad == nil && len(one.fields) != len(columns) {
				bad = fmt.Errorf("a row of %s with %d columns, expected %d", table, len(one.fields), len(columns))
			}
			if err := fn(fmt.Sprintf("%s, line %d", name, in.number), &one, bad); err != nil {
				return err
			}
		}
	}
}

// lines reads line by line. Of what nobody wants it keeps the beginning alone.
type lines struct {
	in     *bufio.Reader
	buf    []byte
	number int
}

func (l *lines) next(whole bool) ([]byte, error) {
	l.number++
	l.buf = l.buf[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		if whole || len(l.buf) < 1<<16 {
			l.buf = append(l.buf, part...)
		}
		if len(l.buf) > maxLine {
			return nil, fmt.Errorf("line %d has more than %d bytes", l.number, maxLine)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(l.buf) > 0:
			return l.buf, nil
		case err != nil:
			return nil, err
		}
		return bytes.TrimRight(l.buf, "\r\n"), nil
	}
}

// header reads COPY public.posts (id, user_id, …) FROM stdin;
func header(line []byte) (table string, columns []string, ok bool) {
	rest, ok := strings.CutPrefix(string(line[:min(len(line), 1<<16)]), "COPY ")
	if !ok {
		return "", nil, false
	}
	table, rest, ok = strings.Cut(rest, " (")
	list, end, closed := strings.Cut(rest, ")")
	if !ok || !closed || !strings.HasPrefix(end, " FROM stdin") {
		return "", nil, false
	}
	table = table[strings.LastIndexByte(table, '.')+1:]
	for c := range strings.SplitSeq(list, ",") {
		columns = append(columns, strings.Trim(strings.TrimSpace(c), `"`))
	}
	return strings.Trim(table, `"`), columns, true
}

// split cuts a row of COPY's text format (PostgreSQL's manual, "COPY", Text
// Format) into its columns.
func split(line []byte, fields []string, null []bool) ([]string, []bool, error) {
	for column := range bytes.SplitSeq(line, []byte{'\t'}) {
		if string(column) == `\N` {
			fields, null = append(fields, ""), append(null, true)
			continue
		}
		text, err := unescape(column)
		if err != nil {
			return fields, null, err
		}
		fields, null = append(fields, text), append(null, false)
	}
	return fields, null, nil
}

func unescape(column []byte) (string, error) {
	if bytes.IndexByte(column, '\\') < 0 {
		return string(column), nil
	}
	out := make([]byte, 0, len(column))
	for i := 0; i < len(column); i++ {
		if column[i] != '\\' {
			out = append(out, column[i])
			continue
		}
		if i++; i == len(column) {
			return "", errors.New(`a column that ends in \`)
		}
		switch c := column[i]; c {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'v':
			out = append(out, '\v')
		case 'x':
			n, used := digits(column[i+1:], 2, 16)
			if used == 0 {
				out = append(out, c)
				break
			}
			out, i = append(out, byte(n)), i+used
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n, used := digits(column[i:], 3, 8)
			out, i = append(out, byte(n)), i+used-1
		default:
			out = append(out, c)
		}
	}
	return string(out), nil
}

func digits(b []byte, most, base int) (n, used int) {
	for used < most && used < len(b) {
		d, err := strconv.ParseInt(string(b[used]), base, 16)
		if err != nil {
			break
		}
		n, used = n*base+int(d), used+1
	}
	return n, used
}

// learned are the tables that say what posts need.
var learned = []string{"categories", "tags", "topic_tags", "users", "topics", "topic_custom_fields", "discourse_solved_solved_topics",
	"topic_voting_topic_vote_count", "discourse_voting_topic_vote_count", "uploads"}

// dump learns from a dump.
func (c *catalogue) dump(ctx context.Context, name string, r io.Reader, t *imports.Tally) error {
	return rows(ctx, name, r, learned, func(where string, r *row, err error) error {
		if err == nil {
			err = c.take(r)
		}
		if err != nil {
			t.Bad(where, "%v", err)
		}
		return nil
	})
}

func (c *catalogue) take(r *row) error {
	switch r.table {
	case "categories":
		c.categories[r.number("id")] = category{r.text("name"), r.text("slug"), r.number("parent_category_id"), r.yes("read_restricted")}
	case "tags":
		c.tags[r.number("id")] = r.text("name")
	case "users":
		if name := r.text("username"); r.number("id") > 0 || name == "system" || name == "discobot" {
			c.users[r.number("id")] = name
		}
	case "topic_tags":
		t := c.topic(r.number("topic_id"))
		t.tags = append(t.tags, r.number("tag_id"))
	case "topic_custom_fields":
		if r.text("name") == "accepted_answer_post_id" {
			n, err := strconv.ParseInt(r.text("value"), 10, 64)
			if err != nil {
				return fmt.Errorf("an accepted answer %.40q, expected a post's number", r.text("value"))
			}
			c.topic(r.number("topic_id")).accepted = n
		}
	case "discourse_solved_solved_topics":
		c.topic(r.number("topic_id")).accepted = r.number("answer_post_id")
	case "topic_voting_topic_vote_count", "discourse_voting_topic_vote_count":
		c.topic(r.number("topic_id")).votes = int(max(0, min(r.number("votes_count"), 1<<30)))
	case "uploads":
		if sha := r.text("sha1"); len(sha) == 40 {
			if name := shortName(sha); name != "" && r.text("url") != "" && r.text("secure") != "t" {
				c.uploads[name] = r.text("url")
			}
		}
	case "topics":
		return c.takeTopic(r)
	}
	return nil
}

func (c *catalogue) takeTopic(r *row) error {
	id := r.number("id")
	at, err := r.time("created_at")
	if err == nil && (id <= 0 || at.IsZero()) {
		err = errors.New("a topic without its number or time")
	}
	if err != nil {
		return err
	}
	t := c.topic(id)
	t.listed, t.title, t.category, t.user, t.at = true, r.text("title"), r.number("category_id"), r.number("user_id"), at
	t.closed, t.locked, t.unlisted = r.yes("closed"), r.yes("closed") || r.yes("archived"), r.has("visible") && !r.yes("visible")
	switch {
	case r.has("deleted_at"):
		t.behind = "deleted topics"
	case r.text("archetype") == "private_message":
		t.behind = "messages between members"
	case r.text("archetype") != "" && r.text("archetype") != "regular" && r.text("archetype") != "banner":
		t.behind = "topics of unknown kinds"
	}
	return nil
}

// dumpPosts gives the posts of a dump.
func dumpPosts(ctx context.Context, name string, r io.Reader, fn func(where string, p *post, err error) error) error {
	return rows(ctx, name, r, []string{"posts"}, func(where string, r *row, err error) error {
		if err != nil {
			return fn(where, nil, err)
		}
		p := post{id: r.number("id"), topic: r.number("topic_id"), number: r.number("post_number"), user: r.number("user_id"), raw: r.text("raw"),
			likes: int(max(0, min(r.number("like_count"), 1<<30))), kind: r.number("post_type"), hidden: r.yes("hidden"), deleted: r.has("deleted_at") || r.yes("user_deleted")}
		p.at, err = r.time("created_at")
		switch {
		case err != nil:
		case p.topic <= 0 || p.number <= 0:
			err = errors.New("a post without its number or its topic's")
		case p.at.IsZero():
			err = errors.New("a post without its time")
		}
		return fn(where, &p, err)
	})
}

const base62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// shortName is what Discourse calls an upload in upload://: its SHA-1 as a number
// in base 62.
func shortName(sha string) string {
	n, ok := new(big.Int).SetString(sha, 16)
	if !ok || n.Sign() <= 0 {
		return ""
	}
	var out []byte
	for base, digit := big.NewInt(62), new(big.Int); n.Sign() > 0; {
		n.DivMod(n, base, digit)
		out = append(out, base62[digit.Int64()])
	}
	slices.Reverse(out)
	return string(out)
}
