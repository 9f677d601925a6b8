package crash

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bugreport"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
)

// Taken is what Take read: a report that nobody has kept yet.
type Taken struct {
	Report  Report
	Crashes []Cluster
}

// Take reads a bugreport of size bytes, scrubs it and stores the scrubbed text,
// the only thing that is stored. What cannot be read is ErrUnread, wrapped, and
// bugreport.ErrTooLarge too when the text is longer than MaxText. Put keeps what
// was taken; if that fails, Drop removes the text.
func Take(ctx context.Context, blobs *blob.Store, r io.ReaderAt, size int64) (Taken, error) {
	w, err := blobs.Create(ctx)
	if err != nil {
		return Taken{}, err
	}
	defer w.Abort()
	if _, err := io.WriteString(w, Heading()); err != nil {
		return Taken{}, err
	}
	out := &noting{w: w}
	read, err := bugreport.Read(contextReaderAt{ctx, r}, size, bugreport.Options{Scrubbed: out, MaxText: MaxText})
	switch {
	case err == nil:
	case out.err != nil:
		return Taken{}, out.err
	case ctx.Err() != nil:
		return Taken{}, ctx.Err()
	default:
		return Taken{}, fmt.Errorf("%w: %w", ErrUnread, err)
	}
	ref, err := w.Commit()
	if err != nil {
		return Taken{}, err
	}
	t := Taken{Report: Report{Device: read.Device, Build: read.Version, Text: ref, Facts: Facts{
		Model: read.Model, Fingerprint: read.Fingerprint, Display: read.Build, Android: read.Android, PatchLevel: read.PatchLevel, Kernel: read.Kernel,
		Uptime: int64(read.Uptime / time.Second), Removed: map[string]int{}, LeftOut: read.LeftOut,
	}}}
	if t.Report.Build == "" {
		t.Report.Build = read.Facts.Build
	}
	for kind, n := range read.Removed {
		t.Report.Facts.Removed[string(kind)] = n
	}
	for _, c := range read.Crashes {
		t.Crashes = append(t.Crashes, Cluster{Fingerprint: c.Fingerprint, Kind: string(c.Kind), Process: bound(c.Process), Cause: bound(c.Cause), Top: bound(c.Top()), Frames: frames(c.Frames)})
	}
	return t, nil
}

// Heading is the first line of a stored text. It makes every text a blob of its
// own, so that removing one never takes another's.
func Heading() string {
	return fmt.Sprintf("# Scrubbed by Friday. Report %s.\n", rand.Text())
}

// Drop removes the text of a report that was not kept.
func (t *Taken) Drop(blobs *blob.Store) error { return blobs.Remove(t.Report.Text.Digest) }

// frames are those of a crash that are searched, one a line.
func frames(all []string) string {
	const most = 32
	var b strings.Builder
	for _, f := range all[:min(len(all), most)] {
		b.WriteString(bound(f) + "\n")
	}
	return b.String()
}

// bound cuts what is shown of a crash.
func bound(s string) string {
	const longest = 300
	if len(s) > longest {
		return s[:longest]
	}
	return s
}

// noting notes what went wrong with writing, so that it is not taken for a
// mistake in what was read.
type noting struct {
	w   io.Writer
	err error
}

func (n *noting) Write(p []byte) (int, error) {
	k, err := n.w.Write(p)
	if err != nil {
		n.err = err
	}
	return k, err
}

// contextReaderAt stops reading when its context has ended.
type contextReaderAt struct {
	ctx context.Context
	r   io.ReaderAt
}

func (c contextReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.ReadAt(p, off)
}

// Sweep removes what has been kept for as long as it may be, the bytes before
// the row that names them, and texts that no row names: blobs must hold reports
// and nothing else. A daily job calls it; several may run at once.
func Sweep(ctx context.Context, d *db.DB, blobs *blob.Store) (removed int, err error) {
	for {
		var over []Report
		if err := d.Read(ctx, func(tx *db.Tx) (err error) { over, err = Over(tx); return err }); err != nil {
			return removed, err
		}
		if len(over) == 0 {
			n, err := orphans(ctx, d, blobs)
			return removed + n, err
		}
		for _, r := range over {
			if r.Text.Digest.IsZero() {
				continue
			}
			if err := blobs.Remove(r.Text.Digest); err != nil {
				return removed, err
			}
			removed++
		}
		if err := d.Write(ctx, func(tx *db.Tx) error { return Forget(tx, over) }); err != nil {
			return removed, err
		}
	}
}

// orphans removes texts older than a draft's time that no report names: of
// processes that died between storing and keeping.
func orphans(ctx context.Context, d *db.DB, blobs *blob.Store) (removed int, err error) {
	var old []blob.Digest
	before := time.Now().Add(-KeepDraft) // files have the machine's time
	if err := blobs.Walk(ctx, func(ref blob.Ref, at time.Time) error {
		if at.Before(before) {
			old = append(old, ref.Digest)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for _, digest := range old {
		var n int64
		if err := d.Read(ctx, func(tx *db.Tx) error {
			return tx.QueryRow("SELECT COUNT(*) FROM crash_reports WHERE digest = $1", digest).Scan(&n)
		}); err != nil {
			return removed, err
		}
		if n > 0 {
			continue
		}
		if err := blobs.Remove(digest); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}
