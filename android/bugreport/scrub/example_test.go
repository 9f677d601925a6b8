package scrub_test

import (
	"fmt"
	"strings"

	"github.com/fridayos/friday/android/bugreport/scrub"
)

func Example() {
	s := scrub.New()
	text := s.Text("mail from anna@example.com\nagain anna@example.com\nversion 1.2.3")
	lines := strings.Split(text, "\n")
	fmt.Println("the address is gone:", !strings.Contains(text, "anna"))
	fmt.Println("the same value, the same name:", strings.Fields(lines[0])[2] == strings.Fields(lines[1])[1])
	fmt.Println(lines[2], s.Counts())
	// Output:
	// the address is gone: true
	// the same value, the same name: true
	// version 1.2.3 map[email:2]
}
