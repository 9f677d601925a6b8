package strpool

import (
	"slices"
	"strings"
	"testing"
)

func TestPool(t *testing.T) {
	texts := []string{"", "a", "Grüße", "你好", "😀", strings.Repeat("long ", 40), strings.Repeat("ü", 200)}
	for _, wide := range []bool{false, true} {
		var p Pool
		for i, s := range texts {
			if got := p.Index(s); got != uint32(i) || p.Index(s) != got {
				t.Errorf("%q is at %d", s, got)
			}
		}
		p.Append("a")
		b := p.Encode(wide)
		got, err := Read(b, 1<<20)
		if want := append(slices.Clone(texts), "a"); err != nil || !slices.Equal(got, want) {
			t.Errorf("wide %v: %q, %v", wide, got, err)
		}
		if _, err := Read(b, 100); err == nil || err.Error() != "the strings have more than 100 bytes" {
			t.Errorf("too many: %v", err)
		}
		for n := range b {
			_, _ = Read(b[:n], 1<<20)
		}
	}
}

func FuzzRead(f *testing.F) {
	var p Pool
	p.Index("a")
	p.Index("Grüße")
	f.Add(p.Encode(true))
	f.Add(p.Encode(false))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Read(b, 1<<16)
		total := 0
		for _, s := range list {
			total += len(s)
		}
		if err == nil && total > 1<<16 {
			t.Fatalf("%d bytes", total)
		}
	})
}
