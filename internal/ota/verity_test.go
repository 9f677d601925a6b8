package ota

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"testing"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/catalog"
)

// The phone computes hash tree and error correction of an incremental; where they
// are not what it would compute, they are carried, and the package holds all the
// same.
func TestVerityIsLeftToThePhone(t *testing.T) {
	ctx := context.Background()
	from, good := twoBuilds(t)
	d := hashtree(good.image("system"))
	for name, c := range map[string]struct {
		flip      uint64 // a byte of the image; 0: none
		tree, fec bool
	}{
		"as it is":                 {0, true, true},
		"another error code":       {d.FECOffset + 5, true, false},
		"another tree":             {d.TreeOffset + 5, false, false},
		"data that tree is not of": {4096, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			to := good
			to.Images = append([]Image(nil), good.Images...)
			img := to.image("system")
			b, err := io.ReadAll(io.NewSectionReader(img.Content, 0, img.Size))
			if err != nil {
				t.Fatal(err)
			}
			if c.flip > 0 {
				b[c.flip] ^= 1
			}
			img.Content, img.SHA256 = bytes.NewReader(b), sha256.Sum256(b)
			f, p := makeIncremental(t, from, to, Options{})
			if err := Prove(ctx, f, p.Size, &from, to, testKeys().cert); err != nil {
				t.Fatal(err)
			}
			t.Logf("the package has %d bytes", p.Size)
			q := manifestOf(t, f, p).Partition("system")
			if (q.HashTree != nil) != c.tree || (q.FEC != nil) != c.fec {
				t.Fatalf("tree %+v, codes %+v", q.HashTree, q.FEC)
			}
			written := map[uint64]bool{}
			for _, op := range q.Operations {
				for _, e := range op.Dst {
					for b := range e.Count {
						written[e.Start+b] = true
					}
				}
			}
			if written[d.TreeOffset/blockSize] == c.tree || written[d.FECOffset/blockSize] == c.fec {
				t.Error("operations write what the phone computes, or leave out what it does not")
			}
		})
	}
}

func manifestOf(t testing.TB, f io.ReaderAt, p catalog.Package) *payload.Manifest {
	t.Helper()
	z, err := otazip.Open(f, p.Size)
	if err != nil {
		t.Fatal(err)
	}
	content, err := z.Payload()
	if err != nil {
		t.Fatal(err)
	}
	pl, err := payload.Open(content, content.Size())
	if err != nil {
		t.Fatal(err)
	}
	return pl.Manifest()
}
