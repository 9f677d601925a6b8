package duplicate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var friday = time.Date(2026, 11, 20, 17, 0, 0, 0, time.UTC)

func filled() *Index {
	x := New()
	for i, title := range []string{
		"Camera crashes when zooming",
		"Battery drains overnight",
		"Wi-Fi drops after the update",
		"相机打开后崩溃",
		"La cámara se cierra al hacer zoom",
		"कैमरा खुलते ही बंद हो जाता है",
		"Keyboard lags",
		"Bluetooth car kit does not connect",
	} {
		x.Put(Document{ID: int64(i + 1), Title: title, Body: "It began with the last build.", Part: "System", At: friday})
	}
	return x
}

func first(list []Candidate) int64 {
	if len(list) == 0 {
		return 0
	}
	return list[0].ID
}

func TestFind(t *testing.T) {
	x := filled()
	x.Put(Document{ID: 20, Title: "Application stops", Crashes: []string{"abc123"}, At: friday})
	for _, c := range []struct {
		name string
		q    Query
		want int64
	}{
		{"other words' order", Query{Title: "zooming crashes the camera"}, 1},
		{"half a word", Query{Title: "camera cras"}, 1},
		{"a mistake in typing", Query{Title: "batery drainig"}, 2},
		{"joined otherwise", Query{Title: "wifi drop"}, 3},
		{"Chinese", Query{Title: "相机崩溃了"}, 4},
		{"Spanish without accents", Query{Title: "camara zoom se cierra"}, 5},
		{"Hindi", Query{Title: "कैमरा बंद"}, 6},
		{"crash in another language", Query{Title: "Приложение падает", Crashes: []string{"abc123"}}, 20},
		{"crash beats words", Query{Title: "the application lags", Crashes: []string{"abc123"}, At: friday}, 20},
		{"nothing asked", Query{}, 0},
		{"nothing alike", Query{Title: "qqq"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := first(x.Find(c.q)); got != c.want {
				t.Errorf("the first is %d, want %d of %+v", got, c.want, x.Find(c.q))
			}
		})
	}
	if got := x.Find(Query{Title: "Application", Crashes: []string{"abc123"}}); !got[0].Crash {
		t.Errorf("%+v does not say that the crash is the same", got[0])
	}
	if got := New().Find(Query{Title: "camera"}); got != nil {
		t.Errorf("an empty index found %v", got)
	}
}

func TestAlike(t *testing.T) {
	x := filled()
	same := x.Find(Query{Title: "Camera crashes when zooming"})[0]
	if same.Alike < 0.9 {
		t.Errorf("the same title is alike by %.2f, want nearly 1", same.Alike)
	}
	for _, c := range x.Find(Query{Title: "The screen of my phone flickers after the alarm went off"}) {
		if c.Alike >= Worth {
			t.Errorf("%d is alike by %.2f, want less than %.2f: it shares only common words", c.ID, c.Alike, Worth)
		}
	}
}

