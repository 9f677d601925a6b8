package upload

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/judge"
)

// usual are limits that these tests do not meet.
var usual = Limits{Files: 10, FileBytes: 32 << 20, DayFiles: 100, DayBytes: 1 << 30, AllBytes: 1 << 30}

func testStore(t testing.TB) *Store {
	t.Helper()
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "uploads"))
	if err != nil {
		t.Fatal(err)
	}
	return NewStore(blobs)
}

// corners is a picture whose top left is red, top right green, bottom left
// blue and bottom right white.
func corners(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{A: 255}
			switch right, low := x >= w/2, y >= h/2; {
			case right && low:
				c = color.NRGBA{255, 255, 255, 255}
			case right:
				c.G = 255
			case low:
				c.B = 255
			default:
				c.R = 255
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gifOf(t testing.TB, frames int) []byte {
	t.Helper()
	g := gif.GIF{}
	for range frames {
		p := image.NewPaletted(image.Rect(0, 0, 40, 30), color.Palette{color.Black, color.White})
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 5)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// onePixel is a lossless WebP of one pixel.
func onePixel(t testing.TB) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (s *Store) bytes(t testing.TB, ref blob.Ref) []byte {
	t.Helper()
	b, err := s.blobs.Bytes(ref.Digest, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func take(t testing.TB, s *Store, name string, content []byte) Draft {
	t.Helper()
	d, err := s.Take(t.Context(), name, bytes.NewReader(content), usual)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// TestTypesByContent: what a file is called does not matter, what it holds does.
func TestTypesByContent(t *testing.T) {
	s := testStore(t)
	elf := append([]byte("\x7fELF\x02\x01\x01\x00"), make([]byte, 100)...)
	noise := make([]byte, 5000)
	rand.NewChaCha8([32]byte{7}).Read(noise)
	for _, c := range []struct {
		name    string
		content []byte
		kind    string
		saved   string
		why     Reason
	}{
		{name: "a.png", content: pngOf(t, corners(10, 10)), kind: PNG, saved: "a.png"},
		{name: "a.jpeg", content: jpegOf(t, corners(16, 16)), kind: JPEG, saved: "a.jpeg"},
		{name: "virus.exe", content: jpegOf(t, corners(16, 16)), kind: JPEG, saved: "virus.exe.jpg"},
		{name: "x.gif", content: gifOf(t, 3), kind: PNG, saved: "x.png"},
		{name: "x.webp", content: onePixel(t), kind: PNG, saved: "x.png"},
		{name: "page.html", content: []byte("<html><script>alert(1)</script>"), kind: Text, saved: "page.html.txt"},
		{name: "p.svg", content: []byte(`<svg onload="alert(1)"/>`), kind: Text, saved: "p.svg.txt"},
		{name: "p.png", content: []byte("no picture at all"), kind: Text, saved: "p.png.txt"},
		{name: "logcat.LOG", content: []byte("11-22 10:00:00.000 I/x: häßlich 日本\r\n\x1b[31m\n"), kind: Text, saved: "logcat.log"},
		{name: "odd.log", content: append(bytes.Repeat([]byte("a line of a log\n"), 100), 0xff, 0xfe), kind: Text, saved: "odd.log"},
		{name: "app.apk", content: []byte("PK\x03\x04rest"), kind: Zip, saved: "app.apk.zip"},
		{name: "empty.zip", content: append([]byte("PK\x05\x06"), make([]byte, 18)...), kind: Zip, saved: "empty.zip"},
		{name: "run.png", content: elf, why: WrongType},
		{name: "noise", content: noise, why: WrongType},
		{name: "d.pdf", content: append([]byte("%PDF-1.7\n"), noise...), why: WrongType},
		{name: "utf16.txt", content: []byte("\xff\xfeh\x00i\x00"), why: WrongType},
		{name: "nothing", content: nil, why: Empty},
		{name: "cut.png", content: pngOf(t, corners(50, 50))[:60], why: Damaged},
		{name: "cut.jpg", content: jpegOf(t, corners(50, 50))[:300], why: Damaged},
		{name: "head.gif", content: []byte("GIF89a"), why: Damaged},
		{name: "head.webp", content: []byte("RIFF\x00\x00\x00\x00WEBP"), why: Damaged},
	} {
		d, err := s.Take(t.Context(), c.name, bytes.NewReader(c.content), usual)
		var refused *Refused
		switch {
		case c.why != "":
			if !errors.As(err, &refused) || refused.Reason != c.why {
				t.Errorf("%s: %v, expected it to be refused as %s", c.name, err, c.why)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case d.Type != c.kind || d.Name != c.saved:
			t.Errorf("%s is kept as %q %q, expected %q %q", c.name, d.Name, d.Type, c.saved, c.kind)
		case (c.kind == Text || c.kind == Zip) && !bytes.Equal(s.bytes(t, d.Blob), c.content):
			t.Errorf("%s was changed", c.name)
		}
	}
}

// TestNothingOfTheSenderStays: exiftool puts a place, a name and a comment into
// pictures, and finds none of them in what is kept.
func TestNothingOfTheSenderStays(t *testing.T) {
	judge.Need(t, "exiftool")
	s := testStore(t)
	secrets := []string{"-GPSLatitude=48.137154", "-GPSLatitudeRef=N", "-GPSLongitude=11.576124", "-GPSLongitudeRef=E",
		"-Artist=Ana Example", "-ImageDescription=in my kitchen", "-Make=Phonemaker", "-XMP:Creator=Ana Example", "-XMP:Location=Marienplatz"}
	for name, content := range map[string][]byte{
		"photo.jpg": append(jpegOf(t, corners(64, 48)), "trailing film with Marienplatz in it"...), "shot.png": pngOf(t, corners(64, 48)),
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		judge.Run(t, "exiftool", append(append([]string{"-overwrite_original", "-q"}, secrets...), path)...)
		if before := judge.Run(t, "exiftool", "-n", "-GPSLatitude", "-Artist", path); !strings.Contains(before, "48.13") || !strings.Contains(before, "Ana") {
			t.Fatalf("%s: the secrets are not in it to begin with: %s", name, before)
		}
		tagged, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d := take(t, s, name, tagged)
		kept := s.bytes(t, d.Blob)
		for _, word := range []string{"Ana", "kitchen", "Phonemaker", "Marienplatz", "Exif", "http"} {
			if bytes.Contains(kept, []byte(word)) {
				t.Errorf("%s: %q is still in what is kept", name, word)
			}
		}
		after := filepath.Join(t.TempDir(), d.Name)
		if err := os.WriteFile(after, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		var tags []map[string]any
		if err := json.Unmarshal([]byte(judge.Run(t, "exiftool", "-j", "-G0", after)), &tags); err != nil {
			t.Fatal(err)
		}
		for tag := range tags[0] {
			group, _, _ := strings.Cut(tag, ":")
			switch group {
			case "SourceFile", "ExifTool", "File", "PNG", "Composite":
			default:
				t.Errorf("%s: exiftool still finds %s = %v", name, tag, tags[0][tag])
			}
			if strings.Contains(tag, "GPS") {
				t.Errorf("%s: exiftool still finds %s", name, tag)
			}
		}
	}
}

// TestUpright: exiftool marks a picture as turned; what is kept is turned so.
func TestUpright(t *testing.T) {
	judge.Need(t, "exiftool")
	s := testStore(t)
	// Where red, the file's top left, is to be seen; and the shape.
	want := map[int]string{1: "nw", 2: "ne", 3: "se", 4: "sw", 5: "nw", 6: "ne", 7: "se", 8: "sw"}
	for name, content := range map[string][]byte{"a.jpg": jpegOf(t, corners(64, 32)), "a.png": pngOf(t, corners(64, 32))} {
		for orientation := 1; orientation <= 8; orientation++ {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			judge.Run(t, "exiftool", "-overwrite_original", "-q", "-n", "-Orientation="+string(rune('0'+orientation)), path)
			tagged, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			d := take(t, s, name, tagged)
			m, _, err := image.Decode(bytes.NewReader(s.bytes(t, d.Blob)))
			if err != nil {
				t.Fatal(err)
			}
			w, h := m.Bounds().Dx(), m.Bounds().Dy()
			if tall := orientation >= 5; tall != (h > w) || d.Width != w || d.Height != h {
				t.Errorf("%s turned %d: %d by %d, said to be %d by %d", name, orientation, w, h, d.Width, d.Height)
			}
			for corner, p := range map[string]image.Point{"nw": {3, 3}, "ne": {w - 4, 3}, "sw": {3, h - 4}, "se": {w - 4, h - 4}} {
				r, g, b, _ := m.At(p.X, p.Y).RGBA()
				if red := r > 0xc000 && g < 0x4000 && b < 0x4000; red != (corner == want[orientation]) {
					t.Errorf("%s turned %d: the corner %s is red: %v", name, orientation, corner, red)
				}
			}
		}
	}
}

// TestBombs: a picture is refused by what its header says, whatever follows.
func TestBombs(t *testing.T) {
	s := testStore(t)
	wide := pngOf(t, corners(4, 4))
	binary.BigEndian.PutUint32(wide[16:], 60_000)
	binary.BigEndian.PutUint32(wide[20:], 60_000)
	binary.BigEndian.PutUint32(wide[29:], crc32.ChecksumIEEE(wide[12:29]))
	large := jpegOf(t, corners(16, 16))
	i := bytes.Index(large, []byte{0xff, 0xc0})
	binary.BigEndian.PutUint16(large[i+5:], 65_000)
	binary.BigEndian.PutUint16(large[i+7:], 65_000)
	screen := gifOf(t, 1)
	binary.LittleEndian.PutUint16(screen[6:], 65_000)
	binary.LittleEndian.PutUint16(screen[8:], 65_000)
	canvas := onePixel(t)
	copy(canvas[21:], []byte{0xff, 0xff, 0xff, 0x0f}) // 14 bits of width, 14 of height
	for name, content := range map[string][]byte{"a.png": wide, "a.jpg": large, "a.gif": screen, "a.webp": canvas} {
		_, err := s.Take(t.Context(), name, bytes.NewReader(content), usual)
		var refused *Refused
		if !errors.As(err, &refused) || refused.Reason != TooWide {
			t.Errorf("%s: %v, expected it to be refused as too wide", name, err)
		}
	}
	// Each scan of a JPEG goes over the whole picture.
	scans := jpegOf(t, corners(16, 16))
	i = bytes.Index(scans, []byte{0xff, 0xda})
	scan := scans[i : len(scans)-2]
	many := bytes.Clone(scans[:i])
	for range maxScans + 1 {
		many = append(many, scan...)
	}
	_, err := s.Take(t.Context(), "scans.jpg", bytes.NewReader(append(many, 0xff, 0xd9)), usual)
	if !errors.Is(err, errScans) {
		t.Errorf("a JPEG of %d scans: %v", maxScans+1, err)
	}
}

func TestSmallCopy(t *testing.T) {
	s := testStore(t)
	d := take(t, s, "photo.jpg", jpegOf(t, corners(2000, 500)))
	m, kind, err := image.Decode(bytes.NewReader(s.bytes(t, d.Small)))
	if err != nil || kind != "jpeg" || d.SmallType != JPEG || m.Bounds().Dx() != smallSide || m.Bounds().Dy() != 320 {
		t.Errorf("the small copy is %s %v, %v", kind, m.Bounds(), err)
	}
	glass := corners(1400, 20)
	for i := 3; i < len(glass.Pix); i += 4 {
		glass.Pix[i] = 100
	}
	if d := take(t, s, "glass.png", pngOf(t, glass)); d.SmallType != PNG {
		t.Errorf("the small copy of what shines through is %q", d.SmallType)
	}
	if d := take(t, s, "small.png", pngOf(t, corners(100, 100))); !d.Small.Digest.IsZero() {
		t.Error("a small picture has a smaller copy")
	}
}

func TestTakeLimitsAndFailuresLeaveNothing(t *testing.T) {
	s := testStore(t)
	l := Limits{FileBytes: 1000}
	if _, err := s.Take(t.Context(), "a.txt", strings.NewReader(strings.Repeat("x", 1000)), l); err != nil {
		t.Errorf("a file of the largest size: %v", err)
	}
	endless := io.MultiReader(strings.NewReader(strings.Repeat("x", 1001)), iotest.ErrReader(errors.New("read on")))
	var refused *Refused
	if _, err := s.Take(t.Context(), "a.txt", endless, l); !errors.As(err, &refused) || refused.Reason != TooLarge {
		t.Errorf("a file that is too large: %v, expected it to be refused without reading on", err)
	}
	boom := errors.New("boom")
	if _, err := s.Take(t.Context(), "a.txt", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom)), l); !errors.Is(err, boom) {
		t.Errorf("a sender who leaves: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Take(ctx, "a.png", bytes.NewReader(pngOf(t, corners(4, 4))), usual); !errors.Is(err, context.Canceled) {
		t.Errorf("a request that has ended: %v", err)
	}
	blobs := 0
	if err := s.blobs.Walk(t.Context(), func(blob.Ref, time.Time) error { blobs++; return nil }); err != nil || blobs != 1 {
		t.Errorf("%d blobs are kept, %v; expected the one that was taken", blobs, err)
	}
}

func FuzzTakePicture(f *testing.F) {
	for _, seed := range [][]byte{pngOf(f, corners(4, 4)), jpegOf(f, corners(8, 8)), gifOf(f, 2), onePixel(f), []byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\x08\x00\x00\x00")} {
		f.Add(seed)
	}
	s := testStore(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := s.Take(t.Context(), "x", bytes.NewReader(content), Limits{FileBytes: 1 << 20})
		if err != nil {
			var refused *Refused
			if !errors.As(err, &refused) {
				t.Error(err)
			}
			return
		}
		if d.Width > 0 {
			if m, _, err := image.Decode(bytes.NewReader(s.bytes(t, d.Blob))); err != nil || m.Bounds().Dx() != d.Width {
				t.Errorf("what is kept cannot be read: %v", err)
			}
		}
	})
}

func FuzzOrientation(f *testing.F) {
	f.Add([]byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
	f.Add([]byte("MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00"))
	f.Add([]byte("MM\x00*\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := exifOrientation(b); o < 0 || o > 8 {
			t.Errorf("orientation %d", o)
		}
		for _, o := range []int{riffOrientation(bytes.NewReader(b), int64(len(b))), pngOrientation(bytes.NewReader(b), int64(len(b)))} {
			if o < 1 || o > 8 {
				t.Errorf("orientation %d", o)
			}
		}
	})
}
