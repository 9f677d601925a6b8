package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fridayos/friday/internal/db"
)

// Forum is how fast a server shows the forum, over loopback, to clients that share
// its machine.
type Forum struct {
	ListPerS    float64 `json:"list_per_s"`    // pages a second at 16 clients
	ThreadPerS  float64 `json:"thread_per_s"`  // of the busiest thread
	ListP50     float64 `json:"list_p50_ms"`   // of one client alone, milliseconds
	ThreadP50   float64 `json:"thread_p50_ms"` //
	ListBytes   int     `json:"list_bytes"`
	ThreadBytes int     `json:"thread_bytes"`
	RSS         float64 `json:"rss_mb"` // most memory that the process had, in 10⁶ bytes; 0 where the system does not tell
}

// ForumOptions say what is measured.
type ForumOptions struct {
	Exe      string        // the friday program that serves
	Threads  int           // at least 1
	Seed     uint64        // of what is written in them
	Duration time.Duration // of each measurement under load
	Note     func(string)  // hears what is being done
}

// clients ask at once under load.
const clients = 16

// MeasureForum fills a new installation with threads, starts its server as a process
// and asks for the list and for the busiest thread. The installation is gone afterwards.
func MeasureForum(ctx context.Context, o ForumOptions) (f Forum, err error) {
	dir, err := os.MkdirTemp("", "friday-bench-")
	if err != nil {
		return Forum{}, fmt.Errorf("cannot measure the forum: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	address, err := freeAddress()
	if err != nil {
		return Forum{}, err
	}
	repo := filepath.Join(dir, "os")
	if out, err := exec.CommandContext(ctx, o.Exe, "init", repo, "--url", "http://"+address).CombinedOutput(); err != nil {
		return Forum{}, fmt.Errorf("cannot make an installation to measure: %w: %s", err, out)
	}
	state := filepath.Join(repo, ".friday")
	// The defaults but for metrics: their address may be taken by a server that runs here.
	if err := os.WriteFile(filepath.Join(state, "friday.yaml"), []byte("base_url: http://"+address+"\nmetrics: \"\"\nrepository: ..\n"), 0o644); err != nil {
		return Forum{}, fmt.Errorf("cannot make an installation to measure: %w", err)
	}
	o.Note(fmt.Sprintf("writing %d threads", o.Threads))
	busiest, err := fillForum(ctx, filepath.Join(state, "friday.db"), o.Threads, o.Seed)
	if err != nil {
		return Forum{}, err
	}
	o.Note("starting friday serve")
	s, err := startServer(ctx, o.Exe, state, address)
	if err != nil {
		return Forum{}, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, page := range []struct {
		path  string
		perS  *float64
		p50   *float64
		bytes *int
	}{{"/t", &f.ListPerS, &f.ListP50, &f.ListBytes}, {busiest, &f.ThreadPerS, &f.ThreadP50, &f.ThreadBytes}} {
		o.Note("asking for " + page.path)
		if *page.p50, *page.bytes, err = alone(ctx, address, page.path); err == nil {
			*page.perS, err = underLoad(ctx, address, page.path, o.Duration)
		}
		if err != nil {
			return Forum{}, err
		}
	}
	f.RSS = s.memory()
	return f, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("cannot find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// server is a friday serve process.
type server struct {
	cmd  *exec.Cmd
	done chan error
	log  strings.Builder
	mu   sync.Mutex
}

func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.log.Len() < 1<<16 {
		s.log.Write(p)
	}
	return len(p), nil
}

func startServer(ctx context.Context, exe, state, address string) (*server, error) {
	s := &server{cmd: exec.Command(exe, "serve", "--dir", state, "--listen", address), done: make(chan error, 1)}
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start friday serve: %w", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		r, err := http.Get("http://" + address + "/static/icon.svg")
		if err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s, nil
			}
		}
		select {
		case err := <-s.done:
			s.done <- err
			return nil, fmt.Errorf("cannot start friday serve: %w: %s", err, s.log.String())
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), s.stop())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("cannot start friday serve: it is not ready after 2 minutes"), s.stop())
		}
	}
}

// stop ends the process and waits for it.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot stop friday serve: %w", err)
	}
	select {
	case err := <-s.done:
		if err != nil {
			return fmt.Errorf("friday serve ended badly: %w: %s", err, s.log.String())
		}
		return nil
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("friday serve did not stop within 30 s"), s.cmd.Process.Kill())
	}
}

// memory is the most that the process had resident, in 10⁶ bytes.
func (s *server) memory() float64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(s.cmd.Process.Pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

// visitor asks for one page over a connection that stays. It is small because it
// runs beside what it measures.
type visitor struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
}

func newVisitor(address, path string) (*visitor, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the server: %w", err)
	}
	return &visitor{conn, bufio.NewReaderSize(conn, 64<<10), []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\nAccept-Language: en\r\n\r\n")}, nil
}

// get reads one answer and returns how long its body is.
func (v *visitor) get() (int, error) {
	if err := v.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := v.conn.Write(v.request); err != nil {
		return 0, err
	}
	length, first := -1, true
	for {
		line, err := v.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		text := strings.TrimSpace(string(line))
		if first && text != "HTTP/1.1 200 OK" {
			return 0, fmt.Errorf("the server answered %q, expected HTTP/1.1 200 OK", text)
		}
		first = false
		if text == "" {
			break
		}
		if rest, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if length, err = strconv.Atoi(rest); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errors.New("the server did not say how long its answer is")
	}
	_, err := io.CopyN(io.Discard, v.r, int64(length))
	return length, err
}

// alone asks one after the other.
func alone(ctx context.Context, address, path string) (p50 float64, bytes int, err error) {
	v, err := newVisitor(address, path)
	if err != nil {
		return 0, 0, err
	}
	defer v.conn.Close()
	var took []time.Duration
	for i := 0; i < 320 && ctx.Err() == nil; i++ {
		began := time.Now()
		if bytes, err = v.get(); err != nil {
			return 0, 0, fmt.Errorf("cannot get %s: %w", path, err)
		}
		if i >= 20 {
			took = append(took, time.Since(began))
		}
		time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond) // not in step with anything
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000, bytes, nil
}

// underLoad counts what all clients get.
func underLoad(ctx context.Context, address, path string, d time.Duration) (perS float64, err error) {
	group, ctx := errgroup.WithContext(ctx)
	counts := make([]int, clients)
	began := time.Now()
	until := began.Add(d)
	for i := range clients {
		group.Go(func() error {
			v, err := newVisitor(address, path)
			if err != nil {
				return err
			}
			defer v.conn.Close()
			for time.Now().Before(until) && ctx.Err() == nil {
				if _, err := v.get(); err != nil {
					return fmt.Errorf("cannot get %s: %w", path, err)
				}
				counts[i]++
			}
			return ctx.Err()
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / time.Since(began).Seconds(), nil
}

// openNew opens and migrates the database of a new installation.
func openNew(ctx context.Context, path string) (*db.DB, error) {
	d, err := db.Open(ctx, "sqlite:"+path)
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
