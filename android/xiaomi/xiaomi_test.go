package xiaomi_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/fastboot"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/android/xiaomi"
	"github.com/fridayos/friday/internal/judge"
)

const vendors = "lancelot_eea_global_images_V12.0.1.0.QJCEUXM_20210119.0000.00_10.0_eea_a197df7d17.tgz"

func TestName(t *testing.T) {
	n, ok := xiaomi.ParseName(vendors)
	if want := (xiaomi.Name{"lancelot_eea_global", "V12.0.1.0.QJCEUXM", "20210119.0000.00", "10.0", "eea", "a197df7d17"}); !ok || n != want {
		t.Errorf("it says %+v, %v; expected %+v", n, ok, want)
	}
	if !strings.HasPrefix(vendors, n.String()) {
		t.Errorf("its folder is %q", n)
	}
	for _, other := range []string{"", "miui_UMI_V12.zip", "umi_images_x_y_z.tgz", "../" + vendors} {
		if _, ok := xiaomi.ParseName(other); ok {
			t.Errorf("%q is taken for a firmware's name", other)
		}
	}
}

func firmware() *xiaomi.Firmware {
	n, _ := xiaomi.ParseName(vendors)
	boot, system := bytes.Repeat([]byte("ANDROID!"), 700), bytes.Repeat([]byte("erofs"), 9000)
	return &xiaomi.Firmware{Name: n, Product: "lancelot", Anti: 2, Slot: "b", Images: []xiaomi.Image{
		{"boot_b", "boot.img", int64(len(boot)), bytes.NewReader(boot)},
		{"system_b", "system.img", int64(len(system)), bytes.NewReader(system)},
	}}
}

func write(t testing.TB) []byte {
	t.Helper()
	var w bytes.Buffer
	if err := xiaomi.Write(&w, firmware()); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestRoundTrip(t *testing.T) {
	b := write(t)
	if !bytes.Equal(b, write(t)) {
		t.Error("two runs differ")
	}
	var got []string
	err := xiaomi.Walk(bytes.NewReader(b), func(m xiaomi.Member) error {
		got = append(got, fmt.Sprint(m.Name, " ", m.Size))
		if m.Name != "flash_all.sh" {
			return nil
		}
		s, err := xiaomi.ParseScript(m.Content)
		if err != nil {
			return err
		}
		got[len(got)-1] = m.Name
		want := &xiaomi.Script{Products: []string{"lancelot"}, Anti: 2, Steps: []xiaomi.Step{
			{"flash", "boot_b", "boot.img"}, {"flash", "system_b", "system.img"}, {"erase", "userdata", ""}, {"set_active", "b", ""}, {"reboot", "", ""}}}
		if !reflect.DeepEqual(s, want) {
			t.Errorf("the script does %+v, expected %+v", s, want)
		}
		return nil
	})
	if err != nil || len(got) != 4 || got[0] != "flash_all.sh" || got[2] != "images/boot.img 5600" {
		t.Errorf("walked over %q, %v", got, err)
	}
}

// phone is what the scripts flash.
type phone struct {
	product, anti string
	did           []string
}

func (p *phone) Vars() []string { return nil }

func (p *phone) Var(name string) (string, bool) {
	switch name {
	case "product":
		return p.product, true
	case "anti":
		return p.anti, p.anti != ""
	case "slot-count":
		return "2", true
	case "has-slot:userdata", "has-slot:boot_b", "has-slot:system_b", "is-logical:boot_b", "is-logical:system_b":
		return "no", true
	}
	return "", false
}

func (p *phone) Flash(_ context.Context, name string, _ io.ReaderAt, size int64) error {
	p.did = append(p.did, fmt.Sprint("flash ", name, " ", size))
	return nil
}

func (p *phone) Erase(_ context.Context, name string) error {
	if p.did = append(p.did, "erase "+name); p.anti == "0" {
		return errors.New("this one cannot")
	}
	return nil
}

func (p *phone) SetActive(slot string) error { p.did = append(p.did, "set_active "+slot); return nil }
func (p *phone) Reboot(string) error         { p.did = append(p.did, "reboot"); return nil }

// TestScripts: tar unpacks it, the shell finds no mistake, and Debian's fastboot
// does what the script says.
func TestScripts(t *testing.T) {
	judge.Need(t, "tar", "sh", "fastboot")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fw.tgz"), write(t), 0o644); err != nil {
		t.Fatal(err)
	}
	judge.In(t, dir, "tar", "-xzf", "fw.tgz", "--strip-components=1")
	for _, name := range []string{"flash_all.sh", "flash_all_except_storage.sh"} {
		judge.In(t, dir, "sh", "-n", name)
	}
	run := func(p *phone, script string) (string, error) {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = (&fastboot.Server{Phone: p, Temp: dir}).Serve(ctx, l)
		}()
		out, err := exec.Command("sh", filepath.Join(dir, script), "-s", "tcp:"+l.Addr().String()).CombinedOutput()
		cancel()
		<-done
		return string(out), err
	}
	p := &phone{product: "lancelot", anti: "2"}
	out, err := run(p, "flash_all.sh")
	if want := "[flash boot_b 5600 flash system_b 45000 erase userdata set_active b reboot]"; err != nil || fmt.Sprint(p.did) != want {
		t.Errorf("it did %v, %v; expected %s\n%s", p.did, err, want, out)
	}
	p = &phone{product: "lancelot"} // an old phone, that knows no number
	if out, err := run(p, "flash_all_except_storage.sh"); err != nil || strings.Contains(fmt.Sprint(p.did), "erase") {
		t.Errorf("it did %v, %v\n%s", p.did, err, out)
	}
	for _, c := range []struct {
		p    phone
		want string
		did  int
	}{
		{phone{product: "umi", anti: "2"}, "This firmware is for lancelot", 0},
		{phone{product: "lancelot_pro", anti: "2"}, "This firmware is for lancelot", 0},
		{phone{product: "lancelot", anti: "3"}, "anti-rollback number is 3, this firmware's 2", 0},
		{phone{product: "lancelot", anti: "0"}, "erase userdata failed", 3},
	} {
		if out, err := run(&c.p, "flash_all.sh"); err == nil || !strings.Contains(out, c.want) || len(c.p.did) != c.did {
			t.Errorf("%s, anti %s: it did %v, %v\n%s", c.p.product, c.p.anti, c.p.did, err, out)
		}
	}
}

