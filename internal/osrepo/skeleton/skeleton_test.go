package skeleton_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/skeleton"
)

// TestExamples: what is written is taken, every device and layer of it.
func TestExamples(t *testing.T) {
	names := skeleton.Examples()
	if !slices.Equal(names, []string{"hlte", "instantnoodle", "m8", "sumire", "umi"}) {
		t.Errorf("examples %q", names)
	}
	dir := filepath.Join(t.TempDir(), "os")
	o := skeleton.Options{Name: "An OS", Examples: names, Time: time.Unix(1, 0)}
	if err := skeleton.Write(dir, o); err != nil {
		t.Fatal(err)
	}
	r, err := osrepo.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Load("")
	if err != nil {
		t.Fatal(err)
	}
	vendors := map[string]bool{}
	for _, name := range names {
		if d := s.Devices[name]; d == nil || d.Codename != name {
			t.Errorf("device %s is %+v", name, d)
		} else {
			vendors[d.Vendor] = true
		}
	}
	if len(vendors) != 5 || len(s.Devices) != 5 || s.Layers["lineage-updater"] == nil || s.Layers["clean"] == nil {
		t.Errorf("vendors %v, layers %v", vendors, s.Layers)
	}
	o.Examples = []string{"nokia"}
	if err := skeleton.Write(filepath.Join(t.TempDir(), "os"), o); err == nil || !strings.Contains(err.Error(), `there is no example of a device "nokia", only hlte, `) {
		t.Errorf("an example that there is not: %v", err)
	}
}

// TestUpdaterAddress: with the number, the address fits into a property.
func TestUpdaterAddress(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "os")
	if err := skeleton.Write(dir, skeleton.Options{}); err != nil {
		t.Fatal(err)
	}
	r, err := osrepo.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Load("")
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Layers["lineage-updater"].File("friday-updater.rc").Bytes(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(string(text), "setprop lineage.updater.uri ")
	address = strings.NewReplacer("${ro.friday.update_url}", "https://"+strings.Repeat("x", 24)+".example", "${persist.friday.bucket}", "99999999999").Replace(strings.TrimSpace(address))
	if len(address) > 91 || !strings.HasSuffix(address, "?bucket=99999999999") || !strings.Contains(address, "/api/v1/{device}/{type}/{incr}") {
		t.Errorf("%s has %d bytes", address, len(address))
	}
}
