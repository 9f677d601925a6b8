package ext4_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// benchFolder writes 3,000 files of 256 MiB in all.
func benchFolder(b *testing.B) string {
	b.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	dir := b.TempDir()
	buf := make([]byte, 1<<20)
	for i := range buf {
		buf[i] = byte(r.Uint32())
	}
	for i := range 3000 {
		sub := filepath.Join(dir, fmt.Sprint("dir-", i%60))
		if err := os.Mkdir(sub, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			b.Fatal(err)
		}
		off := r.IntN(800 << 10)
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprint("file-", i)), buf[off:off+r.IntN(200<<10)], 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return dir
}

// Each reads the folder and writes the image to a file.
func BenchmarkBuild(b *testing.B) {
	dir := benchFolder(b)
	out := filepath.Join(b.TempDir(), "image")
	b.Run("friday", func(b *testing.B) {
		for b.Loop() {
			im, err := ext4.Build(withLost(judge.Folder(b, dir)), ext4.Options{UUID: uuid, Size: 400 << 20})
			if err != nil {
				b.Fatal(err)
			}
			f, err := os.Create(out)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := im.WriteTo(f); err != nil {
				b.Fatal(err)
			}
			f.Close()
			b.SetBytes(im.Size())
		}
	})
	b.Run("mke2fs", func(b *testing.B) {
		judge.Need(b, "mke2fs")
		for b.Loop() {
			os.Remove(out)
			if msg, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal", "-d", dir, out, "400M").CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, msg)
			}
			b.SetBytes(400 << 20)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	im, err := ext4.Build(withLost(judge.Folder(b, benchFolder(b))), ext4.Options{UUID: uuid})
	if err != nil {
		b.Fatal(err)
	}
	path := file(b, im)
	b.SetBytes(im.Size())
	for b.Loop() {
		if err := tree.Walk(openFile(b, path), func(_ string, n *tree.Node) error {
			_, err := io.Copy(io.Discard, n.Open())
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
}
