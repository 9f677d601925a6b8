package ext4_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// mkfsArgs are the ways to make images with Debian's mke2fs.
var mkfsArgs = map[string][]string{
	"ext4":                       {"-t", "ext4"},
	"ext2":                       {"-t", "ext2", "-b", "4096"},
	"ext3":                       {"-t", "ext3", "-b", "2048"},
	"small blocks":               {"-t", "ext4", "-b", "1024"},
	"small inodes":               {"-t", "ext4", "-I", "128"},
	"large inodes":               {"-t", "ext4", "-I", "1024"},
	"block maps":                 {"-t", "ext4", "-O", "^extents,^64bit"},
	"inline data":                {"-t", "ext4", "-O", "inline_data"},
	"large inline data":          {"-t", "ext4", "-O", "inline_data", "-I", "1024"},
	"sparse_super2":              {"-t", "ext4", "-O", "sparse_super2,^resize_inode"},
	"meta_bg":                    {"-t", "ext4", "-O", "meta_bg,^resize_inode", "-b", "1024", "-g", "1024"},
	"no flex_bg":                 {"-t", "ext4", "-O", "^flex_bg,^64bit"},
	"uninit_bg":                  {"-t", "ext4", "-O", "uninit_bg,^metadata_csum"},
	"uninit_bg, 64bit":           {"-t", "ext4", "-O", "uninit_bg,^metadata_csum,64bit"},
	"ea_inode":                   {"-t", "ext4", "-O", "ea_inode"},
	"bigalloc":                   {"-t", "ext4", "-O", "bigalloc", "-C", "16384"},
	"checksum seed":              {"-t", "ext4", "-O", "metadata_csum_seed"},
	"orphan_file":                {"-t", "ext4", "-O", "orphan_file"},
	"large_dir, casefold, quota": {"-t", "ext4", "-O", "large_dir,casefold,quota,project"},
	"as Android":                 {"-t", "ext4", "-b", "4096", "-I", "256", "-O", "^has_journal,^metadata_csum,^64bit,uninit_bg", "-U", "11223344-5566-4788-99aa-bbccddeeff01", "-E", "hash_seed=11223344-5566-4788-99aa-bbccddeeff01"},
}

// asMkfs takes away what mke2fs does not write (the root's owner and time, times
// beyond 32 bits), and what it adds.
func asMkfs(t testing.TB, root *tree.Node) *tree.Node {
	t.Helper()
	root.Remove("lost+found")
	if err := tree.Walk(root, func(_ string, n *tree.Node) error {
		n.MTime, n.MTimeNsec = int64(int32(n.MTime)), 0
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	root.UID, root.GID, root.MTime = 0, 0, 0
	return root
}

// shortLinks cuts targets to what a block of 1 KiB holds.
func shortLinks(t testing.TB, root *tree.Node) *tree.Node {
	t.Helper()
	if err := tree.Walk(root, func(_ string, n *tree.Node) error {
		n.Target = n.Target[:min(len(n.Target), 1000)]
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestReadsWhatMkfsMakes(t *testing.T) {
	judge.Need(t, "mke2fs")
	dir := filepath.Join(t.TempDir(), "src")
	judge.Write(t, shortLinks(t, randomTree(42, 300)), dir)
	for name, args := range mkfsArgs {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			judge.Run(t, "mke2fs", append(append([]string{"-q", "-d", dir}, args...), path, "96M")...)
			judge.Same(t, asMkfs(t, judge.Folder(t, dir)), asMkfs(t, openFile(t, path)))
		})
	}
}

// What the kernel writes: indexes of directories, blocks set aside and not yet
// written, holes, values of xattrs in inodes of their own, nanoseconds.
func TestReadsWhatTheKernelWrites(t *testing.T) {
	for name, args := range map[string][]string{
		"ext4":        {"-O", "ea_inode"},
		"inline data": {"-O", "inline_data,^has_journal"},
		"ext2":        {"-O", "^extents,^metadata_csum,^64bit", "-b", "1024"},
		"large dirs":  {"-O", "large_dir", "-b", "1024"},
	} {
		t.Run(name, func(t *testing.T) {
			judge.Need(t, "mke2fs")
			path := filepath.Join(t.TempDir(), "image")
			judge.Run(t, "mke2fs", append(append([]string{"-q", "-t", "ext4", "-N", "8000"}, args...), path, "128M")...)
			dir := judge.Mount(t, "ext4", "rw", path)
			root := shortLinks(t, randomTree(43, 300))
			many := tree.NewDir(0o755, 0, 0)
			for i := range 4000 {
				n := tree.NewSymlink(strings.Repeat("t", 1+i%70), 0, 0)
				many.Set(fmt.Sprintf("an-entry-of-an-indexed-directory-%04d", i), n)
			}
			root.Set("many", many)
			judge.Write(t, root, dir)
			odd(t, dir, name == "ext4")
			want := judge.Folder(t, dir)
			loadContent(t, want)
			judge.Run(t, "umount", dir)
			judge.Same(t, want, openFile(t, path))
		})
	}
}

// odd makes files with holes and with blocks that were set aside.
func odd(t testing.TB, dir string, large bool) {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "holes"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range []int64{3 << 12, 1 << 20, 1<<20 + 5<<12, 20 << 20} {
		if _, err := f.WriteAt([]byte("here"), off); err != nil {
			t.Fatal(err)
		}
	}
	_ = unix.Fallocate(int(f.Fd()), 0, 2<<20, 1<<20) // ext2 has none
	for i := range int64(40) {
		if _, err := f.WriteAt(bytes.Repeat([]byte("extent"), 700), 4<<20+i*3*8192); err != nil {
			t.Fatal(err)
		}
	}
	if large {
		if err := unix.Setxattr(f.Name(), "user.large", bytes.Repeat([]byte("large"), 4000), 0); err != nil {
			t.Fatal(err)
		}
	}
}

// loadContent reads all content, as the files will be gone.
func loadContent(t testing.TB, root *tree.Node) {
	t.Helper()
	if err := tree.Walk(root, func(path string, n *tree.Node) error {
		if n.Type != tree.Regular || n.Size == 0 {
			return nil
		}
		b := make([]byte, n.Size)
		if err := tree.ReadFull(n.Content, b, 0); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		n.Content = bytes.NewReader(b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}
