package packed

import (
	"bytes"
	"encoding/binary"
	"testing"
)

func FuzzIndex(f *testing.F) {
	le := binary.LittleEndian
	one := append([]byte("content"), make([]byte, 32)...)
	one = le.AppendUint64(le.AppendUint64(one, 2), 5)
	one = le.AppendUint64(le.AppendUint64(append(one, magic...), 7), 1)
	f.Add(one)
	f.Add(le.AppendUint64(le.AppendUint64([]byte(magic), 0), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, err := readIndex(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, e := range entries {
			if e.off < 0 || e.size < 0 || e.off+e.size > int64(len(b)) {
				t.Fatalf("%+v", e)
			}
		}
	})
}
