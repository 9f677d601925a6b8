package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/stocktest"
)

// The test binary is the friday program too: scripts exec it by its name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"friday": main})
}

// TestScripts runs each verb as a person would: testdata/script/*.txtar.
// Beside testscript's own commands there are
//
//	friday-status N ARGS…   runs friday, which must end with exit status N
//	prepared DIR [built]    a copy of an OS repository with stock; with builds
//	make-stock FILE DEVICE [MIB]   small firmware of a vendor
//	make-image FILE         firmware of many layers, to look into
//	copy-folder FROM TO     with modes
//	same-files DIR DIR      the same files with the same bytes, some at least
//	commit DIR MESSAGE      commits everything in a git repository
//	cut FILE N              cuts a file to N bytes
//	small-disk DIR KIB      mounts a small file system; ask [mount] first
//	free-ports DIR          DIR/friday.yaml gets free ones, in $SITE and $METRICS
//	await URL               until it answers 200
//	until PATTERN ARGS…     runs friday until what it prints matches
//	signal-when GLOB SIGNAL N ARGS…  runs friday, signals it once a file matches
//	                        (or, for /REGEXP/, what it says); exit status N
//	signal SIGNAL           to what runs in the background
//	no-litter DIR…          no temporary files are left below
func TestScripts(t *testing.T) {
	shared := &preparation{dir: t.TempDir()}
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/script",
		RequireUniqueNames: true,
		Condition:          condition,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TMPDIR", filepath.Join(env.WorkDir, ".tmp")) // testscript makes it
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"friday-status": plain(fridayStatus),
			"prepared":      plain(shared.copyTo),
			"make-stock":    plain(makeStock),
			"make-image":    plain(makeImage),
			"copy-folder":   plain(func(ts *testscript.TestScript, a []string) error { return copyFolder(ts.MkAbs(a[0]), ts.MkAbs(a[1])) }),
			"same-files":    plain(sameFiles),
			"commit":        plain(commit),
			"cut":           plain(cut),
			"small-disk":    plain(smallDisk),
			"free-ports":    plain(freePorts),
			"until":         plain(until),
			"await":         plain(await),
			"listening":     plain(listening),
			"signal-when":   plain(signalWhen),
			"signal":        plain(signalAll),
			"no-litter":     plain(noLitter),
			"old-packing":   plain(oldPacking),
		},
	})
}

// plain makes a script's command of fn; it knows no "!".
func plain(fn func(ts *testscript.TestScript, args []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command knows no !")
		}
		ts.Check(fn(ts, args))
	}
}

func fridayStatus(ts *testscript.TestScript, args []string) error {
	want, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("friday", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("exit status %d, expected %d", got, want)
	}
	return nil
}

// preparation is an OS repository that scripts start from, made once.
type preparation struct {
	dir         string
	plain, full sync.Once
	err         error
}

func (p *preparation) copyTo(ts *testscript.TestScript, args []string) error {
	p.plain.Do(func() { p.err = p.make() })
	from := "plain"
	if len(args) > 1 && args[1] == "built" {
		p.full.Do(func() { p.err = errors.Join(p.err, p.build()) })
		from = "built"
	}
	if p.err != nil {
		return p.err
	}
	return copyFolder(filepath.Join(p.dir, from), ts.MkAbs(args[0]))
}

// copyFolder copies modes too: keys must stay nobody else's to read.
func copyFolder(from, to string) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(to+strings.TrimPrefix(path, from), fi.Mode().Perm())
	})
}

// make makes an OS with small keys and the stock of umi.
func (p *preparation) make() error {
	dir := filepath.Join(p.dir, "plain")
	stock := filepath.Join(p.dir, "stock.zip")
	keyDir := filepath.Join(dir, ".friday", "keys")
	return errors.Join(
		friday("init", dir, "--name", "Mango OS", "--device", "umi", "--no-stock"),
		os.RemoveAll(keyDir),
		keys.GenerateWith(keyDir, keys.Options{AVBBits: 2048, OTABits: 2048}),
		writeStock(stock, stocktest.Spec{Device: "umi", Files: 200, Bytes: 1 << 20}),
		friday("stock", "add", stock, "--device", "umi", "--dir", filepath.Join(dir, ".friday")),
	)
}

