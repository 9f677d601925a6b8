package bugreport

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fridayos/friday/android/internal/fields"
)

// Numbers of fields in system/core/debuggerd/proto/tombstone.proto.
const (
	fieldArch        = 1
	fieldFingerprint = 2
	fieldTimestamp   = 4
	fieldPID         = 5
	fieldTID         = 6
	fieldCommandLine = 9
	fieldSignal      = 10
	fieldAbort       = 14
	fieldThreads     = 16
)

// tombstone tells whether a file begins as a protobuf tombstone: its architecture,
// if it is not the first one, and then the build's fingerprint.
func tombstone(head []byte) bool {
	if len(head) > 2 && head[0] == fieldArch<<3 && head[1] < 8 {
		head = head[2:]
	}
	if len(head) < 20 || head[0] != fieldFingerprint<<3|2 {
		return false
	}
	n := int(head[1])
	return n > 10 && n < 128 && len(head) > 2+n && strings.Count(string(head[2:2+n]), "/") >= 3 && strings.Count(string(head[2:2+n]), ":") >= 2
}

// tombstone reads a protobuf tombstone and passes on what matters of it as the
// text that debuggerd would print.
func (x *reading) tombstone(r io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(r, maxBinary+1))
	if err != nil {
		return err
	}
	if len(b) > maxBinary {
		return fmt.Errorf("%w: a tombstone has at most %d MiB", ErrTooLarge, maxBinary>>20)
	}
	t, err := parseTombstone(b)
	if err != nil {
		return fmt.Errorf("it begins as a protobuf tombstone: %w", err)
	}
	return x.text(strings.NewReader(t))
}

func parseTombstone(b []byte) (string, error) {
	var pid, tid uint64
	var fingerprint, when, process, signal, abort, thread, name string
	threads := map[uint64][]byte{}
	err := fields.Each(b, func(number protowire.Number, v uint64, b []byte) error {
		switch number {
		case fieldFingerprint:
			fingerprint = line(b)
		case fieldTimestamp:
			when = line(b)
		case fieldPID:
			pid = v
		case fieldTID:
			tid = v
		case fieldCommandLine:
			if process == "" {
				process = line(b)
			}
		case fieldSignal:
			return fields.Each(b, func(number protowire.Number, v uint64, b []byte) error {
				if number == 1 {
					signal = fmt.Sprintf("signal %d", v)
				} else if number == 2 {
					signal += " (" + line(b) + ")"
				}
				return nil
			})
		case fieldAbort:
			abort = line(b)
		case fieldThreads: // a map: key 1, Thread 2
			var id uint64
			var inner []byte
			if err := fields.Each(b, func(number protowire.Number, v uint64, b []byte) error {
				if number == 1 {
					id = v
				} else if number == 2 {
					inner = b
				}
				return nil
			}); err != nil {
				return err
			}
			if len(threads) < 10000 {
				threads[id] = inner
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if signal == "" && len(threads) == 0 {
		return "", errors.New("it has neither a signal nor threads")
	}
	if inner := threads[tid]; inner != nil {
		if thread, name, err = backtrace(inner); err != nil {
			return "", err
		}
	}
	var out strings.Builder
	out.WriteString(strings.Repeat("*** ", 15) + "***\n")
	fmt.Fprintf(&out, "Build fingerprint: '%s'\nTimestamp: %s\nCmdline: %s\npid: %d, tid: %d, name: %s  >>> %s <<<\n%s\n", fingerprint, when, process, pid, tid, name, process, signal)
	if abort != "" {
		fmt.Fprintf(&out, "Abort message: '%s'\n", abort)
	}
	out.WriteString("backtrace:\n" + thread + "\n")
	return out.String(), nil
}

// backtrace prints the frames of a thread.
func backtrace(b []byte) (frames, name string, err error) {
	var out strings.Builder
	n := 0
	err = fields.Each(b, func(number protowire.Number, _ uint64, b []byte) error {
		if number == 2 {
			name = line(b)
		}
		if number != 4 || n >= 256 {
			return nil
		}
		var pc, offset uint64
		var function, file, id string
		if err := fields.Each(b, func(number protowire.Number, v uint64, b []byte) error {
			switch number {
			case 1:
				pc = v
			case 4:
				function = line(b)
			case 5:
				offset = v
			case 6:
				file = line(b)
			case 8:
				id = line(b)
			}
			return nil
		}); err != nil {
			return err
		}
		fmt.Fprintf(&out, "      #%02d pc %016x  %s", n, pc, file)
		if function != "" {
			fmt.Fprintf(&out, " (%s+%d)", function, offset)
		}
		if id != "" {
			fmt.Fprintf(&out, " (BuildId: %s)", id)
		}
		out.WriteByte('\n')
		n++
		return nil
	})
	return out.String(), name, err
}

// line is a string of the message on one line of text.
func line(b []byte) string {
	if len(b) > 4096 {
		b = b[:4096]
	}
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == 0 {
			return ' '
		}
		return r
	}, string(b))
}
