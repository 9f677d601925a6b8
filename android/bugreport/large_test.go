package bugreport

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// endless is text of a size, without holding it: a log in which names, crashes and
// addresses never repeat.
type endless struct{ size int64 }

const endlessBlock = 4096

// ReadAt implements io.ReaderAt.
func (e endless) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < e.size {
		block := off / endlessBlock
		text := fmt.Sprintf("11-27 10:11:12.123  1000  2000 E AndroidRuntime: FATAL EXCEPTION: main\n11-27 10:11:12.123  1000  2000 E AndroidRuntime: Process: com.example.a%[1]d, PID: 1\n"+
			"11-27 10:11:12.123  1000  2000 E AndroidRuntime: java.lang.Error: x%[1]d\n11-27 10:11:12.123  1000  2000 E AndroidRuntime: \tat com.example.A%[1]d.run(A.java:1)\n"+
			"11-27 10:11:12.124  1000  2000 I wifi: ssid=\"Net %[1]d\" bssid=00:11:22:33:%02[2]x:%02[3]x anna%[1]d@example.com\n", block, block>>8&255, block&255)
		for i := 0; len(text) < endlessBlock; i++ {
			text += fmt.Sprintf("11-27 10:11:13.%03d  1000  2000 D ActivityManager: frame %d of block %d took 16 ms\n", i, i, block)
		}
		from := off % endlessBlock
		k := copy(p[n:], text[from:endlessBlock-1]+"\n")
		k = int(min(int64(k), e.size-off))
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

// readEndless reads a report of a size and returns the most of the heap that was in
// use meanwhile, beyond what was before, in bytes.
func readEndless(t testing.TB, size int64) (most int64) {
	t.Helper()
	runtime.GC()
	var was runtime.MemStats
	runtime.ReadMemStats(&was)
	var peak atomic.Int64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			runtime.GC() // what is left then is held
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), int64(m.HeapAlloc)))
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	r, err := Read(endless{size}, size, Options{MaxText: size})
	close(done)
	<-ended
	if err != nil || r.Text != size || len(r.Crashes) == 0 || r.Removed["email"] < int(size/endlessBlock)/2 {
		t.Fatalf("read %d of %d bytes, %d crashes, removed %v: %v", r.Text, size, len(r.Crashes), r.Removed, err)
	}
	return peak.Load() - int64(was.HeapAlloc)
}

// TestLargeReport: what is held does not grow with the text.
func TestLargeReport(t *testing.T) {
	small, large := readEndless(t, 1<<20), readEndless(t, 12<<20)
	if bound := int64(16 << 20); large > bound {
		t.Errorf("reading 12 MiB holds %d bytes (1 MiB: %d), expected at most %d", large, small, bound)
	}
}

// BenchmarkLargeReport reads 200 MB and tells how much of the heap was in use.
func BenchmarkLargeReport(b *testing.B) {
	const size = 200e6
	b.SetBytes(size)
	for b.Loop() {
		b.ReportMetric(float64(readEndless(b, size))/1e6, "heap-MB")
	}
}

func TestEndless(t *testing.T) {
	var b strings.Builder
	if n, err := io.Copy(&b, io.NewSectionReader(endless{10_000}, 0, 10_000)); n != 10_000 || err != nil || strings.Count(b.String(), "FATAL") != 3 {
		t.Errorf("%d bytes, %d crashes, %v; expected 10000 and 3", n, strings.Count(b.String(), "FATAL"), err)
	}
}
