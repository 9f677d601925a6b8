package feedback

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
)

const threadColumns = `t.id, t.kind, t.title, t.author_id, t.part, t.build, t.created_at, t.last_at, t.closed_at, t.posts, t.votes, t.hidden,
	t.private, t.locked, t.pinned, t.merged_into, t.accepted_id, t.lang`

func scanThread(s db.Scanner) (t Thread, err error) {
	err = s.Scan(&t.ID, (*string)(&t.Kind), &t.Title, &t.AuthorID, &t.Part, &t.Build, &t.CreatedAt, &t.LastAt, &t.ClosedAt,
		&t.Posts, &t.Votes, &t.Hidden, &t.Private, &t.Locked, &t.Pinned, &t.MergedInto, &t.AcceptedID, &t.Lang)
	return t, err
}

// ByID returns one thread with where it stands on each device. Of a thread that
// was merged it returns the one that it went into, whose ID differs from id.
func ByID(tx *db.Tx, v Viewer, id int64) (Thread, error) {
	t, err := v.find(tx, id)
	one := []Thread{t}
	if err == nil {
		err = addDevices(tx, one)
	}
	if err != nil {
		return Thread{}, fmt.Errorf("cannot read thread %d: %w", id, err)
	}
	return one[0], nil
}

func addDevices(tx *db.Tx, threads []Thread) error {
	if len(threads) == 0 {
		return nil
	}
	index := make(map[int64]int, len(threads))
	ids := make([]any, len(threads))
	for i, t := range threads {
		index[t.ID] = i
		ids[i] = t.ID
	}
	type row struct {
		thread int64
		DeviceState
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) {
		err = s.Scan(&r.thread, &r.Device, (*string)(&r.State), &r.Release, &r.Build, &r.Reason, &r.Affected, &r.ReportedAt, &r.Since)
		return r, err
	}, `SELECT thread_id, device, state, release, build, reason, affected, reported_at, since
		FROM thread_devices WHERE thread_id IN (`+places(len(ids))+`) ORDER BY thread_id, device`, ids...)
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := &threads[index[r.thread]]
		t.Devices = append(t.Devices, r.DeviceState)
	}
	return nil
}

// places are the placeholders of n arguments.
func places(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String()
}

const postColumns = `id, thread_id, author_id, body, at, edited_at, hidden`

func scanPost(s db.Scanner) (p Post, err error) {
	err = s.Scan(&p.ID, &p.ThreadID, &p.AuthorID, &p.Body, &p.At, &p.EditedAt, &p.Hidden)
	return p, err
}

// Posts returns a thread's posts, oldest first.
func Posts(tx *db.Tx, v Viewer, threadID int64) ([]Post, error) {
	threadID, err := v.Sees(tx, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read the posts of thread %d: %w", threadID, err)
	}
	posts, err := db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE thread_id = $1 ORDER BY at, id`, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read the posts of thread %d: %w", threadID, err)
	}
	v.cover(posts)
	return posts, nil
}

func texts(tx *db.Tx, sql string, args ...any) ([]string, error) {
	return db.All(tx, func(s db.Scanner) (text string, err error) { err = s.Scan(&text); return text, err }, sql, args...)
}

// Begins says whether a post is what the thread began with.
func (t *Thread) Begins(p Post) bool { return p.At.Equal(t.CreatedAt) && p.AuthorID == t.AuthorID }
