package fingerprint

import (
	"fmt"
	"strings"
	"testing"
)

// Real ones, as the phones shipped.
var shipped = []string{
	"google/blueline/blueline:9/PD1A.180720.031/4977303:user/release-keys",
	"google/sailfish/sailfish:8.1.0/OPM1.171019.011/4448085:user/release-keys",
	"Xiaomi/umi/umi:11/RKQ1.200826.002/V12.5.9.0.RJBCNXM:user/release-keys",
	"samsung/hltexx/hlte:5.0/LRX21V/N9005XXUGBOJ2:user/release-keys",
	"SEMC/LT26i_1257-4009/LT26i:4.1.2/6.2.B.1.96/C_3_zw:user/release-keys",
	"htc/m7_google/m7:5.1/LMY47O.H18/666675:user/release-keys",
	"OnePlus/OnePlus7Pro_EEA/OnePlus7Pro:10/QKQ1.190716.003/1910071200:user/release-keys",
	"Android/sdk_phone_x86_64/generic_x86_64:5.1.1/LMY48X/4174724:eng/test-keys",
	"motorola/nairo_retail/nairo:10/QPDS30.73-41-19/49b5a:user/release-keys",
}

func TestShipped(t *testing.T) {
	for _, s := range shipped {
		f, err := Parse(s)
		if err != nil {
			t.Error(err)
			continue
		}
		if f.String() != s {
			t.Errorf("%q is written as %q", s, f)
		}
		if err := f.Check(); err != nil {
			t.Error(err)
		}
	}
	f, _ := Parse(shipped[2])
	if want := (Fingerprint{"Xiaomi", "umi", "umi", "11", "RKQ1.200826.002", "V12.5.9.0.RJBCNXM", "user", "release-keys"}); f != want {
		t.Errorf("%+v, want %+v", f, want)
	}
}

func TestErrors(t *testing.T) {
	const form = "; expected brand/product/device:release/id/incremental:type/tags"
	long := strings.Repeat("x", 256)
	for s, want := range map[string]string{
		"":                        `cannot read fingerprint "": no '/' behind the brand at offset 0` + form,
		"a/b/c:9/I/1:user":        `cannot read fingerprint "a/b/c:9/I/1:user": no '/' behind the type at offset 12` + form,
		"a/b/c/9/I/1:user/keys":   `cannot read fingerprint "a/b/c/9/I/1:user/keys": '/' at offset 5 behind the device, where ':' belongs` + form,
		"a/b:c":                   `cannot read fingerprint "a/b:c": ':' at offset 3 behind the product, where '/' belongs` + form,
		"a/b/c:9/I/1:user/keys/x": `cannot read fingerprint "a/b/c:9/I/1:user/keys/x": '/' at offset 21 follows the tags` + form,
		"a//c:9/I/1:user/keys":    `cannot read fingerprint "a//c:9/I/1:user/keys": the product is empty` + form,
		"a/b/c:9/I/1:user/":       `cannot read fingerprint "a/b/c:9/I/1:user/": the tags is empty` + form,
		"a/b/c d:9/I/1:user/k":    `cannot read fingerprint "a/b/c d:9/I/1:user/k": the device "c d" has ' ' in it` + form,
		"a/b/c:9/I/1:user/k\n":    `cannot read fingerprint "a/b/c:9/I/1:user/k\n": the tags "k\n" has '\n' in it` + form,
		long:                      `cannot read fingerprint "` + long[:64] + `…": it is 256 bytes long, at most 255 are read` + form,
	} {
		if _, err := Parse(s); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
	if err := (Fingerprint{Brand: "a:b"}).Check(); err == nil || err.Error() != `cannot use fingerprint: the brand "a:b" has ':' in it` {
		t.Error(err)
	}
	f := Fingerprint{long, "b", "c", "9", "I", "1", "user", "k"}
	if err := f.Check(); err == nil || err.Error() != "cannot use fingerprint: it is 273 bytes long, expected at most 255" {
		t.Error(err)
	}
}

func ExampleParse() {
	f, err := Parse("google/blueline/blueline:9/PD1A.180720.031/4977303:user/release-keys")
	if err != nil {
		panic(err)
	}
	fmt.Println(f.Device, f.Release, f.Incremental)
	f.Incremental = "26.11.27"
	fmt.Println(f)
	// Output:
	// blueline 9 4977303
	// google/blueline/blueline:9/PD1A.180720.031/26.11.27:user/release-keys
}

func FuzzParse(f *testing.F) {
	for _, s := range shipped {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		if p.String() != s || p.Check() != nil {
			t.Fatalf("%q is written as %q: %v", s, p, p.Check())
		}
	})
}
