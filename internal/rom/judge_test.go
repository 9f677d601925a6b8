package rom

import (
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
)

// judges has a build looked at by programs that are not ours.
func judges(t *testing.T, w *workshop, b catalog.Build) {
	t.Helper()
	system := partitionNamed(t, b.Images, "system")
	file := w.file(system)
	t.Run("fsck.erofs", func(t *testing.T) { judge.Run(t, "fsck.erofs", "--extract", file) })
	t.Run("veritysetup", func(t *testing.T) {
		d := hashtree(t, w, b)
		judge.Verity(t, file, judge.HashTree{Root: d.RootDigest, Salt: d.Salt, ImageSize: d.ImageSize, TreeOffset: d.TreeOffset})
	})
	t.Run("mount", func(t *testing.T) {
		want := w.tree(system)
		judge.Same(t, want, judge.Kernel(t, file))
		paths, has := 0, map[string]int{}
		err := tree.Walk(want, func(_ string, n *tree.Node) error {
			for _, x := range n.Xattrs {
				has[x.Name]++
			}
			paths++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if labels, caps := has["security.selinux"], has["security.capability"]; labels < paths || caps == 0 {
			t.Errorf("%d paths have %d labels and %d capabilities", paths, labels, caps)
		}
	})
}

func TestJudges(t *testing.T) {
	w := newWorkshop(t, smallStock())
	b, _ := w.build("26.11.27")
	judges(t, w, b)
}
