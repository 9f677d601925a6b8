package erofs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
)

// needRoot skips a test that makes devices and other people's files.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("needs root, to make devices and owners")
	}
}

// buildFile builds an image into a file.
func buildFile(t testing.TB, root *tree.Node, o erofs.Options) string {
	t.Helper()
	im, err := erofs.Build(root, o)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.erofs")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := im.WriteTo(f); err != nil || n != im.Size() {
		t.Fatalf("wrote %d of %d: %v", n, im.Size(), err)
	}
	return path
}

// openFile opens an image in a file and reads its tree.
func openFile(t testing.TB, path string) (*erofs.Image, *tree.Node) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	im, err := erofs.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	root, err := im.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return im, root
}
