package rom

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

// buildOver builds and says what was written of system.
func (w *workshop) buildOver(version string, before *catalog.Build) (catalog.Build, Written) {
	w.t.Helper()
	in := w.input(version)
	var system Written
	in.Before, in.Note = before, func(n Written) {
		if n.Partition == "system" {
			system = n
		}
	}
	b, _, err := Build(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return b, system
}

// megabyte is a layer's file of 1 MiB.
func megabyte(seed byte) string {
	b := make([]byte, 1<<20)
	x := uint32(seed) + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return string(b)
}

// TestBuildKeepsLayout builds week after week. From one to the next, one file of 1 MiB
// changes, and what Friday writes itself: the blocks that differ are at most three
// times those. Without the images of the week before, by their maps alone, the same
// bytes are made.
func TestBuildKeepsLayout(t *testing.T) {
	for name, spec := range map[string]stocktest.Spec{
		"plain": {Seed: 7, Files: 400, Bytes: 12 << 20, FECRoots: 2},
		"lz4":   {Seed: 7, Files: 400, Bytes: 12 << 20, FECRoots: 2, LZ4: 4},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t, spec)
			layer := map[string]string{
				"layers/mine/layer.yaml":                "why: a test\nadd:\n  - from: files\n    to: system:system\n",
				"layers/mine/files/media/big/sound.ogg": megabyte(0),
				"devices/umi/device.yaml":               readDevice(t, w, "layers: []", "layers: [mine]"),
			}
			w.commit(time.Hour, layer)
			before, first := w.buildOver("26.11.20", nil)
			if first.Over || first.Changed+first.Behind != first.Blocks {
				t.Errorf("the first build: %+v", first)
			}
			for week := range 3 {
				w.commit(time.Duration(week+2)*time.Hour, map[string]string{"layers/mine/files/media/big/sound.ogg": megabyte(byte(week + 1))})
				version := fmt.Sprintf("26.12.%02d", 4+7*week)
				next, wrote := w.buildOver(version, &before)
				t.Logf("week %d: %+v", week, wrote)
				if !wrote.Over || wrote.Changed > 3*257 || wrote.Changed < 256 {
					t.Errorf("week %d: %d blocks of %d changed, of one file 256 did", week, wrote.Changed, wrote.Blocks)
				}
				if spec.LZ4 > 0 && (wrote.Packed > 2<<20 || wrote.Recalled < 8<<20) {
					t.Errorf("week %d: %d bytes were compressed, %d were known", week, wrote.Packed, wrote.Recalled)
				}
				w.whole(next)
				w.again(next, before, version)
				before = next
			}
		})
	}
}

