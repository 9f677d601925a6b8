package erofs

import (
	"bytes"
	"testing"
)

func FuzzDecodePacked(f *testing.F) {
	whole := &packedFile{blocks: 3, clusters: []packedCluster{{content: 9000, blocks: 2}, {content: 4096, blocks: 1, plain: true}}}
	tail := &packedFile{blocks: 1, tail: 100, clusters: []packedCluster{{content: 9000, blocks: 1}, {content: 500, tail: 100}}}
	for _, p := range []*packedFile{whole, tail, nil} {
		size, total := int64(0), int64(len(p.encode()))
		if p != nil {
			total += p.room()
			for _, c := range p.clusters {
				size += int64(c.content)
			}
		}
		if got, err := decodePacked(p.encode(), total, size); err != nil || (got == nil) != (p == nil) {
			f.Fatalf("%+v: %v", p, err)
		}
		f.Add(p.encode(), total, size)
	}
	f.Fuzz(func(t *testing.T, b []byte, total, size int64) {
		p, err := decodePacked(b, total, size)
		if err != nil {
			return
		}
		again, err := decodePacked(append(p.encode(), b[min(len(b), len(p.encode())):]...), total, size)
		if err != nil && bytes.Equal(p.encode(), b[:min(len(b), len(p.encode()))]) {
			t.Fatalf("%+v, then %+v: %v", p, again, err)
		}
	})
}
