package flashing_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/handset/download"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/flashing"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestOdinFrames: of a stock whose members lie in LZ4 frames the build's do too, under
// the same names and with the header that Odin wants; lz4 and the phone take them, and
// they are the same bytes on any number of processors.
func TestOdinFrames(t *testing.T) {
	judge.Need(t, "lz4", "tar")
	s := newShopOf(t, stocktest.Spec{Maker: stocktest.Samsung, Frames: true}, phones[stocktest.Samsung].boot)
	b := s.build("26.11.20")
	file := s.outputs(b)["odin"]
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	packaging, err := intake.PackagingOf(s.blobs, s.stock)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	judge.In(t, dir, "tar", "-xf", tarOf(t, content))
	for _, name := range []string{"boot.img.lz4", "recovery.img.lz4", "system.img.ext4.lz4"} {
		path := filepath.Join(dir, name)
		head := make([]byte, 6)
		f, err := os.Open(path)
		if err == nil {
			_, err = io.ReadFull(f, head)
			f.Close()
		}
		if err != nil || !bytes.Equal(head, []byte{0x04, 0x22, 0x4d, 0x18, 0x6c, 0x60}) {
			t.Errorf("%s begins with % x, %v; Odin wants 04 22 4d 18 6c 60", name, head, err)
		}
		judge.Run(t, "lz4", "-t", path)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 3 {
		t.Errorf("the package holds %q, %v; expected three members", left, err)
	}
	raw := judge.Pipe(t, nil, "lz4", "-dc", filepath.Join(dir, "boot.img.lz4"))
	if im, _ := b.Image("boot"); blob.Sum(raw) != im.Digest {
		t.Error("what lz4 unpacks is not the image of boot")
	}

	in := flashing.Input{Build: b, Profile: s.profile(), Packaging: packaging, Release: s.stock.Release, Blobs: s.blobs, TempDir: t.TempDir()}
	for _, n := range []int{1, 3} {
		before := runtime.GOMAXPROCS(n)
		var again bytes.Buffer
		err := flashing.Write(t.Context(), &again, "odin", in)
		runtime.GOMAXPROCS(before)
		if err != nil || !bytes.Equal(again.Bytes(), content) {
			t.Errorf("on %d processors it is another one, %v", n, err)
		}
	}

	sizes, err := download.Sizes(packaging.PIT)
	if err != nil {
		t.Fatal(err)
	}
	p := s.phone(sizes)
	mode := &download.Mode{Handset: p, PIT: packaging.PIT, Log: func(line string) { t.Log(line) }}
	if err := mode.Flash(t.Context(), bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
	boots(t, p, "26.11.20")
}

// tarOf is the archive of a .tar.md5, without its line, in a file.
func tarOf(t *testing.T, b []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "AP.tar")
	if err := os.WriteFile(name, b[:bytes.LastIndexByte(b[:len(b)-1], 0)+1], 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