// build adds two weeks' builds, 26.11.20 and 26.11.27, and their packages.
func (p *preparation) build() error {
	dir := filepath.Join(p.dir, "built")
	state := filepath.Join(dir, ".friday")
	return errors.Join(
		copyFolder(filepath.Join(p.dir, "plain"), dir),
		friday("build", "umi", "--version", "26.11.20", "--dir", state),
		os.WriteFile(filepath.Join(dir, "layers/base/system/etc/friday/welcome.txt"), []byte("Welcome back.\n"), 0o644),
		commitAll(dir, "base: say welcome back"),
		friday("build", "umi", "--version", "26.11.27", "--dir", state),
		friday("ota", "full", "--to", "umi/26.11.27", "-o", filepath.Join(dir, "full.zip"), "--dir", state),
		friday("ota", "incremental", "--from", "umi/26.11.20", "--to", "umi/26.11.27", "-o", filepath.Join(dir, "inc.zip"), "--dir", state),
	)
}

func friday(args ...string) error {
	var stderr strings.Builder
	if status := run(args, io.Discard, &stderr); status != 0 {
		return fmt.Errorf("friday %s: exit status %d: %s", strings.Join(args, " "), status, stderr.String())
	}
	return nil
}

func writeStock(path string, s stocktest.Spec) error {
	key, cert, err := stocktest.VendorKeys(1)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(stocktest.Write(context.Background(), f, s, key, cert), f.Close())
}

func makeStock(ts *testscript.TestScript, args []string) error {
	s := stocktest.Spec{Device: args[1], Files: 200, Bytes: 1 << 20}
	if len(args) > 2 && slices.Contains(stocktest.Makers(), stocktest.Maker(args[2])) {
		s.Maker = stocktest.Maker(args[2])
	} else if len(args) > 2 && args[2][0] == 'V' { // a newer version
		s.Version, s.Timestamp = args[2], stocktest.Default().Timestamp+7*86400
	} else if len(args) > 2 {
		mib, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}
		s.Bytes = mib << 20
	}
	return writeStock(ts.MkAbs(args[0]), s)
}

// sameFiles compares two folders.
func sameFiles(ts *testscript.TestScript, args []string) error {
	list := func(dir string) (map[string][sha256.Size]byte, error) {
		sums := map[string][sha256.Size]byte{}
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(filepath.Join(dir, name))
			sums[name] = sha256.Sum256(b)
			return err
		})
		return sums, err
	}
	a, err := list(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	b, err := list(ts.MkAbs(args[1]))
	if err != nil {
		return err
	}
	if len(a) == 0 {
		return fmt.Errorf("there is no file in %s", args[0])
	}
	for name := range a {
		if a[name] != b[name] {
			return fmt.Errorf("%s differs", name)
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("%d files and %d", len(a), len(b))
	}
	return nil
}

func commit(ts *testscript.TestScript, args []string) error {
	return commitAll(ts.MkAbs(args[0]), args[1])
}

func commitAll(dir, message string) error {
	repo, err := git.PlainOpen(dir)
	if err != nil {
		return err
	}
	tree, err := repo.Worktree()
	if err != nil {
		return err
	}
	if err := tree.AddWithOptions(&git.AddOptions{All: true}); err != nil {
		return err
	}
	_, err = tree.Commit(message, &git.CommitOptions{Author: &object.Signature{Name: "Ada", Email: "ada@example.org", When: time.Now().Add(time.Second)}})
	return err
}

func cut(ts *testscript.TestScript, args []string) error {
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	return os.Truncate(ts.MkAbs(args[0]), n)
}

// condition knows [mount]: file systems may be mounted here.
func condition(cond string) (bool, error) {
	if cond != "mount" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		return false, err
	}
	defer os.Remove(dir)
	if syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k") != nil {
		return false, nil
	}
	return true, syscall.Unmount(dir, 0)
}

func smallDisk(ts *testscript.TestScript, args []string) error {
	dir := ts.MkAbs(args[0])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+args[1]+"k"); err != nil {
		return fmt.Errorf("cannot mount: %w", err)
	}
	ts.Defer(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return nil
}

