package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal of 80 columns: what a program writes to tty comes out of
// screen.
func terminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { screen.Close() })
	if err := unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	return screen, tty
}

var control = regexp.MustCompile(`^\x1b\[([0-9;?]*)([A-Za-z])`)

// shown is what stands on a screen of so many columns after all of it was written.
func shown(text string, columns int) []string {
	rows, row, col := [][]rune{nil}, 0, 0
	for text != "" {
		if m := control.FindStringSubmatch(text); m != nil {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				n = 1
			}
			switch m[2] {
			case "A":
				row = max(row-n, 0)
			case "J":
				rows = rows[:min(row+1, len(rows))]
				fallthrough
			case "K":
				if row < len(rows) {
					rows[row] = rows[row][:min(col, len(rows[row]))]
				}
			}
			text = text[len(m[0]):]
			continue
		}
		c, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		switch c {
		case '\r':
			col = 0
			continue
		case '\n':
			row++
			continue
		}
		if col == columns {
			row, col = row+1, 0
		}
		for len(rows) <= row {
			rows = append(rows, nil)
		}
		for len(rows[row]) <= col {
			rows[row] = append(rows[row], ' ')
		}
		rows[row][col] = c
		col++
	}
	var out []string
	for _, r := range rows {
		if l := strings.TrimRight(string(r), " "); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// TestBars: what a terminal of 80 columns shows of three devices, of which one fails and
// one is never begun; and it is given back as it was.
func TestBars(t *testing.T) {
	screen, tty := terminal(t)
	written := make(chan string, 1)
	go func() {
		var b strings.Builder
		_, _ = io.Copy(&b, screen) // an error is the terminal's end
		written <- b.String()
	}()
	before, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	c := &cobra.Command{}
	c.SetErr(tty)
	c.SetContext(t.Context())
	bars := newBars(c)
	one, two, three := bars.add("umi"), bars.add("a-device-with-a-long-name"), bars.add("hlte")
	if now, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS); err != nil || now.Lflag&unix.ECHOCTL != 0 {
		t.Errorf("^C would stand among the bars: %v", err)
	}
	one.step("write system", 1, 2)
	two.step("pack a step with a very long name", 5, 5)
	time.Sleep(300 * time.Millisecond) // a frame is drawn
	one.step("verify", 2, 2)
	one.end(nil)
	two.end(errors.New("a reason"))
	three.end(errors.New("not begun"))
	bars.wait()
	after, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil || after.Lflag != before.Lflag {
		t.Errorf("the terminal was left otherwise than it was: %v", err)
	}
	if err := tty.Close(); err != nil {
		t.Fatal(err)
	}
	got := shown(<-written, 80)
	want := []string{
		`^umi              built               \[==========================\]  100%      \ds$`,
		`^a-device…ng-name failed              \[[-=>]{26}\]            \ds$`,
		`^hlte             failed              \[--------------------------\]$`,
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !regexp.MustCompile(want[i]).MatchString(got[i]) || utf8.RuneCountInString(got[i]) > 80 {
			t.Fatalf("line %d: the terminal shows\n%s\nwant\n%s", i+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
