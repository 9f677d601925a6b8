package erofs_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/internal/judge"
)

// What Build made, Options tells again.
func TestOptions(t *testing.T) {
	root := randomTree(2, 40)
	for _, z := range append([]erofs.LZ4{}, lz4Ways...) {
		z.Scratch = scratch(t)
		im, _ := openFile(t, buildFile(t, root, erofs.Options{UUID: [16]byte{1}, BuildTime: buildTime, VolumeName: "system", LZ4: &z}))
		o, otherwise, err := im.Options("5.10")
		if err != nil || otherwise != nil {
			t.Fatalf("%v, %q", err, otherwise)
		}
		if o.LZ4 == nil || o.LZ4.Level != 9 || o.LZ4.Blocks != max(z.Blocks, 1) || o.LZ4.TailPacking != z.TailPacking || o.BuildTime != buildTime || o.VolumeName != "system" || o.UUID != [16]byte{1} {
			t.Errorf("%+v of %+v", o.LZ4, z)
		}
	}
	im, _ := openFile(t, buildFile(t, root, erofs.Options{}))
	if o, otherwise, err := im.Options(""); err != nil || o.LZ4 != nil || otherwise != nil {
		t.Errorf("plain: %+v, %q, %v", o, otherwise, err)
	}
}

// Clusters as mkfs.erofs writes them down.
func TestOptionsOfMkfs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), bytes.Repeat([]byte("some text "), 50_000), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   []string
		kernel string
		blocks int
		says   string
	}{
		{[]string{"-zlz4hc"}, "5.10", 1, ""},
		{[]string{"-zlz4hc", "-C65536"}, "5.15", 16, ""},
	} {
		t.Run(fmt.Sprint(c.args, c.kernel), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "image")
			judge.Run(t, "mkfs.erofs", append(c.args, path, dir)...)
			im, _ := openFile(t, path)
			o, otherwise, err := im.Options(c.kernel)
			if err != nil {
				t.Fatal(err)
			}
			if o.LZ4 == nil || o.LZ4.Blocks != c.blocks || strings.Join(otherwise, "; ") != c.says {
				t.Errorf("%+v, %q", o.LZ4, otherwise)
			}
		})
	}
}

// An algorithm that is not written: a superblock is enough to say so.
func TestOptionsOfOthers(t *testing.T) {
	z := erofs.LZ4{Blocks: 2, Scratch: scratch(t)}
	b, err := os.ReadFile(buildFile(t, randomTree(2, 40), erofs.Options{LZ4: &z}))
	if err != nil {
		t.Fatal(err)
	}
	b[1024+8] &^= 1    // no checksum
	b[1024+80] |= 0x20 // fragments
	b[1024+84] = 2     // LZMA
	for kernel, want := range map[string]string{
		"5.10": "without fragments and clusters that files share; LZ4HC in clusters of 4 KiB instead of LZMA",
		"6.1":  "without fragments and clusters that files share; LZ4HC in clusters of 64 KiB instead of LZMA",
	} {
		im, err := erofs.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		if _, otherwise, err := im.Options(kernel); err != nil || strings.Join(otherwise, "; ") != want {
			t.Errorf("%s: %q, %v", kernel, otherwise, err)
		}
	}
	b[1024+84] = 3 // and LZ4, whose configuration is too short
	b[1024+128] = 2
	im, err := erofs.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := im.Options(""); err == nil || !strings.Contains(err.Error(), "configuration of LZ4: expected at least 4 bytes, found 2") {
		t.Error(err)
	}
}
