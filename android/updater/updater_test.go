package updater

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/edify"
)

// phone has one partition in a file.
type phone struct {
	dir  string
	room int64
	said []string
	done []float64
}

type disk struct{ *os.File }

func (d disk) Size() int64 {
	fi, err := d.Stat()
	if err != nil {
		return 0
	}
	return fi.Size()
}

func (p *phone) Property(name string) string {
	return map[string]string{"ro.product.device": "hlte"}[name]
}
func (p *phone) Print(line string)     { p.said = append(p.said, line) }
func (p *phone) Progress(done float64) { p.done = append(p.done, done) }
func (p *phone) Keep() (blockota.Keeper, int64, error) {
	return blockota.Folder(p.dir), p.room, nil
}

func (p *phone) Open(device string) (Disk, error) {
	if device != "/dev/system" {
		return nil, fmt.Errorf("there is no %s", device)
	}
	f, err := os.OpenFile(filepath.Join(p.dir, "system"), os.O_RDWR, 0)
	return disk{f}, err
}

func packed(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func letters(s string) (out string) {
	for _, c := range s {
		out += strings.Repeat(string(c), blockota.BlockSize)
	}
	return out
}

func TestFunctions(t *testing.T) {
	const list = "4\n2\n0\n0\nmove %s 2,0,1 1 2,1,2\nnew 2,2,3\n"
	sum, err := (blockota.RangeSet{{Start: 0, End: 1}}).SHA1(t.Context(), strings.NewReader(letters("b")), blockota.BlockSize)
	if err != nil {
		t.Fatal(err)
	}
	block := `("/dev/system", package_extract_file("l"), "new.dat", "patch.dat")`
	for script, want := range map[string]string{ // the partition afterwards, or the error
		`package_extract_file("img", "/dev/system")`:                                                                 "xbc",
		`block_image_verify` + block + ` || abort("no"); block_image_update` + block:                                 "bbn",
		`range_sha1("/dev/system", "2,1,2") == "` + sum + `" || abort("other")`:                                      "abc",
		`range_sha1("/dev/system", "2,0,1") == "` + sum + `" || abort("other")`:                                      "the script aborts: other",
		`show_progress(0.5, 0); set_progress(0.5); ui_print("half", " way")`:                                         "abc",
		`getprop("ro.product.device") == "hlte" && package_extract_file("img", "/dev/system")`:                       "xbc",
		`package_extract_file("img", "/dev/x")`:                                                                      "there is no /dev/x",
		`package_extract_file("none")`:                                                                               `the package has no file "none"`,
		`package_extract_file("large", "/dev/system")`:                                                               "large has 16384 bytes, /dev/system has room for 12288",
		`format("ext4", "EMMC")`:                                                                                     "not supported: its script calls format",
		`range_sha1("/dev/system", "2,0,9")`:                                                                         "they end at byte 36864, the partition at 12288",
		`range_sha1("/dev/system", "x")`:                                                                             "cannot read ranges",
		`getprop()`:                                                                                                  "it has 0 arguments, expected 1",
		`show_progress(2, 0)`:                                                                                        `"2" is no share from 0 to 1`,
		`block_image_update("/dev/system", "x", "new.dat", "patch.dat")`:                                             "cannot read transfer list",
		`block_image_update("/dev/system", package_extract_file("l"), "none", "patch.dat")`:                          `the package has no file "none"`,
		`block_image_update("/dev/system", package_extract_file("greedy"), "new.dat", "patch.dat")`:                  "it needs 40960000 bytes to keep blocks aside, there is room for 65536",
		`block_image_verify("/dev/system", package_extract_file("other"), "new.dat", "patch.dat") || abort("E1004")`: "E1004",
		`(`: "cannot read script",
	} {
		p := &phone{dir: t.TempDir(), room: 65536}
		if err := os.WriteFile(filepath.Join(p.dir, "system"), []byte(letters("abc")), 0o644); err != nil {
			t.Fatal(err)
		}
		b := packed(t, map[string]string{
			NameScript: script, "img": "x", "large": letters("yyyy"), "l": fmt.Sprintf(list, sum), "new.dat": letters("n"), "patch.dat": "",
			"greedy": "4\n0\n1\n10000\n", "other": fmt.Sprintf(list, strings.Repeat("0", 40)),
		})
		err := Run(t.Context(), bytes.NewReader(b), int64(len(b)), p)
		got, readErr := os.ReadFile(filepath.Join(p.dir, "system"))
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot install package: ") {
				t.Errorf("%s: %v, expected %q", script, err, want)
			}
			continue
		}
		short := string([]byte{got[0], got[blockota.BlockSize], got[2*blockota.BlockSize]})
		if short != want {
			t.Errorf("%s: the partition has %s, expected %s", script, short, want)
		}
		if strings.HasPrefix(script, "show") && (!slices.Equal(p.done, []float64{0, 0.25}) || !slices.Equal(p.said, []string{"half way"})) {
			t.Errorf("shown %v, said %q", p.done, p.said)
		}
	}
}

func TestNoPackage(t *testing.T) {
	p := &phone{dir: t.TempDir()}
	if err := Run(t.Context(), strings.NewReader("no zip"), 6, p); err == nil {
		t.Error("what is no zip is run")
	}
	b := packed(t, map[string]string{"x": ""})
	if err := Run(t.Context(), bytes.NewReader(b), int64(len(b)), p); err == nil || !strings.Contains(err.Error(), NameScript) {
		t.Errorf("a package without a script: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b = packed(t, map[string]string{NameScript: `abort("why"); ui_print("x")`})
	var aborted *edify.Aborted
	if err := Run(ctx, bytes.NewReader(b), int64(len(b)), p); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gives %v", err)
	}
	if err := Run(t.Context(), bytes.NewReader(b), int64(len(b)), p); !errors.As(err, &aborted) {
		t.Errorf("abort gives %v", err)
	}
}
