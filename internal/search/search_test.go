package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/search/words"
)

// threads are the common test's documents: a title and posts each.
var threads = [][]string{
	1: {"Camera crashes when zooming", "java.lang.NullPointerException at com.android.camera2.CameraActivity.onZoom(CameraActivity.java:214)", "Same here on 26.11.27"},
	2: {"Wi-Fi drops after the update", "The CameraService restarts; wifi is gone until reboot. Build V12.5.1.0.QJBMIXM"},
	3: {"相机打开后崩溃", "升级到 26.11.27 之后，相机一打开就崩溃。真相不明"},
	4: {"La cámara se cierra al hacer zoom", "Después de la actualización la cámara falló en español"},
	5: {"कैमरा खुलते ही बंद हो जाता है", "फ़ोन गरम हो जाता है और कैमरा बंद हो जाता है"},
	6: {"Zooming and camera talk", "It crashes the mood. Don't zoom."},
	7: {"カメラが落ちる", "ＭＩＵＩの カメラー を開くと落ちます"},
}

func TestFindsTheSame(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return putAll(tx, threads) })
		for _, c := range []struct {
			ask  string
			want []int64
		}{
			{"camera", []int64{1, 2, 6}},
			{"CAMERA crashes", []int64{1, 6}},
			{`"camera crashes"`, []int64{1}},
			{"crashes -zooming", nil},
			{"crashes -nullpointerexception", []int64{6}},
			{"cam*", []int64{1, 2, 4, 6}}, // accents do not count,
			{"cam", nil},
			{"cameraservice", []int64{2}},
			{"CameraService", []int64{2}},
			{`"camera service restarts"`, []int64{2}},
			{"com.android.camera2", []int64{1}},
			{"camera2", []int64{1}},
			{"android.camera2.CameraActivity", []int64{1}},
			{"wifi", []int64{2}},
			{"Wi-Fi", []int64{2}},
			{"wi fi", []int64{2}},
			{"26.11.27", []int64{1, 3}},
			{"qjbmixm", []int64{2}},
			{"V12.5.1.0.QJBMIXM", []int64{2}},
			{"don’t", []int64{6}},
			{"相机", []int64{3}},
			{"相机崩溃", nil}, // not in a row
			{"打开后崩溃", []int64{3}},
			{"相机 崩溃", []int64{3}},
			{"相", []int64{3}},
			{"溃", []int64{3}}, // ends a run
			{"明", []int64{3}},
			{"机相", nil},
			{"cámara CERRÓ", nil},
			{"camara cierra", []int64{4}},
			{"ESPAÑOL", []int64{4}},
			{"कैमरा", []int64{5}},
			{"कैमरा फ\u093cोन", []int64{5}},
			{"कैम", nil}, // Hindi is whole
			{"कैम*", []int64{5}},
			{`"बंद हो जाता"`, []int64{5}},
			{"カメラ", []int64{7}},
			{"miui", []int64{7}},
			{"''\"); DROP TABLE search_words; --", nil},
			{"NOT camera OR crashes", nil}, // no operators
			{`camera\`, []int64{1, 2, 6}},
		} {
			if got := ask(t, d, c.ask, false); !slices.Equal(got, c.want) {
				t.Errorf("%s finds %v, want %v", c.ask, got, c.want)
			}
		}
		if got, want := ask(t, d, "camera", true), []int64{1, 6}; !slices.Equal(got, want) {
			t.Errorf("in titles camera finds %v, want %v", got, want)
		}
	})
}

func TestChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		post := Source{Doc: 4, Kind: Post, Ref: 77}
		step := func(what string, change func(tx *db.Tx) error, question string, want ...int64) {
			t.Helper()
			write(t, d, change)
			if got := ask(t, d, question, false); !slices.Equal(got, want) {
				t.Errorf("%s: %q finds %v, want %v", what, question, got, want)
			}
		}
		step("put", func(tx *db.Tx) error { return Put(tx, post, "one two") }, "two", 4)
		step("changed", func(tx *db.Tx) error { return Put(tx, post, "one three") }, "two")
		step("changed", func(tx *db.Tx) error { return nil }, "three", 4)
		step("another beside it", func(tx *db.Tx) error { return Put(tx, Source{4, Post, 78}, "four") }, "one four", 4)
		step("moved", func(tx *db.Tx) error { return Put(tx, Source{5, Post, 77}, "one three") }, "three", 5)
		step("retitled", func(tx *db.Tx) error { return Put(tx, Source{5, Title, 5}, "five") }, "five", 5)
		step("retitled", func(tx *db.Tx) error { return Put(tx, Source{5, Title, 5}, "six") }, "five")
		step("emptied", func(tx *db.Tx) error { return Put(tx, Source{5, Title, 5}, " … ") }, "six")
		step("removed", func(tx *db.Tx) error { return Remove(tx, Post, 77) }, "three")
		step("removed twice", func(tx *db.Tx) error { return Remove(tx, Post, 77) }, "four", 4)
		err := d.Write(t.Context(), func(tx *db.Tx) error { return Put(tx, Source{Doc: 0, Kind: Post, Ref: 1}, "x") })
		if err == nil || !strings.Contains(err.Error(), "cannot keep words of post 1: its document is 0, expected 1 to") {
			t.Errorf("document 0: %v", err)
		}
		failed := d.Write(t.Context(), func(tx *db.Tx) error {
			if err := Put(tx, Source{9, Post, 90}, "undone"); err != nil {
				return err
			}
			return fmt.Errorf("no")
		})
		if got := ask(t, d, "undone", false); failed == nil || len(got) > 0 {
			t.Errorf("what was not committed is found: %v", got)
		}
	})
}

// TestRandom writes texts and asks questions at random, in four languages and
// longer than a chunk, and wants what the words themselves say.
func TestRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	vocabulary := strings.Fields("camera Camera crashes CameraService com.android.camera2 camera2 service Wi-Fi wifi fi 26.11.27 don't 相 相机 机 机相 崩溃相机 cámara camara señal कैमरा कैम बंद फ़ोन カメラ カ HTTPServer a b x_y xy ' \\ \" ( ) & | ! * :")
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r := rand.New(rand.NewPCG(seed, 3))
		text := func(n int) string {
			var b strings.Builder
			for range n {
				b.WriteString(vocabulary[r.IntN(len(vocabulary))])
				b.WriteString([]string{" ", " ", "\n", "，", ""}[r.IntN(5)])
			}
			return b.String()
		}
		texts := make([][]string, 1, 60)
		for range 59 {
			doc := []string{"thread " + text(1+r.IntN(4))} // one without words has no row to be asked of
			for range r.IntN(4) {
				doc = append(doc, text(1+r.IntN(8)))
			}
			texts = append(texts, doc)
		}
		texts[7] = append(texts[7], text(900), strings.Repeat("相机 ", 600)+"zz 相机崩溃")
		write(t, d, func(tx *db.Tx) error { return putAll(tx, texts) })
		for range 300 {
			question := text(1 + r.IntN(3))
			if r.IntN(3) == 0 {
				question = `"` + strings.ReplaceAll(text(1+r.IntN(3)), `"`, "") + `"`
			}
			if r.IntN(4) == 0 {
				question = "-" + question
			}
			q := Parse(question)
			if got, want := ask(t, d, question, false), said(texts, q); !slices.Equal(got, want) {
				t.Errorf("%q finds %v, want %v", question, got, want)
			}
		}
		if got := ask(t, d, `"相机 zz 相机崩溃"`, false); !slices.Equal(got, []int64{7}) {
			t.Errorf("a phrase far within a long text finds %v, want 7", got)
		}
	})
}

