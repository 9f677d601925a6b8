// Package xiaomi reads and writes Xiaomi's fastboot firmware: a .tgz of one folder
// with images/ and the scripts that flash them, and what its name says.
//
// The recovery zips are others' work: those of phones with one slot are block
// packages (package blockota), those with payload.bin are packages otazip's and
// payload's. Images are mostly sparse (package sparse).
//
// A script checks the product and the anti-rollback number before it writes
// anything, then erases and flashes one partition after the other. Vendors' scripts
// first flash two lists, of the CRC-32 of every image (crclist.txt) and of what is in
// sparse images of 512 MiB and more (sparsecrclist.txt); the boot loader then refuses
// an image that has another. They are read, compared and written, if asked.
//
// No vendor's own file was at hand: names, scripts and lists are made from what
// is told of them, and are tested on files made from that.
package xiaomi

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of what is read and written.
const (
	MaxMembers = 10_000
	maxScript  = 1 << 20
)

// Name is what the name of a firmware says:
// "umi_global_images_V12.5.1.0.RJBMIXM_20210512.0000.00_11.0_global_a1b2c3d4e5.tgz".
type Name struct {
	Device  string // "umi_global": the codename, and where it is for
	Version string // "V12.5.1.0.RJBMIXM"
	Date    string // "20210512.0000.00"
	Android string // "11.0"
	Region  string // "global"
	Hash    string // the first ten digits of the file's MD5; may be empty
}

var names = regexp.MustCompile(`^([a-z0-9_]+)_images_([A-Za-z0-9.-]+)_([0-9]{8}\.[0-9.]+)_([0-9.]+)_([a-z0-9-]+)(?:_([0-9a-f]+))?\.(?:tgz|tar\.gz)$`)

// ParseName reads a file's name; ok is false for names of another shape.
func ParseName(file string) (n Name, ok bool) {
	m := names.FindStringSubmatch(file)
	if m == nil {
		return Name{}, false
	}
	return Name{m[1], m[2], m[3], m[4], m[5], m[6]}, true
}

// String is the name of the folder in the .tgz, which is the file's without its
// hash and ending.
func (n Name) String() string {
	return fmt.Sprintf("%s_images_%s_%s_%s_%s", n.Device, n.Version, n.Date, n.Android, n.Region)
}

// Member is one file of a firmware, while the walk is at it.
type Member struct {
	Name    string // without the folder: "images/system.img", "flash_all.sh"
	Size    int64
	Content io.Reader
}

// Walk calls fn for each file of a .tgz in order, in one pass. What fn leaves of
// a member is passed over.
func Walk(r io.Reader, fn func(Member) error) error {
	z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return fmt.Errorf("cannot read Xiaomi firmware: %w", err)
	}
	tr := tar.NewReader(z)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read Xiaomi firmware: member %d: %w", n, err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		switch {
		case n >= MaxMembers:
			return fmt.Errorf("cannot read Xiaomi firmware: more than %d members", MaxMembers)
		case h.Typeflag == tar.TypeDir:
			continue
		case h.Typeflag != tar.TypeReg:
			return fmt.Errorf("cannot read Xiaomi firmware: member %d: %.100q is of type %q, expected a file", n, h.Name, h.Typeflag)
		case name == "" || name[0] == '/' || strings.Contains("/"+name+"/", "/../"):
			return fmt.Errorf("cannot read Xiaomi firmware: member %d: the name %.100q leaves the folder", n, h.Name)
		}
		if _, rest, ok := strings.Cut(name, "/"); ok && !strings.HasPrefix(name, "images/") {
			name = rest // the folder named as the firmware
		}
		if err := fn(Member{name, h.Size, tr}); err != nil {
			return err
		}
	}
}

// Script is what a flash_all*.sh does, as far as a person asks of it.
type Script struct {
	Products []string // that it lets pass: "umi"
	Anti     int      // anti-rollback number; -1: not checked. A phone with a higher one is refused
	Steps    []Step
}

// Step is one command of a script.
type Step struct {
	Verb      string // "flash", "erase", "set_active", "reboot"
	Partition string // or slot
	File      string // in images/
}

