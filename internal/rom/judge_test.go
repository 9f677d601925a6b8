package rom

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
)

func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s", program)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// judge has a build looked at by programs that are not ours.
func judge(t *testing.T, w *workshop, b catalog.Build) {
	t.Helper()
	system := partitionNamed(t, b.Images, "system")
	file := w.file(system)
	t.Run("fsck.erofs", func(t *testing.T) {
		need(t, "fsck.erofs")
		run(t, "fsck.erofs", "--extract", file)
	})
	t.Run("veritysetup", func(t *testing.T) {
		need(t, "veritysetup")
		d := hashtree(t, w, b)
		run(t, "veritysetup", "verify", file, file, fmt.Sprintf("%x", d.RootDigest), "--no-superblock",
			fmt.Sprintf("--hash-offset=%d", d.TreeOffset), "--salt", fmt.Sprintf("%x", d.Salt),
			"--data-blocks", fmt.Sprint(d.ImageSize/4096), "--data-block-size", "4096", "--hash-block-size", "4096", "--hash=sha256", "--format=1")
	})
	t.Run("mount", func(t *testing.T) { mounted(t, file, w.tree(system)) })
}

// mounted compares what the kernel shows with the tree.
func mounted(t *testing.T, file string, root *tree.Node) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "erofs", "-o", "loop,ro", file, dir).CombinedOutput(); err != nil {
		t.Skipf("needs mount of loop devices: %v: %s", err, out)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	seen, labels, caps := 0, 0, 0
	err := tree.Walk(root, func(p string, n *tree.Node) error {
		full := filepath.Join(dir, p)
		var st unix.Stat_t
		if err := unix.Lstat(full, &st); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if uint16(st.Mode)&0o7777 != n.Perm || st.Uid != n.UID || st.Gid != n.GID || st.Mtim.Sec != n.MTime || n.Type == tree.Regular && st.Size != n.Size {
			t.Errorf("%s: the kernel shows %+v, want %+v", p, st, n)
		}
		for _, x := range n.Xattrs {
			buf := make([]byte, 256)
			size, err := unix.Lgetxattr(full, x.Name, buf)
			if err != nil || string(buf[:size]) != string(x.Value) {
				// With SELinux off the kernel shows the bytes; with it on, its own reading.
				t.Errorf("%s: %s is %q, %v, want %q", p, x.Name, buf[:max(size, 0)], err, x.Value)
			}
			switch x.Name {
			case labelXattr:
				labels++
			case capabilityXattr:
				caps++
			}
		}
		if n.Type == tree.Regular {
			got, err := os.ReadFile(full)
			if err != nil {
				return err
			}
			if want := content(t, n); string(got) != string(want) {
				t.Errorf("%s: the kernel reads another content", p)
			}
		}
		seen++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d paths, %d labels, %d capabilities", seen, labels, caps); labels < seen || caps == 0 {
		t.Errorf("%d paths have %d labels and %d capabilities", seen, labels, caps)
	}
}

func TestJudges(t *testing.T) {
	w := newWorkshop(t, smallStock())
	b, _ := w.build("26.11.27")
	judge(t, w, b)
}
