package crash_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

// room is a database with a clock that the test moves, and a folder for texts.
type room struct {
	*testing.T
	d     *db.DB
	blobs *blob.Store
	now   time.Time
}

func each(t *testing.T, fn func(r *room)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		blobs, err := blob.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		r := &room{T: t, d: d, blobs: blobs, now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)}
		d.SetClock(func() time.Time { return r.now })
		fn(r)
	})
}

func (r *room) must(fn func(tx *db.Tx) error) {
	r.Helper()
	if err := r.d.Write(r.Context(), fn); err != nil {
		r.Fatal(err)
	}
}

const log = "Build fingerprint: 'Xiaomi/umi/umi:11/RKQ1.200826.002/V12.5.9.0.RJBCNXM:user/release-keys'\n[ro.friday.version]: [%s]\n" +
	"E/AndroidRuntime( 1): FATAL EXCEPTION: main\nE/AndroidRuntime( 1): Process: com.example.camera, PID: 1\nE/AndroidRuntime( 1): java.lang.Error: anna@example.com\nE/AndroidRuntime( 1): \tat com.example.camera.%s(C.java:1)\n"

// send takes a report in and publishes it, unless thread is 0.
func (r *room) send(member, thread int64, version, top string) crash.Report {
	r.Helper()
	text := fmt.Sprintf(log, version, top)
	taken, err := crash.Take(r.Context(), r.blobs, strings.NewReader(text), int64(len(text)))
	if err != nil {
		r.Fatal(err)
	}
	taken.Report.MemberID, taken.Report.Enrolled = member, member%2 == 0
	var report crash.Report
	r.must(func(tx *db.Tx) (err error) {
		if report, err = crash.Put(tx, taken.Report, taken.Crashes); err == nil && thread != 0 {
			err = crash.Publish(tx, report.ID, member, thread, false)
		}
		return err
	})
	return report
}

func (r *room) text(report crash.Report) string {
	f, err := r.blobs.Open(report.Text.Digest)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, report.Text.Size))
	if err != nil {
		r.Fatal(err)
	}
	return string(b)
}

func TestCounts(t *testing.T) {
	each(t, func(r *room) {
		first := r.send(1, 41, "26.11.27", "A.run")
		r.send(1, 41, "26.11.27", "A.run") // the same member again
		r.send(2, 42, "26.11.27", "A.run")
		r.send(3, 42, "26.11.20", "A.run")
		r.send(4, 0, "26.11.27", "A.run") // not published
		r.send(5, 43, "26.11.27", "B.run")
		if text := r.text(first); strings.Contains(text, "anna") || !strings.HasPrefix(text, "# Scrubbed by Friday. Report ") || first.Facts.Removed["email"] != 1 || first.Device != "umi" || first.Build != "26.11.27" {
			r.Errorf("kept %+v:\n%s", first, text)
		}
		var counts []crash.Count
		var clusters []crash.Cluster
		var threads []int64
		r.must(func(tx *db.Tx) (err error) {
			if clusters, err = crash.In(tx, first.ID); err != nil {
				return err
			}
			if counts, err = crash.CountsOf(tx, "umi"); err != nil {
				return err
			}
			threads, err = crash.Threads(tx, clusters[0].Fingerprint, 10)
			return err
		})
		if len(clusters) != 1 || clusters[0].Kind != "java" || clusters[0].Process != "com.example.camera" || clusters[0].Top != "com.example.camera.A.run" || clusters[0].Cause != "java.lang.Error" {
			r.Fatalf("clusters %+v", clusters)
		}
		if !slices.Equal(threads, []int64{41, 42}) {
			r.Errorf("threads %v, expected 41 and 42", threads)
		}
		if len(counts) != 3 || counts[0].Members != 2 || counts[0].Enrolled != 1 || counts[0].Reports != 3 || counts[0].Build != "26.11.27" || counts[0].Fingerprint != clusters[0].Fingerprint {
			r.Errorf("counts %+v", counts)
		}
		n := crash.Numbers(counts, "26.11.27", []string{"26.11.20"})
		if len(n) != 2 || n[0].Here != 2 || n[0].Before != 1 || n[0].Enrolled != 1 || n[1].Here+n[1].Before != 1 {
			r.Errorf("numbers %+v", n)
		}
		r.must(func(tx *db.Tx) (err error) { clusters, err = crash.ClustersOf(tx, 41, 43); return err })
		if len(clusters) != 2 || clusters[0].Top != "com.example.camera.A.run" {
			r.Errorf("clusters of the thread and one merged into it: %+v", clusters)
		}
		r.must(func(tx *db.Tx) error {
			if devices, err := crash.Devices(tx, r.now.Add(-time.Hour)); err != nil || !slices.Equal(devices, []string{"umi"}) {
				r.Errorf("devices %v, %v", devices, err)
			}
			return nil
		})
	})
}

