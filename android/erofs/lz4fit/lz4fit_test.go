package lz4fit_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/erofs/lz4fit"
)

// inputs compress well, badly, hardly, and not at all.
func inputs(seed uint64) [][]byte {
	r := rand.New(rand.NewPCG(seed, 0))
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text := bytes.Repeat([]byte("Landroid/view/View;->setOnClickListener(Landroid/view/View$OnClickListener;)V\n"), 5000)
	for i := 0; i < len(text); i += 1 + r.IntN(200) {
		text[i] = byte(r.IntN(128))
	}
	few := make([]byte, 200_000)
	for i := range few {
		few[i] = byte(r.IntN(4))
	}
	all := [][]byte{nil, {1}, []byte("hello, hello, hello, hello"), make([]byte, 400_000), noise, text, few,
		append(append(bytes.Clone(noise[:70_000]), text[:90_000]...), noise[:70_000]...)}
	for n := range 40 {
		all = append(all, make([]byte, n), text[:n])
	}
	return all
}

// TestFit: what was packed unpacks to what was consumed, and all space is used.
func TestFit(t *testing.T) {
	for _, level := range []int{0, 1, 7} {
		c := lz4fit.New(level)
		for k, src := range inputs(3) {
			for _, room := range []int{0, 1, 2, 13, 14, 4096, 65536} {
				rest := src
				for len(rest) > 0 {
					dst := make([]byte, room)
					packed, n := c.Fit(dst, rest)
					if n == 0 {
						if room > 2 {
							t.Fatalf("level %d, input %d, room %d: nothing fits", level, k, room)
						}
						break
					}
					out := make([]byte, n)
					got, err := lz4.UncompressBlock(dst[:packed], out)
					if err != nil || got != n || !bytes.Equal(out, rest[:n]) {
						t.Fatalf("level %d, input %d, room %d at %d: %d bytes unpack to %d, %v; expected %d", level, k, room, len(src)-len(rest), packed, got, err, n)
					}
					if n < len(rest) && n < lz4fit.MaxInput && packed < room-300 {
						t.Errorf("level %d, input %d, room %d: only %d bytes are used", level, k, room, packed)
					}
					if rest = rest[n:]; room < 64 && len(src)-len(rest) > 2000 {
						break
					}
				}
			}
		}
	}
}

// TestLevels: a higher level consumes no less.
func TestLevels(t *testing.T) {
	src := inputs(4)[5]
	before := 0
	for _, level := range []int{0, 3, 9} {
		dst := make([]byte, 16384)
		_, n := lz4fit.New(level).Fit(dst, src)
		if n < before {
			t.Errorf("level %d packs %d bytes into %d, a lower one %d", level, n, len(dst), before)
		}
		before = n
	}
}

// TestAgain: what was compressed before changes nothing.
func TestAgain(t *testing.T) {
	used := lz4fit.New(5)
	for _, src := range inputs(5) {
		a, b := make([]byte, 4096), make([]byte, 4096)
		pa, na := used.Fit(a, src)
		pb, nb := lz4fit.New(5).Fit(b, src)
		if pa != pb || na != nb || !bytes.Equal(a, b) {
			t.Fatalf("a used compressor packs %d of %d, a new one %d of %d", na, len(src), nb, len(src))
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add([]byte("hello, hello, hello, hello, hello"), 20, 3)
	f.Add(make([]byte, 5000), 30, 0)
	f.Fuzz(func(t *testing.T, src []byte, room, level int) {
		dst := make([]byte, min(max(room, 0), 1<<16))
		packed, n := lz4fit.New(min(max(level, 0), 9)).Fit(dst, src)
		if n == 0 {
			return
		}
		out := make([]byte, n)
		if got, err := lz4.UncompressBlock(dst[:packed], out); err != nil || got != n || !bytes.Equal(out, src[:n]) {
			t.Fatalf("%d bytes unpack to %d, %v; expected the first %d", packed, got, err, n)
		}
	})
}

func BenchmarkFit(b *testing.B) {
	src := inputs(6)[5]
	for _, level := range []int{0, 9} {
		b.Run(fmt.Sprint("level", level), func(b *testing.B) {
			c, dst := lz4fit.New(level), make([]byte, 65536)
			b.SetBytes(int64(len(src)))
			for range b.N {
				for rest := src; len(rest) > 0; {
					_, n := c.Fit(dst, rest)
					rest = rest[n:]
				}
			}
		})
	}
}