// said is what a question should find, by the words alone.
func said(texts [][]string, q Query) (found []int64) {
	for doc, list := range texts {
		has := func(t Term) bool {
			return slices.ContainsFunc(list, func(text string) bool {
				return len(find(slices.Collect(words.All(text)), []Term{t})) > 0
			})
		}
		no := func(t Term) bool { return !has(t) }
		if len(list) > 0 && !slices.ContainsFunc(q.Terms, no) && !slices.ContainsFunc(q.Without, has) && len(q.Terms)+len(q.Without) > 0 {
			found = append(found, int64(doc))
		}
	}
	return found
}

func TestHolding(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error { return putAll(tx, threads) })
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			got, err := Holding(tx, 1, Words("onzoom 26.11.27 camera"), 3)
			if err != nil || len(got) != 2 || got[0] != (Source{1, Post, 10001}) || got[1] != (Source{1, Post, 10002}) {
				t.Errorf("found %v, %v; want the two posts", got, err)
			}
			if got, err := Holding(tx, 1, nil, 3); err != nil || got != nil {
				t.Errorf("no terms find %v, %v", got, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestSnippet(t *testing.T) {
	long := strings.Repeat("Nothing to see here. ", 20) + "Then the CameraService\n\ncrashed with 26.11.27. " + strings.Repeat("And so on. ", 30)
	for _, c := range []struct{ text, ask, want string }{
		{"The camera crashes", "crashes", "The camera [crashes]"},
		{"The camera crashes", "battery", ""},
		{"相机打开后崩溃了", "打开 崩溃", "相机[打开]后[崩溃]了"},
		{"相机打开后", "相机打开", "[相机打开]后"},
		{"कैमरा बंद", "बंद", "कैमरा [बंद]"},
		{"La cámara", "camara", "La [cámara]"},
		{"Wi-Fi is gone", "wifi", "[Wi-Fi] is gone"},
		{long, "camera crashed", "… see here. Then the [Camera]Service [crashed] with 26.11.27. And so on. And so on. …"},
	} {
		var b strings.Builder
		for _, p := range Snippet(c.text, Words(c.ask), 80) {
			if p.Found {
				b.WriteString("[" + p.Text + "]")
			} else {
				b.WriteString(p.Text)
			}
		}
		if got := b.String(); got != c.want {
			t.Errorf("%q in %.40q gives %q, want %q", c.ask, c.text, got, c.want)
		}
	}
}

func putAll(tx *db.Tx, texts [][]string) error {
	for doc, list := range texts {
		for i, text := range list {
			s := Source{Doc: int64(doc), Kind: Post, Ref: int64(doc*10000 + i)}
			if i == 0 {
				s.Kind = Title
			}
			if err := Put(tx, s, text); err != nil {
				return err
			}
		}
	}
	return nil
}

func write(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// ask finds documents as a room would: the condition is part of its statement.
func ask(t *testing.T, d *db.DB, question string, titleOnly bool) (found []int64) {
	t.Helper()
	q := Parse(question)
	if len(q.Terms)+len(q.Without) == 0 {
		return nil
	}
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		var args []any
		with, err := Question{Terms: q.Terms, Without: q.Without}.With(tx, func(a any) string {
			args = append(args, a)
			return fmt.Sprintf("$%d", len(args))
		})
		if err != nil {
			return err
		}
		title := ""
		if titleOnly {
			title = " WHERE place = 0"
		}
		found, err = db.All(tx, func(s db.Scanner) (id int64, err error) { err = s.Scan(&id); return id, err }, with+`SELECT doc FROM found`+title+` ORDER BY doc`, args...)
		return err
	})
	if err != nil {
		t.Fatalf("%q: %v", question, err)
	}
	return found
}
