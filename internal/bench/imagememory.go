package bench

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
)

// memory looks into a firmware by calls of the friday program, and takes what
// each had in memory at its highest. The firmware is a zip of Samsung's tar of an
// LZ4 frame of a sparse image of the whole super partition, in which lies the
// system that was written; unpacked it has 8 GiB or what is asked for.
func (b *imageBench) memory() error {
	if b.o.Program == "" {
		return nil
	}
	fw, err := b.makeFirmware()
	if err != nil {
		return err
	}
	at := fw + "//AP_MANGO.tar.md5//super.img.lz4"
	what := fmt.Sprintf("memory, %d MiB of super in sparse, LZ4, tar, zip: ", b.o.SuperMiB)
	for _, c := range []struct {
		name string
		out  int64 // bytes that it prints; -1: any
		args []string
	}{
		{"verify all", -1, []string{"image", "verify", fw}},
		{"cat the image", int64(b.o.SuperMiB) << 20, []string{"image", "cat", at + "//"}},
		{"extract the system to a tar", -1, []string{"image", "extract", at + "//system_a//", "-o", b.path("system.tar")}},
	} {
		f, err := b.peak(what+c.name, c.out, c.args...)
		if err != nil {
			return err
		}
		b.figures = append(b.figures, f)
	}
	if b.o.PayloadMiB == 0 {
		return nil
	}
	f, err := b.peak("memory, a full payload: extract", -1, "image", "extract", b.path("payload.bin")+"//", "-o", b.path("payload"))
	if err != nil {
		return err
	}
	b.figures = append(b.figures, f)
	return nil
}

// peak runs friday, which must print so many bytes.
func (b *imageBench) peak(name string, out int64, args ...string) (Figure, error) {
	c := exec.CommandContext(b.ctx, b.o.Program, args...)
	var said limited
	var printed counter
	c.Stdout, c.Stderr = &printed, &said
	most := 0.0
	seconds, err := wall(func() error {
		if err := c.Start(); err != nil {
			return err
		}
		done := make(chan error, 1)
		go func() { done <- c.Wait() }()
		for {
			select {
			case err := <-done:
				return err
			case <-time.After(2 * time.Millisecond):
				most = max(most, highWater(c.Process.Pid))
			}
		}
	})
	if err == nil && out >= 0 && int64(printed) != out {
		err = fmt.Errorf("it printed %d bytes, expected %d", printed, out)
	}
	if err != nil {
		return Figure{}, fmt.Errorf("%s: %w: %s", name, err, said.b)
	}
	return Figure{Name: name, Seconds: seconds, Processor: (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds(),
		PeakMiB: most, Note: fmt.Sprintf("at most %.0f MiB, of 128 allowed", most)}, nil
}

// highWater is the most MiB that a process has had in memory so far. What wait
// says of one that ended counts its parent's memory too, from before it began.
func highWater(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, line, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	var kib float64
	if _, err := fmt.Sscan(string(line[:min(len(line), 64)]), &kib); err != nil {
		return 0
	}
	return kib / 1024
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// limited keeps the start of what a program says.
type limited struct{ b []byte }

func (l *limited) Write(b []byte) (int, error) {
	if room := 4096 - len(l.b); room > 0 {
		l.b = append(l.b, b[:min(len(b), room)]...)
	}
	return len(b), nil
}

func (b *imageBench) makeFirmware() (string, error) {
	system, err := os.Open(b.path("ours.erofs"))
	if err != nil {
		return "", err
	}
	defer system.Close()
	fi, err := system.Stat()
	if err != nil {
		return "", err
	}
	total := uint64(b.o.SuperMiB) << 20
	g := super.Geometry{MetadataMaxSize: 65536, Slots: 2, BlockSize: 4096}
	m, err := super.Lay(g, []super.Device{{Name: "super", Size: total}}, []super.Group{{Name: "main_a", MaxSize: total / 2}},
		[]super.Want{{Name: "system_a", Group: "main_a", Attributes: super.ReadOnly, Size: fi.Size()}})
	if err != nil {
		return "", err
	}
	content := new(tree.Image)
	content.AppendRange(system, 0, fi.Size())
	images, err := super.Build(g, m, map[string]*tree.Image{"system_a": content})
	if err != nil {
		return "", err
	}
	// Each wrapping is a file that the next reads: most need sizes beforehand.
	plan, err := sparse.NewPlan(b.ctx, images[0], images[0].Size(), sparse.Options{SkipZeros: true})
	if err == nil {
		err = b.file("super.img", func(w *os.File) error { return plan.Write(b.ctx, 0, w) })
	}
	if err == nil {
		err = b.wrap("super.img", "super.img.lz4", func(w io.Writer, r *os.File, size int64) error { return lz4frame.Write(w, r, size, 0) })
	}
	if err == nil {
		err = b.wrap("super.img.lz4", "AP_MANGO.tar.md5", func(w io.Writer, r *os.File, size int64) error {
			return samsung.Write(w, "AP_MANGO.tar", []samsung.Source{{Name: "super.img.lz4", Content: r, Size: size}})
		})
	}
	if err == nil {
		err = b.wrap("AP_MANGO.tar.md5", "fw.zip", func(w io.Writer, r *os.File, size int64) error {
			z := zip.NewWriter(w)
			member, err := z.CreateHeader(&zip.FileHeader{Name: "AP_MANGO.tar.md5", Method: zip.Store})
			if err == nil {
				_, err = io.Copy(member, r)
			}
			return errors.Join(err, z.Close())
		})
	}
	return b.path("fw.zip"), err
}

// wrap makes a file of another, and takes the other away.
func (b *imageBench) wrap(from, to string, fn func(w io.Writer, r *os.File, size int64) error) error {
	r, err := os.Open(b.path(from))
	if err != nil {
		return err
	}
	defer r.Close()
	fi, err := r.Stat()
	if err != nil {
		return err
	}
	if err := b.file(to, func(w *os.File) error { return fn(w, r, fi.Size()) }); err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return os.Remove(r.Name())
}

func (b *imageBench) file(name string, fn func(w *os.File) error) error {
	w, err := os.Create(b.path(name))
	if err != nil {
		return err
	}
	return errors.Join(fn(w), w.Close())
}
