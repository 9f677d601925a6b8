package samsung_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/internal/judge"
)

const line = "AP_N9005XXUGBOD3_CL1.tar"

// firmware is a small AP file: a boot image, and a system that LZ4 packed.
func firmware(t testing.TB) []byte {
	t.Helper()
	system := bytes.Repeat([]byte("/system/app/Camera.apk "), 90_000)
	var packed, w bytes.Buffer
	if err := lz4frame.Write(&packed, bytes.NewReader(system), int64(len(system)), 0); err != nil {
		t.Fatal(err)
	}
	boot := bytes.Repeat([]byte("ANDROID!"), 777)
	if err := samsung.Write(&w, line, []samsung.Source{
		{Name: "boot.img", Size: int64(len(boot)), Content: bytes.NewReader(boot)},
		{Name: "system.img.lz4", Size: int64(packed.Len()), Content: &packed},
		{Name: "meta-data/fota.zip", Size: 0, Content: strings.NewReader("")},
	}); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestRoundTrip(t *testing.T) {
	b := firmware(t)
	if !bytes.Equal(b, firmware(t)) {
		t.Error("two runs differ")
	}
	p, err := samsung.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	if p.Sum == nil || p.Sum.Name != line {
		t.Errorf("the line is %+v, expected the name %s", p.Sum, line)
	}
	var names []string
	for _, m := range p.Members {
		names = append(names, m.Name)
	}
	if want := []string{"boot.img", "system.img.lz4", "meta-data/fota.zip"}; !reflect.DeepEqual(names, want) {
		t.Fatalf("members are %q, expected %q", names, want)
	}
	// The file within the packed image within the package, in place.
	m := p.Open(p.Members[1])
	f, err := lz4frame.Open(m, m.Size())
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 23)
	if _, err := f.ReadAt(got, 23*70_000); err != nil || string(got) != "/system/app/Camera.apk " {
		t.Errorf("in the middle of the system stands %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Verify(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled Verify gives %v", err)
	}
}

