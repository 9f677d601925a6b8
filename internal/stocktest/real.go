package stocktest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Real reads a folder of real Android files and puts each where a system has
// it: framework-res.apk into system/framework, other packages into system/app,
// programs into system/bin. The result is for Spec.Extra; done closes the files
// once the firmware is written.
func Real(dir string) (root *tree.Node, done func(), err error) {
	var open []*os.File
	done = func() {
		for _, f := range open {
			f.Close()
		}
	}
	root = tree.NewDir(0o755, 0, 0)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		open = append(open, f)
		info, err := f.Stat()
		if err != nil {
			return err
		}
		n := &tree.Node{Type: tree.Regular, Perm: 0o644, Size: info.Size()}
		if n.Size > 0 {
			n.Content = f
		}
		name := e.Name()
		place := "system/bin"
		switch app, isApp := strings.CutSuffix(name, ".apk"); {
		case name == "framework-res.apk":
			place = "system/framework"
		case isApp:
			place = "system/app/" + app
		default:
			n.Perm, n.GID = 0o755, 2000
		}
		at(root, place, func(string) *tree.Node { return tree.NewDir(0o755, 0, 0) }).Set(name, n)
		return nil
	})
	if err == nil && len(open) == 0 {
		err = fmt.Errorf("it holds no files")
	}
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("cannot read real files in %s: %w", dir, err)
	}
	return root, done, nil
}
