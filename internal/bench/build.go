package bench

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/skeleton"
	"github.com/fridayos/friday/internal/rom"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

// BuildOptions are those of Builds.
type BuildOptions struct {
	Dir       string // for what is made; it is taken away at the end
	MiB       int    // of the files of a system
	Files     int
	Devices   int // of one stock generation; 0: they are left out
	DeviceMiB int // of the files of each one's system
	Weeks     int
	Seed      uint64
}

// BuildFigures is what Builds found.
type BuildFigures struct {
	Weekly  []Weekly   `json:"weekly"`
	Devices []ByDevice `json:"devices,omitempty"`
	// Further is the most processor time that a further device took in the first
	// week, by that of the first device.
	Further float64 `json:"further,omitempty"`
}

// Weekly is the build of a week in which one file of 1 MiB changed.
type Weekly struct {
	Name  string  `json:"name"` // of the file system, and whether there is FEC
	MiB   float64 `json:"mib"`  // of the image
	Files int     `json:"files"`
	First float64 `json:"first_s"` // the first build, with nothing to keep to
	// Seconds is the build of the week after, the best of the rounds; Reading is one
	// reading of its images for their digest, Besides what is left.
	Seconds   float64 `json:"seconds"`
	Processor float64 `json:"processor_s"`
	Reading   float64 `json:"reading_s"`
	Besides   float64 `json:"besides_s"`
	// BesidesProcessor is the same of processor time, which says more on a machine
	// with much else to do.
	BesidesProcessor float64 `json:"besides_processor_s"`
	// Blocks of 4 KiB: of the file that changed, that were written of the file system,
	// and behind it (hash tree, error correction, footer). Ratio is of the first two,
	// at its worst.
	Changed int64   `json:"changed_blocks"`
	Written int64   `json:"written_blocks"`
	Behind  int64   `json:"behind_blocks"`
	Ratio   float64 `json:"ratio"`
}

// ByDevice is a build of one of several devices that share most of their files, the best
// of the rounds.
type ByDevice struct {
	Device    string  `json:"device"`
	Week      int     `json:"week"`
	Seconds   float64 `json:"seconds"`
	Processor float64 `json:"processor_s"`
	Packed    int64   `json:"packed_bytes"`   // content compressed
	Recalled  int64   `json:"recalled_bytes"` // content that was compressed before
}

// Builds measures builds: of a system in which one file changes from week to week,
// and of several devices that share four fifths of their files.
func Builds(ctx context.Context, o BuildOptions) (BuildFigures, error) {
	dir, err := os.MkdirTemp(o.Dir, ".friday-bench-*")
	if err != nil {
		return BuildFigures{}, fmt.Errorf("cannot measure builds: %w", err)
	}
	b := &buildBench{ctx: ctx, o: o, dir: dir}
	err = errors.Join(b.run(), os.RemoveAll(dir))
	if err != nil {
		return BuildFigures{}, fmt.Errorf("cannot measure builds: %w", err)
	}
	return b.figures, nil
}

type buildBench struct {
	ctx     context.Context
	o       BuildOptions
	dir     string
	key     *rsa.PrivateKey
	cert    *x509.Certificate
	figures BuildFigures
}

func (b *buildBench) run() error {
	var err error
	if b.key, b.cert, err = stocktest.VendorKeys(b.o.Seed); err != nil {
		return err
	}
	system := stocktest.Spec{Seed: b.o.Seed, Files: b.o.Files, Bytes: int64(b.o.MiB) << 20}
	for _, c := range []struct {
		name, fs string
		maker    stocktest.Maker
		roots    int
	}{
		{"erofs", "erofs", stocktest.Xiaomi, 0}, {"erofs with FEC", "erofs", stocktest.Xiaomi, 2},
		{"ext4", "ext4", stocktest.OnePlus, 0}, {"ext4 with FEC", "ext4", stocktest.OnePlus, 2},
	} {
		system.Maker, system.FECRoots = c.maker, c.roots
		w, err := b.weekly(c.name, c.fs, system)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		b.figures.Weekly = append(b.figures.Weekly, w)
	}
	if b.o.Devices == 0 {
		return nil
	}
	return b.devices()
}

// yard is a store and a repository.
type yard struct {
	b     *buildBench
	dir   string
	blobs *blob.Store
	stock map[string]catalog.Stock
	now   time.Time
}

// layer is what changes: an app of 1 MiB.
const (
	layerFile = "layers/mine/files/media/mine/sound.ogg"
	layerText = "why: it is measured\nadd:\n  - from: files\n    to: system:system\n"
)

