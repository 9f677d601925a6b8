// Package fingerprint reads and writes Android build fingerprints
// (ro.build.fingerprint). It does not say which build one names: vendors and
// custom systems reuse them. The form is described in the Android Compatibility
// Definition Document, section 3.2.2, Build Parameters.
package fingerprint

import (
	"fmt"
	"strings"
)

// MaxLength is more than any phone's fingerprint and bounds what is read.
const MaxLength = 255

// Fingerprint is brand/product/device:release/id/incremental:type/tags.
type Fingerprint struct {
	Brand, Product, Device   string
	Release, ID, Incremental string
	Type, Tags               string
}

// part is one value, and what stands behind it.
type part struct {
	name  string
	value *string
	end   byte
}

func (f *Fingerprint) parts() []part {
	return []part{
		{"brand", &f.Brand, '/'}, {"product", &f.Product, '/'}, {"device", &f.Device, ':'},
		{"release", &f.Release, '/'}, {"id", &f.ID, '/'}, {"incremental", &f.Incremental, ':'},
		{"type", &f.Type, '/'}, {"tags", &f.Tags, 0},
	}
}

// Parse reads a fingerprint. Every part must be there; spaces, control characters
// and what is not ASCII are refused, as Android's build does.
func Parse(s string) (Fingerprint, error) {
	var f Fingerprint
	fail := func(format string, args ...any) (Fingerprint, error) {
		shown := s
		if len(shown) > MaxLength {
			shown = shown[:64] + "…"
		}
		return Fingerprint{}, fmt.Errorf("cannot read fingerprint %q: %s; expected brand/product/device:release/id/incremental:type/tags", shown, fmt.Sprintf(format, args...))
	}
	if len(s) > MaxLength {
		return fail("it is %d bytes long, at most %d are read", len(s), MaxLength)
	}
	at := 0
	for _, p := range f.parts() {
		n := strings.IndexAny(s[at:], "/:")
		switch {
		case p.end == 0 && n >= 0:
			return fail("%q at offset %d follows the tags", s[at+n], at+n)
		case p.end == 0:
			n = len(s) - at
		case n < 0:
			return fail("no %q behind the %s at offset %d", p.end, p.name, at)
		case s[at+n] != p.end:
			return fail("%q at offset %d behind the %s, where %q belongs", s[at+n], at+n, p.name, p.end)
		}
		*p.value = s[at : at+n]
		if err := check(p.name, *p.value); err != nil {
			return fail("%v", err)
		}
		at += n + 1
	}
	return f, nil
}

func check(name, value string) error {
	if value == "" {
		return fmt.Errorf("the %s is empty", name)
	}
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c >= 0x7f || c == '/' || c == ':' {
			return fmt.Errorf("the %s %q has %q in it", name, value, c)
		}
	}
	return nil
}

// Check says what would keep f from being read again.
func (f Fingerprint) Check() error {
	for _, p := range f.parts() {
		if err := check(p.name, *p.value); err != nil {
			return fmt.Errorf("cannot use fingerprint: %w", err)
		}
	}
	if n := len(f.String()); n > MaxLength {
		return fmt.Errorf("cannot use fingerprint: it is %d bytes long, expected at most %d", n, MaxLength)
	}
	return nil
}

// String writes f as Android does.
func (f Fingerprint) String() string {
	return f.Brand + "/" + f.Product + "/" + f.Device + ":" + f.Release + "/" + f.ID + "/" + f.Incremental + ":" + f.Type + "/" + f.Tags
}
