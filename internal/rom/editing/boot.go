package editing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/tree"
)

// Boot applies what layers say of a boot image.
func (x *Editor) Boot(partition string, im *bootimg.Image, root *tree.Node) error {
	for _, e := range x.Plan.Boot {
		if e.Partition != partition {
			continue
		}
		for _, w := range e.Files {
			folders(root, dirOf(w.Path), x.Time)
			if err := x.place(root, w, true); err != nil {
				return fmt.Errorf("layer %s: ramdisk: %s: %w", e.Layer, w.Path, err)
			}
			x.Report.Owners[partition+":"+w.Path] = e.Layer
		}
		words := strings.Fields(im.Cmdline)
		for _, w := range e.Remove {
			i := slices.Index(words, w)
			if i < 0 {
				return fmt.Errorf("layer %s: the command line has no word %q: %s", e.Layer, w, im.Cmdline)
			}
			words = slices.Delete(words, i, i+1)
		}
		if len(e.Remove)+len(e.Append) > 0 {
			im.Cmdline = strings.Join(append(words, e.Append...), " ")
		}
	}
	return nil
}

// folders makes the folders of a ramdisk that lack.
func folders(root *tree.Node, path string, when int64) {
	n := root
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			return
		}
		next := n.Entry(name)
		if next == nil {
			next = tree.NewDir(0o755, 0, 0)
			next.MTime = when
			n.Set(name, next)
		}
		n = next
	}
}
