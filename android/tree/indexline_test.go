package tree

import (
	"encoding/json"
	"testing"
)

// FuzzIndexLine: a line that is read the quick way says what package json reads in it.
func FuzzIndexLine(f *testing.F) {
	for _, e := range []IndexEntry{
		{Partition: "system", Path: "system/app/A/A.apk", Type: Regular, Perm: 0o644, Size: 9, Label: "u:object_r:system_file:s0", Digest: "ab", Capability: "01"},
		{Partition: "system", Type: Directory, Perm: 0o7755, UID: 1 << 31, GID: 4294967295}, {Partition: "vendor", Path: "a<b", Type: Symlink, Target: "caf\u00e9"},
		{Partition: "vendor", Path: "\xff", Type: Symlink, Target: "x"},
	} {
		b, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"partition":"a","path":"b","type":"file","perm":65536,"uid":01,"gid":-1,"size":9223372036854775808}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := words{}.entry(b)
		if !ok {
			return
		}
		var want IndexEntry
		if err := json.Unmarshal(b, &want); err != nil || got != want {
			t.Fatalf("%q is %+v, expected %+v, %v", b, got, want, err)
		}
	})
}

// TestIndexLine: what is written is read the quick way.
func TestIndexLine(t *testing.T) {
	for _, e := range []IndexEntry{
		{Partition: "system", Path: "system/app/A/A.apk", Type: Regular, Perm: 0o644, Size: 9, Label: "u:object_r:system_file:s0", Digest: "ab", Capability: "01"},
		{Partition: "system", Type: Directory, Perm: 0o7755, UID: 1 << 31, GID: 4294967295}, {Partition: "vendor", Path: "l", Type: Symlink, Target: "../x"},
	} {
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := (words{}).entry(b); !ok || got != e {
			t.Errorf("%s is %+v, %v", b, got, ok)
		}
	}
}
