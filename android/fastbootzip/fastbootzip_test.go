package fastbootzip_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/android/fastbootzip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

var (
	boot   = bytes.Repeat([]byte("kernel.."), 700)
	system = bytes.Repeat([]byte("erofs"), 9000)
)

func pack() fastbootzip.Package {
	return fastbootzip.Package{Products: []string{"lt26i", "lt26ii"}, Slot: "b", Wipe: true, Images: []fastbootzip.Image{
		{Partition: "boot", Size: int64(len(boot)), Content: bytes.NewReader(boot)},
		{Partition: "system", Size: int64(len(system)), Content: bytes.NewReader(system)},
	}}
}

func written(t testing.TB, p fastbootzip.Package) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := fastbootzip.Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// phone is what is flashed.
type phone struct {
	product string
	did     []string
	sums    map[string][32]byte
}

func (p *phone) Vars() []string { return nil }

func (p *phone) Var(name string) (string, bool) {
	switch {
	case name == "product":
		return p.product, true
	case name == "slot-count":
		return "2", true
	case name == "current-slot":
		return "a", true
	case strings.HasPrefix(name, "has-slot:"), strings.HasPrefix(name, "is-logical:"):
		return "no", true
	}
	return "", false
}

func (p *phone) Flash(_ context.Context, name string, r io.ReaderAt, size int64) error {
	b := make([]byte, size)
	if err := tree.ReadFull(r, b, 0); err != nil {
		return err
	}
	if p.sums == nil {
		p.sums = map[string][32]byte{}
	}
	p.sums[name] = sha256.Sum256(b)
	p.did = append(p.did, fmt.Sprint("flash ", name, " ", size))
	return nil
}

func (p *phone) Erase(_ context.Context, name string) error {
	p.did = append(p.did, "erase "+name)
	return nil
}
func (p *phone) SetActive(slot string) error { p.did = append(p.did, "set_active "+slot); return nil }
func (p *phone) Reboot(string) error         { p.did = append(p.did, "reboot"); return nil }

// against runs a command with the address of a phone at its end.
func against(t testing.TB, p *phone, command ...string) (string, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = (&fastboot.Server{Phone: p, Temp: t.TempDir()}).Serve(ctx, l)
	}()
	for i, c := range command {
		command[i] = strings.ReplaceAll(c, "PHONE", "tcp:"+l.Addr().String())
	}
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	cancel()
	<-done
	return string(out), err
}

// unzip unpacks it, the shell finds no mistake in the script, Debian's fastboot does
// what it says, and refuses another phone.
func TestScript(t *testing.T) {
	judge.Need(t, "unzip", "sh", "fastboot")
	dir := t.TempDir()
	path := filepath.Join(dir, "images.zip")
	b := written(t, pack())
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, written(t, pack())) {
		t.Error("two runs differ")
	}
	judge.In(t, dir, "unzip", "-q", "images.zip")
	judge.In(t, dir, "sh", "-n", fastbootzip.NameScript)
	p := &phone{product: "lt26i"}
	out, err := against(t, p, filepath.Join(dir, fastbootzip.NameScript), "-s", "PHONE")
	if want := "[set_active b flash boot 5600 flash system 45000 erase userdata reboot]"; err != nil || fmt.Sprint(p.did) != want {
		t.Errorf("it did %v, %v; expected %s\n%s", p.did, err, want, out)
	}
	if p.sums["boot"] != sha256.Sum256(boot) || p.sums["system"] != sha256.Sum256(system) {
		t.Error("what was flashed is not what was packed")
	}
	for _, other := range []string{"lt26", "lt26iii", "", "*"} {
		p := &phone{product: other}
		if out, err := against(t, p, filepath.Join(dir, fastbootzip.NameScript), "-s", "PHONE"); err == nil || len(p.did) > 0 || !strings.Contains(out, "This is for lt26i, lt26ii") {
			t.Errorf("%q: it did %v, %v\n%s", other, p.did, err, out)
		}
	}
}

// fastboot update takes the zip as it is.
func TestUpdate(t *testing.T) {
	judge.Need(t, "fastboot")
	path := filepath.Join(t.TempDir(), "images.zip")
	if err := os.WriteFile(path, written(t, pack()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &phone{product: "lt26ii"}
	out, err := against(t, p, "fastboot", "-s", "PHONE", "--skip-reboot", "update", path)
	if err != nil || p.sums["boot"] != sha256.Sum256(boot) || p.sums["system"] != sha256.Sum256(system) {
		t.Errorf("it did %v, %v\n%s", p.did, err, out)
	}
	p = &phone{product: "other"}
	if out, err := against(t, p, "fastboot", "-s", "PHONE", "--skip-reboot", "update", path); err == nil || len(p.did) > 0 {
		t.Errorf("another phone: it did %v, %v\n%s", p.did, err, out)
	}
}

func TestBad(t *testing.T) {
	for want, edit := range map[string]func(*fastbootzip.Package){
		"products are []":                     func(p *fastbootzip.Package) { p.Products = nil },
		`products are ["$(reboot)"]`:          func(p *fastbootzip.Package) { p.Products = []string{"$(reboot)"} },
		"it has no images":                    func(p *fastbootzip.Package) { p.Images = nil },
		`slot is "c"`:                         func(p *fastbootzip.Package) { p.Slot = "c" },
		`partition "../boot" of`:              func(p *fastbootzip.Package) { p.Images[0].Partition = "../boot" },
		`there are two images of "boot"`:      func(p *fastbootzip.Package) { p.Images[1].Partition = "boot" },
		"it ended after 5600 bytes, expected": func(p *fastbootzip.Package) { p.Images[0].Size++ },
	} {
		p := pack()
		edit(&p)
		if err := fastbootzip.Write(io.Discard, p); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot write fastboot zip: ") {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

func Example() {
	boot := bytes.NewReader([]byte("a boot image"))
	var zip bytes.Buffer
	err := fastbootzip.Write(&zip, fastbootzip.Package{
		Products: []string{"lt26i"},
		Images:   []fastbootzip.Image{{Partition: "boot", Size: boot.Size(), Content: boot}},
	})
	fmt.Println(zip.Len() > 0, err)
	// Output: true <nil>
}
