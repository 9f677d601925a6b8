package upload

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func write(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, d *db.DB, s *Store, member int64, subject Ref, drafts ...Draft) (files []File) {
	t.Helper()
	write(t, d, func(tx *db.Tx) (err error) { files, err = s.Put(tx, member, subject, drafts, usual); return err })
	return files
}

func TestPutAttachRemove(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := testStore(t)
		photo, text := take(t, s, "a.jpg", jpegOf(t, corners(1400, 40))), take(t, s, "a.log", []byte("a log"))
		post := Ref{"post", 7}
		files := put(t, d, s, 1, post, photo)
		loose := put(t, d, s, 1, Ref{}, text)[0]
		write(t, d, func(tx *db.Tx) error {
			got, err := ByID(tx, files[0].ID)
			if err != nil {
				return err
			}
			if got.Name != "a.jpg" || got.Type != JPEG || got.Blob != photo.Blob || got.Small != photo.Small || got.SmallType != JPEG ||
				got.Width != 1400 || got.Height != 40 || got.Subject != post || got.MemberID != 1 || !got.Picture() {
				t.Errorf("read back %+v", got)
			}
			for _, err := range []error{Attach(tx, 2, post, []int64{loose.ID}, usual), Attach(tx, 1, Ref{"post", 8}, []int64{got.ID}, usual), Attach(tx, 1, post, []int64{99}, usual)} {
				if !errors.Is(err, ErrNotFound) {
					t.Errorf("attached another's file, one that is attached or none at all: %v", err)
				}
			}
			if err := Attach(tx, 1, post, []int64{loose.ID}, usual); err != nil {
				return err
			}
			all, err := Of(tx, post)
			if err != nil || len(all) != 2 || all[1].ID != loose.ID {
				t.Errorf("the post's files are %v, %v", all, err)
			}
			if err := Remove(tx, loose.ID, true); err != nil {
				return err
			}
			if _, err := ByID(tx, loose.ID); !errors.Is(err, ErrNotFound) {
				t.Errorf("a removed file is there: %v", err)
			}
			if all, err := OfRange(tx, "post", 1, 7); err != nil || len(all) != 1 {
				t.Errorf("after removing one the post's files are %v, %v", all, err)
			}
			if err := Remove(tx, loose.ID, false); err != nil {
				return err
			}
			mine, err := OfMember(tx, 1)
			if err != nil || len(mine) != 2 {
				t.Errorf("the member's files are %v, %v", mine, err)
			}
			if err := Erase(tx, 1); err != nil {
				return err
			}
			mine, err = OfMember(tx, 1)
			if err != nil || len(mine) != 0 {
				t.Errorf("after erasing %v, %v", mine, err)
			}
			return nil
		})
	})
}

func TestAdmit(t *testing.T) {
	l := Limits{Files: 3, DayFiles: 5, DayBytes: 100, AllBytes: 1000}
	ten := Draft{Blob: blob.Ref{Size: 6}, Small: blob.Ref{Size: 4}}
	for _, c := range []struct {
		usage Usage
		there int
		n     int
		want  Reason
	}{
		{Usage{}, 0, 3, ""},
		{Usage{}, 0, 4, TooMany},
		{Usage{}, 2, 2, TooMany},
		{Usage{DayFiles: 4}, 0, 1, ""},
		{Usage{DayFiles: 4}, 0, 2, TooOften},
		{Usage{DayBytes: 90}, 0, 1, ""},
		{Usage{DayBytes: 90}, 0, 2, DayFull},
		{Usage{AllBytes: 991}, 0, 1, AllFull},
	} {
		var drafts []Draft
		for range c.n {
			drafts = append(drafts, ten)
		}
		err := admit(c.usage, c.there, drafts, l)
		var refused *Refused
		if errors.As(err, &refused); (err == nil) != (c.want == "") || err != nil && refused.Reason != c.want {
			t.Errorf("%+v: %v, expected %q", c, err, c.want)
		}
	}
}

func TestDayEnds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := testStore(t)
		now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		text := take(t, s, "a.log", []byte("a log"))
		l := Limits{Files: 9, DayFiles: 1, DayBytes: 100, AllBytes: 100}
		send := func() error {
			return d.Write(t.Context(), func(tx *db.Tx) error { _, err := s.Put(tx, 1, Ref{}, []Draft{text}, l); return err })
		}
		if err := send(); err != nil {
			t.Fatal(err)
		}
		var refused *Refused
		if err := send(); !errors.As(err, &refused) || refused.Reason != TooOften {
			t.Errorf("the second of a day: %v", err)
		}
		now = now.Add(24 * time.Hour)
		if err := send(); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

// age makes all blobs look as if they were written long ago.
func age(t *testing.T, s *Store) {
	t.Helper()
	old := time.Now().Add(-2 * bytesAge)
	if err := s.blobs.Walk(t.Context(), func(ref blob.Ref, _ time.Time) error {
		b, err := s.blobs.Open(ref.Digest)
		if err != nil {
			return err
		}
		return errors.Join(os.Chtimes(s.path(t, ref), old, old), b.Close())
	}); err != nil {
		t.Fatal(err)
	}
}

func (s *Store) path(t *testing.T, ref blob.Ref) (found string) {
	t.Helper()
	root := filepath.Join(filepath.Dir(t.TempDir()))
	_ = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if err == nil && filepath.Base(path) == ref.Digest.String() {
			found = path
		}
		return nil
	})
	return found
}

