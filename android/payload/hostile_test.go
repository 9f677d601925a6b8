package payload

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// A manifest of the largest size, made of the smallest messages.
func TestManifestOfManyMessages(t *testing.T) {
	fill := func(unit []byte) []byte { return bytes.Repeat(unit, (MaxManifest-100)/len(unit)) }
	name := field(1, []byte("system"))
	for what, manifest := range map[string][]byte{
		"partitions":             fill(field(13, field(1, []byte("x")))),
		"operations":             field(13, append(name, fill(field(8, []byte{8, 0}))...)),
		"extents":                field(13, append(name, field(8, fill(field(6, nil)))...)),
		"merge operations":       field(13, append(name, fill(field(18, nil))...)),
		"names in a group":       field(15, field(1, append(field(1, []byte("g")), fill(field(3, nil))...))),
		"apexes":                 fill(field(17, nil)),
		"just few operations":    field(13, append(name, bytes.Repeat(field(8, []byte{8, 0}), maxValues/11)...)),
		"just few partitions":    bytes.Repeat(field(13, field(1, []byte("x"))), maxValues/24),
		"just few extents":       field(13, append(name, field(8, append([]byte{8, 0}, bytes.Repeat(field(6, nil), maxValues/4)...))...)),
		"packed where it is not": field(13, append(name, fill([]byte{0x40, 0})...)),
	} {
		head := make([]byte, headerSize)
		copy(head, magic)
		binary.BigEndian.PutUint64(head[4:], majorVersion)
		binary.BigEndian.PutUint64(head[12:], uint64(len(manifest)))
		b := append(head, manifest...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(bytes.NewReader(b), int64(len(b)))
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: it was opened", what)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 512<<20 {
			t.Errorf("%s: it took %d MiB to refuse %d MiB: %v", what, took>>20, len(b)>>20, err)
		}
	}
}

// Nothing may be written for partitions that no phone has room for.
func TestPartitionsOfManyTerabytes(t *testing.T) {
	sum := make([]byte, 32)
	for _, sizes := range [][]int64{{MaxNewSize + blockSize}, {MaxNewSize, blockSize}, {1 << 46}} {
		m := &Manifest{BlockSize: blockSize}
		for i, size := range sizes {
			m.Partitions = append(m.Partitions, Partition{Name: string(rune('a' + i)), NewSize: size, NewSHA256: sum})
		}
		if err := m.check(0); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("partitions of %d bytes: %v", sizes, err)
		}
	}
}

func TestPartitionNames(t *testing.T) {
	for name, want := range map[string]bool{
		"system": true, "vendor_boot": true, "LOGO": true, "my-part.1": true, "": false, "..": false, "../../etc/x": false, "a/b": false, "/a": false,
		"a\\b": false, ".hidden": false, "a\x00": false, "a\n": false, "-rf": false, strings.Repeat("a", 73): false,
	} {
		m := &Manifest{BlockSize: blockSize, Partitions: []Partition{{Name: name, NewSHA256: make([]byte, 32)}}}
		if err := m.check(0); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}
