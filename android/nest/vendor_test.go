package nest_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/internal/judge"
)

// A block package shows the image that its list makes, unpacked or not.
func TestBlockPackage(t *testing.T) {
	image := superImage(t)
	var data, list bytes.Buffer
	l, err := blockota.Write(bytes.NewReader(image), int64(len(image)), &data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.WriteTo(&list); err != nil {
		t.Fatal(err)
	}
	br := packed(t, data.Bytes(), func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 1) })
	for _, e := range []entry{{"super.new.dat", data.Bytes()}, {"super.new.dat.br", br}} {
		n := newNest(t, nest.Options{})
		path := onDisk(t, "ota.zip", zipOf(t, zip.Deflate, e, entry{"super.transfer.list", list.Bytes()}))
		o, err := n.Open(ctx, path+"//super.img//system_a//")
		if err != nil {
			t.Fatal(err)
		}
		judge.Same(t, system(), o.Node)
	}
	n := newNest(t, nest.Options{})
	path := onDisk(t, "ota.zip", zipOf(t, zip.Deflate, entry{"super.transfer.list", list.Bytes()}))
	if _, err := n.Open(ctx, path+"//super.img//system_a"); err == nil || !strings.Contains(err.Error(), "there is neither super.new.dat nor super.new.dat.br") {
		t.Error(err)
	}
}

func TestVendors(t *testing.T) {
	n := newNest(t, nest.Options{})
	info := func(name string, b []byte) *nest.Info {
		o, err := n.Open(ctx, onDisk(t, name, b))
		if err != nil {
			t.Fatal(err)
		}
		in, err := n.Info(ctx, o, -1)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	var pit bytes.Buffer
	table := samsung.PIT{Partitions: []samsung.Partition{{ID: 20, Name: "SYSTEM", FlashName: "system.img"}}}
	if _, err := table.WriteTo(&pit); err != nil {
		t.Fatal(err)
	}
	in := info("phone.pit", pit.Bytes())
	if parts, _ := in.Facts["partitions"].(map[string]any); in.Format != "pit" || parts["SYSTEM"] == nil {
		t.Errorf("%+v", in)
	}

	z := zipOf(t, zip.Store, entry{"android-info.txt", []byte("modelid: PN0710000\n")})
	head := make([]byte, 256)
	copy(head, htc.MagicLarge)
	binary.LittleEndian.PutUint32(head[8:], 256)
	binary.LittleEndian.PutUint32(head[40:], uint32(len(z)))
	binary.LittleEndian.PutUint32(head[72:], 1)
	o, err := n.Open(ctx, onDisk(t, "rom.zip", append(head, z...))+"//part-0.zip//android-info.txt")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(o.Node.Open()); err != nil || string(b) != "modelid: PN0710000\n" {
		t.Error(string(b), err)
	}

	in = info("a.ozip", append([]byte("OPPOENCRYPT!"), make([]byte, 8192)...))
	if in.Format != "ozip" || len(in.Problems) != 1 {
		t.Errorf("%+v", in)
	}
	for name, b := range map[string][]byte{"a.sin": append([]byte("\x03SIN"), make([]byte, 100)...), "a.ops": make([]byte, 2048)} {
		if in := info(name, b); len(in.Problems) != 1 || in.Format != name[2:] {
			t.Errorf("%s: %+v", name, in)
		}
	}
	if in := info("RUU.exe", append([]byte("MZ"), make([]byte, 3000)...)); in.Format != "ruu-exe" || len(in.Problems) != 1 {
		t.Errorf("%+v", in)
	}
}
