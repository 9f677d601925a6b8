// Package fields goes through the fields of a protobuf message of which a reader
// wants a few, without its schema. It is not a decoder: what a field means is the
// caller's. The encoding is described at
// https://protobuf.dev/programming-guides/encoding/.
package fields

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// Each calls fn for every field of a message in its order: v is the value of a
// number, b are the bytes of a text, of bytes or of a message within; of other
// kinds both are zero. An error of fn ends it.
func Each(message []byte, fn func(number protowire.Number, v uint64, b []byte) error) error {
	for m := message; len(m) > 0; {
		number, kind, n := protowire.ConsumeTag(m)
		if n < 0 {
			return fmt.Errorf("protobuf: byte %d: %w", len(message)-len(m), protowire.ParseError(n))
		}
		m = m[n:]
		var v uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(m)
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(m)
		default:
			n = protowire.ConsumeFieldValue(number, kind, m)
		}
		if n < 0 {
			return fmt.Errorf("protobuf: byte %d: field %d: %w", len(message)-len(m), number, protowire.ParseError(n))
		}
		if err := fn(number, v, b); err != nil {
			return err
		}
		m = m[n:]
	}
	return nil
}
