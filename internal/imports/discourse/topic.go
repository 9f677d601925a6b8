package discourse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/imports"
)

// page is any answer of the site that is read.
type page struct {
	ID         int64             `json:"id"`
	Title      string            `json:"title"`
	Archetype  string            `json:"archetype"`
	CategoryID int64             `json:"category_id"`
	Tags       []json.RawMessage `json:"tags"` // names, or objects with one
	CreatedAt  string            `json:"created_at"`
	DeletedAt  string            `json:"deleted_at"`
	Closed     bool              `json:"closed"`
	Archived   bool              `json:"archived"`
	Visible    *bool             `json:"visible"`
	VoteCount  *int              `json:"vote_count"` // of the voting plugin
	Accepted   json.RawMessage   `json:"accepted_answer"`
	Stream     *struct {
		Posts []jsonPost `json:"posts"`
	} `json:"post_stream"`
	TopicList    json.RawMessage `json:"topic_list"`
	CategoryList *struct {
		Categories []jsonCategory `json:"categories"`
	} `json:"category_list"`
	Categories []jsonCategory `json:"categories"` // of /site.json
}

type jsonCategory struct {
	ID            int64          `json:"id"`
	Name          string         `json:"name"`
	Slug          string         `json:"slug"`
	Parent        int64          `json:"parent_category_id"`
	Restricted    bool           `json:"read_restricted"`
	Subcategories []jsonCategory `json:"subcategory_list"`
}

type jsonPost struct {
	ID          int64  `json:"id"`
	TopicID     int64  `json:"topic_id"`
	Number      int64  `json:"post_number"`
	Username    string `json:"username"`
	CreatedAt   string `json:"created_at"`
	DeletedAt   string `json:"deleted_at"`
	UserDeleted bool   `json:"user_deleted"`
	Raw         string `json:"raw"`
	Kind        int64  `json:"post_type"`
	Hidden      bool   `json:"hidden"`
	Accepted    bool   `json:"accepted_answer"`
	Actions     []struct {
		ID    int `json:"id"`
		Count int `json:"count"`
	} `json:"actions_summary"`
}

const like = 2 // in actions_summary

func pages(ctx context.Context, name string, r io.Reader, fn func(where string, p *page, err error) error) error {
	err := imports.Objects(r, func(offset int64, raw []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var p page
		err := json.Unmarshal(raw, &p)
		if err != nil {
			err = errors.New(strings.TrimPrefix(err.Error(), "json: "))
		}
		return fn(fmt.Sprintf("%s, byte %d", name, offset), &p, err)
	})
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	return errors.Join(err, ctx.Err())
}

// json learns from an answer of the site.
func (c *catalogue) json(ctx context.Context, name string, r io.Reader, t *imports.Tally) error {
	return pages(ctx, name, r, func(where string, p *page, err error) error {
		switch {
		case err != nil:
			return nil // told where its posts are read
		case p.CategoryList != nil:
			c.addCategories(p.CategoryList.Categories, 0)
		case len(p.Categories) > 0:
			c.addCategories(p.Categories, 0)
		case p.Stream != nil && p.Title != "" && p.ID > 0:
			return c.addTopic(where, p, t)
		case p.Stream != nil: // more posts of a topic
		case len(p.TopicList) > 0:
			t.Skip("lists of topics")
		default:
			t.Skip("answers that are no topics")
		}
		return nil
	})
}

func (c *catalogue) addCategories(all []jsonCategory, parent int64) {
	for _, one := range all {
		if one.Parent == 0 {
			one.Parent = parent
		}
		c.categories[one.ID] = category{one.Name, one.Slug, one.Parent, one.Restricted}
		if parent == 0 {
			c.addCategories(one.Subcategories, one.ID)
		}
	}
}

func (c *catalogue) addTopic(where string, p *page, t *imports.Tally) error {
	at, err := stamp(p.CreatedAt)
	if err != nil {
		t.Bad(where, "topic %d: %v", p.ID, err)
		return nil
	}
	to := c.topic(p.ID)
	to.listed, to.title, to.category, to.at = true, p.Title, p.CategoryID, at
	to.closed, to.locked = p.Closed, p.Closed || p.Archived
	to.unlisted = p.Visible != nil && !*p.Visible
	if p.VoteCount != nil {
		to.votes = max(0, *p.VoteCount)
	}
	for _, raw := range p.Tags {
		var name string
		var tag struct {
			Name string `json:"name"`
		}
		if json.Unmarshal(raw, &name) == nil {
			to.names = append(to.names, name)
		} else if json.Unmarshal(raw, &tag) == nil {
			to.names = append(to.names, tag.Name)
		}
	}
	switch {
	case p.DeletedAt != "":
		to.behind = "deleted topics"
	case p.Archetype != "" && p.Archetype != "regular" && p.Archetype != "banner":
		to.behind = "messages between members"
	}
	var answer struct {
		Number int64 `json:"post_number"`
	}
	if len(p.Accepted) > 0 && json.Unmarshal(p.Accepted, &answer) == nil {
		for _, one := range p.Stream.Posts {
			if one.Number == answer.Number {
				to.accepted = one.ID
			}
		}
	}
	return nil
}

// jsonPosts gives the posts of an answer of the site.
func jsonPosts(ctx context.Context, name string, r io.Reader, fn func(where string, p *post, err error) error) error {
	return pages(ctx, name, r, func(where string, p *page, err error) error {
		if err != nil {
			return fn(where, nil, err)
		}
		if p.Stream == nil {
			return nil
		}
		for _, one := range p.Stream.Posts {
			out := post{id: one.ID, topic: one.TopicID, number: one.Number, author: one.Username, raw: one.Raw, kind: max(one.Kind, 1),
				hidden: one.Hidden, deleted: one.DeletedAt != "" || one.UserDeleted, accepted: one.Accepted}
			if out.topic == 0 {
				out.topic = p.ID
			}
			for _, a := range one.Actions {
				if a.ID == like {
					out.likes = max(0, a.Count)
				}
			}
			at, err := stamp(one.CreatedAt)
			if out.at = at; err == nil && (out.number <= 0 || out.topic <= 0) {
				err = errors.New("a post without its number or its topic's")
			}
			if err := fn(where, &out, err); err != nil {
				return err
			}
		}
		return nil
	})
}

func stamp(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("its time is %.40q, expected one such as 2026-11-27T16:00:00.000Z", s)
	}
	return t, nil
}
