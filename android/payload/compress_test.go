package payload

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

func TestIncompressible(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	noise := make([]byte, 512<<10)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var deflated bytes.Buffer
	z, err := flate.NewWriter(&deflated, 6)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{"system", "vendor", "product", "boot", "the", "a", "of", " ", " ", "\n", "=", "0", "1"}
	for deflated.Len() < 200<<10 {
		if _, err := z.Write([]byte(words[r.IntN(len(words))])); err != nil {
			t.Fatal(err)
		}
	}
	join := func(b ...[]byte) []byte { return bytes.Join(b, nil) }
	for _, c := range []struct {
		name  string
		chunk []byte
		want  bool
	}{
		{"nothing", nil, false},
		{"small", noise[:4096], false},
		{"noise", noise, true},
		{"deflate", deflated.Bytes(), true},
		{"text", bytes.Repeat([]byte("text and more\n"), 40_000), false},
		{"noise twice", join(noise, noise), false},
		{"noise and a bit of it again", join(noise, noise[1000:50_000]), false},
		{"noise and text", join(noise, bytes.Repeat([]byte("text"), 10_000)), false},
		{"noise and zeros at its end", join(noise, make([]byte, 5000)), false},
		{"noise without one value", bytes.ReplaceAll(noise, []byte{7}, []byte{8}), true},
	} {
		if got := incompressible(c.chunk); got != c.want {
			t.Errorf("%s: incompressible is %t, expected %t", c.name, got, c.want)
		}
		kind, data, err := Compress(c.chunk)
		if err != nil {
			t.Fatal(err)
		}
		if (kind == Replace) != bytes.Equal(data, c.chunk) || len(data) > len(c.chunk) || c.want && kind != Replace {
			t.Errorf("%s: %v with %d bytes of %d", c.name, kind, len(data), len(c.chunk))
		}
	}
}

// However many run at once, and in whatever order: the same chunk, the same bytes.
func TestCompressorTogether(t *testing.T) {
	var chunks, want [][]byte
	for i := range 12 {
		chunk := bytes.Repeat(fmt.Appendf(nil, "chunk %d of some length\n", i), 500*(i+1))
		_, data, err := Compress(chunk)
		if err != nil {
			t.Fatal(err)
		}
		chunks, want = append(chunks, chunk), append(want, data)
	}
	var c Compressor
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range chunks {
				i = (i*5 + w*3) % len(chunks)
				if _, data, err := c.Compress(chunks[i]); err != nil || !bytes.Equal(data, want[i]) {
					t.Errorf("chunk %d: other bytes than alone, or %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(c.idle); n == 0 || n > 4 {
		t.Errorf("%d encoders are kept, expected 1 to 4", n)
	}
}
