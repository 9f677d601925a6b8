package intake

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo/cil"
)

// maxPolicy is the most bytes of a file of policy that is read; Android's largest has 3 MB.
const maxPolicy = 16 << 20

// isPolicy says whether a path is one of a policy's files, which Android 8 and newer put
// together from several partitions.
func isPolicy(name string) bool {
	return path.Ext(name) == ".cil" && strings.Contains("/"+name, "/etc/selinux/")
}

// policy reads what the policy in a partition declares; nil: nothing.
func policy(root *tree.Node) (*cil.Names, error) {
	var known cil.Known
	err := tree.Walk(root, func(name string, n *tree.Node) error {
		if n.Type != tree.Regular || n.Size == 0 || n.Size > maxPolicy || !isPolicy(name) {
			return nil
		}
		text, err := io.ReadAll(n.Open())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		known.Add(text)
		return nil
	})
	return known.Names(), err
}

// wholePolicy says whether all parts of the policy are in the listing: the system's and
// the vendor's. Without one of them nobody can tell which types there are.
func wholePolicy(index *tree.Index) bool {
	var system, vendor bool
	for _, e := range index.Files {
		if !isPolicy(e.Path) {
			continue
		}
		switch path.Base(e.Path) {
		case "plat_sepolicy.cil":
			system = true
		case "vendor_sepolicy.cil", "nonplat_sepolicy.cil":
			vendor = true
		}
	}
	return system && vendor
}
