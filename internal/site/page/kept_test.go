package page

import (
	"fmt"
	"strings"
	"testing"
)

func TestKept(t *testing.T) {
	var k kept
	k.put("a", "1", []byte("A1"))
	if got := string(k.get("a", "1")); got != "A1" {
		t.Errorf("kept %q", got)
	}
	if k.get("a", "2") != nil || k.get("b", "1") != nil {
		t.Error("a page of another revision or address is given out")
	}
	k.put("a", "2", []byte("A2"))
	if k.get("a", "1") != nil || string(k.get("a", "2")) != "A2" || len(k.by) != 1 {
		t.Error("an old page stays beside the new one")
	}
	body := []byte(strings.Repeat("x", 50_000))
	for i := range 2000 {
		k.put(fmt.Sprint(i), "3", body)
		k.get("0", "3") // in use: it stays
	}
	if k.size > mostKept || k.size < mostKept/2 || len(k.by) != k.recent.Len() || k.get("0", "3") == nil || k.get("1", "3") != nil || k.get("1999", "3") == nil {
		t.Errorf("%d bytes in %d pages", k.size, len(k.by))
	}
}
