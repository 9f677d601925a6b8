package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pierrec/lz4/v4"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
)

// makeImage writes a firmware of Samsung's kind: a zip of a .tar.md5 of an LZ4
// of a sparse super image with one ext4 partition.
func makeImage(ts *testscript.TestScript, args []string) error {
	root := tree.NewDir(0o755, 0, 0)
	sys := tree.NewDir(0o755, 0, 0)
	prop := tree.NewFile(0o600, 1000, 2000, []byte("ro.build.fingerprint=samsung/hltexx/hlte:5.0/LRX21V/N9005:user/release-keys\nro.product.device=hlte\n"))
	prop.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	prop.MTime = 1764000000
	sys.Set("build.prop", prop)
	ping := tree.NewFile(0o4755, 0, 2000, bytes.Repeat([]byte("ELF"), 500))
	ping.SetXattr("security.capability", []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	sys.Set("ping", ping)
	sys.Set("sh", tree.NewSymlink("ping", 0, 0))
	sys.Set("null", &tree.Node{Type: tree.CharDevice, Perm: 0o666, Major: 1, Minor: 3})
	root.Set("system", sys)
	f, err := os.Create(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	defer f.Close()
	return writeFirmware(f, root, 0, 16<<20)
}

// writeFirmware packs a tree; fsSize is the ext4 image's (0: as small as it can
// be), superSize the super image's.
func writeFirmware(w io.Writer, root *tree.Node, fsSize int64, superSize uint64) error {
	fs, err := ext4.Build(root, ext4.Options{VolumeName: "system", Size: fsSize})
	if err != nil {
		return err
	}
	g := super.Geometry{MetadataMaxSize: 65536, Slots: 2, BlockSize: 4096}
	m, err := super.Lay(g, []super.Device{{Name: "super", Size: superSize}}, nil, []super.Want{{Name: "system_a", Size: fs.Size()}, {Name: "odm_a"}})
	if err != nil {
		return err
	}
	images, err := super.Build(g, m, map[string]*tree.Image{"system_a": fs})
	if err != nil {
		return err
	}
	ctx := context.Background()
	plan, err := sparse.NewPlan(ctx, images[0], images[0].Size(), sparse.Options{CRC: true})
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	z := lz4.NewWriter(&packed)
	if err := z.Apply(lz4.BlockSizeOption(lz4.Block1Mb), lz4.SizeOption(uint64(plan.Size(0)))); err != nil {
		return err
	}
	if err := plan.Write(ctx, 0, z); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	var ap bytes.Buffer
	t := tar.NewWriter(&ap)
	if err := t.WriteHeader(&tar.Header{Name: "super.img.lz4", Mode: 0o644, Size: int64(packed.Len())}); err != nil {
		return err
	}
	if _, err := t.Write(packed.Bytes()); err != nil {
		return err
	}
	if err := t.Close(); err != nil {
		return err
	}
	fmt.Fprintf(&ap, "%x  AP.tar\n", md5.Sum(ap.Bytes()))
	out := zip.NewWriter(w)
	e, err := out.Create("AP.tar.md5")
	if err != nil {
		return err
	}
	if _, err := e.Write(ap.Bytes()); err != nil {
		return err
	}
	return out.Close()
}

// maxMemory is what a verb of image may take, whatever it opens.
const maxMemory = 128 << 20

// An 8 GiB super image, six levels down, with 20,000 files and one of 96 MiB.
func TestImageMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("needs gigabytes to be summed")
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 1))
	noise := make([]byte, 96<<20)
	for i := 0; i < len(noise); i += 8 {
		copy(noise[i:], fmt.Appendf(nil, "%x", r.Uint64()))
	}
	root := tree.NewDir(0o755, 0, 0)
	root.Set("large", tree.NewFile(0o644, 0, 0, noise))
	for i := range 100 {
		d := tree.NewDir(0o755, 0, 0)
		for k := range 200 {
			f := tree.NewFile(0o644, 0, 0, noise[k*100:][:50+i])
			f.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
			d.Set(fmt.Sprintf("file-%03d", k), f)
		}
		root.Set(fmt.Sprintf("dir-%03d", i), d)
	}
	fw := filepath.Join(dir, "fw.zip")
	f, err := os.Create(fw)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeFirmware(f, root, 7<<30, 8<<30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	program := filepath.Join(dir, "friday")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	within := fw + "//AP.tar.md5//super.img.lz4//system_a"
	for _, args := range [][]string{
		{"info", fw, "--json"}, {"ls", "-lR", within}, {"extract", within, "-o", filepath.Join(dir, "x.tar")},
		{"verify", fw}, {"cat", within + "//large"},
	} {
		c := exec.Command(program, append([]string{"image"}, args...)...)
		c.Env = append(os.Environ(), "GOMEMLIMIT=off", "GOGC=100")
		var said bytes.Buffer
		c.Stderr = &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		peak := peakMemory(c.Process.Pid)
		if err := c.Wait(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, said.Bytes())
		}
		t.Logf("image %s: %d MiB at its peak, %v of processor", args[0], peak>>20, c.ProcessState.UserTime()+c.ProcessState.SystemTime())
		if peak > maxMemory {
			t.Errorf("image %s: took %d bytes; %d are allowed", args[0], peak, maxMemory)
		}
	}
}

// peakMemory follows a process to its end. The kernel's own figure at the end
// would count what the test took before the program was started.
func peakMemory(pid int) (peak int64) {
	for {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, ok := strings.Cut(string(b), "VmHWM:")
		if err != nil || !ok { // it has ended
			return peak
		}
		var kib int64
		if _, err := fmt.Sscan(rest, &kib); err == nil {
			peak = max(peak, kib<<10)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
