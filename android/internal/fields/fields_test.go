package fields

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func list(b []byte) (all []string, err error) {
	err = Each(b, func(number protowire.Number, v uint64, b []byte) error {
		all = append(all, fmt.Sprintf("%d %d %q", number, v, b))
		return nil
	})
	return all, err
}

func TestEach(t *testing.T) {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), 300)
	b = protowire.AppendFixed32(protowire.AppendTag(b, 4, protowire.Fixed32Type), 7)
	b = protowire.AppendString(protowire.AppendTag(b, 100, protowire.BytesType), "text")
	got, err := list(b)
	if err != nil || fmt.Sprint(got) != `[3 300 "" 4 0 "" 100 0 "text"]` {
		t.Error(got, err)
	}
	if _, err := list(b[:len(b)-1]); err == nil || err.Error() != "protobuf: byte 10: field 100: unexpected EOF" {
		t.Error(err)
	}
	if _, err := list([]byte{0}); err == nil {
		t.Error("a field has number 0")
	}
}

func FuzzEach(f *testing.F) {
	f.Add([]byte{8, 1, 0x12, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		_ = Each(b, func(_ protowire.Number, _ uint64, inner []byte) error {
			if n++; n > len(b) || len(inner) > len(b) {
				t.Fatalf("%d fields in %d bytes", n, len(b))
			}
			return nil
		})
	})
}
