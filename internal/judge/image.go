package judge

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fridayos/friday/android/tree"
)

// Kernel has the kernel mount an EROFS image until the test ends, and returns
// what it shows; it skips the test where mounting is not allowed.
func Kernel(t testing.TB, image string) *tree.Node {
	t.Helper()
	return Folder(t, Mount(t, "erofs", "ro", image))
}

// Mount has the kernel mount an image of a file system until the test ends, and
// returns where; it skips the test where mounting is not allowed.
func Mount(t testing.TB, fs, options, image string) string {
	t.Helper()
	Need(t, "mount", "umount")
	dir := t.TempDir()
	c := exec.Command("mount", "-t", fs, "-o", "loop,"+options, image, dir)
	if out, err := c.CombinedOutput(); err != nil {
		if os.Geteuid() != 0 || bytes.Contains(out, []byte("ermission denied")) ||
			bytes.Contains(out, []byte("unknown filesystem type")) || bytes.Contains(out, []byte("failed to setup loop")) {
			t.Skipf("needs leave to mount %s: %s", fs, bytes.TrimSpace(out))
		}
		fail(t, c, err, out)
	}
	t.Cleanup(func() {
		if exec.Command("mountpoint", "-q", dir).Run() == nil {
			Run(t, "umount", dir)
		}
	})
	return dir
}

// Folder reads files as the kernel shows them; their content when it is asked for.
func Folder(t testing.TB, dir string) *tree.Node {
	t.Helper()
	n, err := readNode(dir, map[uint64]*tree.Node{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readNode(name string, seen map[uint64]*tree.Node) (*tree.Node, error) {
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
		err = readEntries(n, name, seen)
	case unix.S_IFREG:
		n.Size, n.Content = st.Size, onDisk(name)
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
	return n, readXattrs(n, name)
}

func readEntries(n *tree.Node, name string, seen map[uint64]*tree.Node) error {
	es, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	for _, e := range es {
		c, err := readNode(filepath.Join(name, e.Name()), seen)
		if err != nil {
			return err
		}
		n.Set(e.Name(), c)
	}
	return nil
}

func readXattrs(n *tree.Node, name string) error {
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

// onDisk is the content of a file by its path: thousands are not kept open.
type onDisk string

func (name onDisk) ReadAt(b []byte, off int64) (int, error) {
	f, err := os.Open(string(name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(b, off)
}

// Same fails the test with the first differences of two trees.
func Same(t testing.TB, want, got *tree.Node) {
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

// HashTree is what a vbmeta struct says of the SHA-256 tree over an image.
type HashTree struct {
	Root, Salt            []byte
	ImageSize, TreeOffset uint64
}

// Verity has veritysetup compute the tree that lies behind an image again.
func Verity(t testing.TB, image string, h HashTree) {
	t.Helper()
	Run(t, "veritysetup", "verify", image, image, hex.EncodeToString(h.Root), "--no-superblock",
		fmt.Sprintf("--hash-offset=%d", h.TreeOffset), "--salt", hex.EncodeToString(h.Salt), fmt.Sprintf("--data-blocks=%d", h.ImageSize/4096),
		"--data-block-size=4096", "--hash-block-size=4096", "--hash=sha256", "--format=1")
}

// FileSystem has an image of ext4 or erofs checked by the program that is made for
// that, and mounted by the kernel, which must show want.
func FileSystem(t testing.TB, fs, image string, want *tree.Node) {
	t.Helper()
	switch fs {
	case "ext4":
		Run(t, "e2fsck", "-fn", image)
	case "erofs":
		Run(t, "fsck.erofs", "--extract", image)
	default:
		t.Fatalf("no judge for file system %q", fs)
	}
	Same(t, want, Folder(t, Mount(t, fs, "ro", image)))
}
