package rom

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestFirmware: what runs below Android is the stock's in every build, or left to the
// phone, but not where the phone would refuse its own.
func TestFirmware(t *testing.T) {
	w, device := ofMaker(t, stocktest.OnePlus, "[]")
	w.stock = w.addStock(stockZip(t, stocktest.Spec{Maker: stocktest.OnePlus, Seed: 3, Files: 250, Bytes: 3 << 20, Modem: true}), device)
	modem := partitionNamed(t, w.stock.Partitions, "modem")
	build := func() (catalog.Build, *report.Report, error) {
		in := w.input("26.11.27")
		in.Device = device
		return Build(t.Context(), in)
	}
	shipped, said, err := build()
	if err != nil || partitionNamed(t, shipped.Images, "modem").Digest != modem.Digest {
		t.Errorf("unless something is said it is shipped: %v", err)
	}
	why := func() report.Partition {
		return said.Partitions[slices.IndexFunc(said.Partitions, func(p report.Partition) bool { return p.Name == "modem" })]
	}
	if p := why(); p.Rebuilt || p.Why != "no layer changes it" {
		t.Errorf("%+v", p)
	}
	file := "devices/" + device + "/device.yaml"
	yaml, err := os.ReadFile(w.repo + "/" + file)
	if err != nil {
		t.Fatal(err)
	}
	copied := strings.Replace(string(yaml), "payload_minor: 6", "payload_minor: 7", 1) + "firmware:\n  modem: copied\n  tz: copied\n"
	w.commit(2*time.Hour, map[string]string{file: copied})
	left, said, err := build()
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := left.Image("modem"); ok || len(left.Images) != len(shipped.Images)-1 {
		t.Error("the modem's is in the build")
	}
	if p := why(); p.Rebuilt || p.VerifiedBy != "" || !strings.Contains(p.Why, "it keeps its own, and copies it to the other slot") {
		t.Errorf("%+v", p)
	}

	// A vbmeta of the vendor's that describes it.
	key, _ := keysOf(t, 1)
	for i := range w.stock.Partitions {
		p := &w.stock.Partitions[i]
		if p.Name != "vbmeta" {
			continue
		}
		r, err := w.blobs.Open(p.Digest)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		v, err := readVBMeta(r, r.Size())
		if err != nil {
			t.Fatal(err)
		}
		v.Descriptors = append(v.Descriptors, &avb.HashDescriptor{Partition: "modem", HashAlgorithm: "sha256", Digest: make([]byte, 32), ImageSize: 1 << 20})
		text, err := avb.Sign(v, key)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := w.blobs.Put(t.Context(), bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		p.Digest, p.Size = ref.Digest, ref.Size
	}
	want := "firmware modem is copied, but the stock's vbmeta describes it: the phone starts with that of the stock alone; ship it"
	if _, _, err := build(); err == nil || !strings.HasPrefix(err.Error(), file+":") || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v, expected %s", err, want)
	}
}