// TestVendorsScript is the shape of a vendor's own.
func TestVendorsScript(t *testing.T) {
	s, err := xiaomi.ParseScript(strings.NewReader("fastboot $* getvar product 2>&1 | grep \"^product: *sagit\"\n" +
		"if [ $? -ne 0  ] ; then echo \"Missmatching image and device\"; exit 1; fi\nCURRENT_ANTI_VER=1\n" +
		"fastboot $* erase boot\nfastboot $* flash crclist `pwd`/images/crclist.txt\nfastboot $* flash xbl `dirname $0`/images/xbl.elf\nfastboot $* reboot\n"))
	want := &xiaomi.Script{Products: []string{"sagit"}, Anti: 1, Steps: []xiaomi.Step{
		{"erase", "boot", ""}, {"flash", "crclist", "crclist.txt"}, {"flash", "xbl", "xbl.elf"}, {"reboot", "", ""}}}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("it does %+v, %v; expected %+v", s, err, want)
	}
}

func TestBad(t *testing.T) {
	packed := func(h tar.Header) []byte {
		var w bytes.Buffer
		z := gzip.NewWriter(&w)
		tw := tar.NewWriter(z)
		if err := errors.Join(tw.WriteHeader(&h), tw.Close(), z.Close()); err != nil {
			t.Fatal(err)
		}
		return w.Bytes()
	}
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"no gzip": {[]byte("hello, this is text"), "gzip: invalid header"},
		"cut":     {write(t)[:200], "unexpected EOF"},
		"path":    {packed(tar.Header{Typeflag: tar.TypeReg, Name: "fw/../../x"}), "leaves the folder"},
		"link":    {packed(tar.Header{Typeflag: tar.TypeSymlink, Name: "fw/x", Linkname: "/etc"}), "of type '2', expected a file"},
	} {
		if err := xiaomi.Walk(bytes.NewReader(c.b), func(xiaomi.Member) error { return nil }); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", name, err, c.want)
		}
	}
	for name, change := range map[string]func(*xiaomi.Firmware){
		"product":   func(f *xiaomi.Firmware) { f.Product = "x\"; rm -rf /" },
		"version":   func(f *xiaomi.Firmware) { f.Name.Version = "a b" },
		"slot":      func(f *xiaomi.Firmware) { f.Slot = "c" },
		"partition": func(f *xiaomi.Firmware) { f.Images[0].Partition = "boot; reboot" },
		"file":      func(f *xiaomi.Firmware) { f.Images[0].File = "../boot.img" },
		"twice":     func(f *xiaomi.Firmware) { f.Images[1].File = "boot.img" },
		"short":     func(f *xiaomi.Firmware) { f.Images[0].Size++ },
	} {
		f := firmware()
		change(f)
		if err := xiaomi.Write(io.Discard, f); err == nil || !strings.HasPrefix(err.Error(), "cannot write Xiaomi firmware: ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add(write(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = xiaomi.Walk(bytes.NewReader(b), func(m xiaomi.Member) error {
			_, err := io.CopyN(io.Discard, m.Content, min(m.Size, 1<<20))
			return err
		})
	})
}

func FuzzParseScript(f *testing.F) {
	f.Add("fastboot $* flash xbl `dirname $0`/images/xbl.elf\nCURRENT_ANTI_VER=99999999999999999999\n")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = xiaomi.ParseScript(strings.NewReader(s)) })
}