var (
	scriptProduct = regexp.MustCompile(`getvar product.*grep.*"\^product: \*([A-Za-z0-9_-]+)`)
	scriptAnti    = regexp.MustCompile(`^\s*CURRENT_ANTI_VER=([0-9]+)`)
	scriptStep    = regexp.MustCompile(`^\s*fastboot\s+(?:\$\*|"\$@")\s+(flash|erase|set_active|reboot)\b\s*([A-Za-z0-9_-]*)(.*)`)
	// vendors' scripts write "`dirname $0`/images/boot.img"
	scriptFile = regexp.MustCompile(`images/([^\s"'` + "`" + `|;&]+)`)
)

// ParseScript reads a flash_all*.sh of at most 1 MiB.
func ParseScript(r io.Reader) (*Script, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read flash script: %w", err)
	}
	if len(b) > maxScript || bytes.IndexByte(b, 0) >= 0 {
		return nil, fmt.Errorf("cannot read flash script: expected at most %d bytes of text", maxScript)
	}
	s := &Script{Anti: -1}
	for line := range strings.Lines(string(b)) {
		if m := scriptProduct.FindStringSubmatch(line); m != nil {
			s.Products = append(s.Products, m[1])
		} else if m := scriptAnti.FindStringSubmatch(line); m != nil {
			if s.Anti, err = strconv.Atoi(m[1]); err != nil {
				return nil, fmt.Errorf("cannot read flash script: anti-rollback number %.20q: %w", m[1], err)
			}
		} else if m := scriptStep.FindStringSubmatch(line); m != nil {
			file := ""
			if f := scriptFile.FindStringSubmatch(m[3]); f != nil {
				file = f[1]
			}
			s.Steps = append(s.Steps, Step{m[1], m[2], file})
		}
	}
	return s, nil
}

// Image is one image of a firmware to be written.
type Image struct {
	Partition string // as fastboot calls it, "boot" or "system_a"
	File      string // in images/, "boot.img"
	Size      int64
	Content   io.Reader
}

// Firmware is what Write writes.
type Firmware struct {
	Name    Name
	Product string // that the phone must say it is, as "getvar product" answers
	Anti    int    // what the phone's "getvar anti" may not exceed; -1: not checked
	Slot    string // to make active at the end; "": left alone
	// CRCLists adds the two lists, and flashes them first. A sparse image of 512 MiB
	// and more then needs a Content that is an io.ReaderAt too.
	CRCLists bool
	Images   []Image
}

