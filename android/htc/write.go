package htc

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// NameInfo is the entry that says which phones a zip is for.
const NameInfo = "android-info.txt"

// Image is an image of a zip for fastboot flash zip; its name says where it goes.
type Image struct {
	Name    string // "boot.img", "recovery.img", "system.img", "radio.img"
	Size    int64  // in bytes
	Content io.Reader
}

var (
	infoValue = regexp.MustCompile(`^[A-Za-z0-9_*.-]{1,64}$`)
	imageName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}\.(img|nb0|mbn|bin)$`)
)

// Text is an android-info.txt. ReadInfo reads it again.
func (i *Info) Text() string {
	var b strings.Builder
	for _, m := range i.Models {
		fmt.Fprintf(&b, "modelid: %s\n", m)
	}
	for _, c := range i.CIDs {
		fmt.Fprintf(&b, "cidnum: %s\n", c)
	}
	if i.MainVersion != "" {
		fmt.Fprintf(&b, "mainver: %s\n", i.MainVersion)
	}
	for _, line := range i.Other {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (i *Info) check() error {
	if len(i.Models) == 0 || len(i.CIDs) == 0 || i.MainVersion == "" {
		return errors.New("android-info.txt: expected a model, a CID and a version at least; the boot loader compares them")
	}
	for _, v := range append(append([]string{i.MainVersion}, i.Models...), i.CIDs...) {
		if !infoValue.MatchString(v) {
			return fmt.Errorf("android-info.txt: %q: expected letters, digits, _ . - and, for all CIDs, 11111111", v)
		}
	}
	for _, line := range i.Other {
		if strings.ContainsAny(line, "\n\r\x00") || line == "" {
			return fmt.Errorf("android-info.txt: %q is no line", line)
		}
	}
	return nil
}

// WriteZip writes a zip that fastboot flash zip sends to an S-OFF phone in RUU
// mode: android-info.txt first, then the images, in their order. The same zip gives
// the same bytes.
func WriteZip(w io.Writer, info Info, images []Image) error {
	if err := writeZip(w, info, images); err != nil {
		return fmt.Errorf("cannot write HTC zip: %w", err)
	}
	return nil
}

func writeZip(w io.Writer, info Info, images []Image) error {
	if err := info.check(); err != nil {
		return err
	}
	if len(images) == 0 {
		return errors.New("it has no images")
	}
	z := zip.NewWriter(w)
	put := func(name string, r io.Reader, size int64) error {
		to, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, ModifiedDate: 1<<5 | 1})
		if err != nil {
			return err
		}
		n, err := io.Copy(to, io.LimitReader(r, size))
		if err == nil && n != size {
			err = fmt.Errorf("%s: it ended after %d bytes, expected %d", name, n, size)
		}
		return err
	}
	text := info.Text()
	if err := put(NameInfo, strings.NewReader(text), int64(len(text))); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, im := range images {
		if !imageName.MatchString(im.Name) || seen[im.Name] || im.Size <= 0 {
			return fmt.Errorf("image %q of %d bytes: expected a name such as boot.img, each once, and some bytes", im.Name, im.Size)
		}
		seen[im.Name] = true
		if err := put(im.Name, im.Content, im.Size); err != nil {
			return err
		}
	}
	return z.Close()
}
