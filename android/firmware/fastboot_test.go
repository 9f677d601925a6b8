package firmware_test

import (
	"archive/zip"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/fastbootzip"
)

// What a vendor packed becomes images for fastboot.
func TestFastbootZip(t *testing.T) {
	im := system(t)
	for name, b := range map[string][]byte{
		"Sony":    zipOf(file{"system.sin", newerSin(t, im)}, file{"boot.img", []byte("boot image")}),
		"Samsung": zipOf(file{"AP_X.tar.md5", odin(t, im)}, file{"boot.img", []byte("boot image")}),
	} {
		fw, err := open(t, "fw.zip", b)
		if err != nil {
			t.Fatal(err)
		}
		p, err := fw.FastbootZip([]string{"lt26i"}, []string{"system"})
		if err != nil {
			t.Fatal(name, err)
		}
		var out bytes.Buffer
		if err := fastbootzip.Write(&out, p); err != nil {
			t.Fatal(name, err)
		}
		z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.Open("system.img")
		if err != nil {
			t.Fatal(name, err)
		}
		if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, im) {
			t.Errorf("%s: system.img has %d bytes, %v", name, len(got), err)
		}
		if _, err := fw.FastbootZip([]string{"lt26i"}, []string{"vendor"}); err == nil || !strings.Contains(err.Error(), `no partition "vendor"; it has [`) {
			t.Error(err)
		}
	}
}
