package checks

import (
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

const sample = columns + "\n" +
	"2014-12-05\t2020-07-15T10:25:44+02:00\ttaurus\tMi 2A China\tWeekly\tRecovery\t4.12.5\t4.1\t469.8 MB\t247c4c2f52289dac491db87169b994f6\ta.zip\n" +
	"null\t2020-07-15T10:25:44+02:00\ttaurus\tMi 2A China\tStable\tRecovery\tV6\t4.1\t1.5 GB\tnull\tb.zip\n" +
	"2014-12-05\t2020-07-15T10:25:44+02:00\ttaurus\tMi 2A China\tWeekly\tRecovery\t4.12.5\t4.1\t469.8 MB\t247c4c2f52289dac491db87169b994f6\ta.zip\n" +
	"2014-12-05\t2020-07-15T10:25:44+02:00\tother\tMi 2A China\tWeekly\tRecovery\t4.12.5\t4.1\t57 Bytes\t247C4C2F52289DAC491DB87169B994F6\ta.zip\n" +
	"2014-12-05\t2020-07-15T10:25:44+02:00\t../x\tMi 2A China\tNightly\tRecovery\t\t4.1\t12\tx\t/etc/passwd\n"

func TestReadHistory(t *testing.T) {
	h, err := ReadHistory(strings.NewReader(sample))
	if err != nil {
		t.Fatal(err)
	}
	if h.Read != 5 || len(h.Rows) != 3 || h.Devices != 3 || h.Rows[2].Version != "V6" || h.Rows[2].Size != 3<<29 {
		t.Errorf("read %+v", h)
	}
	for what, want := range map[string]int{"no date (taken from when it was first seen)": 1, "no MD5": 2, "listed twice (left out)": 1, "the same bytes under two codenames": 1,
		"no believable size": 2, "no codename (left out)": 1, "no known branch or method (left out)": 1, "no version (left out)": 1, "no file name (left out)": 1} {
		if h.Dirt[what] != want {
			t.Errorf("%s: %d, expected %d", what, h.Dirt[what], want)
		}
	}
	for what, text := range map[string]string{"nothing": "", "another table": "a\tb\n", "a short line": columns + "\na\tb\n", "a long line": columns + "\n" + strings.Repeat("x", 5000)} {
		if _, err := ReadHistory(strings.NewReader(text)); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// TestRealHistory: every line of the real one is taken or said.
func TestRealHistory(t *testing.T) {
	f, err := os.Open("../../../../shared/data/miui-releases.tsv.gz")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("needs ../shared/data/miui-releases.tsv.gz")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	h, err := ReadHistory(z)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for what, n := range h.Dirt {
		if strings.HasSuffix(what, "(left out)") {
			left += n
		}
	}
	t.Logf("%d lines, %d devices, %d taken, dirt %v", h.Read, h.Devices, len(h.Rows), h.Dirt)
	if h.Read != 39_334 || h.Devices != 1_283 || len(h.Rows)+left != h.Read || h.Dirt["no date (taken from when it was first seen)"] != 75 {
		t.Errorf("read %d lines of %d devices, %d taken and %d left out; dirt %v", h.Read, h.Devices, len(h.Rows), left, h.Dirt)
	}
}

func FuzzReadHistory(f *testing.F) {
	f.Add(sample)
	f.Add(columns + "\n" + strings.Repeat("\t", 10) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ReadHistory(strings.NewReader(text))
		if err == nil && len(h.Rows) > h.Read {
			t.Errorf("%d rows of %d lines", len(h.Rows), h.Read)
		}
	})
}
