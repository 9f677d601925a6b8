package flashing_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/handset"
	"github.com/fridayos/friday/internal/stocktest"
)

// content is an image of a build.
func (s *shop) content(b catalog.Build, partition string) []byte {
	s.t.Helper()
	i, ok := b.Image(partition)
	if !ok {
		s.t.Fatalf("the build has no %s", partition)
	}
	r, err := s.blobs.Open(i.Digest)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		s.t.Fatal(err)
	}
	return content
}

// flashed is a phone with a build's images, one of which has a bit turned near its
// start; "" for none.
func (s *shop) flashed(b catalog.Build, turned string) *handset.Phone {
	s.t.Helper()
	p := s.phone(nil)
	for _, i := range b.Images {
		content := s.content(b, i.Name)
		if i.Name == turned {
			content[5000] ^= 1
		}
		if err := p.Flash(i.Name, bytes.NewReader(content)); err != nil {
			s.t.Fatal(err)
		}
	}
	return p
}

// TestChainedPhone: a phone of one's own key boots a build over a stock with
// vbmeta_system and vbmeta_vendor, stores the rollback index of each, and refuses it
// as soon as a block of any partition behind any of the structs is another.
func TestChainedPhone(t *testing.T) {
	s := newShop(t, stocktest.OnePlus)
	b := s.build("26.11.27")
	p := s.flashed(b, "")
	boots(t, p, "26.11.27")
	stored, err := os.ReadFile(filepath.Join(s.folder, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, location := range []string{"0", "2", "3"} {
		if !strings.Contains(string(stored), fmt.Sprintf("%q: 1633046400", location)) {
			t.Errorf("no rollback index is stored at location %s: %s", location, stored)
		}
	}
	for _, name := range []string{"boot", "system", "product", "vendor"} {
		if _, err := s.flashed(b, name).Boot(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("with another %s: %v", name, err)
		}
	}
	// The vendor's own struct in place of ours, as after flashing half of a stock.
	for _, i := range s.stock.Partitions {
		if i.Name != "vbmeta_system" {
			continue
		}
		mixed := s.flashed(b, "")
		stock := catalog.Build{Images: s.stock.Partitions}
		if err := mixed.Flash("vbmeta_system", bytes.NewReader(s.content(stock, "vbmeta_system"))); err != nil {
			t.Fatal(err)
		}
		if _, err := mixed.Boot(t.Context()); err == nil || !strings.Contains(err.Error(), "partition vbmeta_system: it is signed by key") {
			t.Errorf("with the vendor's vbmeta_system: %v", err)
		}
	}
}

// TestFlaggedPhone: an unlocked phone whose device.yaml has vbmeta_flags boots what
// its vbmeta tells it not to verify, and nothing more.
func TestFlaggedPhone(t *testing.T) {
	for _, c := range []struct {
		flags        string
		system, boot bool // it starts with another of them
	}{
		{"", false, false},
		{"hashtree-disabled", true, false},
		{"hashtree-disabled, verification-disabled", true, true},
	} {
		t.Run("["+c.flags+"]", func(t *testing.T) {
			boot := strings.Replace(phones[stocktest.OnePlus].boot, "trust: custom-key", "trust: unlocked\n  vbmeta_flags: ["+c.flags+"]", 1)
			s := newShopAs(t, stocktest.OnePlus, boot)
			first := s.build("26.11.20")
			p := s.flashed(first, "")
			boots(t, p, "26.11.20")
			for name, want := range map[string]bool{"product": c.system, "boot": c.boot} {
				if _, err := s.flashed(first, name).Boot(t.Context()); (err == nil) != want {
					t.Errorf("with another %s: %v, expected to start: %v", name, err, want)
				}
			}
			if _, err := p.Sideload(t.Context(), s.pack(&first, s.build("26.11.27"))); err != nil {
				t.Fatal(err)
			}
			boots(t, p, "26.11.27")
		})
	}
}
