package main

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"
)

// TestBuiltKeys: what 'build --json' prints has these keys, on which programs rely.
func TestBuiltKeys(t *testing.T) {
	cpu := 1.5
	keys := func(v any) []string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(m))
	}
	b := built{Images: map[string]builtImage{"system": {}}, Outputs: []string{}, CPUSeconds: &cpu}
	if got, want := keys(b), []string{"cpu_s", "device", "fingerprint", "images", "outputs", "owners", "version", "wall_s"}; !slices.Equal(got, want) {
		t.Errorf("keys %q, expected %q", got, want)
	}
	if got, want := keys(b.Images["system"]), []string{"file", "fs", "sha256", "size"}; !slices.Equal(got, want) {
		t.Errorf("keys of an image %q, expected %q", got, want)
	}
}
