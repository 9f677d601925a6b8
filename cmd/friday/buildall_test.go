package main

import (
	"testing"
	"unicode/utf8"
)

func TestAbreast(t *testing.T) {
	for _, c := range []struct {
		cores  int
		memory int64
		want   int
	}{{2, 0, 2}, {8, 64 << 30, 8}, {8, 1 << 30, 4}, {8, 100 << 20, 1}, {1, 1 << 40, 1}} {
		if got := abreast(c.cores, c.memory); got != c.want {
			t.Errorf("%d cores and %d bytes: %d, want %d", c.cores, c.memory, got, c.want)
		}
	}
}

func TestStockOf(t *testing.T) {
	for text, want := range map[string]string{
		"Xiaomi/umi/umi:13/TKQ1.221114.001/V14.0.4.0.TJBMIXM:user/release-keys": "Android 13, V14.0.4.0.TJBMIXM",
		"not one": "not one",
	} {
		if got := stockOf(text); got != want || utf8.RuneCountInString(got) > 38 {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := shortened("0123456789", 5); got != "01…89" {
		t.Errorf("shortened to %q", got)
	}
}

func TestIndented(t *testing.T) {
	const long = "layers/camera/layer.yaml:9:5: stock has no system:system/app/Adz; did you mean \"system:system/app/Ads\"?\nsecond"
	const want = `  layers/camera/layer.yaml:9:5: stock has no system:system/app/Adz; did you mean
    "system:system/app/Ads"?
  second
`
	if got := indented(long, "  ", 80); got != want {
		t.Errorf("got\n%s", got)
	}
}
