package initrc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const good = `# what ours starts
import /system/etc/init/${ro.hardware}.rc

service zoom /system/bin/zoom --level "two words" \
        --more
    class main hal
    user system
    group system input
    capabilities SYS_NICE
    socket zoom stream 0660 system system
    onrestart restart surfaceflinger
    memcg.limit_in_bytes 1024
    disabled
    oneshot

on boot && property:ro.debuggable=1
    chown system system /sys/class/leds/red/brightness
    write /proc/sys/vm/swappiness 60   # in a comment
    start zoom
on property:sys.boot_completed=*
	setprop ro.x "a b"
service two /vendor/bin/two
    override
`

func TestParse(t *testing.T) {
	for _, text := range []string{good, strings.ReplaceAll(good, "\n", "\r\n")} {
		services, mistakes := Parse([]byte(text))
		if len(mistakes) > 0 {
			t.Fatalf("%+v", mistakes)
		}
		if got, want := fmt.Sprint(services), "[{zoom /system/bin/zoom 4 14 false} {two /vendor/bin/two 22 13 true}]"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"class main\n":                                  `1:1: "class" stands before any section; service, on or import begins one`,
		"sevice a /system/bin/a\n":                      `1:1: "sevice" stands before any section; service, on or import begins one`,
		"service a\n":                                   `1:1: service has 1 words behind it, expected a name and a program`,
		"service a/b /x\n":                              `1:9: service name "a/b", expected letters, digits and _ - . @`,
		"service a system/bin/a\n":                      `1:11: program "system/bin/a", expected a path from / on`,
		"service a /x\n\nservice a /y\n":                `3:9: service a is there twice, first in line 1`,
		"service a /x\n  clas main\n":                   `2:3: service has no option "clas"`,
		"service a /x\n  chmod 0755 /y\n":               `2:3: "chmod" is a command of an on section, not an option of a service`,
		"service a /x\n  onrestart restrat zygote\n":    `2:13: init has no command "restrat"`,
		"service a /x\n  user\n":                        `2:3: user has 0 words behind it, expected 1`,
		"on\n":                                          `1:1: on has no trigger, expected one such as boot or property:sys.boot_completed=1`,
		"on boot property:a=b\n":                        `1:9: triggers are joined by &&: on TRIGGER && TRIGGER`,
		"on boot &&\n":                                  `1:9: triggers are joined by &&: on TRIGGER && TRIGGER`,
		"on property:a\n":                               `1:4: property:a says no value, expected property:NAME=VALUE, with * for any`,
		"on boot\n  oneshot\n":                          `2:3: "oneshot" is an option of a service, not a command of an on section`,
		"on boot\n  chmod 0755\n":                       `2:3: chmod has 1 words behind it, expected 2`,
		"on boot\n  mkdir\n":                            `2:3: mkdir has 0 words behind it, expected 1 to 6`,
		"on boot\n  exec\n":                             `2:3: exec has 0 words behind it, expected at least 1`,
		"on boot\n  setprop a \"b\n":                    `2:13: a quotation mark is not closed`,
		"import\n":                                      `1:1: import has 0 words behind it, expected the path of a file`,
		"import /x\n  start a\n":                        `2:3: "start" stands behind an import, which has no lines of its own`,
		"on boot\n  start a\x00\n":                      `2:10: there is a NUL in it, where init stops to read`,
		strings.Repeat("#", MaxSize+1):                  `0:0: it has 1048577 bytes, expected at most 1048576`,
		"on boot\n  mkdir " + strings.Repeat("x ", 1e5): `2:131079: a line of more than 65536 words`,
	} {
		_, ms := Parse([]byte(text))
		if len(ms) != 1 || fmt.Sprintf("%d:%d: %s", ms[0].Line, ms[0].Col, ms[0].Message) != want {
			t.Errorf("%.40q: %+v, want %s", text, ms, want)
		}
	}
	_, ms := Parse([]byte("service a /x\n  clas main\n"))
	if ms[0].Word != "clas" || !slices.Contains(ms[0].Among, "class") {
		t.Errorf("%+v", ms)
	}
}

// TestReal: what stock's init reads is right.
func TestReal(t *testing.T) {
	names, err := filepath.Glob("../skeleton/files/layers/*/*.rc")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ms := Parse(text); len(ms) > 0 {
			t.Errorf("%s: %+v", name, ms)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("service a \\\n /x \"\\"))
	f.Fuzz(func(t *testing.T, text []byte) {
		services, _ := Parse(text)
		lines := strings.Count(string(text), "\n") + 1
		for _, s := range services {
			if s.Line < 1 || s.Line > lines || s.Col < 1 {
				t.Fatalf("%+v in %d lines", s, lines)
			}
		}
	})
}
