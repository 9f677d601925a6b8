package htc_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/internal/judge"
)

func flashZip() (htc.Info, []htc.Image) {
	boot, system := bytes.Repeat([]byte("kernel"), 900), bytes.Repeat([]byte("ext4"), 9000)
	return htc.Info{Models: []string{"PN0710000", "PN0711000"}, CIDs: []string{"HTC__001", "11111111"}, MainVersion: "1.29.401.12", Other: []string{"hbootpreupdate:12"}},
		[]htc.Image{{"boot.img", int64(len(boot)), bytes.NewReader(boot)}, {"system.img", int64(len(system)), bytes.NewReader(system)}}
}

// What is written for fastboot flash zip is read again, by unzip too.
func TestWriteZip(t *testing.T) {
	var a, b bytes.Buffer
	info, images := flashZip()
	if err := htc.WriteZip(&a, info, images); err != nil {
		t.Fatal(err)
	}
	info, images = flashZip()
	if err := htc.WriteZip(&b, info, images); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("two runs differ, %v", err)
	}
	if f := open(t, a.Bytes()); f.Kind != htc.Zip || f.Signed {
		t.Errorf("it is %+v", f)
	}
	got, err := htc.ReadInfo(strings.NewReader(info.Text()))
	if err != nil || !reflect.DeepEqual(*got, info) {
		t.Errorf("it says %+v, %v", got, err)
	}
	judge.Need(t, "unzip")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rom.zip"), a.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	judge.In(t, dir, "unzip", "-q", "rom.zip")
	text, err := os.ReadFile(filepath.Join(dir, "android-info.txt"))
	if err != nil || string(text) != info.Text() {
		t.Errorf("%q, %v", text, err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "system.img")); err != nil || fi.Size() != 36000 {
		t.Error(fi, err)
	}
}

func TestBadZip(t *testing.T) {
	for want, edit := range map[string]func(*htc.Info, *[]htc.Image){
		"expected a model, a CID and a version":    func(i *htc.Info, _ *[]htc.Image) { i.CIDs = nil },
		`"1.2\nmodelid: x"`:                        func(i *htc.Info, _ *[]htc.Image) { i.MainVersion = "1.2\nmodelid: x" },
		`is no line`:                               func(i *htc.Info, _ *[]htc.Image) { i.Other = []string{"a\nb"} },
		"it has no images":                         func(_ *htc.Info, ims *[]htc.Image) { *ims = nil },
		`image "../boot.img"`:                      func(_ *htc.Info, ims *[]htc.Image) { (*ims)[0].Name = "../boot.img" },
		`image "boot.img" of`:                      func(_ *htc.Info, ims *[]htc.Image) { (*ims)[1].Name = "boot.img" },
		"boot.img: it ended after 5400 bytes, exp": func(_ *htc.Info, ims *[]htc.Image) { (*ims)[0].Size++ },
	} {
		info, images := flashZip()
		edit(&info, &images)
		if err := htc.WriteZip(io.Discard, info, images); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot write HTC zip: ") {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}

func ExampleWriteZip() {
	recovery := bytes.NewReader([]byte("a recovery image"))
	var zip bytes.Buffer
	err := htc.WriteZip(&zip, htc.Info{Models: []string{"PN0710000"}, CIDs: []string{"HTC__001"}, MainVersion: "9.99.999.99"},
		[]htc.Image{{Name: "recovery.img", Size: recovery.Size(), Content: recovery}})
	fmt.Println(zip.Len() > 0, err)
	// Output: true <nil>
}
