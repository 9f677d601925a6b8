package layering

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	encode "image/png"
	"maps"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/goregular"

	"github.com/fridayos/friday/internal/osrepo"
)

// animationOf is a bootanimation.zip.
func animationOf(method uint16, files ...string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, _ := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		w.Write([]byte(files[i+1]))
	}
	z.Close()
	return b.String()
}

// png is a picture of one pixel.
var png = func() string {
	var b bytes.Buffer
	if err := encode.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))); err != nil {
		panic(err) // a bytes.Buffer takes all
	}
	return b.String()
}()

// specialFiles are what the layer extra has of each kind.
var specialFiles = map[string]string{
	"layers/extra/ours.rc":                    "service ours /system/bin/tool\n",
	"layers/extra/Roboto-Regular.ttf":         string(goregular.TTF),
	"layers/extra/Ours.ttf":                   string(goregular.TTF),
	"layers/extra/boot.zip":                   animationOf(zip.Store, "desc.txt", "1080 2340 30\np 1 0 part0\n", "part0/0.png", "x"),
	"layers/extra/sand.png":                   png,
	"layers/extra/ours.cil":                   "(allow shell self (process (ptrace))) ; \"(\n",
	"layers/extra/ramdisk/overlay.d/ours.rc":  "on boot\n",
	"layers/extra/ramdisk/overlay.d/sbin/go*": "#!\n",
}

func special(yaml string, more ...string) map[string]string {
	files := maps.Clone(specialFiles)
	files[extraFile] = "why: more\n" + yaml
	for i := 0; i+1 < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

const allKinds = `init: [ours.rc]
fonts: [Roboto-Regular.ttf]
bootanimation: boot.zip
wallpaper: sand.png
sepolicy: [ours.cil]
boot:
  boot:
    ramdisk: [{from: ramdisk, to: "", rules: [{path: "overlay.d/*", mode: 0600}]}]
    cmdline: {append: [androidboot.ours=1], remove: [quiet]}
requires: {android: ">=12", stock: ["Xiaomi/umi/*"], layers: [base], features: [nfc]}
over: [base]
add: [{from: files/etc, to: "system:system/etc"}]
props: {system: {set: {ro.test: ours}}}
`

func TestSpecial(t *testing.T) {
	files := special(allKinds)
	files[umiFile] = good[umiFile] + "features: [nfc]\n"
	s, err := osrepo.Read(with(files))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", stockView())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range p.Placed {
		if w.Layer == "extra" {
			got = append(got, fmt.Sprintf("%s %04o %v", w.Path, w.Perm, w.Replaces))
		}
	}
	for _, e := range p.Props {
		if e.Layer == "extra" {
			got = append(got, e.Key+"="+e.Value)
		}
	}
	for _, b := range p.Boot {
		for _, f := range b.Files {
			got = append(got, fmt.Sprintf("%s: %s %04o", b.Partition, f.Path, f.Perm))
		}
		got = append(got, fmt.Sprint(b.Append, b.Remove))
	}
	for _, c := range p.Policy {
		got = append(got, c.Layer+" "+c.File.Path)
	}
	want := []string{
		"system/etc/init/ours.rc 0644 false", "system/etc/ours.txt 0644 false", "system/fonts/Roboto-Regular.ttf 0644 true",
		"system/media/bootanimation.zip 0644 false", "system/media/wallpaper.png 0644 false",
		"ro.config.wallpaper=/system/media/wallpaper.png", "ro.test=ours",
		"boot: overlay.d/ours.rc 0600", "boot: overlay.d/sbin/go 0755", "[androidboot.ours=1] [quiet]", "extra layers/extra/ours.cil",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		want, have string
		ok         bool
	}{
		{"13", "13", true}, {"13", "13.1", true}, {"13", "12", false}, {">=12", "13", true}, {">=12", "11", false}, {"<=7", "7.1.1", true}, {"<=7", "8", false},
		{"7.1", "7.1.1", true}, {"7.1", "7.0", false}, {">=9", "5.0", false}, {"9", "soon", false},
	} {
		if (osrepo.Requires{Android: c.want}).FitsAndroid(c.have) != c.ok {
			t.Errorf("Android %s in %s: want %v", c.have, c.want, c.ok)
		}
	}
}

