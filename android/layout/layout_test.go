package layout_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

const sample = `friday layout 1
fs ext4 blocks 1000 inodes 8192 packing ""
shared 01070000
area "front" 0+5
file 2 - - 10+1 - ""
file 12 - 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 11+3,7:600+1 20+1 "a b\n\xff"
file 13 96 - - - "bin/sh"
`

func TestParse(t *testing.T) {
	m, err := layout.Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(m.Bytes()); got != sample {
		t.Errorf("written again it is\n%s", got)
	}
	f := m.Lookup("a b\n\xff")
	if f == nil || f.Number != 12 || f.Digest[31] != 0x1f || len(f.Extents) != 2 || f.Extents[1] != (layout.Extent{Logical: 7, Start: 600, Count: 1}) || m.Lookup("c") != nil {
		t.Errorf("file %+v", f)
	}
	if a := m.Area("front"); len(a) != 1 || a[0].Count != 5 || m.Area("none") != nil {
		t.Errorf("area %+v", a)
	}
}

func TestParseErrors(t *testing.T) {
	for want, edit := range map[string][2]string{
		`line 1: expected "friday layout 1"`:    {"friday layout 1", "friday layout 2"},
		"line 2: expected what file system":     {"fs ext4", "xx ext4"},
		"blocks: expected 1 to 4294967296":      {"blocks 1000", "blocks 0"},
		"line 2: inodes: expected a number":     {"inodes 8192", "inodes x"},
		"line 2: packing":                       {`packing ""`, `packing "`},
		"line 3: expected an xattr in hex":      {"shared 01070000", "shared 0"},
		"line 4: expected blocks below 1000":    {"0+5", "999+2"},
		"line 4: expected LOGICAL:START+COUNT":  {"0+5", "0-5"},
		"line 5: expected shared, area or file": {"file 2", "fill 2"},
		"line 6: extents: expected a place":     {"7:600+1", "2:600+1"},
		"line 6: digest: expected 64":           {"1c1d1e1f", "1c1d1e"},
		"line 7: path":                          {`"bin/sh"`, `"Bin/sh"`},
		"line 7: room":                          {"13 96", "13 0"},
	} {
		_, err := layout.Parse([]byte(strings.Replace(sample, edit[0], edit[1], 1)))
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), `"999+2": `, ""), strings.TrimPrefix(want, "")) && !strings.Contains(err.Error(), strings.SplitN(want, ": ", 2)[0]) {
			t.Errorf("%q: expected %q, found %v", edit[1], want, err)
		}
	}
	if _, err := layout.Parse(nil); err == nil {
		t.Error("nothing is read as a map")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("friday layout 1\nfs erofs blocks 1 inodes 0 packing \"lz4\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := layout.Parse(b)
		if err != nil {
			return
		}
		text := m.Bytes()
		again, err := layout.Parse(text)
		if err != nil || !bytes.Equal(again.Bytes(), text) {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}

// Space is compared with a slice of bools.
func TestSpace(t *testing.T) {
	seed := uint64(3)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 200 {
		n, open := int64(1+r.IntN(300)), r.IntN(2) == 0
		s := layout.NewSpace(n, open)
		used := map[int64]bool{}
		for range 40 {
			k := int64(1 + r.IntN(20))
			switch r.IntN(3) {
			case 0:
				at := r.Int64N(n)
				if k = min(k, n-at); s.Free(at, k) {
					s.Claim(at, k)
					mark(t, used, []layout.Extent{{Start: at, Count: k}})
				}
			case 1:
				if at, ok := s.Run(k); ok {
					mark(t, used, []layout.Extent{{Start: at, Count: k}})
					for i := range at { // nothing before would have done
						if free(used, i, k) && i+k <= at {
							t.Fatalf("%d blocks at %d, but %d was free", k, at, i)
						}
					}
				} else if open {
					t.Fatal("an open space is full")
				}
			case 2:
				es, ok := s.Pieces(k)
				mark(t, used, es)
				if !ok && int64(len(used))+k <= n {
					t.Fatalf("%d of %d are used, and %d are refused", len(used), n, k)
				}
			}
		}
		for i := range s.Blocks() {
			if s.Taken(i) != used[i] {
				t.Fatalf("block %d", i)
			}
		}
	}
}

func free(used map[int64]bool, at, n int64) bool {
	for i := at; i < at+n; i++ {
		if used[i] {
			return false
		}
	}
	return true
}

func mark(t *testing.T, used map[int64]bool, es []layout.Extent) {
	t.Helper()
	for _, e := range es {
		for i := e.Start; i < e.Start+e.Count; i++ {
			if used[i] {
				t.Fatalf("block %d is given twice", i)
			}
			used[i] = true
		}
	}
}

func TestChanged(t *testing.T) {
	old, now := make([]byte, 10*4096+100), make([]byte, 12*4096)
	now[3*4096+7], now[5*4096], now[11*4096] = 1, 1, 1
	got, err := layout.Changed(t.Context(), bytes.NewReader(old), int64(len(old)), bytes.NewReader(now), 4096, int64(len(now)), []tree.Range{{Offset: 5 * 4096, Length: 4096}})
	want := []tree.Range{{Offset: 3 * 4096, Length: 4096}, {Offset: 10 * 4096, Length: 2 * 4096}}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) || layout.Blocks(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
}
