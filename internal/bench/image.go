package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/tree"
)

// ImageOptions are those of Images.
type ImageOptions struct {
	Dir        string // for what is made; it is taken away at the end
	MiB        int    // of content in the tree
	PayloadMiB int    // of the partition in the payload; 0: no payload
	SuperMiB   int    // of the super partition that is looked into from outside
	Program    string // the friday program, whose memory is measured; "": it is not
	Seed       uint64
}

// Figure is one thing measured, and what it is measured against.
type Figure struct {
	Name        string  `json:"name"`
	Seconds     float64 `json:"seconds"`
	Peer        string  `json:"peer"`         // a program, or another way of ours
	PeerSeconds float64 `json:"peer_seconds"` // 0: it is not installed
	Ratio       float64 `json:"ratio"`        // Seconds by PeerSeconds; 0 without
	// Processor is in seconds as well, and says the same on a machine with more to do.
	Processor     float64 `json:"processor,omitempty"`
	PeerProcessor float64 `json:"peer_processor,omitempty"`
	// PeakMiB is the most that a process had in memory.
	PeakMiB float64 `json:"peak_mib,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// Images measures the image codecs on a tree made from a seed, each beside the
// program that is known for it where that is installed. Images and tars are
// written to files; a tar's reader would be its own measure.
func Images(ctx context.Context, o ImageOptions) ([]Figure, error) {
	dir, err := os.MkdirTemp(o.Dir, ".friday-bench-*")
	if err != nil {
		return nil, fmt.Errorf("cannot measure images: %w", err)
	}
	b := &imageBench{ctx: ctx, o: o, dir: dir}
	err = b.run()
	if e := os.RemoveAll(dir); err == nil {
		err = e
	}
	if err != nil {
		return nil, fmt.Errorf("cannot measure images: %w", err)
	}
	return b.figures, nil
}

type imageBench struct {
	ctx     context.Context
	o       ImageOptions
	dir     string
	figures []Figure
}

func (b *imageBench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *imageBench) run() error {
	root, err := b.makeTree()
	if err != nil {
		return err
	}
	size := int64(b.o.MiB)*3/2 + 64
	if err := b.compare("write ext4", func() error {
		im, err := ext4.Build(root, ext4.Options{Size: size << 20})
		if err != nil {
			return err
		}
		return b.writeImage("ours.ext4", im)
	}, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-O", "^has_journal", "-d", b.path("tree"), b.path("theirs.ext4"), fmt.Sprint(size, "M")); err != nil {
		return err
	}
	if err := b.compare("write erofs, plain", func() error {
		im, err := erofs.Build(root, erofs.Options{})
		if err != nil {
			return err
		}
		return b.writeImage("ours.erofs", im)
	}, "mkfs.erofs", b.path("theirs.erofs"), b.path("tree")); err != nil {
		return err
	}
	if err := b.readErofs(); err != nil {
		return err
	}
	if b.o.PayloadMiB > 0 {
		if err := b.payload(); err != nil {
			return err
		}
	}
	return b.memory()
}

// makeTree writes files as a system has them: many small ones, some large,
// half of what is in them compressible.
func (b *imageBench) makeTree() (*tree.Node, error) {
	r := rand.New(rand.NewPCG(b.o.Seed, 1))
	root := tree.NewDir(0o755, 0, 0)
	if err := os.Mkdir(b.path("tree"), 0o755); err != nil {
		return nil, err
	}
	noise := make([]byte, 4<<20)
	for i := range noise {
		if noise[i] = byte(r.Uint32()); i%8 > 3 {
			noise[i] = "friday  "[i%8]
		}
	}
	var dir *tree.Node
	name := ""
	for i, left := 0, int64(b.o.MiB)<<20; left > 0; i++ {
		if err := b.ctx.Err(); err != nil {
			return nil, err
		}
		if i%50 == 0 {
			dir = tree.NewDir(0o755, 0, 0)
			name = fmt.Sprintf("dir-%05d", i/50)
			root.Set(name, dir)
			if err := os.Mkdir(filepath.Join(b.path("tree"), name), 0o755); err != nil {
				return nil, err
			}
		}
		n := int64(r.IntN(64 << 10))
		if i%20 == 0 {
			n = int64(r.IntN(3 << 20))
		}
		n = min(n+1, left)
		file := filepath.Join(b.path("tree"), name, fmt.Sprintf("file-%07d", i))
		off := r.IntN(1 << 20)
		if err := os.WriteFile(file, noise[off:off+int(n)], 0o644); err != nil {
			return nil, err
		}
		dir.Set(filepath.Base(file), &tree.Node{Perm: 0o644, Size: n, Content: onDisk(file)})
		left -= n
	}
	return root, nil
}

// onDisk is the content of a file by its path: thousands are not kept open.
type onDisk string

func (name onDisk) ReadAt(p []byte, off int64) (int, error) {
	f, err := os.Open(string(name))
	if err != nil {
		return 0, err
	}
	n, err := f.ReadAt(p, off)
	if e := f.Close(); err == nil {
		err = e
	}
	return n, err
}

// writeImage writes an image and leaves its long zeros out, as mke2fs and
// mkfs.erofs do.
func (b *imageBench) writeImage(name string, im *tree.Image) error {
	f, err := os.Create(b.path(name))
	if err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	write := func(from, to int64) {
		if err == nil {
			_, err = io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(f, from)}, struct{ io.Reader }{io.NewSectionReader(im, from, to-from)}, buf)
		}
	}
	from := int64(0)
	for _, s := range im.Segments() {
		if s.Data == nil && s.Source == nil && s.Length >= 64<<10 {
			write(from, s.Offset)
			from = s.Offset + s.Length
		}
	}
	write(from, im.Size())
	if err == nil {
		err = f.Truncate(im.Size())
	}
	return errors.Join(err, f.Close())
}

// rounds is how often each side runs, in turn; its best counts, as what else the
// machine does can only slow it.
const rounds = 3

// compare measures ours beside a program.
func (b *imageBench) compare(name string, ours func() error, program string, args ...string) error {
	f := Figure{Name: name, Peer: program}
	_, missing := exec.LookPath(program)
	if missing != nil {
		f.Note = program + " is not installed"
	}
	for i := range rounds {
		before := processor()
		seconds, err := wall(ours)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		used := processor() - before
		if i == 0 || seconds < f.Seconds {
			f.Seconds, f.Processor = seconds, used
		}
		if missing != nil {
			continue
		}
		c := exec.CommandContext(b.ctx, program, args...)
		var said []byte
		seconds, err = wall(func() (err error) { said, err = c.CombinedOutput(); return err })
		if err != nil {
			return fmt.Errorf("%s: %w: %s", program, err, said)
		}
		if i == 0 || seconds < f.PeerSeconds {
			f.PeerSeconds, f.PeerProcessor = seconds, (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
		}
	}
	if missing == nil {
		f.Ratio = f.Seconds / f.PeerSeconds
	}
	b.figures = append(b.figures, f)
	return b.ctx.Err()
}

func wall(fn func() error) (float64, error) {
	start := time.Now()
	err := fn()
	return time.Since(start).Seconds(), err
}

// processor is what the process has used so far, in seconds.
func processor() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// readErofs turns an LZ4HC image into a tar.
func (b *imageBench) readErofs() error {
	if _, err := exec.LookPath("mkfs.erofs"); err != nil {
		b.figures = append(b.figures, Figure{Name: "read erofs, LZ4HC", Peer: "fsck.erofs", Note: "needs mkfs.erofs to make the image"})
		return nil
	}
	image := b.path("lz4hc.erofs")
	if out, err := exec.CommandContext(b.ctx, "mkfs.erofs", "-zlz4hc", "-C65536", image, b.path("tree")).CombinedOutput(); err != nil {
		return fmt.Errorf("mkfs.erofs: %w: %s", err, out)
	}
	return b.compare("read erofs, LZ4HC", func() (err error) {
		f, err := os.Open(image)
		if err != nil {
			return err
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil {
			return err
		}
		im, err := erofs.Open(f, fi.Size())
		if err != nil {
			return err
		}
		root, err := im.Tree()
		if err != nil {
			return err
		}
		out, err := os.Create(b.path("ours.tar"))
		if err != nil {
			return err
		}
		_, err = nest.WriteTar(b.ctx, root, out, nil)
		return errors.Join(err, out.Close())
	}, "fsck.erofs", "--extract="+b.path("extracted"), "--overwrite", image)
}
