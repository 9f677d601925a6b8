package trace_test

import (
	"fmt"
	"strings"

	"github.com/fridayos/friday/android/bugreport/trace"
)

func Example() {
	f := trace.NewFinder()
	for line := range strings.Lines(`11-27 10:11:12.123  1234  1234 E AndroidRuntime: FATAL EXCEPTION: main
11-27 10:11:12.123  1234  1234 E AndroidRuntime: Process: com.example.camera, PID: 1234
11-27 10:11:12.123  1234  1234 E AndroidRuntime: java.lang.IllegalStateException: no camera 7
11-27 10:11:12.123  1234  1234 E AndroidRuntime: 	at com.example.camera.Preview.open(Preview.java:77)
`) {
		f.Line([]byte(strings.TrimSuffix(line, "\n")))
	}
	for _, c := range f.Crashes() {
		fmt.Println(c.Kind, c.Process, c.Cause, c.Top())
	}
	// Output: java com.example.camera java.lang.IllegalStateException com.example.camera.Preview.open
}
