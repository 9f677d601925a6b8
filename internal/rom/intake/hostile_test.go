package intake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
)

func TestFilesOfManyTerabytes(t *testing.T) {
	root := tree.NewDir(0o755, 0, 0)
	shared := &tree.Node{Type: tree.Regular, Size: 40 << 30}
	root.Set("a", shared)
	root.Set("b", shared) // a hard link takes no more room
	if err := checkContent(root); err != nil {
		t.Errorf("40 GiB: %v", err)
	}
	for i := range 3 {
		root.Set(fmt.Sprint("c", i), &tree.Node{Type: tree.Regular, Size: 1<<63 - 1})
	}
	if err := checkContent(root); err == nil || !strings.Contains(err.Error(), "c0") {
		t.Errorf("24 EiB: %v", err)
	}
}
