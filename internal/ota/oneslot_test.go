package ota

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/recoveryzip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
)

const byName = "/dev/block/by-name"

func oneSlot(o Options) Options {
	o.OneSlot = &OneSlot{Folder: byName, Arch: "arm", Room: 8 << 20}
	return options(o)
}

// oldPhone is a build of a phone with one slot: system in ext4, a boot image of no
// whole number of blocks.
func oldPhone(t testing.TB, version string, when int64, root *tree.Node, boot []byte) Side {
	t.Helper()
	im, err := ext4.Build(root, ext4.Options{UUID: [16]byte{1}, Time: 1764201600, Size: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	s := Side{Build: catalog.Build{Device: "hlte", Version: version, Incremental: version, Timestamp: when, SDK: 21, Fingerprint: "samsung/hltexx/hlte:5.0/LRX21V/" + version + ":user/release-keys"}}
	raw := newImage("boot", "", boot)
	raw.Content, raw.Size, raw.SHA256 = bytes.NewReader(boot), int64(len(boot)), blobSum(boot)
	s.Images = []Image{raw, newImage("recovery", "", content(rand.New(rand.NewPCG(9, 9)), 1<<20)), newImage("system", "ext4", b.Bytes())}
	for _, img := range s.Images {
		s.Build.Images = append(s.Build.Images, catalog.Partition{Name: img.Partition, FS: img.FS, Digest: img.SHA256, Size: img.Size})
	}
	s.Build.ID = catalog.BuildID(s.Build.Device, s.Build.Version, s.Build.Images)
	return s
}

func twoOldPhones(t testing.TB) (Side, Side) {
	t.Helper()
	old := system(11, 60, 20_000)
	next := tree.Clone(old)
	r := rand.New(rand.NewPCG(2, 2))
	edit(next.Entry("dir03"), "file0003.so", func(b []byte) []byte { return append(content(r, 700), b...) })
	edit(next.Entry("dir05"), "file0005.so", func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	next.Set("moved.so", next.Entry("dir06").Entry("file0006.so"))
	next.Entry("dir06").Remove("file0006.so")
	next.Set("zz-new.bin", tree.NewFile(0o644, 0, 0, content(r, 90_000)))
	next.Set("build.prop", tree.NewFile(0o600, 0, 0, []byte("ro.build.version.incremental=2\n")))
	boot := content(rand.New(rand.NewPCG(7, 7)), 1<<20+2048)
	return oldPhone(t, "26.11.20", 1795132800, old, boot), oldPhone(t, "26.11.27", 1795737600, next, append(boot[:1<<20:1<<20], content(r, 4096+2048)...))
}

// TestOneSlot makes packages for a phone with one slot and proves them.
func TestOneSlot(t *testing.T) {
	from, to := twoOldPhones(t)
	full, p := makeFull(t, to, oneSlot(Options{TempDir: t.TempDir()}))
	if p.Kind != catalog.Full || p.PayloadSize != 0 || p.File != "friday-hlte-26.11.27-full.zip" {
		t.Errorf("full package %+v", p)
	}
	if err := Prove(t.Context(), full, p.Size, nil, to, testKeys().cert); err != nil {
		t.Fatal(err)
	}
	inc, q := makeIncremental(t, from, to, oneSlot(Options{Blobs: store(t), TempDir: t.TempDir()}))
	if q.Kind != catalog.Incremental || q.Size >= p.Size {
		t.Errorf("the incremental package has %d bytes, the full one %d", q.Size, p.Size)
	}
	if err := Prove(t.Context(), inc, q.Size, &from, to, testKeys().cert); err != nil {
		t.Fatal(err)
	}
	again, _ := makeIncremental(t, from, to, oneSlot(Options{Workers: 3}))
	if !bytes.Equal(readAll(t, inc), readAll(t, again)) {
		t.Error("the same builds give another package")
	}
	z, err := otazip.Open(inc, q.Size)
	if err != nil {
		t.Fatal(err)
	}
	list := listOf(t, z, "system")
	if list.Version != 4 || !list.Incremental() || list.StashBlocks*blockSize > 8<<20 || list.Blocks > to.Images[2].Size/blockSize/4 {
		t.Errorf("version %d, %d blocks of %d are written, %d stashed", list.Version, list.Blocks, to.Images[2].Size/blockSize, list.StashBlocks)
	}
	if _, ok := z.Lookup("recovery.img"); ok {
		t.Error("recovery did not change, and the package writes it")
	}
	report, err := Verify(t.Context(), inc, q.Size, VerifyOptions{From: from.Images, ProveOptions: ProveOptions{TempDir: t.TempDir()}})
	if err != nil || len(report.Partitions) != 2 || report.Partitions[1].SHA256 != fmt.Sprintf("%x", to.Images[2].SHA256) || report.Partitions[1].Operations["bsdiff"] == 0 {
		t.Errorf("verified: %+v, %v", report, err)
	}
	if report, err := Verify(t.Context(), full, p.Size, VerifyOptions{Apply: true}); err != nil || len(report.Partitions) != 3 || !report.Partitions[2].Applied || report.Trusted {
		t.Errorf("verified: %+v, %v", report, err)
	}
	// What it starts from is compared before anything is written.
	wrong := from
	wrong.Images = slices.Clone(from.Images)
	b := readImage(t, &from.Images[2])
	for i := range b {
		b[i] ^= 0x55
	}
	wrong.Images[2] = newImage("system", "ext4", b)
	if err := Prove(t.Context(), inc, q.Size, &wrong, to, testKeys().cert); err == nil || !strings.Contains(err.Error(), "E1004: The system partition has unexpected contents: install a full package.") {
		t.Errorf("from another image: %v", err)
	}
	if err := Prove(t.Context(), full, p.Size, nil, from, testKeys().cert); err == nil || !strings.Contains(err.Error(), "the zip's metadata has") {
		t.Errorf("proved for another build: %v", err)
	}
	t.Run("no room", func(t *testing.T) {
		o := oneSlot(Options{})
		o.OneSlot.Room = 0
		f, p := makeIncremental(t, from, to, o)
		z, err := otazip.Open(f, p.Size)
		if err != nil {
			t.Fatal(err)
		}
		if l := listOf(t, z, "system"); l.StashBlocks != 0 {
			t.Errorf("%d blocks are stashed on a phone without room", l.StashBlocks)
		}
		if err := Prove(t.Context(), f, p.Size, &from, to, testKeys().cert); err != nil {
			t.Error(err)
		}
	})
}

func TestOneSlotRefused(t *testing.T) {
	_, to := twoOldPhones(t)
	for want, edit := range map[string]func(*Options){
		"it needs a key": func(o *Options) { o.Signer = nil },
		`the partitions of the phone lie in "by-name"`: func(o *Options) { o.OneSlot.Folder = "by-name" },
		`the processor is "mips"`:                      func(o *Options) { o.OneSlot.Arch = "mips" },
	} {
		o := oneSlot(Options{})
		edit(&o)
		if _, err := Full(t.Context(), tempFile(t), to, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected %q", err, want)
		}
	}
	if _, err := Full(t.Context(), tempFile(t), to, options(Options{})); err == nil || !strings.Contains(err.Error(), "expected whole blocks") {
		t.Errorf("a payload of that boot image gives %v", err)
	}
	if _, err := Incremental(t.Context(), tempFile(t), to, to, oneSlot(Options{})); err == nil || !strings.Contains(err.Error(), "there is nothing to update") {
		t.Errorf("from a build to itself: %v", err)
	}
}

func listOf(t testing.TB, z *otazip.Zip, partition string) *blockota.List {
	t.Helper()
	b, err := z.ReadFile(partition + ".transfer.list")
	if err != nil {
		t.Fatal(err)
	}
	l, err := blockota.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readAll(t testing.TB, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readImage(t testing.TB, img *Image) []byte {
	t.Helper()
	b := make([]byte, img.Size)
	if _, err := img.Content.ReadAt(b, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return b
}

// TestUpdateBinary takes the program out of a package, for each processor, and runs
// it as recovery does, on files that stand for partitions; it is killed at random
// moments and started again until it is done.
func TestUpdateBinary(t *testing.T) {
	judge.Need(t, "qemu-arm", "qemu-aarch64")
	from, to := twoOldPhones(t)
	for arch, qemu := range map[string]string{"arm": "qemu-arm", "arm64": "qemu-aarch64"} {
		t.Run(arch, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			rnd := rand.New(rand.NewPCG(seed, 0))
			root := t.TempDir()
			for _, dir := range []string{byName, "cache/recovery"} {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for i := range from.Images {
				b := append(readImage(t, &from.Images[i]), make([]byte, 1<<20)...) // a partition is larger
				if err := os.WriteFile(filepath.Join(root, byName, from.Images[i].Partition), b, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(root, "default.prop"), []byte("ro.product.device=hlte\nro.build.date.utc=1447660800\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			o := oneSlot(Options{})
			o.OneSlot.Arch = arch
			f, p := makeIncremental(t, from, to, o)
			z, err := zip.NewReader(f, p.Size)
			if err != nil {
				t.Fatal(err)
			}
			program := filepath.Join(t.TempDir(), "update-binary")
			if in, err := z.Open(recoveryzip.NameBinary); err != nil {
				t.Fatal(err)
			} else if b, err := io.ReadAll(in); err != nil {
				t.Fatal(err)
			} else if err := os.WriteFile(program, b, 0o755); err != nil {
				t.Fatal(err)
			}
			run := func(within time.Duration) (string, error) {
				ctx, cancel := context.WithTimeout(t.Context(), within)
				defer cancel()
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				cmd := exec.CommandContext(ctx, qemu, program, "3", "3", f.Name())
				cmd.ExtraFiles, cmd.Env = []*os.File{w}, []string{"FRIDAY_ROOT=" + root}
				err = cmd.Start()
				w.Close()
				said, readErr := io.ReadAll(r)
				if err == nil {
					err = cmd.Wait()
				}
				return string(said), errors.Join(err, readErr, r.Close())
			}
			begin := time.Now()
			if said, err := run(time.Minute); err != nil {
				t.Fatalf("%v\n%s", err, said)
			} else if !strings.HasPrefix(said, "progress 1.000000 0\nui_print Checking system\nui_print\n") || !strings.HasSuffix(said, "set_progress 1.000000\n") {
				t.Errorf("it says\n%s", said)
			}
			whole := time.Since(begin)
			same := func() {
				t.Helper()
				for i := range to.Images {
					b, err := os.ReadFile(filepath.Join(root, byName, to.Images[i].Partition))
					if err != nil || !bytes.Equal(b[:to.Images[i].Size], readImage(t, &to.Images[i])) {
						t.Errorf("%s is not the new image, %v", to.Images[i].Partition, err)
					}
				}
				if left, _ := os.ReadDir(filepath.Join(root, "cache/recovery/friday")); len(left) > 0 {
					t.Errorf("%d stashes are left", len(left))
				}
			}
			same()
			for range 2 {
				for i := range from.Images {
					b := append(readImage(t, &from.Images[i]), make([]byte, 1<<20)...)
					if err := os.WriteFile(filepath.Join(root, byName, from.Images[i].Partition), b, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				for range 3 {
					_, _ = run(whole/4 + time.Duration(rnd.Int64N(int64(whole))))
				}
				if said, err := run(time.Minute); err != nil {
					t.Fatalf("after it was killed: %v\n%s", err, said)
				}
				same()
			}
			if err := os.WriteFile(filepath.Join(root, "default.prop"), []byte("ro.product.device=umi\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if said, err := run(time.Minute); err == nil || !strings.Contains(said, `E3004: This package is for "hlte" devices; this is a "umi".`) {
				t.Errorf("on another phone: %v\n%s", err, said)
			}
		})
	}
}

func blobSum(b []byte) [32]byte { return sha256.Sum256(b) }
