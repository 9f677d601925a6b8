package logcat_test

import (
	"fmt"

	"github.com/fridayos/friday/android/bugreport/logcat"
)

func ExampleParse() {
	e, ok := logcat.Parse([]byte("11-27 10:11:12.123  1234  1250 W WifiService: scan failed"))
	fmt.Printf("%s %s %s %v\n", e.Tag, e.PID, e.Message, ok)
	_, ok = logcat.Parse([]byte("--------- beginning of main"))
	fmt.Println(ok)
	// Output:
	// WifiService 1234 scan failed true
	// false
}
