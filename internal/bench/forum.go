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
	"net/url"
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
// its machine. Pages for whoever is not signed in are kept until something is
// written; fresh ones are rendered anew for each request.
type Forum struct {
	ListPerS    float64 `json:"list_per_s"`    // pages a second at 16 clients
	ThreadPerS  float64 `json:"thread_per_s"`  // of the busiest thread
	ListP50     float64 `json:"list_p50_ms"`   // of one client alone, milliseconds
	ThreadP50   float64 `json:"thread_p50_ms"` //
	ListBytes   int     `json:"list_bytes"`
	ThreadBytes int     `json:"thread_bytes"`

	ListFreshPerS   float64 `json:"list_fresh_per_s"`
	ThreadFreshPerS float64 `json:"thread_fresh_per_s"`
	ListFreshP50    float64 `json:"list_fresh_p50_ms"`
	ThreadFreshP50  float64 `json:"thread_fresh_p50_ms"`
	Lists           []Asked `json:"lists"` // other lists and searches, fresh, of one client alone

	Ready float64 `json:"ready_s"` // from the server's start until it knows all threads for suggesting duplicates
	RSS   float64 `json:"rss_mb"`  // most memory that the process had, in 10⁶ bytes; 0 where the system does not tell
}

// Asked is how long one address takes, in milliseconds.
type Asked struct {
	Path string  `json:"path"`
	P50  float64 `json:"p50_ms"`
	Most float64 `json:"most_ms"`
}

// ForumOptions say what is measured.
type ForumOptions struct {
	Exe      string        // the friday program that serves
	Threads  int           // at least 1
	Seed     uint64        // of what is written in them
	Duration time.Duration // of each measurement under load
	Dir      string        // keeps the installation for the next time; empty: it is made anew and removed
	Note     func(string)  // hears what is being done
}

// clients ask at once under load.
const clients = 16

// fresh makes an address one whose page is not kept: it may carry a word on what
// was done, and here carries none.
func fresh(path string) string {
	if strings.Contains(path, "?") {
		return path + "&done="
	}
	return path + "?done="
}

