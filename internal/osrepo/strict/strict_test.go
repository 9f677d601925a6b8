package strict

import (
	"strings"
	"testing"
)

type sample struct {
	Name  string            `yaml:"name"`
	Mode  string            `yaml:"mode,scalar"`
	Count uint8             `yaml:"count"`
	Delta int64             `yaml:"delta"`
	On    bool              `yaml:"on"`
	List  []string          `yaml:"list"`
	Props map[string]string `yaml:"props"`
	Inner struct {
		Key string `yaml:"key"`
	} `yaml:"inner"`
	hidden string
}

func TestDecode(t *testing.T) {
	text := `# comment
name: "x y"
mode: 0755
count: 0x10
delta: -3
on: true
list: [a, "b"]
props: {p.q: 1, r: true}
inner:
  key: |
    two
    lines
`
	var s sample
	var ps Problems
	d := Decode("f.yaml", []byte(text), &s, &ps)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	if s.Name != "x y" || s.Mode != "0755" || s.Count != 16 || s.Delta != -3 || !s.On || strings.Join(s.List, ",") != "a,b" ||
		s.Props["p.q"] != "1" || s.Props["r"] != "true" || s.Inner.Key != "two\nlines" || s.hidden != "" {
		t.Errorf("read %+v", s)
	}
	for path, want := range map[string]Pos{"name": {2, 7}, "list[1]": {7, 11}, "props.r": {8, 20}, "inner": {10, 3}, "list[9].x": {7, 7}, "": {1, 1}, "none": {1, 1}} {
		if got := d.Pos(path); got != want {
			t.Errorf("Pos(%q) = %v, want %v", path, got, want)
		}
	}
	if d.KeyPos("inner.key") != (Pos{10, 3}) || !d.Has("count") || d.Has("counts") {
		t.Error("KeyPos or Has")
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"slotz": "slots", "salts": "", "lsots": "slots", "x": "", "partition": "partitions", "": ""} {
		if got := Nearest(word, []string{"slots", "partitions", "boot"}); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestErrBounds(t *testing.T) {
	var ps Problems
	for i := range 150 {
		ps.Add("f", Pos{150 - i, 1}, "", "x")
	}
	lines := strings.Split(ps.Err().Error(), "\n")
	if len(lines) != maxProblems+1 || lines[0] != "f:1:1: x" || lines[maxProblems] != "f: and 50 more" {
		t.Errorf("%d lines, first %s, last %s", len(lines), lines[0], lines[len(lines)-1])
	}
	if (Problems{}).Err() != nil {
		t.Error("no problems are an error")
	}
}

func TestTooMuch(t *testing.T) {
	for want, text := range map[string]string{
		"x.yaml: the file has 262145 bytes, at most 262144 are read":    strings.Repeat("#", MaxSize+1),
		"x.yaml:2:4096: the line has 5000 bytes, at most 4096 are read": "a: b\n" + strings.Repeat("#", 5000),
		"x.yaml:1:33: brackets are nested more than 32 deep":            strings.Repeat("[", 100),
		"x.yaml:1:3: a NUL byte stands here, expected text":             "a:\x00",
	} {
		var ps Problems
		Decode("x.yaml", []byte(text), &sample{}, &ps)
		if got := ps.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"name: x\nlist: [a]\n", "a: &b c\nd: *b\n", "- - - -\n", "? {a: b}\n: c\n", "name: |\n  x\n", "<<: {a: b}\n", "count: 0b11\n", "!!str a: b", "a: 'x", "\t- a", "%YAML 1.2\n---\nname: x\n...\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s sample
		var ps Problems
		d := Decode("f.yaml", text, &s, &ps)
		for _, p := range ps {
			if p.Message == "" || p.File == "" || p.Pos.Line < 0 || p.Pos.Col < 0 {
				t.Errorf("problem %+v", p)
			}
		}
		d.Pos("list[3].x")
	})
}