func TestNewerAndSamePartFirst(t *testing.T) {
	x := New()
	x.Put(Document{ID: 1, Title: "Sound is gone", Part: "Sound", At: friday.AddDate(-2, 0, 0)})
	x.Put(Document{ID: 2, Title: "Sound is gone", Part: "Sound", At: friday.AddDate(0, 0, -2)})
	x.Put(Document{ID: 3, Title: "Sound is gone", Part: "Phone", At: friday.AddDate(-2, 0, 0)})
	for _, c := range []struct {
		q    Query
		want []int64
	}{
		{Query{Title: "Sound gone"}, []int64{3, 2, 1}}, // alike: the newest ID first
		{Query{Title: "Sound gone", At: friday}, []int64{2, 3, 1}},
		{Query{Title: "Sound gone", Part: "Phone"}, []int64{3, 2, 1}},
		{Query{Title: "Sound gone", Part: "Sound", At: friday}, []int64{2, 1, 3}},
	} {
		var got []int64
		for _, f := range x.Find(c.q) {
			got = append(got, f.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v found %v, want %v", c.q, got, c.want)
		}
	}
}

func TestKeepAndLimit(t *testing.T) {
	x := New()
	for i := range 3_000 {
		x.Put(Document{ID: int64(i), Title: fmt.Sprintf("Camera crashes on phone %d", i)})
	}
	for _, limit := range []int{1, 7, 5_000} {
		got := x.Find(Query{Title: "camera crashes", Limit: limit, Keep: func(id int64) bool { return id%1000 == 17 }})
		if want := min(limit, 3); len(got) != want {
			t.Errorf("with a limit of %d, %d were kept, want %d", limit, len(got), want)
		}
	}
	if got := x.Find(Query{Title: "camera"}); len(got) != 10 {
		t.Errorf("without a limit %d were found, want 10", len(got))
	}
}

// TestChanges puts, changes and removes at random, and wants the index to find
// what one that was filled afresh finds.
func TestChanges(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	vocabulary := strings.Fields("camera crashes zoom battery drains wifi drops sound gone keyboard lags 相机 崩溃 कैमरा बंद update reboot")
	text := func() string {
		var words []string
		for range 2 + r.IntN(5) {
			words = append(words, vocabulary[r.IntN(len(vocabulary))])
		}
		return strings.Join(words, " ")
	}
	x, held := New(), map[int64]Document{}
	for range 12_000 {
		id := int64(r.IntN(800))
		if r.IntN(4) == 0 {
			x.Remove(id)
			delete(held, id)
			continue
		}
		d := Document{ID: id, Title: text(), Body: text()}
		x.Put(d)
		held[id] = d
	}
	if x.Len() != len(held) {
		t.Fatalf("the index holds %d documents, want %d", x.Len(), len(held))
	}
	x.mu.Lock()
	x.compact() // counts of removed documents are gone with them: equal scores
	x.mu.Unlock()
	fresh := New()
	for _, n := range x.docs {
		fresh.Put(held[n.id])
	}
	for range 100 {
		q := Query{Title: text(), Limit: 20}
		got, want := x.Find(q), fresh.Find(q)
		if len(got) != len(want) {
			t.Fatalf("%q found %d, want %d", q.Title, len(got), len(want))
		}
		for i := range got {
			if d := got[i].Score - want[i].Score; d > 1e-4 || d < -1e-4 {
				t.Fatalf("%q: place %d has score %v, want %v", q.Title, i, got[i].Score, want[i].Score)
			}
			if _, ok := held[got[i].ID]; !ok {
				t.Fatalf("%q found %d, which was removed", q.Title, got[i].ID)
			}
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	x := New()
	var wait sync.WaitGroup
	for w := range 4 {
		wait.Go(func() {
			for i := range 400 {
				id := int64(i % 100)
				x.Put(Document{ID: id, Title: fmt.Sprintf("Camera crashes %d", i)})
				for _, c := range x.Find(Query{Title: "camera crash"}) {
					if c.ID < 0 || c.ID > 99 {
						t.Errorf("worker %d found %d", w, c.ID)
					}
				}
				if i%7 == 0 {
					x.Remove(id)
				}
			}
		})
	}
	wait.Wait()
}

// TestHostile: what strangers write must neither fill the memory nor take long.
func TestHostile(t *testing.T) {
	x := filled()
	for i, text := range []string{strings.Repeat("a", 1<<20), strings.Repeat("相机", 1<<19), strings.Repeat("a b ", 1<<18), "\xff\xfe\x00", strings.Repeat("e\u0301", 1<<18)} {
		x.Put(Document{ID: int64(100 + i), Title: text, Body: text, Crashes: slices.Repeat([]string{"x"}, 1000)})
		x.Find(Query{Title: text, Body: text})
	}
	if n := x.words.used; n > 20_000 {
		t.Errorf("five texts made %d words", n)
	}
}

func FuzzFind(f *testing.F) {
	f.Add("Camera crashes", "since 26.11.27", "कैमरा")
	f.Add("相机", "\xff", "")
	x := filled()
	f.Fuzz(func(t *testing.T, title, body, ask string) {
		x.Put(Document{ID: 99, Title: title, Body: body})
		for _, c := range x.Find(Query{Title: ask, Body: body, Limit: 100}) {
			if c.Alike < 0 || c.Alike > 1 || !(c.Score > 0) {
				t.Fatalf("%+v", c)
			}
		}
		if list := x.Find(Query{Title: title, Limit: 100}); title == ask && len(list) > 0 && list[0].Score <= 0 {
			t.Fatal(list)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	x := New()
	for i := range 20_000 {
		x.Put(Document{ID: int64(i), Title: fmt.Sprintf("Camera %d crashes on model %d", i%70, i), Body: "since the update of Friday"})
	}
	for b.Loop() {
		x.Find(Query{Title: "camera crashes on the"})
	}
}
