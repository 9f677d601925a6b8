package qualifier

import (
	"encoding/hex"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]uint32{
		"": 0, "de-rAT": 0x4, "mcc310-mnc004-sw600dp-land-night-v29": 0x3483, "xxhdpi": 0x100, "b+zh+Hant": 0x4, "ldrtl": 0x4000, "w600dp-h300dp": 0x200,
		"round-widecg": 0x18000, "car": 0x1000, "large-long": 0x800, "anydpi-v26": 0x500,
	} {
		c, err := Parse(text)
		if err != nil || c.Axes() != want || len(c.Encode()) != Size {
			t.Errorf("%q: axes %#x, %v, want %#x", text, c.Axes(), err, want)
		}
	}
	for text, want := range map[string]string{
		"nigth": `unknown qualifier "nigth"`, "land-port": `qualifier "port" is the second of its kind`, "rAT": `unknown qualifier "rAT"`, "de--night": `unknown qualifier ""`,
		"sw0dp": `unknown qualifier "sw0dp"`, "mcc12": `unknown qualifier "mcc12"`, "99999": `unknown qualifier "99999"`, "xhdpi-mdpi": `qualifier "mdpi" is the second of its kind`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	c, err := Parse("fil-rPH-480dpi")
	if got := hex.EncodeToString(c.Encode()[8:16]); err != nil || got != "ad055048"+"0000e001" {
		t.Errorf("encoded as %s, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"de-rAT-night-xxhdpi", "b+zh+Hant+419", "mcc310-mnc004"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse(text)
		if err == nil && len(c.Encode()) != Size {
			t.Fatal(c)
		}
		if err == nil && c.Axes() == 0 && strings.Trim(text, "-") != "" && c != (Config{}) {
			t.Fatalf("%q asks for something that no axis has: %+v", text, c)
		}
	})
}
