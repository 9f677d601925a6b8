//go:build unix

package xz_test

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/xz"
	"github.com/fridayos/friday/internal/stocktest"
)

const chunkSize = 2 << 20

// BenchmarkCompress compresses what systems are made of by chunks of 2 MiB, and
// has `xz -6` do the same. Speeds are of processor time, so that runs beside
// other work compare: MB a second of one core.
func BenchmarkCompress(b *testing.B) {
	// make fetches these for the tests.
	real := filepath.Join("..", "..", "bin", "real-android", "2")
	for _, data := range []struct {
		name string
		read func(b *testing.B) []byte
	}{
		{"program/arm64", func(b *testing.B) []byte { return file(b, filepath.Join(real, "esbuild"), 0, 10<<20) }},
		{"program/go", func(b *testing.B) []byte { return file(b, filepath.Join(runtime.GOROOT(), "bin", "go"), 4<<20, 4<<20) }},
		{"apk", func(b *testing.B) []byte { return file(b, filepath.Join(real, "uiautomator2-server.apk"), 0, 10<<20) }},
		{"dex", func(b *testing.B) []byte {
			return inside(b, filepath.Join(real, "uiautomator2-server.apk"), "classes.dex", 8<<20)
		}},
		{"resources", func(b *testing.B) []byte {
			return inside(b, filepath.Join(real, "framework-res.apk"), "resources.arsc", 8<<20)
		}},
		{"text", sources},
		{"demo system", demoSystem},
	} {
		b.Run(data.name+"/ours", func(b *testing.B) { ours(b, data.read(b)) })
		b.Run(data.name+"/xz -6", func(b *testing.B) { theirs(b, data.read(b)) })
	}
}

func ours(b *testing.B, src []byte) {
	var e xz.Encoder
	out := 0
	b.ReportAllocs()
	start := userTime(b)
	for b.Loop() {
		out = 0
		for at := 0; at < len(src); at += chunkSize {
			got, err := e.Compress(src[at:min(at+chunkSize, len(src))], xz.CheckNone)
			if err != nil {
				b.Fatal(err)
			}
			out += len(got)
		}
	}
	report(b, len(src), out, userTime(b)-start)
}

func theirs(b *testing.B, src []byte) {
	if _, err := exec.LookPath("xz"); err != nil {
		b.Skipf("needs xz")
	}
	out := 0
	var used time.Duration
	for b.Loop() {
		out = 0
		for at := 0; at < len(src); at += chunkSize {
			c := exec.Command("xz", "-6", "-T1", "-c", "--check=none")
			c.Stdin = bytes.NewReader(src[at:min(at+chunkSize, len(src))])
			got, err := c.Output()
			if err != nil {
				b.Fatal(err)
			}
			out += len(got)
			used += c.ProcessState.UserTime()
		}
	}
	report(b, len(src), out, used)
}

func report(b *testing.B, in, out int, used time.Duration) {
	b.ReportMetric(float64(in)*float64(b.N)/1e6/used.Seconds(), "MB/cpu-s")
	b.ReportMetric(float64(out)/float64(in), "ratio")
}

func userTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano())
}

func file(b *testing.B, name string, from, n int) []byte {
	all, err := os.ReadFile(name)
	if err != nil || len(all) < from+n {
		b.Skipf("needs %s", name)
	}
	return all[from:][:n]
}

func inside(b *testing.B, apk, name string, n int64) []byte {
	z, err := zip.OpenReader(apk)
	if err != nil {
		b.Skipf("needs %s", apk)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	all, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		b.Fatal(err)
	}
	return all
}

func sources(b *testing.B) []byte {
	names, err := filepath.Glob(filepath.Join(runtime.GOROOT(), "src", "net", "http", "*.go"))
	if err != nil || len(names) == 0 {
		b.Skipf("needs %s/src", runtime.GOROOT())
	}
	var all []byte
	for _, n := range names {
		one, err := os.ReadFile(n)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, one...)
	}
	return all
}

// demoSystem is the system image of the firmware that the demo starts from: two
// thirds of it are noise, in turn with the rest.
func demoSystem(b *testing.B) []byte {
	key, cert, err := stocktest.VendorKeys(1)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(filepath.Join(b.TempDir(), "stock.zip"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := stocktest.Write(context.Background(), f, stocktest.Default(), key, cert); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	z, err := otazip.Open(f, info.Size())
	if err != nil {
		b.Fatal(err)
	}
	r, err := z.Payload()
	if err != nil {
		b.Fatal(err)
	}
	p, err := payload.Open(r, r.Size())
	if err != nil {
		b.Fatal(err)
	}
	image, err := os.Create(filepath.Join(b.TempDir(), "system"))
	if err != nil {
		b.Fatal(err)
	}
	defer image.Close()
	if err := p.Apply(context.Background(), "system", nil, image, payload.ApplyOptions{Workers: 1}); err != nil {
		b.Fatal(err)
	}
	all, err := os.ReadFile(image.Name())
	if err != nil {
		b.Fatal(err)
	}
	return all
}