func (b *buildBench) yard(fs string, devices ...string) (*yard, error) {
	dir, err := os.MkdirTemp(b.dir, "yard-*")
	if err != nil {
		return nil, err
	}
	y := &yard{b: b, dir: dir, stock: map[string]catalog.Stock{}, now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	if y.blobs, err = blob.Open(filepath.Join(dir, "blobs")); err != nil {
		return nil, err
	}
	o := skeleton.Options{UpdateURL: "https://ota.example.org", Time: y.now}
	for _, d := range devices {
		o.Devices = append(o.Devices, skeleton.Device{Codename: d, Vendor: "Example", Name: d})
	}
	if err := skeleton.Write(y.repo(), o); err != nil {
		return nil, err
	}
	files := map[string]string{"layers/mine/layer.yaml": layerText, layerFile: b.content(0)}
	for _, d := range devices {
		name := "devices/" + d + "/device.yaml"
		text, err := os.ReadFile(filepath.Join(y.repo(), name))
		if err != nil {
			return nil, err
		}
		files[name] = strings.NewReplacer("layers: []", "layers: [mine]", "fs: erofs", "fs: "+fs).Replace(string(text))
	}
	return y, y.commit(files)
}

func (y *yard) repo() string { return filepath.Join(y.dir, "os") }

// content is 1 MiB that does not shrink, another one for each number.
func (b *buildBench) content(n uint64) string {
	out := make([]byte, 1<<20)
	x := b.o.Seed<<32 | n<<1 | 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = byte(x >> 32)
	}
	return string(out)
}

func (y *yard) commit(files map[string]string) error {
	g, err := git.PlainOpen(y.repo())
	if err != nil {
		return err
	}
	w, err := g.Worktree()
	if err != nil {
		return err
	}
	for name, text := range files {
		full := filepath.Join(y.repo(), filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			return err
		}
		if _, err := w.Add(name); err != nil {
			return err
		}
	}
	y.now = y.now.Add(7 * 24 * time.Hour)
	who := &object.Signature{Name: "bench", Email: "bench@localhost", When: y.now}
	_, err = w.Commit("change\n", &git.CommitOptions{Author: who, Committer: who})
	return err
}

// take makes firmware and takes it in.
func (y *yard) take(s stocktest.Spec) error {
	f, err := os.Create(filepath.Join(y.dir, "stock.zip"))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := stocktest.Write(y.b.ctx, f, s, y.b.key, y.b.cert); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	y.stock[s.Device], err = intake.Add(y.b.ctx, y.blobs, nest.File{Name: "stock.zip", R: f, Size: info.Size()}, s.Device, y.dir)
	return err
}

// built is one build, and what it took.
type built struct {
	build              catalog.Build
	system             rom.Written
	seconds, processor float64
}

func (y *yard) build(device, version string, before *catalog.Build) (out built, err error) {
	repo, err := osrepo.Open(y.repo())
	if err != nil {
		return out, err
	}
	if err := y.touch(); err != nil {
		return out, err
	}
	begin, used := time.Now(), processor()
	snapshot, err := repo.Load("")
	if err != nil {
		return out, err
	}
	out.build, _, err = rom.Build(y.b.ctx, rom.Input{
		Snapshot: snapshot, Device: device, Stock: y.stock[device], Version: version, Blobs: y.blobs, AVB: y.b.key, Verity: y.b.key, VerityCert: y.b.cert, UpdateCert: y.b.cert, Before: before,
		Note: func(w rom.Written) {
			if w.Partition == "system" {
				out.system = w
			}
		},
	})
	out.seconds, out.processor = time.Since(begin).Seconds(), processor()-used
	return out, err
}

// touch takes as much memory as a build does, for files, and gives it back. On a virtual
// machine it is the host that finds a page when it is first touched, which takes longer
// than to write it: the first build, for which the stock's zip has just made room, would
// pay less than those behind it.
func (y *yard) touch() error {
	f, err := os.Create(filepath.Join(y.dir, "touch"))
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	buf := bytes.Repeat([]byte{1}, 1<<20)
	for range max(y.b.o.MiB, y.b.o.DeviceMiB) {
		if _, err := f.Write(buf); err != nil {
			return err
		}
	}
	return nil
}

