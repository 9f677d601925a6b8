package layering

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/osrepo"
)

func TestPlan(t *testing.T) {
	changes := edit(baseFile, "    to: system:system\n", `    to: system:system
    rules:
      - {path: "system/bin/*", group: 1000, capabilities: [net_raw, net_admin]}
      - {path: system/etc/ours.txt, mode: 0600, owner: system, label: "u:object_r:ours_file:s0"}
`)
	s, err := osrepo.Read(with(changes))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", stockView())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range p.Removed {
		got = append(got, "- "+r.Path)
	}
	for _, w := range p.Placed {
		got = append(got, fmt.Sprintf("+ %s %s %04o %d:%d %s %v %s", w.Path, w.Type, w.Perm, w.UID, w.GID,
			strings.TrimSuffix(strings.TrimPrefix(w.Label, "u:object_r:"), ":s0"), w.Replaces, hex.EncodeToString(w.Capability)))
	}
	for _, e := range p.Props {
		got = append(got, fmt.Sprintf("%s %s=%s", e.Op, e.Key, e.Value))
	}
	want := []string{
		"- system/app/Ads",
		"- system/app/Ads/Ads.apk",
		"+ system/app/Our dir 0755 0:0 system_file false ",
		"+ system/app/Our/Our.apk file 0644 0:0 system_file false ",
		"+ system/bin/tool file 0755 0:1000 toolbox_exec false 0100000200300000000000000000000000000000",
		"+ system/etc/hosts file 0640 0:1000 hosts_file true ",
		"+ system/etc/link symlink 0777 0:0 system_file false ",
		"+ system/etc/ours.txt file 0600 1000:0 ours_file false ",
		"+ system/media dir 0755 0:0 system_file false ",
		"+ system/media/x dir 0755 0:0 system_file false ",
		"set ro.test=${version}", "append ro.stock.list=,ours", "delete ro.vendor.ads=",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := Plan(s, "umi", osrepo.View{Index: stockView().Index}); err != nil {
		t.Errorf("without properties: %v", err)
	}
	if _, err := Plan(s, "umu", stockView()); err == nil || !strings.Contains(err.Error(), "there are umi") && !strings.Contains(err.Error(), `did you mean "umi"?`) {
		t.Errorf("unknown device: %v", err)
	}
}

// A layer may take a folder away and put its own in its place.
func TestReplaceFolder(t *testing.T) {
	changes := edit(baseFile, "remove:\n", "  - {from: files/app/Our/Our.apk, to: \"system:system/app/Ads/Ads.apk\"}\nremove:\n")
	s, err := osrepo.Read(with(changes))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", stockView())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Placed, func(w osrepo.Placed) bool { return w.Path == "system/app/Ads" })
	if i < 0 || p.Placed[i].Replaces || p.Placed[i+1].Path != "system/app/Ads/Ads.apk" || p.Placed[i+1].Replaces {
		t.Errorf("the folder is not made anew: %+v", p.Placed)
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"version": "26.11.27", "os.name": "Test OS"}
	for text, want := range map[string]string{"": "", "a": "a", "${version}": "26.11.27", "${os.name} ${version}!": "Test OS 26.11.27!", "$version {x}": "$version {x}"} {
		if got, err := osrepo.Expand(text, values); err != nil || got != want {
			t.Errorf("Expand(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	if _, err := osrepo.Expand("${channel}", values); err == nil {
		t.Error("a variable without a value was taken")
	}
}
