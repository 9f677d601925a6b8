package erofs

import (
	"bytes"
	"testing"
)

func FuzzDecodePacked(f *testing.F) {
	whole := &packedFile{blocks: 3, clusters: []packedCluster{{content: 9000, blocks: 2}, {content: 4096, blocks: 1, plain: true}}}
	tail := &packedFile{blocks: 1, tail: bytes.Repeat([]byte("t"), 100), clusters: []packedCluster{{content: 9000, blocks: 1}, {content: 500, tail: 100}}}
	for _, p := range []*packedFile{whole, tail, nil} {
		size, room := int64(0), int64(0)
		if p != nil {
			room = p.blocks * block
			for _, c := range p.clusters {
				size += int64(c.content)
			}
		}
		if got, err := decodePacked(p.encode(), room, size); err != nil || (got == nil) != (p == nil) {
			f.Fatalf("%+v: %v", p, err)
		}
		f.Add(p.encode(), room, size)
	}
	f.Fuzz(func(t *testing.T, b []byte, room, size int64) {
		p, err := decodePacked(b, room, size)
		if err != nil {
			return
		}
		// Numbers can be written at more length than encode writes them.
		again, err := decodePacked(p.encode(), room, size)
		if err != nil || (p == nil) != (again == nil) || p != nil && !bytes.Equal(p.encode(), again.encode()) {
			t.Fatalf("%+v, then %+v: %v", p, again, err)
		}
	})
}
