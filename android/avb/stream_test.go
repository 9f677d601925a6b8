package avb

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestStream gives partitions to a Stream in pieces of any size, whole and with a byte
// changed: it must say what VerifyPartition says.
func TestStream(t *testing.T) {
	seed := uint64(7)
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, c := range []struct {
		blocks, block int
		algorithm     string
		treeless      bool
	}{
		{1, 4096, "sha256", false}, {2, 4096, "sha256", false}, {129, 4096, "sha256", false}, {600, 1024, "sha512", false}, {300, 4096, "sha1", false},
		{128*128 + 5, 4096, "sha256", false}, {300, 4096, "sha256", true}, {1, 4096, "sha256", true},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			im, d, err := AddHashtree(imageOf(noise(3, c.blocks*c.block)), HashtreeParams{Partition: "system", Salt: noise(4, 32), BlockSize: c.block, FECRoots: 2, HashAlgorithm: c.algorithm})
			if err != nil {
				t.Fatal(err)
			}
			b := all(t, im)
			if c.treeless {
				b, d.TreeSize = b[:d.ImageSize], 0
			}
			covered := int(d.ImageSize)
			if !c.treeless {
				covered = int(d.TreeOffset + d.TreeSize)
			}
			for round := range 12 {
				bad := bytes.Clone(b)
				at := -1
				switch {
				case round == 1: // the last byte that counts
					at = covered - 1
				case round == 2 && covered < len(bad): // one that does not
					at = covered
				case round > 2:
					at = r.IntN(covered)
				}
				if at >= 0 {
					bad[at] ^= 1
				}
				var some Known
				if round%2 > 0 && c.block == 4096 && c.algorithm == "sha256" {
					some = knownOf(b, d.Salt, func(block int64) bool { return block%7 > 2 && block < int64(c.blocks) })
				}
				got := stream(t, r, d, bad, some)
				want := VerifyPartition(context.Background(), d, bytes.NewReader(bad), int64(len(bad)))
				if (got == nil) != (want == nil) || got != nil && !errors.Is(got, ErrMismatch) {
					t.Fatalf("byte %d: %v, expected %v", at, got, want)
				}
				if place := fmt.Sprintf("block %d at offset", at/c.block); got != nil && !c.treeless && c.blocks > 1 && at < int(d.ImageSize) && !strings.Contains(got.Error(), place) {
					t.Errorf("byte %d: %v, expected %q", at, got, place)
				}
			}
			if err := stream(t, r, d, b[:covered-1], nil); err == nil {
				t.Error("a partition that has ended is verified")
			}
			if err := stream(t, r, &HashtreeDescriptor{DMVersion: 2}, b, nil); err == nil || !strings.Contains(err.Error(), "dm_verity_version") {
				t.Error(err)
			}
		})
	}
}

func stream(t *testing.T, r *rand.Rand, d *HashtreeDescriptor, b []byte, known Known) error {
	t.Helper()
	s, err := NewStream(d, int64(len(b)), known)
	if err != nil {
		return err
	}
	for len(b) > 0 {
		n := 1 + r.IntN(min(len(b), 1+r.IntN(200_000)))
		if _, err := s.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return s.Close()
}

// knownOf knows those blocks of a partition that are asked for, up to 20 at once.
func knownOf(b, salt []byte, of func(block int64) bool) Known {
	return func(block int64) (digests, sums []byte) {
		for end := block + 20; block < end && of(block); block++ {
			data := b[block*4096:][:4096]
			digest := sha256.Sum256(append(bytes.Clone(salt), data...))
			digests = append(digests, digest[:]...)
			sums = binary.LittleEndian.AppendUint32(sums, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
		}
		return digests, sums
	}
}

// TestKnown makes trees of which digests are known: no block whose digest is known is
// read, and every byte is as a full computation makes it.
func TestKnown(t *testing.T) {
	const block, blocks = 4096, 700
	data := noise(3, blocks*block)
	p := HashtreeParams{Partition: "system", Salt: noise(4, 32)}
	im, want, err := AddHashtree(imageOf(data), p)
	if err != nil {
		t.Fatal(err)
	}
	whole := all(t, im)
	of := func(b int64) bool { return b < 3 || b == 5 || b >= 250 && b < 550 || b >= 650 && b < blocks }
	hidden := bytes.Clone(data)
	for b := range int64(blocks) {
		if of(b) {
			clear(hidden[b*block:][:block])
		}
	}
	p.Known = knownOf(data, p.Salt, of)
	im, got, err := AddHashtree(imageOf(hidden), p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.RootDigest, want.RootDigest) || !bytes.Equal(all(t, im)[len(data):], whole[len(data):]) {
		t.Error("the tree is another one")
	}
}
