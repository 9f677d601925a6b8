package rom

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestChains builds over a stock whose vbmeta delegates to vbmeta_system and
// vbmeta_vendor, each with a key of its vendor's: what a layer changed is signed by
// the OS's key at the rollback location that the vendor gave it, and what none
// changed stays the vendor's, byte for byte. openssl and veritysetup go through the
// whole chain.
func TestChains(t *testing.T) {
	for _, c := range []struct {
		name, layer string
		ours        []string // structs that the OS's key signs
	}{
		{"system", "add:\n  - {from: files, to: \"system:system\"}\n", []string{"vbmeta", "vbmeta_system"}},
		{"vendor too", "add:\n  - {from: files, to: \"vendor:\"}\n", []string{"vbmeta", "vbmeta_system", "vbmeta_vendor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, device := ofMaker(t, stocktest.OnePlus, "[mine]")
			w.commit(2*time.Hour, map[string]string{
				"layers/mine/layer.yaml":         "why: a test\n" + c.layer,
				"layers/mine/files/etc/mine.txt": "mine\n",
			})
			b := w.buildOf(device, "26.11.27")
			open := func(name string) (io.ReaderAt, int64, error) {
				i, ok := b.Image(name)
				if !ok {
					return nil, 0, os.ErrNotExist
				}
				r, err := w.blobs.Open(i.Digest)
				if err != nil {
					return nil, 0, err
				}
				t.Cleanup(func() { r.Close() })
				return r, r.Size(), nil
			}
			chain, err := avb.VerifyChain(t.Context(), open, avb.EncodePublicKey(&w.key.PublicKey))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprint(chain.RollbackIndexes), "map[0:1633046400 2:1633046400 3:1633046400]"; got != want {
				t.Errorf("rollback indexes are %s, expected %s", got, want)
			}
			listed := map[string]string{}
			judgeStruct(t, w, b, "vbmeta", chain.VBMeta.PublicKey, listed)
			for _, d := range chain.VBMeta.Descriptors {
				chain, ok := d.(*avb.ChainDescriptor)
				if !ok {
					continue
				}
				judgeStruct(t, w, b, chain.Partition, chain.PublicKey, listed)
				ours := avb.SameKey(chain.PublicKey, avb.EncodePublicKey(&w.key.PublicKey))
				if want := slices.Contains(c.ours, chain.Partition); ours != want {
					t.Errorf("%s is signed by the OS's key: %v, expected %v", chain.Partition, ours, want)
				}
				same := partitionNamed(t, w.stock.Partitions, chain.Partition).Digest == partitionNamed(t, b.Images, chain.Partition).Digest
				if same == ours {
					t.Errorf("%s has the stock's bytes: %v, though the OS's key signs it: %v", chain.Partition, same, ours)
				}
			}
			want := map[string]string{"boot": "vbmeta", "system": "vbmeta_system", "product": "vbmeta_system", "vendor": "vbmeta_vendor"}
			if fmt.Sprint(listed) != fmt.Sprint(want) {
				t.Errorf("partitions are listed in %v, expected %v", listed, want)
			}
		})
	}
}

// judgeStruct has openssl check a vbmeta partition by a key and by itself, and
// veritysetup and openssl what it describes; listed gets the partitions.
func judgeStruct(t *testing.T, w *workshop, b catalog.Build, name string, key []byte, listed map[string]string) {
	t.Helper()
	text, err := os.ReadFile(w.file(partitionNamed(t, b.Images, name)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := readVBMeta(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	public, err := avb.DecodePublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("openssl of "+name, func(t *testing.T) { judge.VBMeta(t, text, public) })
	for _, d := range v.Descriptors {
		partition := partitionOf(d)
		switch d := d.(type) {
		case *avb.HashtreeDescriptor:
			t.Run("veritysetup of "+partition, func(t *testing.T) {
				judge.Verity(t, w.file(partitionNamed(t, b.Images, partition)), judge.HashTree{Root: d.RootDigest, Salt: d.Salt, ImageSize: d.ImageSize, TreeOffset: d.TreeOffset})
			})
			listed[partition] = name
		case *avb.HashDescriptor:
			t.Run("openssl of "+partition, func(t *testing.T) {
				judge.Hashed(t, w.file(partitionNamed(t, b.Images, partition)), d.Salt, int64(d.ImageSize), d.Digest)
			})
			listed[partition] = name
		}
	}
}

// TestFlags: the top vbmeta of an unlocked phone's build says what its device.yaml
// says, in the four bytes at 120 that boot loaders read, and what the build proves
// is the chain without them.
func TestFlags(t *testing.T) {
	for flags, want := range map[string]uint32{"": 0, "hashtree-disabled": 1, "verification-disabled": 2} {
		p := bootprofile.Profile{}
		if flags != "" {
			p.VBMetaFlags = []string{flags}
		}
		if got := vbmetaFlags(p); got != want {
			t.Errorf("%q is %#x, expected %#x", flags, got, want)
		}
	}
	for flags, want := range map[string]byte{"": 0, "hashtree-disabled, verification-disabled": 3} {
		t.Run("["+flags+"]", func(t *testing.T) {
			w, device := ofMaker(t, stocktest.OnePlus, "[]")
			text := "codename: instantnoodle\nvendor: OnePlus\nname: a phone\nboot:\n  " +
				strings.Replace(vendors[stocktest.OnePlus].yaml, "trust: custom-key", "trust: unlocked\n  vbmeta_flags: ["+flags+"]", 1) + "\nlayers: []\n"
			w.commit(2*time.Hour, map[string]string{"devices/instantnoodle/device.yaml": text})
			in := w.input("26.11.27")
			in.Device = device
			b, said, err := Build(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			top, err := os.ReadFile(w.file(partitionNamed(t, b.Images, "vbmeta")))
			if err != nil {
				t.Fatal(err)
			}
			if got := top[120:124]; !bytes.Equal(got, []byte{0, 0, 0, want}) {
				t.Errorf("the flags are % x, expected %d", got, want)
			}
			judge.VBMeta(t, top, &w.key.PublicKey)
			system, err := os.ReadFile(w.file(partitionNamed(t, b.Images, "vbmeta_system")))
			if err != nil {
				t.Fatal(err)
			}
			if got := system[120:124]; !bytes.Equal(got, []byte{0, 0, 0, 0}) {
				t.Errorf("a chained struct has flags % x; phones refuse that", got)
			}
			i := slices.IndexFunc(said.Partitions, func(p report.Partition) bool { return p.Name == "vbmeta" })
			if told := strings.Contains(said.Partitions[i].Why, "what not to verify"); told != (want != 0) {
				t.Errorf("the report says of vbmeta: %s", said.Partitions[i].Why)
			}
		})
	}
}
