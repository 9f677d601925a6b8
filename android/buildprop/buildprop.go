// Package buildprop reads and edits Android's build.prop: lines of key=value
// as init's property service loads them (system/core/init/property_service.cpp).
//
// An edit keeps every line it does not concern, in its order and with its own
// spacing, so that a changed property is a change of one line. Import
// statements and comments are kept as they are and not followed.
package buildprop

import (
	"bytes"
	"fmt"
	"strings"
)

// MaxSize is the largest file that Parse takes; real ones have a few thousand
// lines.
const MaxSize = 4 << 20

// File is a build.prop.
type File struct{ lines []line }

type line struct {
	text string // without the line feed
	key  string // empty: a comment, an import, an empty line
}

// Parse reads a build.prop. Lines that init would skip are kept as they are.
func Parse(b []byte) (*File, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("cannot read build.prop: it has %d bytes, at most %d are expected", len(b), MaxSize)
	}
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return nil, fmt.Errorf("cannot read build.prop: byte %d is NUL, expected text", i)
	}
	f := &File{}
	text := strings.TrimSuffix(string(b), "\n")
	if text == "" && len(b) == 0 {
		return f, nil
	}
	for s := range strings.SplitSeq(text, "\n") {
		f.lines = append(f.lines, line{text: s, key: keyOf(s)})
	}
	return f, nil
}

// keyOf returns the property that a line sets, as init reads it: blanks around
// the key are no part of it.
func keyOf(s string) string {
	s = strings.TrimLeft(s, " \t\r\v\f")
	if strings.HasPrefix(s, "#") || strings.HasPrefix(s, "import ") {
		return ""
	}
	key, _, ok := strings.Cut(s, "=")
	if !ok {
		return ""
	}
	return strings.TrimRight(key, " \t\r\v\f")
}

func valueOf(s string) string {
	_, v, _ := strings.Cut(s, "=")
	return strings.Trim(v, " \t\r\v\f")
}

// first says whether the first of several lines for key wins: a ro. property
// cannot be set twice.
func first(key string) bool { return strings.HasPrefix(key, "ro.") }

// Get returns the value that a phone would see for key.
func (f *File) Get(key string) (string, bool) {
	value, found := "", false
	for _, l := range f.lines {
		if l.key != key || key == "" {
			continue
		}
		if value, found = valueOf(l.text), true; first(key) {
			break
		}
	}
	return value, found
}

// Keys returns the properties in the order of the file, each once.
func (f *File) Keys() []string {
	var keys []string
	seen := make(map[string]bool, len(f.lines))
	for _, l := range f.lines {
		if l.key != "" && !seen[l.key] {
			seen[l.key] = true
			keys = append(keys, l.key)
		}
	}
	return keys
}

// CheckKey says whether key can name a property.
func CheckKey(key string) error {
	if key == "" {
		return fmt.Errorf("a property's name is empty")
	}
	for i := range len(key) {
		c := key[i]
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			i > 0 && (c == '.' || c == '-' || c == '_' || c == '@' || c == ':')
		if !ok {
			return fmt.Errorf("property name %q has %q; letters, digits and . - _ @ : are allowed", key, c)
		}
	}
	if strings.Contains(key, "..") || strings.HasSuffix(key, ".") {
		return fmt.Errorf("property name %q has an empty part", key)
	}
	return nil
}

// CheckValue says whether key can have value: one line, and at most 91 bytes
// unless the property is read-only.
func CheckValue(key, value string) error {
	if strings.ContainsAny(value, "\n\r\x00") {
		return fmt.Errorf("the value of %s has a line break; a property is one line", key)
	}
	if strings.Trim(value, " \t\v\f") != value {
		return fmt.Errorf("the value of %s begins or ends with a blank, which init drops", key)
	}
	if len(value) > 91 && !first(key) {
		return fmt.Errorf("the value of %s has %d bytes; only ro. properties may have more than 91", key, len(value))
	}
	return nil
}

// Set gives key a value where it stands, or in a new line at the end. Further
// lines for the same key go.
func (f *File) Set(key, value string) error {
	if err := CheckKey(key); err != nil {
		return fmt.Errorf("cannot set property: %w", err)
	}
	if err := CheckValue(key, value); err != nil {
		return fmt.Errorf("cannot set property: %w", err)
	}
	kept, done := f.lines[:0], false
	for _, l := range f.lines {
		if l.key == key {
			if done {
				continue
			}
			done = true
			if valueOf(l.text) != value {
				l.text = key + "=" + value
			}
		}
		kept = append(kept, l)
	}
	if f.lines = kept; !done {
		f.lines = append(f.lines, line{text: key + "=" + value, key: key})
	}
	return nil
}

// Delete drops every line for key and says whether there was one.
func (f *File) Delete(key string) bool {
	kept := f.lines[:0]
	for _, l := range f.lines {
		if key == "" || l.key != key {
			kept = append(kept, l)
		}
	}
	dropped := len(kept) < len(f.lines)
	f.lines = kept
	return dropped
}

// Bytes returns the file; its last line ends with a line feed.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	for _, l := range f.lines {
		b.WriteString(l.text)
		b.WriteByte('\n')
	}
	return b.Bytes()
}