var (
	plainName     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	partitionName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,35}$`)
)

func (f *Firmware) check() error {
	if _, ok := ParseName(f.Name.String() + ".tgz"); !ok {
		return fmt.Errorf("the name would be %q, which is not of the shape <device>_images_<version>_<date>_<android>_<region>", f.Name)
	}
	if !plainName.MatchString(f.Product) {
		return fmt.Errorf("product is %q, expected letters, digits, . _ -", f.Product)
	}
	if f.Slot != "" && f.Slot != "a" && f.Slot != "b" {
		return fmt.Errorf("slot is %q, expected a, b or none", f.Slot)
	}
	seen := map[string]bool{}
	for _, im := range f.Images {
		if !partitionName.MatchString(im.Partition) || !plainName.MatchString(im.File) || im.Size < 0 {
			return fmt.Errorf("image %q for %q of %d bytes: expected plain names", im.File, im.Partition, im.Size)
		}
		if seen[im.File] {
			return fmt.Errorf("there are two images %q", im.File)
		}
		if f.CRCLists && (im.File == CRCList || im.File == SparseCRCList) {
			return fmt.Errorf("image %q has the name of a list", im.File)
		}
		seen[im.File] = true
	}
	return nil
}

// Write writes a .tgz with the images and two scripts: flash_all.sh erases the
// user's data, flash_all_except_storage.sh keeps them. The same firmware gives the
// same bytes.
func Write(w io.Writer, f *Firmware) error {
	if err := f.check(); err != nil {
		return fmt.Errorf("cannot write Xiaomi firmware: %w", err)
	}
	z := gzip.NewWriter(w)
	tw := tar.NewWriter(z)
	sum := crc32.NewIEEE() // of what put wrote last
	put := func(name string, mode, size int64, r io.Reader) error {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name.String() + "/" + name, Mode: mode, Size: size, ModTime: time.Unix(0, 0)}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		sum.Reset()
		n, err := io.Copy(io.MultiWriter(tw, sum), io.LimitReader(r, size))
		if err == nil && n != size {
			err = fmt.Errorf("it ended after %d bytes, expected %d", n, size)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	var err error
	for _, s := range []struct {
		name string
		wipe bool
	}{{"flash_all.sh", true}, {"flash_all_except_storage.sh", false}} {
		if text := f.script(s.wipe); err == nil {
			err = put(s.name, 0o755, int64(len(text)), strings.NewReader(text))
		}
	}
	var crcs, sparseCRCs []CRC
	for _, im := range f.Images {
		if err == nil {
			err = put("images/"+im.File, 0o644, im.Size, im.Content)
		}
		if err == nil && f.CRCLists {
			if r, ok := im.Content.(io.ReaderAt); im.Size < maxDownloadSize {
				crcs = append(crcs, CRC{im.Partition, sum.Sum32(), 0})
			} else if !ok {
				err = fmt.Errorf("%s: %d bytes are sent in pieces; to sum them its content must be readable at any place", im.File, im.Size)
			} else {
				var c CRC
				c, err = SparseCRC(context.Background(), im.Partition, r, im.Size)
				sparseCRCs = append(sparseCRCs, c)
			}
		}
	}
	if err == nil && f.CRCLists {
		for _, l := range []struct{ name, text string }{{CRCList, writeCRCs(crcTitle, crcs)}, {SparseCRCList, writeCRCs(sparseCRCTitle, sparseCRCs)}} {
			err = errors.Join(err, put("images/"+l.name, 0o644, int64(len(l.text)), strings.NewReader(l.text)))
		}
	}
	if err == nil {
		err = errors.Join(tw.Close(), z.Close())
	}
	if err != nil {
		return fmt.Errorf("cannot write Xiaomi firmware: %w", err)
	}
	return nil
}

// script flashes everything; with wipe it erases the user's data first.
func (f *Firmware) script(wipe bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n# Flashes %s. Arguments go to fastboot, as in: %s -s SERIAL\n", f.Name, map[bool]string{true: "./flash_all.sh", false: "./flash_all_except_storage.sh"}[wipe])
	b.WriteString("dir=$(cd \"$(dirname \"$0\")\" && pwd) || exit 1\n")
	fmt.Fprintf(&b, "fastboot \"$@\" getvar product 2>&1 | grep \"^product: *%s\\$\" >/dev/null\n", f.Product)
	fmt.Fprintf(&b, "if [ $? -ne 0 ]; then echo \"This firmware is for %s; the phone is another one, or does not answer\" >&2; exit 1; fi\n", f.Product)
	if f.Anti >= 0 {
		fmt.Fprintf(&b, "CURRENT_ANTI_VER=%d\n", f.Anti)
		b.WriteString("ver=$(fastboot \"$@\" getvar anti 2>&1 | sed -n 's/^anti: *\\([0-9][0-9]*\\).*/\\1/p')\n" +
			"if [ \"${ver:-0}\" -gt \"$CURRENT_ANTI_VER\" ]; then echo \"The phone's anti-rollback number is $ver, this firmware's $CURRENT_ANTI_VER: it would brick the phone\" >&2; exit 1; fi\n")
	}
	step := func(words ...string) {
		command := strings.Join(words, " ")
		fmt.Fprintf(&b, "fastboot \"$@\" %s\nif [ $? -ne 0 ]; then echo \"%s failed\" >&2; exit 1; fi\n", command, strings.ReplaceAll(strings.ReplaceAll(command, `"`, ""), "$dir/", ""))
	}
	if f.CRCLists {
		step("flash", "crclist", `"$dir/images/`+CRCList+`"`)
		step("flash", "sparsecrclist", `"$dir/images/`+SparseCRCList+`"`)
	}
	for _, im := range f.Images {
		step("flash", im.Partition, `"$dir/images/`+im.File+`"`)
	}
	if wipe {
		step("erase", "userdata")
	}
	if f.Slot != "" {
		step("set_active", f.Slot)
	}
	step("reboot")
	return b.String()
}
