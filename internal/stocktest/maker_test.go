package stocktest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fridayos/friday/android/firmware"
	"github.com/fridayos/friday/android/nest"
)

// TestMakers has every maker's firmware read as a stranger's would be.
func TestMakers(t *testing.T) {
	key, cert, err := VendorKeys(1)
	if err != nil {
		t.Fatal(err)
	}
	one := []string{"boot ", "recovery ", "system ext4"}
	for m, want := range map[Maker]struct {
		kind    firmware.Kind
		parts   []string
		devices []string
	}{
		Xiaomi:         {firmware.Payload, []string{"boot boot", "system erofs", "vbmeta vbmeta"}, []string{"umi"}},
		XiaomiFastboot: {firmware.Fastboot, []string{"boot boot", "system erofs", "vbmeta vbmeta"}, []string{"umi"}},
		Samsung:        {firmware.Odin, one, nil},
		Sony:           {firmware.Sin, one, nil},
		HTC:            {firmware.RUU, one, []string{"0P6B10000"}},
		OnePlus:        {firmware.Payload, []string{"boot boot", "product ext4", "system ext4", "vbmeta vbmeta", "vbmeta_system vbmeta", "vbmeta_vendor vbmeta", "vendor ext4"}, []string{"instantnoodle"}},
	} {
		t.Run(string(m), func(t *testing.T) {
			f, err := os.Create(filepath.Join(t.TempDir(), "stock"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := Write(t.Context(), f, Spec{Maker: m, Files: 200, Bytes: 1 << 20}, key, cert); err != nil {
				t.Fatal(err)
			}
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			n := nest.New(nest.Options{TempDir: t.TempDir()})
			defer n.Close()
			fw, err := firmware.Open(t.Context(), n, nest.File{Name: "stock", R: f, Size: info.Size()})
			if err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, p := range fw.Partitions {
				if p.Format == "boot" && want.parts[0] == "boot " {
					p.Format = ""
				}
				parts = append(parts, p.Name+" "+p.Format)
			}
			if fw.Kind != want.kind || !slices.Equal(parts, want.parts) || !slices.Equal(fw.Devices, want.devices) {
				t.Errorf("%s %q for %q, left %v", fw.Kind, parts, fw.Devices, fw.Left)
			}
		})
	}
}
