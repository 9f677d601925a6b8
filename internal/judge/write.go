package judge

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fridayos/friday/android/tree"
)

// Write makes the files of a tree in a folder, with owners, devices, times and
// xattrs, for programs that make images of folders. It needs root.
func Write(t testing.TB, root *tree.Node, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("needs root, to make devices and owners")
	}
	made := map[*tree.Node]string{}
	var last []func() error
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		name := filepath.Join(dir, path)
		if first, ok := made[n]; ok {
			return os.Link(first, name)
		}
		made[n] = name
		if err := writeNode(n, name); err != nil {
			return err
		}
		for _, x := range n.Xattrs {
			if err := unix.Lsetxattr(name, x.Name, x.Value, 0); err != nil {
				return fmt.Errorf("%s %s: %w", name, x.Name, err)
			}
		}
		last = append(last, func() error { // new entries change the time of a folder
			ts := unix.Timespec{Sec: n.MTime, Nsec: int64(n.MTimeNsec)}
			return unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
		})
		return nil
	})
	for _, fn := range last {
		err = errors.Join(err, fn())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func writeNode(n *tree.Node, name string) error {
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
		err = writeContent(n, name)
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

func writeContent(n *tree.Node, name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, n.Open())
	return errors.Join(err, f.Close())
}
