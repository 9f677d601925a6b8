package ota

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// app is an APK of deflated resources; every week some words in them are others.
func app(t testing.TB, seed uint64, week string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	r := rand.New(rand.NewPCG(seed, 4))
	for i := range 8 {
		text := strings.Repeat("version "+week+"\n", 1+i%3) + string(content(r, 20_000))
		w, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("res/%d.xml", i), Method: zip.Deflate})
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// operations gives those of the incremental package's partition, and their payload.
func operations(t testing.TB, f *os.File, size int64, partition string) []payload.Operation {
	t.Helper()
	z, err := otazip.Open(f, size)
	if err != nil {
		t.Fatal(err)
	}
	section, err := z.Payload()
	if err != nil {
		t.Fatal(err)
	}
	p, err := payload.Open(section, section.Size())
	if err != nil {
		t.Fatal(err)
	}
	return p.Manifest().Partition(partition).Operations
}

// plainSize is what bsdiff makes of the same blocks.
func plainSize(t testing.TB, from, to *Image, op payload.Operation) int {
	t.Helper()
	old, err := readBlocks(from, op.Src)
	if err != nil {
		t.Fatal(err)
	}
	next, err := readBlocks(to, op.Dst)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := bsdiff.Diff(context.Background(), old, next, &b); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

func imageOf(t testing.TB, s Side, partition string) *Image {
	t.Helper()
	for i := range s.Images {
		if s.Images[i].Partition == partition {
			return &s.Images[i]
		}
	}
	t.Fatalf("no image of %s", partition)
	return nil
}

// Apps whose deflate changed are patched without it; the package is proven as
// any other.
func TestArchivesAreUnpackedToBePatched(t *testing.T) {
	root := func(week string) *tree.Node {
		r := system(5, 20, 9000)
		for seed := range uint64(1) {
			r.Set(fmt.Sprintf("app%d.apk", seed), tree.NewFile(0o644, 0, 0, app(t, seed, week)))
		}
		return r
	}
	boot := make([]byte, 8192)
	from, to := build(t, "1", 1795132800, root("26.11.20"), boot), build(t, "2", 1795737600, root("26.11.27"), boot)
	f, p := makeIncremental(t, from, to, Options{Blobs: store(t)})
	if err := Prove(context.Background(), f, p.Size, &from, to, testKeys().cert); err != nil {
		t.Fatal(err)
	}
	puffed, ours, plain := 0, 0, 0
	for _, op := range operations(t, f, p.Size, "system") {
		if op.Type == payload.Puffdiff {
			puffed++
			ours += int(op.DataLength)
			plain += plainSize(t, imageOf(t, from, "system"), imageOf(t, to, "system"), op)
		}
	}
	t.Logf("%d operations, %d bytes; bsdiff would take %d", puffed, ours, plain)
	if puffed < 1 || ours*4 > plain {
		t.Errorf("%d operations of PUFFDIFF with %d bytes, expected 1 and at most a quarter of bsdiff's %d", puffed, ours, plain)
	}
}

// BenchmarkRealApps makes the incremental between two versions of real apps.
func BenchmarkRealApps(b *testing.B) {
	root := func(version string) *tree.Node {
		names, _ := filepath.Glob(filepath.Join("..", "..", "bin", "real-android", version, "*.apk"))
		if len(names) == 0 {
			b.Skip("needs bin/real-android (make test fetches it)")
		}
		r := tree.NewDir(0o755, 0, 0)
		for _, n := range names {
			c, err := os.ReadFile(n)
			if err != nil {
				b.Fatal(err)
			}
			r.Set(filepath.Base(n), tree.NewFile(0o644, 0, 0, c))
		}
		return r
	}
	boot := make([]byte, 8192)
	from, to := build(b, "1", 1795132800, root("1"), boot), build(b, "2", 1795737600, root("2"), boot)
	for b.Loop() {
		f, p := makeIncremental(b, from, to, Options{Blobs: store(b)})
		b.ReportMetric(float64(p.Size), "package-bytes")
		puffed, ours, plain := 0, 0, 0
		for _, op := range operations(b, f, p.Size, "system") {
			if op.Type == payload.Puffdiff {
				puffed++
				ours += int(op.DataLength)
				plain += plainSize(b, imageOf(b, from, "system"), imageOf(b, to, "system"), op)
			}
		}
		b.ReportMetric(float64(puffed), "puffdiff")
		b.ReportMetric(float64(ours), "puffdiff-bytes")
		b.ReportMetric(float64(plain), "bsdiff-bytes")
	}
}
