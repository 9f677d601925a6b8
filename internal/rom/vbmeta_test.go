package rom

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/report"
)

// TestDescriptors makes vbmeta over stocks whose vendor delegated partitions to
// other keys.
func TestDescriptors(t *testing.T) {
	blobs, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	key, _ := keysOf(t, 1)
	ourKey, _ := keysOf(t, 99)
	public := avb.EncodePublicKey(&key.PublicKey)
	hash := func(partition string) *avb.HashDescriptor {
		return &avb.HashDescriptor{Partition: partition, HashAlgorithm: "sha256", Digest: make([]byte, 32)}
	}
	chain := func(partition string, location uint32) *avb.ChainDescriptor {
		return &avb.ChainDescriptor{Partition: partition, RollbackIndexLocation: location, PublicKey: public}
	}
	image := func(name string, ds ...avb.Descriptor) catalog.Partition {
		text, err := avb.Sign(&avb.VBMeta{RollbackIndex: 9, Descriptors: ds}, key)
		if err != nil {
			t.Fatal(err)
		}
		ref, err := blobs.Put(t.Context(), bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return catalog.Partition{Name: name, Digest: ref.Digest, Size: ref.Size}
	}
	stock := []catalog.Partition{
		image("vbmeta_system", hash("system"), hash("product"), &avb.PropertyDescriptor{Key: "k", Value: []byte("v")}),
		image("vbmeta_vendor", hash("vendor")),
	}
	for _, name := range []string{"boot", "dtbo", "product", "recovery", "system", "vendor"} {
		stock = append(stock, catalog.Partition{Name: name})
	}
	top := []avb.Descriptor{hash("dtbo"), chain("boot", 1), chain("vbmeta_system", 2), chain("vbmeta_vendor", 3), chain("absent", 4)}

	for _, c := range []struct{ made, want, vouched string }{
		{"system boot", "dtbo(stock) boot(ours) vbmeta_system(chain by us: system(ours) product(stock) property, index 9) vbmeta_vendor(chain) absent(chain)",
			"dtbo:friday product:friday recovery: vbmeta_system:friday vbmeta_vendor:stock vendor:stock"},
		{"recovery boot", "dtbo(stock) boot(ours) vbmeta_system(chain) vbmeta_vendor(chain) absent(chain) recovery(ours)",
			"dtbo:friday product:stock system:stock vbmeta_system:stock vbmeta_vendor:stock vendor:stock"},
	} {
		b := &builder{plan: &osrepo.Plan{Device: &osrepo.Device{Rollback: osrepo.Rollback{Index: 7}}}, ctx: t.Context(), in: Input{Blobs: blobs, AVB: ourKey, Stock: catalog.Stock{Partitions: stock}}, stock: map[string]catalog.Partition{}, made: map[string]avb.Descriptor{}, report: &report.Report{}}
		for _, p := range stock {
			b.stock[p.Name] = p
		}
		for _, name := range strings.Fields(c.made) {
			ours := hash(name)
			ours.Digest[0] = 1
			b.made[name] = ours
		}
		for _, p := range stock {
			if b.made[p.Name] == nil {
				b.report.Partitions = append(b.report.Partitions, report.Partition{Name: p.Name})
			}
		}
		ds, err := b.descriptors(top, 0)
		if err != nil {
			t.Fatal(err)
		}
		ds = append(ds, b.undescribed(ds)...)
		var vouched []string
		got := words(t, b, ds)
		for _, p := range b.report.Partitions {
			vouched = append(vouched, p.Name+":"+p.VerifiedBy)
		}
		b.close()
		slices.Sort(vouched)
		if strings.Join(got, " ") != c.want || strings.Join(vouched, " ") != c.vouched {
			t.Errorf("%s rebuilt:\n%s\n%s\nwant\n%s\n%s", c.made, strings.Join(got, " "), strings.Join(vouched, " "), c.want, c.vouched)
		}
	}
}

// words names descriptors, and those behind a chain that is ours.
func words(t *testing.T, b *builder, ds []avb.Descriptor) (got []string) {
	t.Helper()
	for _, d := range ds {
		switch d := d.(type) {
		case *avb.HashDescriptor:
			whose := "stock"
			if b.made[d.Partition] == avb.Descriptor(d) || len(d.Digest) == 32 && d.Digest[0] == 1 {
				whose = "ours"
			}
			got = append(got, fmt.Sprintf("%s(%s)", d.Partition, whose))
		case *avb.ChainDescriptor:
			if !avb.SameKey(d.PublicKey, avb.EncodePublicKey(&b.in.AVB.PublicKey)) {
				got = append(got, d.Partition+"(chain)")
				continue
			}
			r, err := b.source(partitionNamed(t, b.images, d.Partition))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			below, err := readVBMeta(r, r.Size())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s(chain by us: %s, index %d)", d.Partition, strings.Join(words(t, b, below.Descriptors), " "), below.RollbackIndex))
		default:
			got = append(got, "property")
		}
	}
	return got
}