// TestSweep: a file that was never attached goes after a day, its bytes later,
// and never bytes that another file has too or that came back meanwhile.
func TestSweep(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := testStore(t)
		now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		sweep := func(want Swept) {
			t.Helper()
			if did, err := s.Sweep(t.Context(), d); err != nil || did != want {
				t.Errorf("at %s it swept %+v, %v; expected %+v", now, did, err, want)
			}
		}
		kept, lost, shared := take(t, s, "kept.log", []byte("kept")), take(t, s, "lost.log", []byte("lost")), take(t, s, "shared.log", []byte("shared"))
		back, never := take(t, s, "back.log", []byte("back")), take(t, s, "never.log", []byte("never put"))
		put(t, d, s, 1, Ref{"post", 1}, kept, shared)
		put(t, d, s, 1, Ref{}, lost, shared, back)
		age(t, s)
		now = now.Add(23 * time.Hour)
		sweep(Swept{}) // notices what nobody put
		now = now.Add(2 * time.Hour)
		sweep(Swept{Orphans: 3, Blobs: 1, Bytes: never.Blob.Size})
		now = now.Add(garbageAge / 2)
		sweep(Swept{})
		files := put(t, d, s, 2, Ref{"post", 2}, back) // its bytes were noticed and are there still
		now = now.Add(garbageAge)
		sweep(Swept{Blobs: 1, Bytes: lost.Blob.Size})
		for name, c := range map[string]struct {
			ref   blob.Ref
			there bool
		}{"kept": {kept.Blob, true}, "shared": {shared.Blob, true}, "back": {back.Blob, true}, "lost": {lost.Blob, false}, "never": {never.Blob, false}} {
			if s.blobs.Has(c.ref) != c.there {
				t.Errorf("the bytes of %q are there: %v", name, !c.there)
			}
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := s.Put(tx, 2, Ref{}, []Draft{lost}, usual); return err }); !errors.Is(err, ErrSwept) {
			t.Errorf("a draft whose bytes are gone: %v", err)
		}
		write(t, d, func(tx *db.Tx) error { return Remove(tx, files[0].ID, true) })
		now = now.Add(RemovedAge + time.Hour)
		sweep(Swept{Orphans: 1}) // and the sweep notices the bytes
		now = now.Add(garbageAge + time.Second)
		sweep(Swept{Blobs: 1, Bytes: back.Blob.Size})
	})
}

func TestServe(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := testStore(t)
		files := put(t, d, s, 1, Ref{"post", 1}, take(t, s, "Foto “ü”.jpg", jpegOf(t, corners(1400, 40))), take(t, s, "x.html", []byte("<script>alert(1)</script>")))
		get := func(f File, small, shared bool, header http.Header) *http.Response {
			t.Helper()
			r := httptest.NewRequest(http.MethodGet, f.Path(), nil)
			for k, v := range header {
				r.Header[k] = v
			}
			w := httptest.NewRecorder()
			if err := s.Serve(w, r, f, small, shared); err != nil {
				t.Fatal(err)
			}
			return w.Result()
		}
		for _, f := range files {
			r := get(f, false, false, nil)
			for name, want := range map[string]string{
				"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'", "Cache-Control": "private, no-cache",
				"Cross-Origin-Resource-Policy": "same-origin", "Content-Type": f.Type,
			} {
				if !strings.HasPrefix(r.Header.Get(name), want) {
					t.Errorf("%s: %s is %q, expected %q", f.Name, name, r.Header.Get(name), want)
				}
			}
		}
		r := get(files[1], false, false, nil)
		if body, _ := io.ReadAll(r.Body); string(body) != "<script>alert(1)</script>" || r.Header.Get("Content-Disposition") != `attachment; filename=x.html.txt` || r.Header.Get("Content-Type") != Text {
			t.Errorf("HTML is served as %v", r.Header)
		}
		r = get(files[0], true, true, nil)
		if body, _ := io.ReadAll(r.Body); int64(len(body)) != files[0].Small.Size || !strings.HasPrefix(r.Header.Get("Content-Disposition"), "inline; filename*=utf-8''Foto") ||
			r.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
			t.Errorf("the small copy is served as %v", r.Header)
		}
		if again := get(files[0], true, false, http.Header{"If-None-Match": {r.Header.Get("ETag")}}); again.StatusCode != http.StatusNotModified {
			t.Errorf("asked again it answers %d", again.StatusCode)
		}
	})
}

func TestSignedPath(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 3, 0, 0, time.UTC)
	f, other := File{ID: 7, Name: "a b.png", secret: "s1"}, File{ID: 8, Name: "a b.png", secret: "s2"}
	for _, small := range []bool{false, true} {
		u, err := url.Parse(f.SignedPath(small, now))
		if err != nil || u.Path != "/u/7/a b.png" {
			t.Fatalf("%v, %v", u, err)
		}
		if got, ok := f.Signed(u.Query(), now.Add(linkTime)); !ok || got != small {
			t.Errorf("a fresh address is not taken (small %v)", small)
		}
		if f.SignedPath(small, now.Add(time.Minute)) != u.RequestURI() {
			t.Error("the address changes within minutes: browsers cannot keep what they loaded")
		}
		if _, ok := f.Signed(u.Query(), now.Add(2*linkTime)); ok {
			t.Error("an address that has run out is taken")
		}
		if _, ok := other.Signed(u.Query(), now); ok {
			t.Error("an address opens another file")
		}
		for name, value := range map[string]string{"until": "9999999999", "key": "", "small": map[bool]string{true: "", false: "1"}[small]} {
			q := u.Query()
			q.Set(name, value)
			if _, ok := f.Signed(q, now); ok {
				t.Errorf("with %s=%q the address is still taken", name, value)
			}
		}
	}
	if _, ok := f.Signed(nil, now); ok {
		t.Error("an address without a key is taken")
	}
}
