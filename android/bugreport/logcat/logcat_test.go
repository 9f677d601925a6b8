package logcat

import (
	"bytes"
	"testing"
)

var lines = []struct {
	line, time, pid, tag, message string
	priority                      byte
}{
	{"11-27 10:11:12.123  1234  5678 D ActivityManager: hello", "11-27 10:11:12.123", "1234", "ActivityManager", "hello", 'D'},
	{"11-27 10:11:12.123  1000  1234  5678 D WifiHAL : hello: you", "11-27 10:11:12.123", "1234", "WifiHAL", "hello: you", 'D'},
	{"11-27 10:11:12.123 u0_a12  1234  5678 W Tag: x", "11-27 10:11:12.123", "1234", "Tag", "x", 'W'},
	{"11-27 10:11:12.123 radio  1234  5678 W RILJ    : x", "11-27 10:11:12.123", "1234", "RILJ", "x", 'W'},
	{"2026-11-27 10:11:12.123456 +0100  1234  5678 E AndroidRuntime: FATAL EXCEPTION: main", "2026-11-27 10:11:12.123456 +0100", "1234", "AndroidRuntime", "FATAL EXCEPTION: main", 'E'},
	{"1669112345.123  1234  5678 I chatty  : x", "1669112345.123", "1234", "chatty", "x", 'I'},
	{"   123.456  1234  5678 I chatty  :", "123.456", "1234", "chatty", "", 'I'},
	{"11-27 10:11:12.123 D/Tag     ( 1234): hello", "11-27 10:11:12.123", "1234", "Tag", "hello", 'D'},
	{"11-27 10:11:12.123 D/Tag     ( 1000: 1234): hello", "11-27 10:11:12.123", "1234", "Tag", "hello", 'D'},
	{"D/Tag (x)(  123): hello", "", "123", "Tag (x)", "hello", 'D'},
	{"D/Tag: hello", "", "", "Tag", "hello", 'D'},
	{"D( 1234) hello (you)  (Tag)", "", "1234", "Tag", "hello (you)", 'D'},
	{"D( 1234: 5678) hello", "", "1234", "", "hello", 'D'},
	{"[ 11-27 10:11:12.123  1234: 5678 E/AndroidRuntime ]", "11-27 10:11:12.123", "1234", "AndroidRuntime", "", 'E'},
	{"[ 11-27 10:11:12.123 10099: 1234: 5678 E/DEBUG    ]", "11-27 10:11:12.123", "1234", "DEBUG", "", 'E'},
	{"<6>[   12.345678] Linux version 4.4", "12.345678", "", "", "Linux version 4.4", 0},
	{"[   12.345678] [0:swapper:0] panic", "12.345678", "", "", "[0:swapper:0] panic", 0},
	{"[   12.345678 / 01-02 03:04:05.678][2] panic", "12.345678", "", "", "[2] panic", 0},
}

func TestFormats(t *testing.T) {
	for _, c := range lines {
		e, ok := Parse([]byte(c.line))
		if !ok || string(e.Time) != c.time || string(e.PID) != c.pid || string(e.Tag) != c.tag || string(e.Message) != c.message || e.Priority != c.priority {
			t.Errorf("%q: ok %v, time %q, pid %q, tag %q, message %q, priority %q", c.line, ok, e.Time, e.PID, e.Tag, e.Message, e.Priority)
		}
	}
	for _, line := range []string{"", "hello", "--------- beginning of main", "------ SYSTEM LOG (logcat) ------", "12.5", "[ro.build.id]: [x]", "  at com.foo.Bar", "Error: x", "11-27 10:11", "D/", "D()", "<6", "[]"} {
		if e, ok := Parse([]byte(line)); ok {
			t.Errorf("%q was read as a line of the log: %+v", line, e)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range lines {
		f.Add([]byte(c.line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := Parse(b); ok && (!bytes.Contains(b, e.Message) || !bytes.Contains(b, e.Tag)) {
			t.Errorf("%q: parts that the line does not have: %+v", b, e)
		}
	})
}
