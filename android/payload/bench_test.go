package payload

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// realChunks are chunks of programs and sources that every machine with Go has.
func realChunks(b *testing.B, total int) [][]byte {
	var all []byte
	for _, pattern := range []string{"bin/go", "src/net/http/*.go", "src/unicode/*.go", "bin/gofmt", "src/runtime/*.go"} {
		names, err := filepath.Glob(filepath.Join(runtime.GOROOT(), pattern))
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range names {
			f, err := os.ReadFile(n)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, f...)
		}
	}
	var chunks [][]byte
	for len(all) >= ChunkSize && total >= ChunkSize {
		chunks = append(chunks, all[:ChunkSize])
		all, total = all[ChunkSize:], total-ChunkSize
	}
	return chunks
}

func BenchmarkCompress(b *testing.B) {
	chunks := realChunks(b, 24<<20)
	b.SetBytes(int64(len(chunks) * ChunkSize))
	for b.Loop() {
		out := 0
		for _, c := range chunks {
			_, data, err := Compress(c)
			if err != nil {
				b.Fatal(err)
			}
			out += len(data)
		}
		b.ReportMetric(float64(out)/float64(len(chunks)*ChunkSize), "ratio")
	}
}

func BenchmarkApply(b *testing.B) {
	image := bytes.Join(realChunks(b, 24<<20), nil)
	r := bytes.NewReader(image)
	plan := Plan{TempDir: b.TempDir(), Parts: []PlanPart{{Name: "system", New: r, NewSize: r.Size(), Ops: FullOps(r, r.Size(), nil)}}}
	file, _ := write(b, plan, nil)
	p := open(b, file)
	d := &disk{b: make([]byte, len(image))}
	b.SetBytes(r.Size())
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Apply(context.Background(), "system", nil, d, ApplyOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