// freePorts writes an installation's addresses, so that scripts may run beside
// each other.
func freePorts(ts *testscript.TestScript, args []string) error {
	ports := map[string]string{"SITE": "", "METRICS": ""}
	for name := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		ports[name] = l.Addr().String()
		ts.Setenv(name, ports[name])
	}
	text := fmt.Sprintf("base_url: http://%s\nlisten: %[1]s\nmetrics: %s\n", ports["SITE"], ports["METRICS"])
	return os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "friday.yaml"), []byte(text), 0o644)
}

// until runs friday until what it prints matches.
func until(ts *testscript.TestScript, args []string) error {
	want, err := regexp.Compile("(?m)" + args[0])
	if err != nil {
		return err
	}
	var printed []byte
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		c := exec.Command("friday", args[1:]...)
		c.Dir = ts.MkAbs(".")
		if printed, err = c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, printed)
		}
		if want.Match(printed) {
			return nil
		}
	}
	return fmt.Errorf("it never printed %q; at last:\n%s", args[0], printed)
}

func await(ts *testscript.TestScript, args []string) error {
	deadline := time.Now().Add(time.Minute)
	for {
		resp, err := http.Get(args[0])
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = errors.New(resp.Status)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %w", args[0], err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// listening waits until something takes connections at HOST:PORT.
func listening(_ *testscript.TestScript, args []string) error {
	deadline := time.Now().Add(time.Minute)
	for {
		c, err := net.Dial("tcp", args[0])
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}

func signalAll(ts *testscript.TestScript, args []string) error {
	for _, c := range ts.BackgroundCmds() {
		if err := c.Process.Signal(signals[args[0]]); err != nil {
			return err
		}
	}
	return nil
}

// signalWhen runs friday and signals it once it has come somewhere: a file
// matches a pattern, or, between slashes, what it says does.
func signalWhen(ts *testscript.TestScript, args []string) error {
	where, signal, want := args[0], signals[args[1]], args[2]
	c := exec.Command("friday", args[3:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR"))
	said := &lockedBuffer{}
	c.Stdout, c.Stderr = ts.Stdout(), io.MultiWriter(ts.Stderr(), said)
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	there := func() (bool, error) {
		found, err := filepath.Glob(ts.MkAbs(where))
		return len(found) > 0, err
	}
	if pattern, ok := strings.CutPrefix(where, "/"); ok {
		there = func() (bool, error) { return regexp.MatchString(strings.TrimSuffix(pattern, "/"), said.String()) }
	}
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("friday ended before %s: %v", where, err)
		case <-time.After(time.Millisecond):
		}
		if found, err := there(); found || err != nil {
			err = errors.Join(err, c.Process.Signal(signal))
			if <-ended; strconv.Itoa(c.ProcessState.ExitCode()) != want {
				err = errors.Join(err, fmt.Errorf("%v, expected exit status %s", c.ProcessState, want))
			}
			return err
		}
	}
}

// lockedBuffer is written by a process while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// noLitter finds what was written aside and not removed.
func noLitter(ts *testscript.TestScript, args []string) error {
	for _, dir := range append(args, ts.Getenv("TMPDIR")) {
		err := filepath.WalkDir(ts.MkAbs(dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			aside := strings.HasPrefix(d.Name(), ".") && strings.Contains(d.Name(), "-")
			if aside || filepath.Base(filepath.Dir(path)) == "tmp" || strings.HasPrefix(path, ts.Getenv("TMPDIR")) {
				return fmt.Errorf("%s is left behind", path)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// oldPacking puts into a store what the first version kept of packed content, of one
// file: its block, an index, how it ended; and the list that names it.
func oldPacking(ts *testscript.TestScript, args []string) error {
	s, err := blob.Open(ts.MkAbs(args[0]))
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	pack := append(bytes.Repeat([]byte("packed  "), 512), make([]byte, 48)...)
	ref, err := s.Put(context.Background(), bytes.NewReader(le.AppendUint64(le.AppendUint64(append(pack, "fridaypk"...), 4096), 1)))
	if err != nil {
		return err
	}
	list, err := s.Put(context.Background(), bytes.NewReader(le.AppendUint64(ref.Digest[:], uint64(ref.Size))))
	if err != nil {
		return err
	}
	return s.SetMemo(context.Background(), "packed content 1 lz4 1 9 1 false", list)
}