func Example() {
	n, ok := xiaomi.ParseName("umi_global_images_V12.5.1.0.RJBMIXM_20210512.0000.00_11.0_global_a1b2c3d4e5.tgz")
	fmt.Println(n.Device, n.Version, n.Android, n.Region, ok)
	boot := strings.NewReader("a boot image")
	var tgz bytes.Buffer
	if err := xiaomi.Write(&tgz, &xiaomi.Firmware{
		Name: n, Product: "umi", Anti: 2, CRCLists: true,
		Images: []xiaomi.Image{{Partition: "boot", File: "boot.img", Size: boot.Size(), Content: boot}},
	}); err != nil {
		fmt.Println(err)
		return
	}
	err := xiaomi.Walk(&tgz, func(m xiaomi.Member) error {
		fmt.Println(m.Name)
		return nil
	})
	fmt.Println(err)
	// Output:
	// umi_global V12.5.1.0.RJBMIXM 11.0 global true
	// flash_all.sh
	// flash_all_except_storage.sh
	// images/boot.img
	// images/crclist.txt
	// images/sparsecrclist.txt
	// <nil>
}

// Lists of CRCs: the ones of a firmware say what its images have.
func TestCRCLists(t *testing.T) {
	f := firmware()
	f.CRCLists = true
	// More than fastboot sends at once: mostly skipped, so it is quickly made.
	content := new(tree.Image)
	content.AppendBytes(bytes.Repeat([]byte("super"), 8192))
	content.AppendZeros(80<<20 - content.Size())
	plan, err := sparse.NewPlan(t.Context(), content, content.Size(), sparse.Options{SkipZeros: true})
	if err != nil {
		t.Fatal(err)
	}
	var sparsed bytes.Buffer
	if err := plan.Write(t.Context(), 0, &sparsed); err != nil {
		t.Fatal(err)
	}
	f.Images = append(f.Images, xiaomi.Image{Partition: "vendor_b", File: "vendor.bin", Size: int64(sparsed.Len()), Content: bytes.NewReader(sparsed.Bytes())})
	var w bytes.Buffer
	if err := xiaomi.Write(&w, f); err != nil {
		t.Fatal(err)
	}
	images, lists := map[string][]byte{}, map[string][]xiaomi.CRC{}
	var steps []xiaomi.Step
	if err := xiaomi.Walk(&w, func(m xiaomi.Member) error {
		b, err := io.ReadAll(m.Content)
		images[m.Name] = b
		switch m.Name {
		case "images/crclist.txt", "images/sparsecrclist.txt":
			lists[m.Name], err = xiaomi.ParseCRCs(bytes.NewReader(b))
		case "flash_all.sh":
			s, perr := xiaomi.ParseScript(bytes.NewReader(b))
			steps, err = s.Steps, perr
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if len(steps) < 3 || steps[0] != (xiaomi.Step{Verb: "flash", Partition: "crclist", File: "crclist.txt"}) || steps[1].File != "sparsecrclist.txt" {
		t.Errorf("the script begins with %v", steps)
	}
	if !strings.HasPrefix(string(images["images/crclist.txt"]), "CRC-LIST\nboot_b 0x") || string(images["images/sparsecrclist.txt"]) != "SPARSECRC-LIST\n" {
		t.Errorf("the lists are %q and %q", images["images/crclist.txt"], images["images/sparsecrclist.txt"])
	}
	for i, name := range []string{"images/boot.img", "images/system.img", "images/vendor.bin"} {
		b := images[name]
		c := lists["images/crclist.txt"][i]
		if err := c.Verify(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil {
			t.Error(err)
		}
		b[len(b)/2] ^= 1
		if err := c.Verify(t.Context(), bytes.NewReader(b), int64(len(b))); err == nil || !strings.Contains(err.Error(), "the list says") {
			t.Errorf("%s changed, and %v", name, err)
		}
		b[len(b)/2] ^= 1
	}
	b := images["images/vendor.bin"]
	c, err := xiaomi.SparseCRC(t.Context(), "vendor", bytes.NewReader(b), int64(len(b)))
	if want := crc32.ChecksumIEEE(bytes.Repeat([]byte("super"), 8192)); err != nil || c.Sum != want || c.Pieces != 1 {
		t.Errorf("%+v, %v; expected %#x", c, err, want)
	}
	if err := c.Verify(t.Context(), bytes.NewReader(b), int64(len(b))); err != nil {
		t.Error(err)
	}
}

func TestBadCRCs(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		"boot 0x1\n":                   "line 1: expected CRC-LIST or SPARSECRC-LIST, found \"boot 0x1\"",
		"CRC-LIST\nboot\n":             "line 2: expected a partition",
		"CRC-LIST\nboot 0x1 2\n":       "line 2: expected a partition, its sum in hex, found",
		"CRC-LIST\nboot 0x123456789\n": "line 2",
		"SPARSECRC-LIST\nsystem 0x1\n": "line 2: expected a partition, its sum in hex and a number of pieces",
		"CRC-LIST\n" + strings.Repeat("a", 1<<20): "more than 1048576 bytes",
	} {
		if _, err := xiaomi.ParseCRCs(strings.NewReader(text)); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, expected %q", text, err, want)
		}
	}
}

func FuzzParseCRCs(f *testing.F) {
	f.Add("CRC-LIST\nboot 0xdeadbeef\n")
	f.Add("SPARSECRC-LIST\nsystem 0x1 7\n\n")
	f.Fuzz(func(_ *testing.T, s string) { _, _ = xiaomi.ParseCRCs(strings.NewReader(s)) })
}
