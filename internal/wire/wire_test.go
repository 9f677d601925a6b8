package wire

import (
	"slices"
	"strings"
	"testing"
)

func TestIsCodename(t *testing.T) {
	for s, want := range map[string]bool{
		"umi": true, "hlte": true, "SM-N9005": true, "a.b_c-1": true, "2": true, strings.Repeat("x", 64): true,
		"": false, ".umi": false, "-umi": false, "_umi": false, "../umi": false, "a/b": false, "a b": false, "ümi": false, "umi\n": false, "a:b": false,
		strings.Repeat("x", 65): false,
	} {
		if IsCodename(s) != want {
			t.Errorf("IsCodename(%q) is %v", s, !want)
		}
	}
}

func TestIsPatchLevel(t *testing.T) {
	for s, want := range map[string]bool{
		"2026-11-05": true, "2031-01-31": true,
		"": false, "2026-11": false, "2026-1-05": false, "2026/11/05": false, "20261-1-05": false, "2026-11-05 ": false, "-026-11-05": false, "unknown-xx": false,
	} {
		if IsPatchLevel(s) != want {
			t.Errorf("IsPatchLevel(%q) is %v", s, !want)
		}
	}
}

func TestChannels(t *testing.T) {
	open := slices.DeleteFunc(Channels(), func(c string) bool { return !OpenChannel(c) })
	if !slices.Equal(open, []string{Weekly, Stable}) || OpenChannel("") || OpenChannel("Weekly") {
		t.Errorf("open to all are %q", open)
	}
}

func TestPackagePath(t *testing.T) {
	if got := PackagePath("ab12", "os 26.11.27?#/umi.zip"); got != "/packages/ab12/os%2026.11.27%3F%23%2Fumi.zip" {
		t.Error(got)
	}
}

func TestCheckInLimits(t *testing.T) {
	good := CheckIn{Device: "umi", Incremental: "26.11.27", PatchLevel: "2026-11-05", Channel: Weekly, Bucket: Buckets - 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, edit := range map[string]func(*CheckIn){
		"device is \"\"":               func(c *CheckIn) { c.Device = "" },
		"device is \"../umi\"":         func(c *CheckIn) { c.Device = "../umi" },
		"bucket is 10000":              func(c *CheckIn) { c.Bucket = Buckets },
		"bucket is -1":                 func(c *CheckIn) { c.Bucket = -1 },
		"ticket has 4097 bytes":        func(c *CheckIn) { c.Ticket = strings.Repeat("x", MaxTicket+1) },
		"agent has 513 bytes":          func(c *CheckIn) { c.Agent = strings.Repeat("x", MaxField+1) },
		"failed_here has 17 packages":  func(c *CheckIn) { c.FailedHere = make([]string, 17) },
		"failed_here[0] has 513 bytes": func(c *CheckIn) { c.FailedHere = []string{strings.Repeat("x", MaxField+1)} },
	} {
		c := good
		edit(&c)
		if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), "cannot accept check-in: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q", err, want)
		}
	}
}
