package fixes

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestThreads(t *testing.T) {
	for message, want := range map[string][]int64{
		"x\n\nFixes: #41\n":                        {41},
		"x\n\nFixes: #41, #42\nfixes: #43 and #44": {41, 42, 43, 44},
		"x\n\nFixes: #41\r\nSigned-off-by: a\r\n":  {41},
		"Fixes: #7":                         {7},
		"x\n\nFixes: #41, #41":              {41},
		"x fixes: #41":                      nil,
		"x\n\nFixes: 41":                    nil,
		"x\n\nFixes: #41 on most phones":    nil,
		"x\n\nFixes: #99999999999999999999": nil,
		"x\n\nFixes: #0":                    nil,
		"x\n\nRefs: #41\n":                  nil,
	} {
		if got := threads(message); !slices.Equal(got, want) {
			t.Errorf("threads(%q) = %v, want %v", message, got, want)
		}
	}
}

func FuzzThreads(f *testing.F) {
	for _, s := range []string{"x\n\nFixes: #41\n", "Fixes: #1, #2 and #3\r\nfixes: #99999999999999999999", "Fixes: #0 #00007", "This reverts commit 0123456, reversing\nchanges made to 89abcdef."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, message string) {
		ids := threads(message)
		for i, id := range ids {
			if id <= 0 || slices.Index(ids, id) < i || !strings.Contains(message, fmt.Sprint(id)) {
				t.Errorf("%q names %v", message, ids)
			}
		}
		revertLine.FindAllStringSubmatch(message, -1)
	})
}
