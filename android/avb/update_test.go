package avb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// change changes some blocks of b, and says which.
func change(r *rand.Rand, b []byte, block int) (out []tree.Range) {
	n := len(b) / block
	for at := r.IntN(max(1, n/4)); at < n; at += 1 + r.IntN(max(1, n/4)) {
		k := min(1+r.IntN(3), n-at)
		for i := range k * block {
			if r.IntN(3) == 0 {
				b[at*block+i] ^= byte(1 + r.IntN(255))
			}
		}
		out = append(out, tree.Range{Offset: int64(at * block), Length: int64(k * block)})
		at += k
	}
	return out
}

// onlyChanged fails for reads of what did not change.
type onlyChanged struct {
	t    *testing.T
	b    []byte
	most int
}

func (o *onlyChanged) ReadAt(p []byte, off int64) (int, error) {
	if o.most -= len(p); o.most < 0 {
		o.t.Errorf("more is read than changed: %d bytes at %d", len(p), off)
	}
	return bytes.NewReader(o.b).ReadAt(p, off)
}

// TestSince brings trees and error correction up to date: every byte must be as a
// full computation makes it.
func TestSince(t *testing.T) {
	seed := uint64(5)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, c := range []struct {
		blocks, now, block, roots int
		algorithm                 string
	}{
		{1, 1, 4096, 0, "sha256"}, {1, 2, 4096, 2, "sha256"}, {2, 2, 4096, 2, "sha256"}, {127, 127, 4096, 2, "sha256"},
		{129, 129, 4096, 2, "sha256"}, {300, 300, 4096, 24, "sha256"}, {3000, 3000, 4096, 2, "sha256"}, {600, 600, 1024, 3, "sha512"},
		{600, 900, 4096, 2, "sha1"}, {900, 600, 4096, 2, "sha256"}, {128*128 + 5, 128*128 + 5, 4096, 2, "sha256"}, {128*128 - 5, 128*128 + 5, 4096, 2, "sha256"},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			p := HashtreeParams{Partition: "system", Salt: noise(4, 32), BlockSize: c.block, FECRoots: c.roots, HashAlgorithm: c.algorithm}
			old := noise(3, c.blocks*c.block)
			im, d, err := AddHashtree(imageOf(old), p)
			if err != nil {
				t.Fatal(err)
			}
			was := all(t, im)
			now := append(bytes.Clone(old[:min(c.blocks, c.now)*c.block]), noise(6, max(0, c.now-c.blocks)*c.block)...)
			changed := change(r, now[:min(c.blocks, c.now)*c.block], c.block)
			im, want, err := AddHashtree(imageOf(now), p)
			if err != nil {
				t.Fatal(err)
			}
			p.Since = &Since{Image: bytes.NewReader(was), Descriptor: d, Changed: changed}
			src := &tree.Image{}
			src.AppendRange(&onlyChanged{t, now, 8 * len(now)}, 0, int64(len(now)))
			got, gd, err := AddHashtree(src, p)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(gd.RootDigest, want.RootDigest) {
				t.Errorf("root %x, want %x", gd.RootDigest, want.RootDigest)
			}
			a, b := all(t, got), all(t, im)
			if !bytes.Equal(a, b) {
				t.Error("another partition than a full computation makes")
			}
			if err := VerifyPartition(t.Context(), gd, bytes.NewReader(a), int64(len(a))); err != nil {
				t.Error(err)
			}
			if c.roots > 0 {
				if err := VerifyFEC(t.Context(), gd, bytes.NewReader(a), int64(len(a))); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Only what changed is read of the image.
func TestSinceReadsLittle(t *testing.T) {
	old := noise(3, 4000*4096)
	p := HashtreeParams{Partition: "system", Salt: noise(4, 32), FECRoots: 2}
	im, d, err := AddHashtree(imageOf(old), p)
	if err != nil {
		t.Fatal(err)
	}
	was, now := all(t, im), bytes.Clone(old)
	now[77*4096] ^= 1
	p.Since = &Since{bytes.NewReader(was), d, []tree.Range{{Offset: 77 * 4096, Length: 4096}}}
	src := &tree.Image{}
	src.AppendRange(&onlyChanged{t, now, 3 * 4096}, 0, int64(len(now))) // for the tree, the parity, and the look for a footer
	if _, _, err := AddHashtree(src, p); err != nil {
		t.Fatal(err)
	}
}

// Another salt, a partition without a tree: all is computed.
func TestSinceOtherShape(t *testing.T) {
	data := noise(3, 300*4096)
	p := HashtreeParams{Partition: "system", Salt: noise(4, 32), FECRoots: 2}
	want, _, err := AddHashtree(imageOf(data), p)
	if err != nil {
		t.Fatal(err)
	}
	other := p
	other.Salt = noise(5, 32)
	im, d, err := AddHashtree(imageOf(data), other)
	if err != nil {
		t.Fatal(err)
	}
	p.Since = &Since{bytes.NewReader(all(t, im)), d, nil}
	got, _, err := AddHashtree(imageOf(data), p)
	if err != nil || !bytes.Equal(all(t, got), all(t, want)) {
		t.Errorf("%v, or another partition", err)
	}
	p.Since = &Since{bytes.NewReader(nil), &HashtreeDescriptor{HashAlgorithm: "sha256", Salt: p.Salt, DataBlockSize: 4096, HashBlockSize: 4096}, nil}
	if got, _, err = AddHashtree(imageOf(data), p); err != nil || !bytes.Equal(all(t, got), all(t, want)) {
		t.Errorf("%v, or another partition", err)
	}
	p.Since.Descriptor = d
	d.Salt = p.Salt // it lies, and its image has ended
	if _, _, err = AddHashtree(imageOf(data), p); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a partition of before that cannot be read: %v", err)
	}
}

// TestVeritysetupRepairsUpdated lets veritysetup correct damage by parity that was
// brought up to date.
func TestVeritysetupRepairsUpdated(t *testing.T) {
	judge.Need(t, "veritysetup")
	p := HashtreeParams{Partition: "system", Salt: noise(4, 32), FECRoots: 2}
	data := noise(3, 3000*4096)
	im, d, err := AddHashtree(imageOf(data), p)
	if err != nil {
		t.Fatal(err)
	}
	was, now := all(t, im), bytes.Clone(data)
	p.Since = &Since{bytes.NewReader(was), d, change(rand.New(rand.NewPCG(8, 1)), now, 4096)}
	if im, d, err = AddHashtree(imageOf(now), p); err != nil {
		t.Fatal(err)
	}
	b := all(t, im)
	at := int(p.Since.Changed[1].Offset) + 40
	for i := range int(d.FECSize) / 2 { // one column's length
		b[at+i] ^= 0xa5
	}
	file := filepath.Join(t.TempDir(), "system.img")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := verity(t, file, d, true); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := verity(t, file, d, false); err == nil {
		t.Errorf("accepted without repair: %s", out)
	}
}
