package scrub

import (
	"bufio"
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	inMarks = regexp.MustCompile(`⟦([a-z_]+):(.*?)⟧`)
	key     = [KeySize]byte{1, 2, 3}
)

func lines(t testing.TB, file string) []string {
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for r := bufio.NewScanner(f); r.Scan(); {
		if line := r.Text(); line != "" && !strings.HasPrefix(line, "# ") {
			all = append(all, line)
		}
	}
	return all
}

func plainLine(marks string) string { return inMarks.ReplaceAllString(marks, "$2") }

// TestPrivateLines: what is marked as private gives way to a pseudonym of its
// kind, and all around it stays as it is.
func TestPrivateLines(t *testing.T) {
	all := lines(t, "private.txt")
	if len(all) < 150 {
		t.Fatalf("%d lines with private data, expected at least 150", len(all))
	}
	for _, line := range all {
		s := NewKeyed(key)
		got := s.Text(plainLine(line))
		want := regexp.QuoteMeta(line)
		want = regexp.MustCompile(`⟦([a-z_]+):.*?⟧`).ReplaceAllString(want, "<$1-[a-z]{7}>")
		if !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("%s\n got %s", line, got)
		}
		for _, m := range inMarks.FindAllStringSubmatch(line, -1) {
			if s.Counts()[Kind(m[1])] == 0 {
				t.Errorf("%s\n counted %v, expected %s among them", line, s.Counts(), m[1])
			}
		}
		if again := NewKeyed(key).Text(got); again != got {
			t.Errorf("scrubbed twice\n got %s\nthen %s", got, again)
		}
	}
}

// TestHarmlessLines: what a build or a crash is known by stays.
func TestHarmlessLines(t *testing.T) {
	all := lines(t, "harmless.txt")
	if len(all) < 100 {
		t.Fatalf("%d harmless lines, expected at least 100", len(all))
	}
	for _, line := range all {
		if got := New().Text(line); got != line {
			t.Errorf("%s\n got %s", line, got)
		}
	}
}

func TestPseudonyms(t *testing.T) {
	one, other := New(), New()
	a, b := one.Text("a@example.com b@example.com A@Example.com"), other.Text("a@example.com b@example.com A@Example.com")
	f := strings.Fields(a)
	if f[0] == f[1] || f[0] != f[2] {
		t.Errorf("within a report the same address has one pseudonym, another one another: %s", a)
	}
	if a == b {
		t.Errorf("two reports have the same pseudonyms: %s", a)
	}
	// One address is one thing, whether it is said to be an access point or not.
	_, mac, _ := strings.Cut(one.Text("peer 00:11:22:33:44:5a"), "-")
	_, bssid, _ := strings.Cut(one.Text("bssid=00:11:22:33:44:5A"), "-")
	if mac != bssid {
		t.Errorf("mac %s, bssid %s", mac, bssid)
	}
	if n := one.Counts()[Email]; n != 3 {
		t.Errorf("%d e-mail addresses counted, expected 3", n)
	}
}

func TestAcrossLines(t *testing.T) {
	for _, c := range []struct{ text, secret string }{
		{"-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\n-----END PRIVATE KEY-----\nhello", "kqhkiG9w0BAQ"},
		{"SSID - hexdump_ascii(len=8):\n     4d 61 69 65 72 4e 65 74                           MaierNet\nhello", "MaierNet"},
		{"ssid=\"Maier Net\"\nroaming to \"Maier Net\"\nhello", "Maier"},
		{"[ 11-27 10:11:12.123  1234: 5678 D/RILJ ]\n[0042]> DIAL 01512345678\n\nhello", "01512345678"},
	} {
		got := New().Text(c.text)
		if strings.Contains(got, c.secret) || !strings.HasSuffix(got, "\nhello") {
			t.Errorf("%q became %q", c.text, got)
		}
	}
}

// TestWriter: in pieces of any size the result is the same, and a line without
// an end is held in bounds.
func TestWriter(t *testing.T) {
	text := []byte(plainLine(strings.Join(lines(t, "private.txt"), "\n")))
	want := NewKeyed(key).Text(string(text))
	for _, size := range []int{1, 7, 1000, len(text)} {
		var out bytes.Buffer
		w := NewWriter(&out, NewKeyed(key))
		for at := 0; at < len(text); at += size {
			if _, err := w.Write(text[at:min(at+size, len(text))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil || out.String() != want {
			t.Errorf("in pieces of %d bytes: %v, %d bytes, expected %d", size, err, out.Len(), len(want))
		}
	}
	var out bytes.Buffer
	w := NewWriter(&out, New())
	for range 40 {
		if _, err := w.Write([]byte(strings.Repeat("anna@example.com ", 1000))); err != nil {
			t.Fatal(err)
		}
	}
	if cap(w.rest) > 4*MaxLine {
		t.Errorf("%d bytes are held", cap(w.rest))
	}
	if err := w.Close(); err != nil || strings.Contains(out.String(), "anna") {
		t.Errorf("a long line: %v, or an address is left", err)
	}
}

// hostile lines make a careless scanner quadratic.
func hostile() []string {
	var all []string
	for _, piece := range []string{"a", "@", "a@", "1", "1.", ":", "a:", "ssid=", "\"", "/sdcard/", "/storage/emulated/0", "%40", "location[", "content://", "+1", "(212) ", "{", "=", "name:", "::", "aa:", "1.1.1.", "call from A ", "password=", "eyJ", "\\\"", "[", "bearer ", "-----begin ", "48.1371,", "°", "$gpgga,", "x=String (", " A"} {
		all = append(all, strings.Repeat(piece, MaxLine/len(piece)))
	}
	return all
}

func TestHostileLines(t *testing.T) {
	for _, line := range hostile() {
		_ = New().Text(line)
	}
}

func FuzzScrub(f *testing.F) {
	for _, line := range lines(f, "private.txt") {
		f.Add([]byte(plainLine(line)))
	}
	for _, line := range lines(f, "harmless.txt") {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		w := NewWriter(&out, NewKeyed(key))
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if bytes.Count(b, []byte("\n")) != bytes.Count(out.Bytes(), []byte("\n")) {
			t.Errorf("%q: lines were lost or made", b)
		}
	})
}

func BenchmarkScrub(b *testing.B) {
	var text []byte
	for _, line := range lines(b, "harmless.txt") {
		text = append(append(text, line...), '\n')
	}
	text = bytes.Repeat(text, 5)
	for _, line := range lines(b, "private.txt") {
		text = append(append(text, plainLine(line)...), '\n')
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w := NewWriter(nowhere{}, New())
		_, _ = w.Write(text)
		_ = w.Close()
	}
}

func BenchmarkHostile(b *testing.B) {
	for _, line := range hostile() {
		b.Run(line[:min(len(line), 12)], func(b *testing.B) {
			b.SetBytes(int64(len(line)))
			s := New()
			var out []byte
			for b.Loop() {
				out = s.Line(out[:0], []byte(line))
			}
		})
	}
}

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