// whole looks at system as the kernel and veritysetup do, its error correction too.
func (w *workshop) whole(b catalog.Build) {
	w.t.Helper()
	p := partitionNamed(w.t, b.Images, "system")
	r, err := w.blobs.Open(p.Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	d := treeOf(r, "system")
	if d == nil || d.FECRoots != 2 {
		w.t.Fatalf("the tree of system is %+v; the stock has error correction", d)
	}
	if err := avb.VerifyPartition(w.t.Context(), d, r, r.Size()); err != nil {
		w.t.Error(err)
	}
	if err := avb.VerifyFEC(w.t.Context(), d, r, r.Size()); err != nil {
		w.t.Error(err)
	}
	if _, err := os.Stat("/usr/sbin/veritysetup"); err == nil {
		judge.Verity(w.t, w.file(p), judge.HashTree{Root: d.RootDigest, Salt: d.Salt, ImageSize: d.ImageSize, TreeOffset: d.TreeOffset})
	}
}

// again makes a build in a store that has the stock and the maps of the build
// before, and none of its images.
func (w *workshop) again(want, before catalog.Build, version string) {
	w.t.Helper()
	other := *w
	var err error
	if other.blobs, err = blob.Open(w.t.TempDir()); err != nil {
		w.t.Fatal(err)
	}
	copyBlob := func(d blob.Digest) {
		r, err := w.blobs.Open(d)
		if err != nil {
			w.t.Fatal(err)
		}
		defer r.Close()
		if _, err := other.blobs.Put(w.t.Context(), io.NewSectionReader(r, 0, r.Size())); err != nil {
			w.t.Fatal(err)
		}
	}
	copyBlob(w.stock.Index)
	for _, p := range w.stock.Partitions {
		copyBlob(p.Digest)
	}
	for _, p := range before.Images {
		if !p.Layout.IsZero() {
			copyBlob(p.Layout)
		}
	}
	got, wrote := other.buildOver(version, &before)
	if wrote.Over || got.ID != want.ID || got.Report != want.Report {
		w.t.Errorf("by the maps alone it is another build: %+v", wrote)
	}
}

// TestBuildMendsPackedContent: a byte of what is kept from build to build rots, and
// with it the image of the build before, which is made of it. The next build finds it,
// packs anew, and is the one that it would have been.
func TestBuildMendsPackedContent(t *testing.T) {
	for name, over := range map[string]bool{"another device's": false, "over the build before": true} {
		t.Run(name, func(t *testing.T) {
			spec := stocktest.Spec{Seed: 3, Files: 300, Bytes: 6 << 20, LZ4: 2}
			w, sound := newWorkshop(t, spec), newWorkshop(t, spec)
			first, _ := w.buildOver("26.11.20", nil)
			same, _ := sound.buildOver("26.11.20", nil)
			var before, soundBefore *catalog.Build
			if over {
				before, soundBefore = &first, &same
			}
			w.rot()
			got, wrote := w.buildOver("26.11.27", before)
			want, _ := sound.buildOver("26.11.27", soundBefore)
			if got.ID != want.ID || wrote.Packed < 1<<20 {
				t.Errorf("it is build %s, expected %s; %+v", got.ID, want.ID, wrote)
			}
			if next, wrote := w.buildOver("26.11.27", before); next.ID != want.ID || wrote.Packed > 0 {
				t.Errorf("once mended it is build %s, expected %s; %+v", next.ID, want.ID, wrote)
			}
		})
	}
}

// rot changes a byte of the largest blob of packed content, in the middle of what is
// in it.
func (w *workshop) rot() {
	w.t.Helper()
	var name string
	var most int64
	err := filepath.WalkDir(w.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		foot := make([]byte, 8)
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.ReadAt(foot, info.Size()-56); err == nil && string(foot) == "fridayp2" && info.Size() > most {
			name, most = path, info.Size()
		}
		return nil
	})
	if err != nil || name == "" {
		w.t.Fatal("nothing packed is kept", err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		w.t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, most/2); err == nil {
		b[0] ^= 0x10
		_, err = f.WriteAt(b, most/2)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// TestBuildMissingMap names what lacks.
func TestBuildMissingMap(t *testing.T) {
	w := newWorkshop(t, smallStock())
	b, _ := w.buildOver("26.11.20", nil)
	p := partitionNamed(t, b.Images, "system")
	if err := w.blobs.Remove(p.Layout); err != nil {
		t.Fatal(err)
	}
	in := w.input("26.11.27")
	in.Before = &b
	if _, _, err := Build(t.Context(), in); err == nil || !strings.Contains(err.Error(), "the layout map of build 26.11.20: cannot open blob") {
		t.Error(err)
	}
	b.Device = "hlte"
	if _, _, err := Build(t.Context(), in); err == nil || !strings.Contains(err.Error(), `the build before is of device "hlte", expected "umi"`) {
		t.Error(err)
	}
}

// TestBuildKeepsCompression: stock that is compressed stays so, and the map says how.
func TestBuildKeepsCompression(t *testing.T) {
	w := newWorkshop(t, stocktest.Spec{Seed: 3, Files: 300, Bytes: 6 << 20, LZ4: 2})
	b, said := w.build("26.11.20")
	p := partitionNamed(t, b.Images, "system")
	r, err := w.blobs.Open(p.Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	im, err := erofs.Open(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	o, otherwise, err := im.Options("")
	if err != nil || otherwise != nil || o.LZ4 == nil || o.LZ4.Blocks != 2 {
		t.Errorf("%+v, %q, %v", o.LZ4, otherwise, err)
	}
	text, err := w.blobs.Bytes(p.Layout, layout.MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := layout.Parse(text); err != nil || m.Packing != o.LZ4.Packing() {
		t.Errorf("the map says %+v, %v", m, err)
	}
	i := slices.IndexFunc(said.Partitions, func(p report.Partition) bool { return p.Name == "system" })
	if got := said.Partitions[i]; got.Layout != p.Layout.String() || got.Over != "" {
		t.Errorf("report %+v", got)
	}
	// What this version packed is read by the next build, and no sweep removes it.
	if did, err := Sweep(t.Context(), w.blobs); err != nil || did.Ways != 0 {
		t.Errorf("swept %+v, %v", did, err)
	}
	recalled := int64(0)
	in := w.input("26.11.27")
	in.Note = func(n Written) { recalled += n.Recalled }
	if _, _, err := Build(t.Context(), in); err != nil || recalled == 0 {
		t.Errorf("%d bytes of content are recalled after it, %v", recalled, err)
	}
}