// MeasureForum fills a new installation with threads, starts its server as a process
// and asks for the list and for the busiest thread.
func MeasureForum(ctx context.Context, o ForumOptions) (f Forum, err error) {
	state, busiest, remove, err := installation(ctx, o)
	if err != nil {
		return Forum{}, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	o.Note("starting friday serve")
	s, err := startServer(ctx, o, state)
	if err != nil {
		return Forum{}, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if f.Ready, err = s.knows(ctx, o.Threads); err != nil {
		return Forum{}, err
	}
	for _, page := range []struct {
		path  string
		perS  *float64
		p50   *float64
		bytes *int
	}{
		{"/t", &f.ListPerS, &f.ListP50, &f.ListBytes},
		{busiest, &f.ThreadPerS, &f.ThreadP50, &f.ThreadBytes},
		{fresh("/t"), &f.ListFreshPerS, &f.ListFreshP50, new(int)},
		{fresh(busiest), &f.ThreadFreshPerS, &f.ThreadFreshP50, new(int)},
	} {
		o.Note("asking for " + page.path)
		var took []float64
		if took, *page.bytes, err = alone(ctx, s.address, page.path, 300); err != nil {
			return Forum{}, err
		}
		*page.p50 = took[len(took)/2]
		if *page.perS, err = underLoad(ctx, s.address, page.path, o.Duration); err != nil {
			return Forum{}, err
		}
	}
	for _, path := range forumLists() {
		o.Note("asking for " + path)
		took, _, err := alone(ctx, s.address, fresh(path), 20)
		if err != nil {
			return Forum{}, err
		}
		f.Lists = append(f.Lists, Asked{path, took[len(took)/2], took[len(took)-1]})
	}
	f.RSS = s.memory()
	return f, nil
}

// installation returns the folder of one that is filled, and what removes it.
func installation(ctx context.Context, o ForumOptions) (state, busiest string, remove func() error, err error) {
	dir := filepath.Join(o.Dir, fmt.Sprintf("forum-%d-%d", o.Threads, o.Seed))
	remove = func() error { return nil }
	if o.Dir == "" {
		if dir, err = os.MkdirTemp("", "friday-bench-"); err != nil {
			return "", "", nil, fmt.Errorf("cannot measure the forum: %w", err)
		}
		remove = func() error { return os.RemoveAll(dir) }
	}
	repo, filled := filepath.Join(dir, "os"), filepath.Join(dir, "filled")
	state = filepath.Join(repo, ".friday")
	if was, err := os.ReadFile(filled); err == nil {
		o.Note(fmt.Sprintf("using the %d threads in %s", o.Threads, dir))
		return state, string(was), remove, nil
	}
	fail := func(err error) (string, string, func() error, error) {
		return "", "", nil, errors.Join(fmt.Errorf("cannot make an installation to measure: %w", err), remove())
	}
	if err := os.RemoveAll(repo); err != nil { // half filled
		return fail(err)
	}
	if out, err := exec.CommandContext(ctx, o.Exe, "init", repo, "--url", "http://127.0.0.1", "--no-stock").CombinedOutput(); err != nil {
		return fail(fmt.Errorf("%w: %s", err, out))
	}
	o.Note(fmt.Sprintf("writing %d threads", o.Threads))
	began := time.Now()
	if busiest, err = fillForum(ctx, filepath.Join(state, "friday.db"), o.Threads, o.Seed); err == nil {
		err = os.WriteFile(filled, []byte(busiest), 0o644)
	}
	if err != nil {
		return fail(err)
	}
	o.Note(fmt.Sprintf("wrote them in %.1f s", time.Since(began).Seconds()))
	return state, busiest, remove, nil
}

// forumLists are lists beside the plain one: filtered, far behind, and searches for
// what is in many threads and in few.
func forumLists() []string {
	q := func(question string) string { return "/t?q=" + url.QueryEscape(question) }
	return []string{
		"/", "/t?kind=idea", "/t?part=Camera", "/t?device=phone03", "/t?device=phone03&state=reported", "/t?state=confirmed", "/t?kind=talk&part=Camera", "/t?page=100", fmt.Sprintf("/t?page=2000&after=0-%d-0", time.Now().AddDate(-1, 0, 0).UnixMicro()),
		q("camera"), q("camera battery drains"), q("\"black screen\""), q("cam*"), q("zoom -camera"), q("camera device:phone03 state:open"), q("xyzzy"), q("five zoom closes"),
	}
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
	address, metrics string
	began            time.Time

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

func startServer(ctx context.Context, o ForumOptions, state string) (*server, error) {
	s := &server{done: make(chan error, 1)}
	for _, at := range []*string{&s.address, &s.metrics} {
		var err error
		if *at, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(state, "friday.yaml"), fmt.Appendf(nil, "base_url: http://%s\nmetrics: %s\nrepository: ..\n", s.address, s.metrics), 0o644); err != nil {
		return nil, fmt.Errorf("cannot make an installation to measure: %w", err)
	}
	s.cmd = exec.Command(o.Exe, "serve", "--dir", state, "--listen", s.address)
	s.began = time.Now()
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start friday serve: %w", err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		r, err := http.Get("http://" + s.address + "/static/icon.svg")
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

// knows waits until the server has all threads in its index of duplicates, as it
// fills that after it began to serve, and returns how long that took since its start.
func (s *server) knows(ctx context.Context, threads int) (seconds float64, err error) {
	for {
		known, err := s.known(ctx)
		if err != nil {
			return 0, fmt.Errorf("cannot ask the server how many threads it knows: %w", err)
		}
		if known >= threads {
			return time.Since(s.began).Seconds(), nil
		}
		if time.Since(s.began) > 10*time.Minute {
			return 0, fmt.Errorf("cannot measure the forum: after 10 minutes the server knows %d of %d threads", known, threads)
		}
		select {
		case err := <-s.done:
			s.done <- err
			return 0, fmt.Errorf("friday serve has ended: %w: %s", err, s.log.String())
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// known reads the figure from the server's metrics.
func (s *server) known(ctx context.Context) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.metrics+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "friday_duplicates_threads "); ok {
			n, err := strconv.ParseFloat(rest, 64)
			return int(n), err
		}
	}
	return 0, errors.New("the metrics lack friday_duplicates_threads")
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

// alone asks one after the other, and returns how long each took, sorted, in
// milliseconds.
func alone(ctx context.Context, address, path string, times int) (took []float64, bytes int, err error) {
	v, err := newVisitor(address, path)
	if err != nil {
		return nil, 0, err
	}
	defer v.conn.Close()
	warm := max(1, times/15)
	for i := 0; i < warm+times && ctx.Err() == nil; i++ {
		began := time.Now()
		if bytes, err = v.get(); err != nil {
			return nil, 0, fmt.Errorf("cannot get %s: %w", path, err)
		}
		if i >= warm {
			took = append(took, float64(time.Since(began).Microseconds())/1000)
		}
		time.Sleep(time.Duration(rand.IntN(4)) * time.Millisecond) // not in step with anything
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	slices.Sort(took)
	return took, bytes, nil
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
