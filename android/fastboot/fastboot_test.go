package fastboot_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/internal/judge"
)

// phone is a boot loader with partitions in memory.
type phone struct {
	partitions map[string][]byte
	slot       string
	did        []string
}

func newPhone() *phone {
	return &phone{slot: "a", partitions: map[string][]byte{"boot_a": make([]byte, 1<<20), "boot_b": make([]byte, 1<<20), "system_a": make([]byte, 24<<20), "system_b": make([]byte, 24<<20)}}
}

func (p *phone) Vars() []string { return []string{"product", "current-slot", "slot-count"} }

func (p *phone) Var(name string) (string, bool) {
	name, arg, _ := strings.Cut(name, ":")
	switch name {
	case "product":
		return "umi", true
	case "version":
		return "0.4", true
	case "current-slot":
		return p.slot, true
	case "slot-count":
		return "2", true
	case "unlocked":
		return "yes", true
	case "has-slot":
		_, ok := p.partitions[arg+"_a"]
		return map[bool]string{true: "yes", false: "no"}[ok], true
	case "is-logical":
		return "no", true
	case "partition-size":
		b, ok := p.partitions[arg]
		return fmt.Sprintf("0x%x", len(b)), ok
	}
	return "", false
}

// disk is a partition.
type disk []byte

func (d disk) WriteAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > int64(len(d)) {
		return 0, fmt.Errorf("the partition has %d bytes", len(d))
	}
	return copy(d[off:], b), nil
}

func (p *phone) Flash(ctx context.Context, name string, image io.ReaderAt, size int64) error {
	part, ok := p.partitions[name]
	if !ok {
		return fmt.Errorf("there is no partition %q", name)
	}
	im, err := sparse.Open(image, size)
	if errors.Is(err, sparse.ErrNotSparse) {
		p.did = append(p.did, "flash "+name)
		_, err := io.Copy(io.NewOffsetWriter(disk(part), 0), io.NewSectionReader(image, 0, size))
		return err
	}
	if err != nil {
		return err
	}
	p.did = append(p.did, "flash sparse "+name)
	return im.Flash(ctx, disk(part))
}

func (p *phone) Erase(_ context.Context, name string) error {
	if p.partitions[name] == nil {
		return fmt.Errorf("there is no partition %q", name)
	}
	clear(p.partitions[name])
	p.did = append(p.did, "erase "+name)
	return nil
}

func (p *phone) SetActive(slot string) error {
	if slot != "a" && slot != "b" {
		return fmt.Errorf("there is no slot %q", slot)
	}
	p.slot = slot
	return nil
}

func (p *phone) Reboot(target string) error {
	p.did = append(p.did, "reboot "+target)
	return nil
}

// serve runs a phone's side and returns its address, and what ends the wait for
// a restart.
func serve(t testing.TB, p fastboot.Phone, limit int64) (string, func() *string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	type end struct {
		target *string
		err    error
	}
	done := make(chan end, 1)
	s := &fastboot.Server{Phone: p, MaxDownload: limit, Temp: t.TempDir(), Idle: time.Minute}
	go func() {
		target, err := s.Serve(ctx, l)
		done <- end{target, err}
	}()
	t.Cleanup(cancel)
	return l.Addr().String(), func() *string {
		t.Helper()
		e := <-done
		if e.err != nil {
			t.Error(e.err)
		}
		return e.target
	}
}

func image(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := make([]byte, size)
	for at := 0; at < size; at += 1 << 16 {
		if r.IntN(3) > 0 {
			for i := at; i < min(size, at+1<<16); i++ {
				b[i] = byte(r.Uint32())
			}
		}
	}
	return b
}