// TestJudges: tar lists it, md5sum agrees once its line is split off, lz4 tests
// the member.
func TestJudges(t *testing.T) {
	judge.Need(t, "tar", "md5sum", "lz4")
	b := firmware(t)
	dir := t.TempDir()
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cut := bytes.LastIndexByte(b, 0) + 1
	write(line, b[:cut])
	write("sum", b[cut:])
	if said := judge.In(t, dir, "md5sum", "-c", "sum"); !strings.Contains(said, line+": OK") {
		t.Errorf("md5sum says %q", said)
	}
	write("AP.tar.md5", b)
	if said := judge.In(t, dir, "tar", "-tf", "AP.tar.md5"); said != "boot.img\nsystem.img.lz4\nmeta-data/fota.zip\n" {
		t.Errorf("tar lists %q", said)
	}
	judge.In(t, dir, "tar", "-xf", "AP.tar.md5")
	judge.In(t, dir, "lz4", "-t", "system.img.lz4")

	// And what tar and md5sum make, as builders of ports do.
	judge.In(t, dir, "sh", "-c", "tar -H ustar -cf CP.tar boot.img system.img.lz4 && md5sum -t CP.tar >sum && cat sum >>CP.tar && mv CP.tar CP.tar.md5")
	theirs, err := os.ReadFile(filepath.Join(dir, "CP.tar.md5"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := samsung.Open(bytes.NewReader(theirs), int64(len(theirs)))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Verify(t.Context()); err != nil || len(p.Members) != 2 {
		t.Errorf("their package has %d members, %v", len(p.Members), err)
	}
}

func TestBad(t *testing.T) {
	good := firmware(t)
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	link := func() []byte {
		var w bytes.Buffer
		tw := tar.NewWriter(&w)
		if err := tw.WriteHeader(&tar.Header{Name: "x", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}); err != nil {
			t.Fatal(err)
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		return w.Bytes()
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"header", change(148, '9'), "invalid tar header"},
		{"cut member", good[:3000], `"boot.img" has 6216 bytes, 2488 are left`},
		{"link", link(), `"x" is of type '2', expected a file`},
		{"line", change(len(good)-20, '\n'), "expected a line as md5sum writes it"},
		{"tail", append(bytes.Clone(good), "more"...), "expected a line as md5sum writes it"},
	} {
		if _, err := samsung.Open(bytes.NewReader(c.b), int64(len(c.b))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", c.name, err, c.want)
		}
	}
	verify := func(b []byte) error {
		p, err := samsung.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		return p.Verify(t.Context())
	}
	if err := verify(change(700, 'x')); err == nil || !strings.Contains(err.Error(), "its line says") {
		t.Errorf("a flipped byte gives %v", err)
	}
	if err := verify(good[:bytes.LastIndexByte(good, 0)+1]); !errors.Is(err, samsung.ErrNoSum) {
		t.Errorf("a plain tar gives %v", err)
	}
	for _, m := range []samsung.Source{{Name: "../x"}, {Name: ""}, {Name: "/x"}, {Name: "big", Size: samsung.MaxMember + 1}, {Name: "short", Size: 3, Content: strings.NewReader("ab")}} {
		if err := samsung.Write(io.Discard, line, []samsung.Source{m}); err == nil {
			t.Errorf("a member %q of %d bytes is written", m.Name, m.Size)
		}
	}
	if err := samsung.Write(io.Discard, "a\nb", nil); err == nil {
		t.Error("a name of two lines is written")
	}
}

func TestPartOf(t *testing.T) {
	for _, c := range []struct {
		name  string
		part  samsung.Part
		build string
	}{
		{"AP_N9005XXUGBOD3_CL4579185_QB4768520_REV00_user_low_ship_MULTI_CERT.tar.md5", samsung.System, "N9005XXUGBOD3"},
		{"fw/BL_G991BXXU3AUG4_CL1.tar.md5", samsung.Bootloader, "G991BXXU3AUG4"},
		{"CSC_OXM_G991BOXM3AUG4_CL1.tar.md5", samsung.Region, "G991BOXM3AUG4"},
		{"HOME_CSC_OXM_G991BOXM3AUG4_CL1.tar.md5", samsung.HomeRegion, "G991BOXM3AUG4"},
		{"CSC_N9005OXXGBOD3.tar", samsung.Region, "N9005OXXGBOD3"},
		{"AP_x.zip", "", ""}, {"readme.txt", "", ""},
	} {
		part, build, ok := samsung.PartOf(c.name)
		if part != c.part || build != c.build || ok != (c.part != "") {
			t.Errorf("PartOf(%q) = %q, %q, %v; expected %q, %q", c.name, part, build, ok, c.part, c.build)
		}
	}
}

func table() *samsung.PIT {
	p := &samsung.PIT{Unknown: [8]byte([]byte("COM_TAR2")), Project: [8]byte([]byte("MSM8974\x00"))}
	for i, name := range []string{"APNHLOS", "MODEM", "BOOT", "RECOVERY", "SYSTEM", "USERDATA"} {
		e := samsung.Partition{Device: 2, ID: uint32(i + 1), Attributes: 5, Update: 1, BlockSize: uint32(8192 * (i + 1)), BlockCount: 8192, Name: name}
		if i > 1 {
			e.FlashName = strings.ToLower(name) + ".img"
		}
		p.Partitions = append(p.Partitions, e)
	}
	return p
}

func pitBytes(t testing.TB, p *samsung.PIT) []byte {
	t.Helper()
	var w bytes.Buffer
	if _, err := p.WriteTo(&w); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestPIT(t *testing.T) {
	want := table()
	for _, tail := range [][]byte{nil, []byte("signature")} {
		want.Tail = tail
		b := pitBytes(t, want)
		got, err := samsung.ReadPIT(bytes.NewReader(b))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, %v; wrote %+v", got, err, want)
		}
	}
	if e := want.Find("system.img.lz4"); e == nil || e.Name != "SYSTEM" {
		t.Errorf("system.img.lz4 goes to %v", e)
	}
	if e := want.Find("cache.img"); e != nil {
		t.Errorf("cache.img goes to %v", e)
	}
	good := pitBytes(t, table())
	for _, c := range []struct {
		at   int
		v    string
		want string
	}{
		{0, "x", "offset 0: magic is"},
		{4, "\xff\xff\xff\xff", "it has 4294967295 entries"},
		{28 + 36, strings.Repeat("A", 32), "offset 28: entry 0: a name does not end"},
		{28 + 132 + 36 + 30, "x", "offset 160: entry 1: after the name"},
	} {
		b := bytes.Clone(good)
		copy(b[c.at:], c.v)
		if _, err := samsung.ReadPIT(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("offset %d: error is %v, expected %q", c.at, err, c.want)
		}
	}
	long := &samsung.PIT{Partitions: []samsung.Partition{{Name: strings.Repeat("A", 32)}}}
	if _, err := long.WriteTo(io.Discard); err == nil {
		t.Error("a name of 32 bytes is written")
	}
}

func TestPITJudge(t *testing.T) {
	judge.Need(t, "heimdall")
	name := filepath.Join(t.TempDir(), "phone.pit")
	p := table()
	if err := os.WriteFile(name, pitBytes(t, p), 0o644); err != nil {
		t.Fatal(err)
	}
	said := judge.Run(t, "heimdall", "print-pit", "--file", name)
	wants := []string{fmt.Sprintf("Entry Count: %d", len(p.Partitions))}
	for _, e := range p.Partitions {
		wants = append(wants, "Partition Name: "+e.Name, fmt.Sprintf("Identifier: %d", e.ID))
	}
	for _, want := range wants {
		if !strings.Contains(said, want) {
			t.Errorf("heimdall does not show %q:\n%s", want, said)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(firmware(f)[:4096])
	var w bytes.Buffer
	if err := samsung.Write(&w, line, []samsung.Source{{Name: "a", Size: 3, Content: strings.NewReader("abc")}}); err != nil {
		f.Fatal(err)
	}
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := samsung.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, m := range p.Members {
			if m.Offset < 0 || m.Offset+m.Size > int64(len(b)) {
				t.Errorf("member %q lies at %d, %d bytes, in %d", m.Name, m.Offset, m.Size, len(b))
			}
		}
		_ = p.Verify(t.Context())
	})
}

func FuzzReadPIT(f *testing.F) {
	f.Add(pitBytes(f, table()))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := samsung.ReadPIT(bytes.NewReader(b))
		if err != nil {
			return
		}
		if got := pitBytes(t, p); !bytes.Equal(got, b) {
			t.Errorf("read and written, %d bytes became %d others", len(b), len(got))
		}
	})
}

func Example() {
	var w bytes.Buffer
	if err := samsung.Write(&w, "AP_demo.tar", []samsung.Source{{Name: "boot.img", Size: 8, Content: strings.NewReader("ANDROID!")}}); err != nil {
		fmt.Println(err)
		return
	}
	p, err := samsung.Open(bytes.NewReader(w.Bytes()), int64(w.Len()))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Members[0].Name, p.Members[0].Size, p.Verify(context.Background()))
	// Output: boot.img 8 <nil>
}
