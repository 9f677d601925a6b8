package layering

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// TestFirmware: firmware may have files, and what is left to the phone no layer changes.
func TestFirmware(t *testing.T) {
	device := strings.Replace(good[umiFile], "payload_minor: 6", "payload_minor: 7", 1) + "firmware: {dsp: HOW}\n"
	certs := "system:system/etc/security/otacerts.zip\""
	for _, c := range []struct{ name, device, layer, want string }{
		{"shipped", strings.Replace(device, "HOW", "shipped", 1), "remove: [\"dsp:adsp.so\"]\n", ""},
		{"copied", strings.Replace(device, "HOW", "copied", 1), "", ""},
		{"copied and changed", strings.Replace(device, "HOW", "copied", 1), "remove: [\"dsp:adsp.so\"]\n",
			"layers/extra/layer.yaml:2:10: partition dsp is firmware that devices/umi/device.yaml leaves to the phone; no build has it"},
		{"copied, with certificates", strings.NewReplacer("HOW", "copied", certs, certs+", \"dsp:adsp.so\"").Replace(device), "",
			"devices/umi/device.yaml:9:68: partition dsp is firmware that is copied; no build has it"},
		{"copied, and more is said of it", strings.Replace(device, "HOW", "copied", 1) + "partitions: {dsp: {fs: ext4}}\n", "",
			"devices/umi/device.yaml:12:19: dsp is firmware that is copied; no build has it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := osrepo.Read(with(map[string]string{umiFile: c.device, extraFile: "why: more\n" + c.layer}))
			if err == nil {
				v := stockView()
				v.Partitions = append(v.Partitions, "dsp")
				v.Index.Add(tree.IndexEntry{Partition: "dsp", Type: tree.Directory, Perm: 0o755}, tree.IndexEntry{Partition: "dsp", Path: "adsp.so", Type: tree.Regular, Perm: 0o644})
				_, err = Plan(s, "umi", v)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("%v\nexpected %s", err, c.want)
			}
		})
	}
}
