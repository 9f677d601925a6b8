package osrepo

import (
	"slices"
	"strings"
	"testing"
)

func deviceWith(t *testing.T, slots, flash, more string) (*Device, error) {
	t.Helper()
	files := map[string]*File{}
	for name, text := range map[string]string{
		"os.yaml": "name: A\nupdate_url: https://a.example\nchannels: [weekly]\ndefault_channel: weekly\nlayers: []\n",
		"devices/hlte/device.yaml": "codename: hlte\nvendor: S\nname: N\nboot:\n  trust: unlocked\n  slots: " + slots + "\n  flash: " + flash +
			"\n  update_certificates: [\"system:etc/otacerts.zip\"]\n" + more,
	} {
		files[name] = NewFile(name, []byte(text))
	}
	s, err := Read(files)
	if err != nil {
		return nil, err
	}
	return s.Devices["hlte"], nil
}

func TestOutputs(t *testing.T) {
	for _, c := range []struct{ slots, flash, more, want string }{
		{"single", "odin", "", "odin"},
		{"single", "recovery", "", "recovery"},
		{"single", "fastboot", "", "fastboot"},
		{"single", "recovery", "outputs: [htc, recovery]\n", "htc recovery"},
		{"ab\n  payload_minor: 6", "fastboot", "outputs: [xiaomi, ota]\n", "xiaomi ota"},
	} {
		d, err := deviceWith(t, c.slots, c.flash, c.more)
		if err != nil || !slices.Equal(d.Files(), strings.Fields(c.want)) {
			t.Errorf("%s %s %s: %v, %v", c.slots, c.flash, c.more, d, err)
		}
	}
}

func TestWrongOutputs(t *testing.T) {
	for _, c := range []struct{ slots, more, want string }{
		{"single", "outputs: [odim]\n", `devices/hlte/device.yaml:9:11: unknown kind of output "odim"`},
		{"single", "outputs: [odin, odin]\n", `output "odin" is listed twice`},
		{"single", "outputs: [ota]\n", "an ota package is for phones with two slots; boot.slots is single"},
		{"ab\n  payload_minor: 6", "outputs: [recovery]\n", `output "recovery" is for phones with one slot; boot.slots is ab`},
		{"single", "groups:\n  g:\n    size: 5\n    partitions: [system]\n", "size is 5, expected a multiple of 4096 up to 1 TiB"},
		{"single", "groups:\n  g:\n    size: 4096\n    partitions: [system]\n  h:\n    size: 4096\n    partitions: [system]\n", `partition "system" is in group "g" already`},
		{"single", "groups:\n  g:\n    size: 4096\n", "partitions"},
		{"single\n  arch: mips", "", `arch is "mips" with slots single; it is arm or arm64`},
		{"single\n  by_name: /sdcard", "", `by_name is "/sdcard"`},
		{"single\n  aside: -1", "", "aside is -1"},
		{"ab\n  payload_minor: 6\n  aside: 4096", "", "aside is 4096 with slots ab"},
		{"single\n  vbmeta_flags: [everything]", "", `vbmeta_flags has "everything"`},
	} {
		if _, err := deviceWith(t, c.slots, "fastboot", c.more); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s%s: error %v, expected %q", c.slots, c.more, err, c.want)
		}
	}
}
