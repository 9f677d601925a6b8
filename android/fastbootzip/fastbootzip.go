// Package fastbootzip writes zips of images for phones with an unlocked boot
// loader: fastboot update takes them where they hold what it asks for (boot and
// system), and a script in them flashes any set of partitions.
//
// It makes no images and speaks no protocol (package fastboot does). The zip is
// what AOSP's build calls an updatepackage: android-info.txt, which names the
// products that it is for (system/core/fastboot, README.md), and the images by
// their partitions' names. The script is our own: flash-all.sh, for sh.
package fastbootzip

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Names of the entries that are not images.
const (
	NameInfo   = "android-info.txt"
	NameScript = "flash-all.sh"
)

// Image is the image of a partition; raw or sparse, fastboot takes both.
type Image struct {
	Partition string // "system": the file is system.img
	Size      int64  // in bytes
	Content   io.Reader
}

// Package is what Write writes.
type Package struct {
	// Products are the answers to "getvar product" that are let pass.
	Products []string
	Images   []Image
	// Wipe lets the script erase the user's data, as another system's are of no use.
	Wipe bool
	Slot string // to make active before anything is flashed: "a", "b" or, for none, ""
}

var (
	product   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	partition = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,35}$`)
)

func (p *Package) check() error {
	if len(p.Products) == 0 || slices.ContainsFunc(p.Products, func(s string) bool { return !product.MatchString(s) }) {
		return fmt.Errorf("products are %q, expected the names that phones answer with", p.Products)
	}
	if len(p.Images) == 0 {
		return errors.New("it has no images")
	}
	if p.Slot != "" && p.Slot != "a" && p.Slot != "b" {
		return fmt.Errorf("slot is %q, expected a, b or none", p.Slot)
	}
	seen := map[string]bool{}
	for _, im := range p.Images {
		if !partition.MatchString(im.Partition) || im.Size <= 0 {
			return fmt.Errorf("partition %q of %d bytes: expected a plain name and some bytes", im.Partition, im.Size)
		}
		if seen[im.Partition] {
			return fmt.Errorf("there are two images of %q", im.Partition)
		}
		seen[im.Partition] = true
	}
	return nil
}

// Write writes a zip. The same package gives the same bytes.
func Write(w io.Writer, p Package) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("cannot write fastboot zip: %w", err)
	}
	z := zip.NewWriter(w)
	put := func(name string, mode uint32, r io.Reader, size int64) error {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate, CreatorVersion: 3 << 8, ExternalAttrs: (0o100000 | mode) << 16, ModifiedDate: 1<<5 | 1}
		to, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		n, err := io.Copy(to, io.LimitReader(r, size))
		if err == nil && n != size {
			err = fmt.Errorf("%s: it ended after %d bytes, expected %d", name, n, size)
		}
		return err
	}
	info := "require product=" + strings.Join(p.Products, "|") + "\n"
	script := p.script()
	err := put(NameInfo, 0o644, strings.NewReader(info), int64(len(info)))
	if err == nil {
		err = put(NameScript, 0o755, strings.NewReader(script), int64(len(script)))
	}
	for _, im := range p.Images {
		if err == nil {
			err = put(im.Partition+".img", 0o644, im.Content, im.Size)
		}
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("cannot write fastboot zip: %w", err)
	}
	return nil
}

// warning is said before anything is done, where the owner's data go.
func (p *Package) warning() string {
	if !p.Wipe {
		return ""
	}
	return "# It erases the owner's data.\necho \"This erases all data on the phone.\"\n"
}

// script flashes all images, in their order, on a phone of the right product.
func (p *Package) script() string {
	var b strings.Builder
	b.WriteString("#!/bin/sh\n# Flashes a phone whose boot loader is unlocked. Unzip first; arguments go to\n# fastboot, as in: ./flash-all.sh -s SERIAL\n" +
		p.warning() + "dir=$(cd \"$(dirname \"$0\")\" && pwd) || exit 1\n" +
		"product=$(fastboot \"$@\" getvar product 2>&1 | sed -n 's/^product: *\\([^ ]*\\).*/\\1/p')\n")
	fmt.Fprintf(&b, "case \"$product\" in\n%s) ;;\n*) echo \"This is for %s; the phone says that it is '$product'\" >&2; exit 1 ;;\nesac\n", strings.Join(p.Products, "|"), strings.Join(p.Products, ", "))
	step := func(command string) {
		fmt.Fprintf(&b, "fastboot \"$@\" %s || { echo \"%s failed\" >&2; exit 1; }\n", command, strings.NewReplacer(`"`, "", "$dir/", "").Replace(command))
	}
	if p.Slot != "" {
		step("set_active " + p.Slot)
	}
	for _, im := range p.Images {
		step(`flash ` + im.Partition + ` "$dir/` + im.Partition + `.img"`)
	}
	if p.Wipe {
		step("erase userdata")
	}
	step("reboot")
	return b.String()
}
