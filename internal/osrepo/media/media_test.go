package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/goregular"
)

func zipped(method uint16, files ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, _ := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		w.Write([]byte(files[i+1]))
	}
	z.Close()
	return b.Bytes()
}

func say(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAnimation(t *testing.T) {
	with := func(desc string) []byte {
		return zipped(zip.Store, "desc.txt", desc, "part0/0.png", "x", "part1/", "", "part1/a.jpg", "x")
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"right", with("1080 2340 30\np 1 0 part0\nc 0 10 part1 #00ff00 50 c\n\n"), ""},
		{"lines of Windows", with("1080 2340 30\r\np 1 0 part0\r\n"), ""},
		{"with progress", with("1080 2340 30 1\nf 1 0 part0 10\ndynamic_colors part0 #ff0000\n"), ""},
		{"packed", zipped(zip.Deflate, "desc.txt", "1 1 1\n"), "desc.txt in it is compressed; phones play stored files alone (zip -0)"},
		{"nothing", zipped(zip.Store, "x.txt", "x"), "it holds no desc.txt"},
		{"no zip", []byte("x"), "zip: not a valid zip file"},
		{"no size", with("big\n"), `desc.txt begins with "big", expected width, height and frames a second`},
		{"size 0", with("0 10 30\np 1 0 part0\n"), `desc.txt begins with "0 10 30": width, height and frames a second must be above 0`},
		{"a line", with("1 1 1\np 1 part0\n"), `desc.txt, line 2: "p 1 part0", expected a part: p (or c), how often, pause, folder`},
		{"no frames", with("1 1 1\np 1 0 part0\np 0 0 part2\n"), "desc.txt, line 3: there are no frames in its folder part2"},
		{"a color", with("1 1 1\np 1 0 part0 #ff\n"), "desc.txt, line 2: background #ff, expected #RRGGBB"},
		{"no part", with("1 1 1\n"), "desc.txt lists no part"},
		{"too long", with("1 1 1\n" + strings.Repeat("\n", 1<<16)), "desc.txt has more than 65536 bytes"},
	} {
		if got := say(Animation(c.b)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPicture(t *testing.T) {
	im := image.NewGray(image.Rect(0, 0, 3, 2))
	var p, j, g bytes.Buffer
	if err := png.Encode(&p, im); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&j, im, nil); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&g, im, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, ending string
		b            []byte
		want         string
	}{
		{"png", ".png", p.Bytes(), ""}, {"jpg", ".jpg", j.Bytes(), ""},
		{"png as jpg", ".jpg", p.Bytes(), "it is a picture of kind png, expected jpeg, as its name says"},
		{"gif", ".png", g.Bytes(), "it is a picture of kind gif, expected png, as its name says"},
		{"cut", ".png", p.Bytes()[:20], "it is no whole picture: unexpected EOF"},
		{"nothing", ".webp", nil, `it begins with "", which is no picture of that kind`},
	} {
		if got := say(Picture(c.b, c.ending)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFont(t *testing.T) {
	good := goregular.TTF
	bare := append([]byte("OTTO\x00\x01\x00\x00\x00\x00\x00\x00head"), make([]byte, 12)...)
	collection := binary.BigEndian.AppendUint32([]byte("ttcf\x00\x01\x00\x00\x00\x00\x00\x01"), 1<<20)
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"Go's", good, ""},
		{"text", []byte("not a font at all"), `it begins with "not ", which is no font`},
		{"short", []byte("OTTO"), "it has 4 bytes, expected at least 12"},
		{"cut", good[:len(good)-100], ""},
		{"no tables", append([]byte("OTTO"), make([]byte, 20)...), "0 tables do not fit into its 24 bytes"},
		{"without letters", bare, "it has no table cmap, without which no letter is drawn"},
		{"a collection", collection, "font 1 of the collection: it has 16 bytes, expected at least 1048588"},
	} {
		got := say(Font(c.b))
		if c.name == "cut" {
			if !strings.HasSuffix(got, "; the file was cut") {
				t.Errorf("cut: %q", got)
			}
		} else if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	// Those of the machine, if it has any.
	names, _ := filepath.Glob("/usr/share/fonts/truetype/*/*.ttf")
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := Font(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzMedia(f *testing.F) {
	f.Add(goregular.TTF[:400])
	f.Add(zipped(zip.Store, "desc.txt", "1 1 1\np 1 0 a\n", "a/0.png", "x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = Animation(b)
		_ = Font(b)
		for _, e := range []string{".png", ".jpg", ".webp"} {
			_ = Picture(b, e)
		}
	})
}
