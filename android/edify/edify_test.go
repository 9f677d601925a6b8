package edify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func run1(t testing.TB, text string) (string, error) {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		return "", err
	}
	return s.Run(t.Context(), map[string]Function{
		"getprop": func(_ context.Context, args []string) (string, error) {
			return map[string]string{"ro.product.device": "hlte", "ro.build.date.utc": "100"}[strings.Join(args, "")], nil
		},
		"fail": func(context.Context, []string) (string, error) { return "", errors.New("no") },
	})
}

// TestValues: the values are those that AOSP's edify gives (expr_test.cpp).
func TestValues(t *testing.T) {
	for text, want := range map[string]string{
		`a`: "a", `"a"`: "a", `"\x61"`: "a", "# c\n \"a\" # d": "a", `a + b`: "ab", `concat(a, "b", "c" + "d")`: "abcd",
		`a == a`: "t", `a == b`: "", `a != b`: "t", `a && b`: "b", `a && ""`: "", `"" && fail()`: "", `a || fail()`: "a", `"" || b`: "b",
		`!a`: "", `!""`: "t", `if a then yes else no endif`: "yes", `if "" then yes else no endif`: "no", `if "" then yes endif`: "",
		`a; b; c`: "c", `a; b;`: "b", `(a; b) + c`: "bc", `a == b || c == c`: "t", `a + b == ab`: "t", `!a == ""`: "t",
		`less_than_int(3, 14)`: "t", `less_than_int(14, 3)`: "", `less_than_int(x, 3)`: "", `less_than_int(2147483647, 3147483648)`: "t",
		`is_substring(cad, abracadabra)`: "t", `is_substring(x, abc)`: "", `"a\n\t\"\\b"`: "a\n\t\"\\b", `if a == a && b == b then 1; 2 else 3 endif`: "2",
		`getprop("ro.product.device") == "hlte" || abort("no")`: "t", `assert(a, b); c`: "c",
	} {
		got, err := run1(t, text)
		if err != nil || got != want {
			t.Errorf("%s gives %q, %v; expected %q", text, got, err, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for text, want := range map[string]string{
		``:            "line 1: found the end, expected a value",
		`a b`:         `found "b", expected an operator`,
		"a;\n  (b":    `line 2: found the end, expected ")"`,
		`f(a`:         `expected ","`,
		`if a then b`: `expected "endif"`,
		`if a b`:      `found "b", expected "then"`,
		`"a`:          "a string has no end",
		`"\q"`:        `found \q in a string`,
		`"\x6"`:       `found \x in a string`,
		`a $ b`:       "found the character '$'",
		`else`:        `found "else", expected a value`,
		`nothing()`:   `line 1: there is no function "nothing"`,
		`a;
fail()`: "line 2: fail: no",
		`abort("E3004: not this one")`:      "the script aborts: E3004: not this one",
		`assert(a, "")`:                     "assertion 2 of 2 failed",
		strings.Repeat("(", 300):            "more than 200 deep",
		strings.Repeat("a+", 100_000) + "a": "too long",
		`less_than_int(1)`:                  "it has 1 arguments, expected 2",
	} {
		if _, err := run1(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, expected %q", text, err, want)
		}
	}
	var aborted *Aborted
	if _, err := run1(t, `abort("why")`); !errors.As(err, &aborted) || aborted.Message != "why" {
		t.Errorf("abort gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := Parse("getprop(a)")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Run(ctx, nil); err == nil {
		t.Error("a function that is not there is called")
	}
	if _, err := s.Run(ctx, map[string]Function{"getprop": func(context.Context, []string) (string, error) { return "", nil }}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context gives %v", err)
	}
}

func TestCalls(t *testing.T) {
	s, err := Parse(`f(g(1)) && h() ; if f() then x() else y() endif`)
	if err != nil || !slices.Equal(s.Calls(), []string{"f", "g", "h", "x", "y"}) {
		t.Errorf("calls %q, %v", s.Calls(), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`getprop("ro.product.device") == "hlte" || abort("E3004: no"); if a then ui_print("x") else !b endif;`)
	f.Add(`concat("\x41", a + b, (c; d))`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		_, _ = s.Run(t.Context(), nil)
		s.Calls()
	})
}

func Example() {
	s, err := Parse(`getprop("ro.product.device") == "hlte" || abort("This is for hlte.");`)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Run(context.Background(), map[string]Function{
		"getprop": func(context.Context, []string) (string, error) { return "umi", nil },
	})
	fmt.Println(err)
	// Output: cannot run script: the script aborts: This is for hlte.
}
