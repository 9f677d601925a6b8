// Package judge calls the programs that judge in tests what Friday writes: the
// kernel, fsck.erofs, openssl and the like, none of them ours.
//
// Only tests import it (package house sees to that). It decides nothing: what a
// program must say is the test's own affair. A test whose judge the machine
// lacks is skipped by the program's name; scripts/judges installs them all.
package judge

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// Need skips the test, by name, where a program is not installed.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s", p)
		}
	}
}

// Run runs a program that must agree, and returns all that it printed.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	return In(t, "", program, args...)
}

// In is Run in a folder.
func In(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	Need(t, program)
	c := exec.Command(program, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		fail(t, c, err, out)
	}
	return string(out)
}

// Pipe gives in to a program that must agree, and returns its standard output.
func Pipe(t testing.TB, in []byte, program string, args ...string) []byte {
	t.Helper()
	Need(t, program)
	c := exec.Command(program, args...)
	var out, errs bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(in), &out, &errs
	if err := c.Run(); err != nil {
		fail(t, c, err, errs.Bytes())
	}
	return out.Bytes()
}

// maxSaid bounds what a failure shows of a judge's words.
const maxSaid = 4000

func fail(t testing.TB, c *exec.Cmd, err error, said []byte) {
	t.Helper()
	t.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, said[:min(len(said), maxSaid)])
}
