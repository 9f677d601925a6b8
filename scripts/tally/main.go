// Command tally reads `go test -json` from standard input and prints what a
// person wants of it: a line for each package as it ends, with the output of
// what failed in it; at the end the name of what was skipped, what each failed
// test said once more, then the failures in few lines, since often only a
// log's last lines are shown, and last "N passed, N failed, N skipped". It
// counts leaf tests: a test with subtests is counted by them. With -strict a
// skipped test is a failure, unless what it says matches -optional.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
)

func main() {
	strict := flag.Bool("strict", false, "a skipped test is a failure")
	optional := flag.String("optional", "^$", "regular expression: a test that says this may be skipped all the same")
	flag.Parse()
	may, err := regexp.Compile(*optional)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot use -optional:", err)
		os.Exit(2)
	}
	if !*strict {
		may = nil
	}
	t := newTally(os.Stdout)
	if err := t.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "cannot read test events:", err)
		os.Exit(1)
	}
	if !t.report(may) {
		os.Exit(1)
	}
}
