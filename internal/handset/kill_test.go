package handset

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain makes the test's binary a phone when TestPowerCuts calls it so.
func TestMain(m *testing.M) {
	dir := os.Getenv("FRIDAY_TEST_PHONE")
	if dir == "" {
		os.Exit(m.Run())
	}
	p, err := Open(dir)
	if err == nil {
		p.SetLog(func(line string) { fmt.Println(line) })
		_, err = p.Run(ctx, &Client{Base: os.Getenv("FRIDAY_TEST_SERVER")})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// moments are the lines of the phone's log after which it is killed, in turn;
// the delay that follows is drawn.
var moments = []struct {
	name, line string
	delay      time.Duration // longest
}{
	{"start", "starting slot a", 4 * time.Millisecond},
	{"download", ": downloading", 60 * time.Millisecond},
	{"verify", ": downloaded", 15 * time.Millisecond},
	{"apply", ": applying", 80 * time.Millisecond},
	{"slot switch", ": applied", 15 * time.Millisecond},
	{"first start of the new slot", "starting slot b", 15 * time.Millisecond},
}

// TestPowerCuts kills the phone's process at random moments, 240 times. After
// each, a copy of the phone must boot one whole, verified system; the phone
// itself goes on, and must finish its update.
func TestPowerCuts(t *testing.T) {
	const kills = 240
	m, one, two := ours(t), week(1), week(2)
	one.bytes, one.common = 1_500_000, 500_000
	two.bytes, two.common = one.bytes, one.common
	first, second := m.build(t, one), m.build(t, two)
	fresh := m.phone(t, customKey, first).dir
	zip := m.pack(t, first, one, second, two, nil)
	s := newServer(t, zip, offerOf(t, zip, two))
	s.chunk = 32 << 10

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	dir := filepath.Join(t.TempDir(), "phone")
	copyPhone(t, dir, fresh)
	killed, finished := map[string]int{}, 0
	for n := 0; n < kills; {
		at := moments[n%len(moments)]
		delay := time.Duration(rnd.Int64N(int64(at.delay)))
		dead, last := runAndKill(t, dir, s.URL, at.line, delay)
		if dead {
			n++
			killed[last]++
			checkCopy(t, dir, one.version, two.version)
			// Half of the time it is cut again where it now is, so that cuts pile up.
			if rnd.IntN(2) == 0 || last == "done" {
				continue
			}
		}
		for range 3 {
			if done, _ := runAndKill(t, dir, s.URL, "never", 0); !done {
				break
			}
		}
		if st := must(must(Open(dir))(t).Boot(ctx))(t); st.System.Incremental != two.version {
			t.Fatalf("after %d kills (seed %d) the phone left alone runs %s, want %s", n, seed, st.System.Incremental, two.version)
		}
		finished++
		copyPhone(t, dir, fresh)
	}
	t.Logf("%d kills, last words before them: %v; %d updates finished", kills, killed, finished)
	for _, phase := range []string{"downloading", "downloaded", "applying", "applied", "starting slot a", "starting slot b"} {
		if killed[phase] == 0 {
			t.Errorf("no kill hit %q", phase)
		}
	}
	if finished == 0 {
		t.Error("no update was finished")
	}
}

// runAndKill runs the phone, and kills it delay after it has said line. It
// returns whether it was killed, and what the phone was at.
func runAndKill(t *testing.T, dir, server, line string, delay time.Duration) (killed bool, last string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FRIDAY_TEST_PHONE="+dir, "FRIDAY_TEST_SERVER="+server)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out := must(cmd.StdoutPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		last = words(sc.Text(), last)
		if strings.Contains(sc.Text(), line) {
			time.AfterFunc(delay, func() { cmd.Process.Kill() })
		}
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, last
	case errors.As(err, &exit) && exit.ExitCode() == -1:
		return true, last
	}
	t.Fatalf("the phone failed: %v: %s", err, stderr.String())
	return false, ""
}

// words cuts a line of the phone's log down to what it is at.
func words(line, last string) string {
	if _, phase, ok := strings.Cut(line, ": "); ok && strings.HasPrefix(line, "update to ") {
		return phase
	}
	if strings.HasPrefix(line, "starting slot ") {
		return line
	}
	return last
}

// checkCopy boots a copy of the phone, so that looking changes nothing.
func checkCopy(t *testing.T, dir, one, two string) {
	t.Helper()
	twin := filepath.Join(t.TempDir(), "twin")
	copyPhone(t, twin, dir)
	p, err := Open(twin)
	if err != nil {
		t.Fatalf("after a kill the phone does not open: %v", err)
	}
	st, err := p.Boot(ctx)
	if err != nil {
		t.Fatalf("after a kill the phone does not boot: %v", err)
	}
	if v := st.System.Incremental; v != one && v != two {
		t.Fatalf("after a kill runs %q", v)
	}
	if err := os.RemoveAll(twin); err != nil {
		t.Fatal(err)
	}
}

func copyPhone(t *testing.T, to, from string) {
	t.Helper()
	if err := os.RemoveAll(to); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := must(filepath.Rel(from, path))(t)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := os.Create(filepath.Join(to, rel))
		if err != nil {
			return err
		}
		_, err = io.Copy(out, in)
		return errors.Join(err, out.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}
