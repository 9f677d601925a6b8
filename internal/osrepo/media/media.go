// Package media says whether the pictures, fonts and boot animations that a layer brings
// are ones: a phone shows nothing, or its own, where they are not, and says so nowhere.
//
// Boot animations are described in AOSP: frameworks/base, cmds/bootanimation/FORMAT.md;
// fonts in the OpenType specification, "Organization of an OpenType Font".
package media

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // wallpapers
	_ "image/png"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	_ "golang.org/x/image/webp"
)

// maxDescription is the most bytes of a desc.txt.
const maxDescription = 1 << 16

var (
	animation = regexp.MustCompile(`^[0-9]+ [0-9]+ [0-9]+( [0-9]+)?\s*$`)
	part      = regexp.MustCompile(`^[pcf] -?[0-9]+ [0-9]+ (\S+)( .*)?$`)
	colour    = regexp.MustCompile(`^#[0-9A-Fa-f]{6}$`)
)

// Animation checks what a phone needs of a bootanimation.zip: everything is stored without
// compression, desc.txt begins with width, height and frames a second, and each part that
// it lists has frames.
func Animation(b []byte) error {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	var description *zip.File
	frames := map[string]int{} // by folder
	for _, e := range z.File {
		if strings.HasSuffix(e.Name, "/") {
			continue
		}
		if e.Method != zip.Store {
			return fmt.Errorf("%s in it is compressed; phones play stored files alone (zip -0)", e.Name)
		}
		if e.Name == "desc.txt" {
			description = e
		}
		if ext := strings.ToLower(path.Ext(e.Name)); ext == ".png" || ext == ".jpg" || ext == ".jpeg" || ext == ".webp" {
			frames[path.Dir(e.Name)]++
		}
	}
	if description == nil {
		return errors.New("it holds no desc.txt")
	}
	r, err := description.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, maxDescription+1))
	if err != nil {
		return fmt.Errorf("desc.txt: %w", err)
	}
	if len(text) > maxDescription {
		return fmt.Errorf("desc.txt has more than %d bytes", maxDescription)
	}
	return described(string(text), frames)
}

// described checks a desc.txt.
func described(text string, frames map[string]int) error {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	if !animation.MatchString(lines[0]) {
		return fmt.Errorf("desc.txt begins with %.40q, expected width, height and frames a second", lines[0])
	}
	var size [3]int
	if _, err := fmt.Sscan(lines[0], &size[0], &size[1], &size[2]); err != nil || slices.Contains(size[:], 0) {
		return fmt.Errorf("desc.txt begins with %.40q: width, height and frames a second must be above 0", lines[0])
	}
	parts := 0
	for i, l := range lines[1:] {
		if l = strings.TrimSpace(l); l == "" || strings.HasPrefix(l, "dynamic_colors ") {
			continue
		}
		m := part.FindStringSubmatch(l)
		if m == nil {
			return fmt.Errorf("desc.txt, line %d: %.40q, expected a part: p (or c), how often, pause, folder", i+2, l)
		}
		if frames[m[1]] == 0 {
			return fmt.Errorf("desc.txt, line %d: there are no frames in its folder %s", i+2, m[1])
		}
		if rest := strings.Fields(m[2]); len(rest) > 0 && strings.HasPrefix(rest[0], "#") && !colour.MatchString(rest[0]) {
			return fmt.Errorf("desc.txt, line %d: background %s, expected #RRGGBB", i+2, rest[0])
		}
		parts++
	}
	if parts == 0 {
		return errors.New("desc.txt lists no part")
	}
	return nil
}

// Picture says whether b is a picture of the kind that a file's ending says, and reads how
// large it is.
func Picture(b []byte, ending string) error {
	want := map[string]string{".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}[ending]
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	switch {
	case errors.Is(err, image.ErrFormat):
		return fmt.Errorf("it begins with %.8q, which is no picture of that kind", b)
	case err != nil:
		return fmt.Errorf("it is no whole picture: %w", err)
	case format != want:
		return fmt.Errorf("it is a picture of kind %s, expected %s, as its name says", format, want)
	case c.Width <= 0 || c.Height <= 0:
		return fmt.Errorf("it has %d x %d pixels", c.Width, c.Height)
	}
	return nil
}

// Bounds of a font's directory.
const (
	maxFonts  = 256 // of a collection
	maxTables = 256
)

// Font says whether b is a font, or a collection, whose tables lie within it.
func Font(b []byte) error {
	be := binary.BigEndian
	if !bytes.HasPrefix(b, []byte("ttcf")) {
		return font(b, 0)
	}
	if len(b) < 12 {
		return fmt.Errorf("a collection of %d bytes", len(b))
	}
	n := int(be.Uint32(b[8:]))
	if n == 0 || n > maxFonts || 12+4*n > len(b) {
		return fmt.Errorf("a collection of %d fonts in %d bytes", be.Uint32(b[8:]), len(b))
	}
	for i := range n {
		if err := font(b, int64(be.Uint32(b[12+4*i:]))); err != nil {
			return fmt.Errorf("font %d of the collection: %w", i+1, err)
		}
	}
	return nil
}

// font checks the one whose directory lies at a byte.
func font(b []byte, at int64) error {
	be := binary.BigEndian
	if at+12 > int64(len(b)) {
		return fmt.Errorf("it has %d bytes, expected at least %d", len(b), at+12)
	}
	d := b[at:]
	if kind := string(d[:4]); kind != "\x00\x01\x00\x00" && kind != "OTTO" && kind != "true" {
		return fmt.Errorf("it begins with %.4q, which is no font", kind)
	}
	n := int(be.Uint16(d[4:]))
	if n == 0 || n > maxTables || 12+16*n > len(d) {
		return fmt.Errorf("%d tables do not fit into its %d bytes", n, len(b))
	}
	tables := map[string]bool{}
	for i := range n {
		e := d[12+16*i:]
		tag, off, size := string(e[:4]), int64(be.Uint32(e[8:])), int64(be.Uint32(e[12:]))
		if off+size > int64(len(b)) {
			return fmt.Errorf("table %q ends at byte %d of %d; the file was cut", tag, off+size, len(b))
		}
		tables[tag] = true
	}
	for _, tag := range []string{"cmap", "head", "maxp"} {
		if !tables[tag] {
			return fmt.Errorf("it has no table %s, without which no letter is drawn", tag)
		}
	}
	return nil
}
