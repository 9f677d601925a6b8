package erofs

import "github.com/fridayos/friday/android/tree"

// Build lays out a tree.
func Build(root *tree.Node, o Options) (*tree.Image, error) { panic("unwritten") }
