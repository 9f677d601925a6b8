package erofs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

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

// writeDisk makes a tree as files; it needs root.
func writeDisk(t testing.TB, root *tree.Node, dir string) {
	t.Helper()
	made := map[*tree.Node]string{}
	var dirs []func()
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		name := filepath.Join(dir, path)
		if first, ok := made[n]; ok {
			return os.Link(first, name)
		}
		made[n] = name
		if err := makeFile(n, name); err != nil {
			return err
		}
		for _, x := range n.Xattrs {
			if err := unix.Lsetxattr(name, x.Name, x.Value, 0); err != nil {
				return fmt.Errorf("%s %s: %w", name, x.Name, err)
			}
		}
		dirs = append(dirs, func() { setTime(t, n, name) }) // last, as new entries change the time
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, fn := range dirs {
		fn()
	}
}

func makeFile(n *tree.Node, name string) error {
	kinds := map[tree.Type]uint32{tree.CharDevice: unix.S_IFCHR, tree.BlockDevice: unix.S_IFBLK, tree.FIFO: unix.S_IFIFO, tree.Socket: unix.S_IFSOCK}
	var err error
	switch n.Type {
	case tree.Directory:
		if err = os.Mkdir(name, 0o700); errors.Is(err, fs.ErrExist) {
			err = nil
		}
	case tree.Symlink:
		err = os.Symlink(n.Target, name)
	case tree.Regular:
		b := make([]byte, n.Size)
		if _, err := n.Open().Read(b); n.Size > 0 && err != nil {
			return err
		}
		err = os.WriteFile(name, b, 0o600)
	default:
		err = unix.Mknod(name, kinds[n.Type]|0o600, int(unix.Mkdev(n.Major, n.Minor)))
	}
	if err == nil {
		err = os.Lchown(name, int(n.UID), int(n.GID))
	}
	if err == nil && n.Type != tree.Symlink {
		err = unix.Chmod(name, uint32(n.Perm))
	}
	return err
}

func setTime(t testing.TB, n *tree.Node, name string) {
	ts := unix.Timespec{Sec: n.MTime, Nsec: int64(n.MTimeNsec)}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		t.Fatal(err)
	}
}