func TestRetention(t *testing.T) {
	each(t, func(r *room) {
		draft, kept := r.send(1, 0, "26.11.27", "A.run"), r.send(1, 41, "26.11.27", "B.run")
		sweep := func() int {
			n, err := crash.Sweep(r.Context(), r.d, r.blobs)
			if err != nil {
				r.Fatal(err)
			}
			return n
		}
		if n := sweep(); n != 0 {
			r.Fatalf("%d texts were removed at once", n)
		}
		r.now = r.now.Add(crash.KeepDraft)
		if n := sweep(); n != 1 || r.text(draft) != "" || r.text(kept) == "" {
			r.Errorf("after a draft's time %d texts were removed", n)
		}
		r.must(func(tx *db.Tx) error {
			if _, err := crash.ByID(tx, draft.ID); !errors.Is(err, crash.ErrNotFound) {
				r.Errorf("the draft is there: %v", err)
			}
			if all, err := crash.CountsOf(tx, "umi"); err != nil || len(all) != 1 {
				r.Errorf("counts %+v, %v", all, err)
			}
			return nil
		})
		r.now = r.now.Add(crash.Keep)
		if n := sweep(); n != 1 || r.text(kept) != "" {
			r.Errorf("after a text's time %d texts were removed", n)
		}
		r.must(func(tx *db.Tx) error {
			if got, err := crash.ByID(tx, kept.ID); err != nil || !got.Text.Digest.IsZero() {
				r.Errorf("after its time: %+v, %v", got, err)
			}
			if all, err := crash.CountsOf(tx, "umi"); err != nil || len(all) != 1 {
				r.Errorf("the count went with the text: %+v, %v", all, err)
			}
			return nil
		})
		if n := sweep(); n != 0 {
			r.Errorf("a second sweep removed %d texts", n)
		}
	})
}

func TestErase(t *testing.T) {
	each(t, func(r *room) {
		one := r.send(1, 41, "26.11.27", "A.run")
		r.send(1, 41, "26.11.27", "A.run")
		r.must(func(tx *db.Tx) error { return crash.Erase(tx, 1) })
		if _, err := crash.Sweep(r.Context(), r.d, r.blobs); err != nil || r.text(one) != "" {
			r.Errorf("the text of a member who left is there: %v", err)
		}
		r.must(func(tx *db.Tx) error {
			all, err := crash.Of(tx, 41)
			if err != nil || len(all) != 2 || all[0].MemberID >= 0 {
				r.Errorf("%+v, %v", all, err)
			}
			return nil
		})
	})
}

func TestRefusals(t *testing.T) {
	each(t, func(r *room) {
		one := r.send(1, 0, "26.11.27", "A.run")
		refuse := func(want error, fn func(tx *db.Tx) error) {
			r.Helper()
			if err := r.d.Write(r.Context(), fn); !errors.Is(err, want) {
				r.Errorf("%v, expected %v", err, want)
			}
		}
		refuse(crash.ErrNotFound, func(tx *db.Tx) error { return crash.Publish(tx, one.ID, 2, 41, false) }) // another's
		refuse(crash.ErrNotFound, func(tx *db.Tx) error { return crash.Publish(tx, 5, 1, 41, false) })
		r.must(func(tx *db.Tx) error { return crash.Publish(tx, one.ID, 1, 41, true) })
		refuse(crash.ErrTaken, func(tx *db.Tx) error { return crash.Publish(tx, one.ID, 1, 42, false) })
		for range crash.DayReports - 1 {
			r.send(1, 0, "26.11.27", "A.run")
		}
		refuse(crash.ErrTooMany, func(tx *db.Tx) error { _, err := crash.Put(tx, crash.Report{MemberID: 1}, nil); return err })
		r.must(func(tx *db.Tx) error { return crash.Withdraw(tx, one.ID) })
		if _, err := crash.Sweep(r.Context(), r.d, r.blobs); err != nil || r.text(one) != "" {
			r.Errorf("a withdrawn text is there: %v", err)
		}
		if _, err := crash.Take(r.Context(), r.blobs, bytes.NewReader(nil), 0); err == nil {
			r.Error("an empty file was taken")
		}
	})
}