// weekly builds a system, and builds it again, three times, with one file changed.
func (b *buildBench) weekly(name, fs string, s stocktest.Spec) (Weekly, error) {
	s.Device = "one"
	f := Weekly{Name: name, Files: s.Files, Changed: 1 << 20 / 4096}
	y, err := b.yard(fs, s.Device)
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(y.dir)
	if err := y.take(s); err != nil {
		return f, err
	}
	first, err := y.build(s.Device, "26.11.27", nil)
	if err != nil {
		return f, err
	}
	f.First = first.seconds
	before := first.build
	for round := range rounds {
		if err := y.commit(map[string]string{layerFile: b.content(uint64(round + 1))}); err != nil {
			return f, err
		}
		next, err := y.build(s.Device, fmt.Sprintf("26.12.%02d", 4+7*round), &before)
		if err != nil {
			return f, err
		}
		used := processor()
		reading, err := y.read(next.build, "system")
		if err != nil {
			return f, err
		}
		used = next.processor - (processor() - used)
		if round == 0 || next.seconds < f.Seconds {
			f.Seconds, f.Processor = next.seconds, next.processor
		}
		if round == 0 || used < f.BesidesProcessor {
			f.BesidesProcessor = used
		}
		if round == 0 || reading < f.Reading {
			f.Reading = reading
		}
		f.MiB = float64(next.system.Blocks) / 256
		f.Written, f.Behind = max(f.Written, next.system.Changed), max(f.Behind, next.system.Behind)
		before = next.build
	}
	f.Besides = f.Seconds - f.Reading
	f.Ratio = float64(f.Written) / float64(f.Changed)
	return f, nil
}

// read reads an image for its digest, and says how long that took.
func (y *yard) read(b catalog.Build, name string) (float64, error) {
	p, ok := b.Image(name)
	if !ok {
		return 0, fmt.Errorf("the build has no partition %s", name)
	}
	return wall(func() error { return y.blobs.Check(y.b.ctx, p.Digest) })
}

// devices builds the same layer for several devices over some weeks, a few times from
// the beginning. What else a machine does only adds to processor time, so that of each
// build the least is kept.
func (b *buildBench) devices() error {
	for round := range rounds {
		found, err := b.generation()
		if err != nil {
			return err
		}
		if round == 0 {
			b.figures.Devices = found
		}
		for i, d := range found {
			have := &b.figures.Devices[i]
			have.Seconds, have.Processor = min(have.Seconds, d.Seconds), min(have.Processor, d.Processor)
		}
	}
	first := b.figures.Devices[0].Processor
	for _, d := range b.figures.Devices[1:b.o.Devices] { // of the first week
		b.figures.Further = max(b.figures.Further, d.Processor/first)
	}
	return nil
}

// generation builds for devices of one stock generation. A fifth of each one's files is
// its own.
func (b *buildBench) generation() (found []ByDevice, err error) {
	var names []string
	for i := range b.o.Devices {
		names = append(names, fmt.Sprintf("device%d", i+1))
	}
	y, err := b.yard("erofs", names...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(y.dir)) }()
	files := max(b.o.Files*b.o.DeviceMiB/max(b.o.MiB, 1), 1000)
	size := int64(b.o.DeviceMiB) << 20
	shared, err := stocktest.System(stocktest.Spec{Seed: b.o.Seed, Files: files * 4 / 5, Bytes: size * 4 / 5})
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		s := stocktest.Spec{Seed: b.o.Seed + 100 + uint64(i), Files: files / 5, Bytes: size / 5, Device: name}
		own, err := ownFifth(s, content(shared))
		if err != nil {
			return nil, err
		}
		extra, system := tree.NewDir(0o755, 0, 0), tree.NewDir(0o755, 0, 0)
		extra.Set("system", system)
		system.Set("own", own)
		if err := y.take(stocktest.Spec{Seed: b.o.Seed, Files: files * 4 / 5, Bytes: size * 4 / 5, Device: name, LZ4: 1, Extra: extra}); err != nil {
			return nil, err
		}
	}
	before := map[string]*catalog.Build{}
	for week := range b.o.Weeks {
		if week > 0 {
			if err := y.commit(map[string]string{layerFile: b.content(uint64(week))}); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			out, err := y.build(name, fmt.Sprintf("27.01.%02d", 1+7*week), before[name])
			if err != nil {
				return nil, err
			}
			before[name] = &out.build
			found = append(found, ByDevice{
				Device: name, Week: week + 1, Seconds: out.seconds, Processor: out.processor, Packed: out.system.Packed, Recalled: out.system.Recalled,
			})
		}
	}
	return found, nil
}

// ownFifth makes files of which one device has a fifth of its bytes, where shared bytes
// are the other four. A system has more or less bytes than asked for, so that it is
// asked for again: what is left over is less than a file, and less than a thousandth.
func ownFifth(s stocktest.Spec, shared int64) (*tree.Node, error) {
	want := shared / 4
	for try := 0; ; try++ {
		root, err := stocktest.System(s)
		if err != nil {
			return nil, err
		}
		own := root.Lookup("system")
		have := content(own)
		if diff := have - want; max(diff, -diff) <= want/1000 || try == 8 {
			return own, nil
		}
		s.Bytes = max(1, s.Bytes+want-have)
	}
}

// content is how many bytes the files of a tree have.
func content(root *tree.Node) (n int64) {
	_ = tree.Walk(root, func(_ string, f *tree.Node) error { n += f.Size; return nil })
	return n
}
