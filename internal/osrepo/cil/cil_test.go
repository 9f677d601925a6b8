package cil

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

const policy = `; Android's, in small
(class file (ioctl read))
(common file (write open))
(classcommon file file)
(class process (ptrace))
(typeattribute domain) (type shell)
(type system_file)
(typealias sys)
(typealiasactual sys system_file)
(typeattributeset domain (shell))
(allow shell system_file (file (read open)))
`

func names(t *testing.T) *Names {
	t.Helper()
	var k Known
	k.Add([]byte(policy))
	return k.Names()
}

func TestNames(t *testing.T) {
	want := &Names{Types: []string{"domain", "shell", "sys", "system_file"}, Classes: map[string][]string{"file": {"ioctl", "open", "read", "write"}, "process": {"ptrace"}}}
	if got := names(t); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	var vendor Known
	vendor.Add([]byte("(type zoom) (type shell) (class file (read)) (class zoom (in))"))
	merged := Merge(names(t), vendor.Names())
	if fmt.Sprint(*merged) != "{[domain shell sys system_file zoom] map[file:[ioctl open read write] process:[ptrace] zoom:[in]]}" || Merge(nil, want) != want || Merge(want, nil) != want || Merge(nil, nil) != nil {
		t.Errorf("merged %+v", *merged)
	}
	var none Known
	none.Add([]byte("no policy"))
	if n := none.Names(); n != nil {
		t.Errorf("of nothing: %+v", n)
	}
}

func TestCheck(t *testing.T) {
	have := names(t)
	if ms := Check([]byte(policy), have, []byte(policy)); len(ms) > 0 {
		t.Errorf("the policy itself: %+v", ms)
	}
	other := []byte("(type zoom)")
	for text, want := range map[string]string{
		"(allow shell self (process (ptrace))) ; \"(":            "",
		"(type mine)\n(allow mine zoom (file (read)))":           "",
		"(typeattributeset domain (and (shell) (not (mine))))":   "1:45: the policy has no type or attribute mine",
		"(allow shel self (process (ptrace)))":                   "1:8: the policy has no type or attribute shel",
		"\n (allow shell system_fil\n (file (read)))":            "2:15: the policy has no type or attribute system_fil",
		"(allow shell self (proces (ptrace)))":                   "1:20: the policy has no class proces",
		"(allow shell self (file (raed)))":                       "1:26: class file has no permission raed",
		"(allow shell self (file read x))":                       "1:19: expected a class and its permissions such as (file (read open))",
		"(allow shell self)":                                     "1:2: allow has 2 parts behind it, expected 3",
		"(allw shell self (file (read)))":                        `1:2: there is no statement "allw"`,
		"(typetransition shell system_file file \"x\" nobody)":   "1:44: the policy has no type or attribute nobody",
		"(genfscon proc \"/x\" (u object_r nobody ((s0) (s0))))": "1:33: the policy has no type or attribute nobody",
		"(allowx shell nobody (ioctl file (0x1)))":               "1:15: the policy has no type or attribute nobody",
		"(roletype object_r nobody)":                             "1:20: the policy has no type or attribute nobody",
		"(typetransition shell)":                                 "1:2: typetransition has 1 parts behind it, expected 4 to 5",
		"(optional mine (allow nobody nobody (x (y))))":          "",
		"(a)\n)":                 `1:2: there is no statement "a"|2:1: there is a ) too many`,
		"((a)":                   "1:5: the text ends within the parentheses of line 1",
		"((a))":                  "1:1: expected the name of a statement such as allow, found none",
		"type x":                 `1:1: expected (, found "type x"`,
		"(type \"x)":             "1:7: a quotation mark is not closed",
		"(type \x00)":            "1:7: it holds a NUL",
		strings.Repeat("(", 100): "1:66: a statement of more than 262144 words or 64 levels",
		"(type (x))\n(allow (x) self (file (read)))": "2:8: expected the name of a type, found a list",
	} {
		var got []string
		ms := Check([]byte(text), have, []byte(text), other)
		for _, m := range ms {
			got = append(got, m.Error())
		}
		if strings.Join(got, "|") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	ms := Check([]byte("(allow shel self (process (ptrace)))"), have)
	if len(ms) != 1 || ms[0].Word != "shel" || !slices.Contains(ms[0].Among, "shell") {
		t.Error(ms)
	}
	if ms := Check([]byte("(allow shel self (proc (x)))"), nil); len(ms) > 0 {
		t.Errorf("without names: %+v", ms)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(policy))
	f.Add([]byte("(allow shell \"self (; \n"))
	var k Known
	k.Add([]byte(policy))
	have := k.Names()
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, m := range Check(text, have, text) {
			if m.Line < 1 || m.Col < 1 || m.Message == "" {
				t.Fatal(fmt.Sprint(m))
			}
		}
	})
}
