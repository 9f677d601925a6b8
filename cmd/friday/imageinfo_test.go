package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fridayos/friday/android/nest"
)

func TestInfoText(t *testing.T) {
	in := &nest.Info{Path: "fw.zip", Format: "zip", Size: 3 << 20, Facts: map[string]any{"entries": 2, "device": "umi", "comment": ""}, Children: []*nest.Info{
		{Path: "fw.zip//super.img", Format: "super", Size: 16 << 20, Facts: map[string]any{
			"devices":    []any{map[string]any{"name": "super", "size": uint64(16 << 20)}},
			"virtual_ab": true,
			"partitions": map[string]any{"system_a": map[string]any{"size": int64(32768), "group": "main_a", "extents": 3}, "odm_a": map[string]any{"size": int64(0), "group": "main_a", "extents": 0}},
		}, Children: []*nest.Info{
			{Path: "fw.zip//super.img//system_a", Format: "ext4", Size: 32768, Facts: map[string]any{"features": []string{"ext_attr", "dir_index", "filetype", "extent", "sparse_super", "large_file"}, "volume": "sys\x1b[2Jtem"},
				Problems: []string{"its journal was not replayed: what is read may be torn, and so on for longer than a line has room"}},
		}},
		{Path: "fw.zip//vbmeta.img//", Format: "vbmeta", Size: 4096, Facts: map[string]any{"timestamp": int64(1788220800), "properties": map[string]any{"com.android.build.system.os_version": "13"}}},
	}}
	want := `fw.zip: zip, 3.0 MiB
│  device   umi
│  entries  2
├─ super.img: super, 16.0 MiB
│  │  devices     super, 16.0 MiB (16777216)
│  │  virtual ab  yes
│  │  partitions:
│  │    odm_a     0 B, extents 0, group main_a
│  │    system_a  32.0 KiB (32768), extents 3, group
│  │              main_a
│  └─ system_a: ext4, 32.0 KiB
│        volume    "sys\x1b[2Jtem"
│        features  ext_attr, dir_index, filetype,
│                  extent, sparse_super, large_file
│        PROBLEM: its journal was not replayed: what
│          is read may be torn, and so on for longer
│          than a line has room
└─ vbmeta.img//: vbmeta, 4.0 KiB
      timestamp  1788220800 (2026-09-01 00:00 UTC)
      properties:
        com.android.build.system.os_version
          13`
	lines := infoText(in, 52)
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("expected\n%s\nfound\n%s", want, got)
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) > 52 {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(l), l)
		}
	}
}
