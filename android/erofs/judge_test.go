package erofs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
)

// need skips a test by the name of a program that is not installed.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s", program)
	}
}

// needRoot skips a test that makes devices and other people's files.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("needs root, to make devices and owners")
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
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

// mustEqual fails with the first differences of two trees.
func mustEqual(t testing.TB, want, got *tree.Node) {
	t.Helper()
	lines, err := tree.Diff(want, got)
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) > 10 {
		lines = append(lines[:10], fmt.Sprintf("and %d more", len(lines)-10))
	}
	if len(lines) > 0 {
		t.Fatalf("trees differ (wanted, then found):\n%s", strings.Join(lines, "\n"))
	}
}

// mount mounts an image with the kernel's own driver and reads the tree back.
func mount(t testing.TB, image string) *tree.Node {
	t.Helper()
	need(t, "mount")
	dir := t.TempDir()
	out, err := exec.Command("mount", "-t", "erofs", "-o", "loop,ro", image, dir).CombinedOutput()
	if err != nil {
		if os.Geteuid() != 0 || bytes.Contains(out, []byte("ermission denied")) || bytes.Contains(out, []byte("unknown filesystem type")) ||
			bytes.Contains(out, []byte("failed to setup loop")) {
			t.Skipf("needs leave to mount erofs: %s", bytes.TrimSpace(out))
		}
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() { run(t, "umount", dir) })
	return readDisk(t, dir)
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

// readDisk reads files as the kernel shows them.
func readDisk(t testing.TB, dir string) *tree.Node {
	t.Helper()
	seen := map[uint64]*tree.Node{}
	n, err := readDiskNode(dir, seen)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readDiskNode(name string, seen map[uint64]*tree.Node) (*tree.Node, error) {
	var st unix.Stat_t
	if err := unix.Lstat(name, &st); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if n, ok := seen[st.Ino]; ok {
		return n, nil
	}
	n := &tree.Node{Perm: uint16(st.Mode & 0o7777), UID: st.Uid, GID: st.Gid, MTime: st.Mtim.Sec, MTimeNsec: uint32(st.Mtim.Nsec)}
	seen[st.Ino] = n
	var err error
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		n.Type = tree.Directory
		var es []os.DirEntry
		es, err = os.ReadDir(name)
		for _, e := range es {
			var c *tree.Node
			if c, err = readDiskNode(filepath.Join(name, e.Name()), seen); err != nil {
				return nil, err
			}
			n.Set(e.Name(), c)
		}
	case unix.S_IFREG:
		var b []byte
		b, err = os.ReadFile(name)
		n.Size, n.Content = int64(len(b)), bytes.NewReader(b)
	case unix.S_IFLNK:
		n.Type = tree.Symlink
		n.Target, err = os.Readlink(name)
	default:
		n.Type = map[uint32]tree.Type{unix.S_IFCHR: tree.CharDevice, unix.S_IFBLK: tree.BlockDevice, unix.S_IFIFO: tree.FIFO, unix.S_IFSOCK: tree.Socket}[st.Mode&unix.S_IFMT]
		n.Major, n.Minor = unix.Major(st.Rdev), unix.Minor(st.Rdev)
	}
	if err != nil {
		return nil, err
	}
	return n, readDiskXattrs(n, name)
}

func readDiskXattrs(n *tree.Node, name string) error {
	b := make([]byte, 64<<10)
	size, err := unix.Llistxattr(name, b)
	if err != nil {
		return fmt.Errorf("%s: list of xattrs: %w", name, err)
	}
	for _, key := range strings.Split(strings.Trim(string(b[:size]), "\x00"), "\x00") {
		if key == "" {
			continue
		}
		v := make([]byte, 64<<10)
		size, err := unix.Lgetxattr(name, key, v)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", name, key, err)
		}
		n.SetXattr(key, v[:size])
	}
	return nil
}
