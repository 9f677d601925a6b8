package imports

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxObject is how many bytes one JSON object of a source may have: a topic with
// a thousand long posts fits.
const MaxObject = 64 << 20

// Objects gives each JSON object of r with the offset where it begins: alone, in
// arrays, in arrays of arrays, in several arrays or lines one after the other, as
// pages of an API are kept. It checks only where an object ends. raw is fn's until
// it returns. Anything else between the objects is an error.
func Objects(r io.Reader, fn func(offset int64, raw []byte) error) error {
	in := bufio.NewReaderSize(r, 1<<16)
	var offset int64
	var raw []byte
	for open := 0; ; {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			if open != 0 {
				return fmt.Errorf("it ends at byte %d, within a list", offset)
			}
			return nil
		}
		if err != nil {
			return err
		}
		offset++
		switch b {
		case ' ', '\t', '\r', '\n', ',':
		case '[':
			open++
		case ']':
			if open--; open < 0 {
				return fmt.Errorf("at byte %d stands a ] that closes nothing", offset-1)
			}
		case 0xef: // a byte order mark
			mark, _ := in.Peek(2)
			if offset != 1 || string(mark) != "\xbb\xbf" {
				return fmt.Errorf("at byte %d stands %q, expected JSON objects", offset-1, b)
			}
			_, _ = in.Discard(2) // they were peeked
			offset += 2
		case '{':
			start := offset - 1
			if raw, err = object(in, raw[:0]); err != nil {
				return fmt.Errorf("the object at byte %d %w", start, err)
			}
			offset += int64(len(raw) - 1)
			if err := fn(start, raw); err != nil {
				return err
			}
		default:
			return fmt.Errorf("at byte %d stands %q, expected JSON objects", offset-1, b)
		}
	}
}

// object reads to the end of an object whose first brace was read.
func object(in *bufio.Reader, raw []byte) ([]byte, error) {
	raw = append(raw, '{')
	quoted, escaped := false, false
	for depth := 1; depth > 0; {
		b, err := in.ReadByte()
		if errors.Is(err, io.EOF) {
			return raw, errors.New("does not end")
		}
		if err != nil {
			return raw, err
		}
		if raw = append(raw, b); len(raw) > MaxObject {
			return raw, fmt.Errorf("has more than %d bytes", MaxObject)
		}
		switch {
		case escaped:
			escaped = false
		case quoted && b == '\\':
			escaped = true
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{':
			depth++
		case b == '}':
			depth--
		}
	}
	return raw, nil
}