func wrongSpecial() (out []mistake) {
	for _, c := range []struct{ name, yaml, want string }{
		{"init that is not there", "init: [our.rc]\n", `2:8: nothing is committed at layers/extra/our.rc; did you mean "ours.rc"?`},
		{"init of another kind", "init: [ours.cil]\n", `2:8: ours.cil: expected a file that ends in .rc`},
		{"font that stock lacks", "fonts: [Ours.ttf]\n", `2:9: stock has no font Ours.ttf, and the layer adds no system:system/etc/fonts.xml that names it`},
		{"animation that is packed", "bootanimation: packed.zip\n", `2:16: packed.zip is no boot animation: desc.txt in it is compressed; phones play stored files alone (zip -0)`},
		{"animation without desc.txt", "bootanimation: nodesc.zip\n", `2:16: nodesc.zip is no boot animation: it holds no desc.txt`},
		{"animation of no size", "bootanimation: nosize.zip\n", `2:16: nosize.zip is no boot animation: desc.txt begins with "big", expected width, height and frames a second`},
		{"wallpaper of another kind", "wallpaper: fake.png\n", `2:12: fake.png: it begins with "GIF89a", which is no picture of that kind`},
		{"animation without frames", "bootanimation: frames.zip\n", `2:16: frames.zip is no boot animation: desc.txt, line 3: there are no frames in its folder part1`},
		{"animation with a wrong part", "bootanimation: parts.zip\n", `2:16: parts.zip is no boot animation: desc.txt, line 2: "part0", expected a part: p (or c), how often, pause, folder`},
		{"font that is none", "fonts: [fake.ttf]\n", `2:9: fake.ttf is no font: it begins with "<htm", which is no font`},
		{"font that was cut", "fonts: [cut.ttf]\n", `2:9: cut.ttf is no font: table "OS/2" ends at byte 332 of 300; the file was cut`},
		{"wallpaper that was cut", "wallpaper: cut.png\n", `2:12: cut.png: it is no whole picture: unexpected EOF`},
		{"wallpaper with another name", "wallpaper: png.jpg\n", `2:12: png.jpg: it is a picture of kind png, expected jpeg, as its name says`},
		{"a circle of requirements", "requires: {layers: [third]}\n", `2:21: layers require one another in a circle: extra, third, extra; make them one layer, or let one of them do without`},
		{"a circle of layers over layers", "over: [fourth]\n", `2:8: layers are laid over one another in a circle: extra, fourth, extra`},
		{"no boot image", "boot: {system: {cmdline: {append: [a]}}}\n", `2:8: "system" is no boot image; there are boot, init_boot, recovery, vendor_boot`},
		{"boot image that stock lacks", "boot: {init_boot: {cmdline: {append: [a]}}}\n", `2:8: stock has no partition init_boot; there are boot, system, vbmeta`},
		{"two words", "boot: {boot: {cmdline: {append: [a b]}}}\n", `2:34: "a b" is not one word of a command line; one entry a word`},
		{"ramdisk outside", "boot: {boot: {ramdisk: [{from: ramdisk, to: ../x}]}}\n", `2:45: to is "../x", expected a plain path in the ramdisk, without / in front`},
		{"Android that is no version", "requires: {android: new}\n", `2:21: android is "new", expected a version such as 13, >=12 or <=14`},
		{"another Android", "requires: {android: \">=14\"}\n", `2:21: layer extra requires Android >=14, the stock has 13`},
		{"another stock", "requires: {stock: [\"Xiaomi/cmi/*\"]}\n", `2:19: layer extra requires another stock than Xiaomi/umi/umi:13/TKQ1/V12:user/release-keys`},
		{"feature that lacks", "requires: {features: [nfc]}\n", `2:23: layer extra requires feature "nfc", which devices/umi/device.yaml does not list`},
		{"required layer that is not laid", "requires: {layers: [third]}\n", `2:21: layer extra requires layer third, which is not laid on umi; list it in os.yaml or devices/umi/device.yaml`},
		{"required layer that is not there", "requires: {layers: [thirt]}\n", `2:21: there is no layer "thirt"; did you mean "third"?`},
		{"conflict", "conflicts: [base]\n", `2:13: layers extra and base conflict, and both are laid on umi`},
		{"a layer over itself", "over: [extra]\n", `2:8: layer "extra" names itself`},
		{"a policy replaced", "sepolicy: [ours.cil]\nadd: [{from: ours.cil, to: \"system:system/etc/selinux/plat_sepolicy.cil\"}]\n", `2:12: layer extra replaces system:system/etc/selinux/plat_sepolicy.cil, to which layer extra adds`},
		{"two wallpapers", "wallpaper: sand.png\nprops: {system: {set: {ro.config.wallpaper: x}}}\n", `3:24: property ro.config.wallpaper of system is changed by two layers: extra and extra`},
	} {
		files := special(c.yaml,
			"layers/extra/packed.zip", animationOf(zip.Deflate, "desc.txt", strings.Repeat("1080 2340 30\n", 9)),
			"layers/extra/nodesc.zip", animationOf(zip.Store, "x.txt", "x"), "layers/extra/nosize.zip", animationOf(zip.Store, "desc.txt", "big\n"),
			"layers/extra/frames.zip", animationOf(zip.Store, "desc.txt", "9 9 9\np 1 0 part0\np 0 0 part1\n", "part0/0.png", "x"),
			"layers/extra/parts.zip", animationOf(zip.Store, "desc.txt", "9 9 9\npart0\n", "part0/0.png", "x"),
			"layers/extra/fake.ttf", "<html>not found</html>", "layers/extra/cut.ttf", string(goregular.TTF[:300]), "layers/extra/cut.png", png[:20], "layers/extra/png.jpg", png,
			"layers/fourth/layer.yaml", "why: fourth\nover: [extra]\n",
			"layers/extra/fake.png", "GIF89a", "layers/third/layer.yaml", "why: third\nrequires: {layers: ["+map[bool]string{true: "extra"}[strings.Contains(c.want, "in a circle")]+"]}\n")
		out = append(out, mistake{c.name, files, extraFile + ":" + c.want})
	}
	return out
}