// TestFastboot lets the real program flash the phone.
func TestFastboot(t *testing.T) {
	judge.Need(t, "fastboot", "img2simg")
	p := newPhone()
	address, wait := serve(t, p, 4<<20)
	host := "tcp:" + address
	run := func(args ...string) string {
		t.Helper()
		// It talks on standard error.
		out, err := exec.Command("fastboot", append([]string{"-s", host}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("fastboot %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	fails := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command("fastboot", append([]string{"-s", host}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("fastboot %q: %v\n%s\nexpected it to fail with %q", args, err, out, want)
		}
	}
	if said := run("getvar", "product"); !strings.Contains(said, "product: umi") {
		t.Errorf("getvar says %q", said)
	}
	if said := run("getvar", "all"); !strings.Contains(said, "max-download-size:0x00400000") || !strings.Contains(said, "slot-count:2") {
		t.Errorf("getvar all says %q", said)
	}
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	boot, system := image(1, 700_001), image(2, 20<<20)
	run("flash", "boot", file("boot.img", boot))
	if !bytes.HasPrefix(p.partitions["boot_a"], boot) {
		t.Error("boot_a does not hold what was flashed")
	}
	raw := file("system.img", system)
	run("flash", "system", raw) // larger than a download: fastboot cuts it into sparse files
	if !bytes.Equal(p.partitions["system_a"][:len(system)], system) {
		t.Error("system_a does not hold what was flashed in pieces")
	}
	if !strings.Contains(strings.Join(p.did, ","), "flash sparse system_a,flash sparse system_a") {
		t.Errorf("it was not cut: %q", p.did)
	}
	judge.Run(t, "img2simg", raw, raw+".simg")
	run("set_active", "b")
	run("flash", "system", raw+".simg")
	if !bytes.Equal(p.partitions["system_b"][:len(system)], system) || p.slot != "b" {
		t.Error("system_b does not hold the sparse image")
	}
	run("erase", "boot_b")
	fails("there is no partition \"nothing\"", "flash", "nothing", raw+".simg")
	fails("there is no partition \"nothing\"", "erase", "nothing")
	fails("the partition has 1048576 bytes", "flash", "boot", raw+".simg")
	fails("unknown command \"oem unlock\"", "oem", "unlock")
	if said := run("getvar", "nothing"); !strings.Contains(said, "there is no variable \"nothing\"") { // it exits 0
		t.Errorf("getvar of nothing says %q", said)
	}
	run("reboot", "bootloader")
	if target := wait(); target == nil || *target != "bootloader" {
		t.Errorf("it restarted into %v, expected bootloader", target)
	}
}

func TestClient(t *testing.T) {
	p := newPhone()
	address, wait := serve(t, p, 8<<20)
	c, err := fastboot.Dial(t.Context(), address, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var info []string
	c.Info = func(line string) { info = append(info, line) }
	if _, err := c.Do("getvar:all"); err != nil || len(info) != 4 || info[1] != "product:umi" {
		t.Errorf("getvar all gives %q, %v", info, err)
	}
	limit, err := c.MaxDownload()
	if err != nil || limit != 8<<20 {
		t.Errorf("max-download-size is %d, %v", limit, err)
	}
	system := image(3, 20<<20)
	plan, err := sparse.NewPlan(t.Context(), bytes.NewReader(system), int64(len(system)), sparse.Options{MaxFile: limit})
	if err != nil {
		t.Fatal(err)
	}
	for i := range plan.Files() {
		var w bytes.Buffer
		if err := plan.Write(t.Context(), i, &w); err != nil {
			t.Fatal(err)
		}
		if err := c.Flash("system_a", &w, plan.Size(i)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(p.partitions["system_a"][:len(system)], system) {
		t.Error("system_a does not hold what was flashed")
	}
	var no *fastboot.FailError
	if err := c.Download(bytes.NewReader(system), int64(len(system))); !errors.As(err, &no) || !strings.Contains(no.Message, "expected at most 0x00800000") {
		t.Errorf("a large download gives %v", err)
	}
	if _, err := c.Do("flash:system_a"); err == nil {
		t.Error("what was refused is flashed")
	}
	if _, err := c.Do("erase:nothing"); !errors.As(err, &no) {
		t.Errorf("a wrong partition gives %v", err)
	}
	if err := c.Reboot(""); err != nil {
		t.Error(err)
	}
	if target := wait(); target == nil || *target != "" {
		t.Errorf("it restarted into %v", target)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestStrangers speak something else, or go away in the middle.
func TestStrangers(t *testing.T) {
	address, _ := serve(t, newPhone(), 1<<20)
	for name, say := range map[string]string{
		"http":    "GET / HTTP/1.1\r\n\r\n",
		"version": "FB00",
		"huge":    "FB01\xff\xff\xff\xff\xff\xff\xff\xff",
		"long":    "FB01\x00\x00\x00\x00\x00\x10\x00\x00",
		"cut":     "FB01\x00\x00\x00\x00\x00\x00\x00\x11download:00000400\x00\x00",
		"more":    "FB01\x00\x00\x00\x00\x00\x00\x00\x11download:00000001\x00\x00\x00\x00\x00\x00\x00\x02ab",
	} {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		// The phone may have let it go before it is done.
		_, _ = io.WriteString(nc, say)
		_ = nc.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, nc); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("%s: %v", name, err)
		}
		nc.Close() //nolint:errcheck // a test's
	}
	c, err := fastboot.Dial(t.Context(), address, time.Minute) // it serves on
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Var("product"); err != nil || v != "umi" {
		t.Errorf("after strangers, product is %q, %v", v, err)
	}
	if _, err := c.Do(strings.Repeat("x", 5000)); err == nil {
		t.Error("a command of 5000 bytes is sent")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fastboot.Dial(ctx, address, 0); err == nil {
		t.Error("a cancelled Dial connects")
	}
}

// pipe is a connection whose other side was written beforehand.
type pipe struct {
	net.Conn
	r io.Reader
}

func (p pipe) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p pipe) Write(b []byte) (int, error) { return len(b), nil }
func (p pipe) Close() error                { return nil }
func (p pipe) SetDeadline(time.Time) error { return nil }

func FuzzServeConn(f *testing.F) {
	f.Add([]byte("FB01\x00\x00\x00\x00\x00\x00\x00\x11download:00000004\x00\x00\x00\x00\x00\x00\x00\x04abcd\x00\x00\x00\x00\x00\x00\x00\x0cflash:boot_a"))
	f.Add([]byte("FB01\x00\x00\x00\x00\x00\x00\x00\x0agetvar:all\x00\x00\x00\x00\x00\x00\x00\x06reboot"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		small := &phone{slot: "a", partitions: map[string][]byte{"boot_a": make([]byte, 1<<12)}}
		s := &fastboot.Server{Phone: small, MaxDownload: 1 << 16, Temp: dir}
		_, _ = s.ServeConn(t.Context(), pipe{r: bytes.NewReader(b)})
	})
}

// A computer asks a phone what it is.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go (&fastboot.Server{Phone: newPhone()}).Serve(ctx, l) //nolint:errcheck // it ends with ctx

	c, err := fastboot.Dial(ctx, l.Addr().String(), time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	product, err := c.Var("product")
	fmt.Println(product, err)
	// Output: umi <nil>
}
