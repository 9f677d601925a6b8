// Package recoveryzip writes the zips that the recovery of a phone with one slot
// installs: images of partitions as transfer lists (package blockota) or whole,
// the program that recovery runs, its script, the metadata, and a signature over
// the whole file (package otazip).
//
// The program, META-INF/com/google/android/update-binary, is Friday's own (package
// updater), unless the caller brings another. So a package never depends on what
// a phone's vendor taught its recovery, and a list of version 4 is taken by
// recoveries of any age. The script is edify, and one that AOSP's updater
// (bootable/recovery/updater) runs too. Reading such zips is the affair of
// packages otazip, blockota and updater; phones with two slots take package
// otazip's.
package recoveryzip

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/sha1" //nolint:gosec // of scripts
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"

	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/updater"
	"github.com/fridayos/friday/android/updater/built"
)

// Names of the entries that recovery runs.
const (
	NameBinary = "META-INF/com/google/android/update-binary"
	NameScript = updater.NameScript
)

// Partition is an image that the zip writes.
type Partition struct {
	Name   string // "system": of the files in the zip
	Device string // "/dev/block/bootdevice/by-name/system"
	Size   int64  // of Image in bytes; of a Block image a multiple of 4096
	Image  io.Reader
	// Block writes a transfer list and new data packed with brotli, and none of the
	// zeros; without, the image lies in the zip as it is, as boot images do.
	Block bool
	// Delta makes Image out of what the partition holds before; nil: nothing needs to
	// be there.
	Delta *Delta
}

// Delta is an incremental transfer list and what goes with it.
type Delta struct {
	List      *blockota.List
	New       io.Reader // .new.dat, as the list takes it
	NewSize   int64
	Patches   io.Reader // .patch.dat
	PatchSize int64
}

// Package is what Write writes.
type Package struct {
	Metadata     otazip.Metadata // OTAType empty means "BLOCK"
	Arch         string          // of Friday's own update-binary: "arm", "arm64"
	UpdateBinary []byte          // another one, to be taken in its place
	// Devices are the values of ro.product.device or ro.build.product that the script
	// lets pass; none: Metadata.PreDevice.
	Devices    []string
	Partitions []Partition
	Extra      map[string][]byte
	// Quality is brotli's, 0 to 11. AOSP's tools use 6.
	Quality int
}

// Scratch holds packed data until it is copied into the zip; an empty file will
// do. Who gives one gets it back full.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
}

var (
	partName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,35}$`)
	deviceName = regexp.MustCompile(`^/dev/[A-Za-z0-9._/-]{1,200}$`)
	codename   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

func (p *Package) check() error {
	if p.Quality < 0 || p.Quality > brotli.BestCompression {
		return fmt.Errorf("brotli's quality is %d, expected 0 to %d", p.Quality, brotli.BestCompression)
	}
	if len(p.Devices) == 0 || slices.ContainsFunc(p.Devices, func(d string) bool { return !codename.MatchString(d) }) {
		return fmt.Errorf("devices are %q, expected codenames", p.Devices)
	}
	seen := map[string]bool{}
	for _, x := range p.Partitions {
		switch {
		case !partName.MatchString(x.Name) || !deviceName.MatchString(x.Device) || strings.Contains(x.Device, ".."):
			return fmt.Errorf("partition %q on %q: expected a plain name and a path in /dev", x.Name, x.Device)
		case seen[x.Name]:
			return fmt.Errorf("there are two partitions %q", x.Name)
		case x.Delta != nil && !x.Block:
			return fmt.Errorf("partition %q has a delta and is no block image", x.Name)
		case x.Size <= 0 || x.Block && x.Size%blockota.BlockSize != 0:
			return fmt.Errorf("partition %q has %d bytes, expected whole blocks of %d", x.Name, x.Size, blockota.BlockSize)
		}
		seen[x.Name] = true
	}
	return nil
}

// Write writes a zip to f, which must be empty, and signs it. The same package
// and key give the same bytes. Memory does not grow with the images.
func Write(ctx context.Context, f otazip.File, p Package, scratch Scratch, signer crypto.Signer, cert *x509.Certificate) (otazip.Info, error) {
	if p.Metadata.OTAType == "" {
		p.Metadata.OTAType = "BLOCK"
	}
	if len(p.Devices) == 0 {
		p.Devices = p.Metadata.PreDevice
	}
	if err := p.check(); err != nil {
		return otazip.Info{}, fmt.Errorf("cannot write recovery zip: %w", err)
	}
	if len(p.UpdateBinary) == 0 {
		var err error
		if p.UpdateBinary, err = built.Program(p.Arch); err != nil {
			return otazip.Info{}, fmt.Errorf("cannot write recovery zip: %w", err)
		}
	}
	if cert == nil {
		return otazip.Info{}, errors.New("cannot write recovery zip: it needs a key and its certificate; recovery takes no unsigned one")
	}
	out := &offsetWriter{w: f}
	w := &writer{ctx: ctx, z: zip.NewWriter(out), scratch: scratch, sums: map[string]string{}}
	if err := w.write(&p, cert); err != nil {
		return otazip.Info{}, fmt.Errorf("cannot write recovery zip: %w", err)
	}
	return otazip.Sign(ctx, f, out.at, signer, cert)
}

type writer struct {
	ctx     context.Context
	z       *zip.Writer
	scratch Scratch
	at      int64             // in scratch
	sums    map[string]string // SHA-1 of block images, by partition
}

func (w *writer) write(p *Package, cert *x509.Certificate) error {
	small := map[string][]byte{
		otazip.NameMetadata: []byte(p.Metadata.Text()),
		otazip.NameOTACert:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
	}
	for name, b := range p.Extra {
		if _, ok := small[name]; ok || name == NameBinary || name == NameScript || name == "" || strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") {
			return fmt.Errorf("extra file %.80q has a name that is taken or leaves the folder", name)
		}
		small[name] = b
	}
	for _, x := range p.Partitions {
		if err := w.partition(x, p.Quality); err != nil {
			return fmt.Errorf("partition %s: %w", x.Name, err)
		}
	}
	small[NameScript] = []byte(p.script(w.sums))
	for _, name := range slices.Sorted(maps.Keys(small)) {
		if err := w.put(name, small[name]); err != nil {
			return err
		}
	}
	if err := w.program(p.UpdateBinary); err != nil {
		return err
	}
	return w.z.Close()
}

// partition writes the files of one partition.
func (w *writer) partition(x Partition, quality int) error {
	in := &exactly{ctx: w.ctx, r: x.Image, left: x.Size}
	if !x.Block {
		return w.spool(x.Name+".img", func(to io.Writer) error {
			_, err := io.Copy(to, in)
			return err
		})
	}
	sum := sha1.New() //nolint:gosec // what range_sha1 of scripts says
	var list *blockota.List
	err := w.spool(x.Name+".new.dat.br", func(to io.Writer) (err error) {
		b := brotli.NewWriterLevel(to, quality)
		if d := x.Delta; d != nil {
			list = d.List
			_, err = io.Copy(b, &exactly{ctx: w.ctx, r: d.New, left: d.NewSize})
		} else {
			list, err = blockota.Write(io.TeeReader(in, sum), x.Size, b)
		}
		if err != nil {
			return err
		}
		return b.Close()
	})
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := list.WriteTo(&text); err != nil {
		return err
	}
	if err := w.put(x.Name+".transfer.list", text.Bytes()); err != nil {
		return err
	}
	if x.Delta == nil {
		err = w.put(x.Name+".patch.dat", nil)
	} else {
		if _, err := io.Copy(sum, in); err != nil {
			return err
		}
		err = w.spool(x.Name+".patch.dat", func(to io.Writer) error {
			_, err := io.Copy(to, &exactly{ctx: w.ctx, r: x.Delta.Patches, left: x.Delta.PatchSize})
			return err
		})
	}
	w.sums[x.Name] = hex.EncodeToString(sum.Sum(nil))
	return err
}

// spool stores what fill writes, whose size and CRC are known only behind it.
func (w *writer) spool(name string, fill func(io.Writer) error) error {
	sum := crc32.NewIEEE()
	to := &offsetWriter{w: w.scratch, at: w.at}
	if err := fill(io.MultiWriter(to, sum)); err != nil {
		return err
	}
	size := to.at - w.at
	err := w.store(name, io.NewSectionReader(w.scratch, w.at, size), size, sum.Sum32())
	w.at = to.at
	return err
}

func (w *writer) put(name string, b []byte) error {
	return w.store(name, bytes.NewReader(b), int64(len(b)), crc32.ChecksumIEEE(b))
}

// store adds an entry as it is, with its size before it: recoveries of all ages
// read that.
func (w *writer) store(name string, r io.Reader, size int64, crc uint32) error {
	h := &zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc, CompressedSize64: uint64(size), UncompressedSize64: uint64(size),
		ModifiedDate: 1<<5 | 1, // 1 January 1980
	}
	to, err := w.z.CreateRaw(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(to, &exactly{ctx: w.ctx, r: r, left: size}); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// program adds the update-binary, packed, as it is larger than all the rest of
// META-INF.
func (w *writer) program(b []byte) error {
	h := &zip.FileHeader{Name: NameBinary, Method: zip.Deflate, ModifiedDate: 1<<5 | 1}
	h.SetMode(0o755)
	to, err := w.z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = to.Write(b)
	return err
}

// script is what recovery does, in edify. sums are the SHA-1 of block images.
func (p *Package) script(sums map[string]string) string {
	var b strings.Builder
	var tests []string
	for _, d := range p.Devices {
		tests = append(tests, fmt.Sprintf(`getprop("ro.product.device") == "%s" || getprop("ro.build.product") == "%s"`, d, d))
	}
	fmt.Fprintf(&b, "%s || abort(\"E3004: This package is for \\\"%s\\\" devices; this is a \\\"\" + getprop(\"ro.product.device\") + \"\\\".\");\n",
		strings.Join(tests, " || "), strings.Join(p.Devices, ","))
	if t := p.Metadata.PostTimestamp; t > 0 {
		fmt.Fprintf(&b, "!less_than_int(%d, getprop(\"ro.build.date.utc\")) || abort(\"E3003: Can't install this package (\" + %d + \") over newer build (\" + getprop(\"ro.build.date.utc\") + \").\");\n", t, t)
	}
	var total int64
	for _, x := range p.Partitions {
		total += x.Size
		if x.Delta != nil { // all of them before the first is written
			fmt.Fprintf(&b, "ui_print(\"Checking %s\");\nblock_image_verify(%s) ||\n  abort(\"E1004: The %s partition has unexpected contents: install a full package.\");\n", x.Name, x.block(), x.Name)
		}
	}
	for _, x := range p.Partitions {
		fmt.Fprintf(&b, "ui_print(\"Writing %s\");\nshow_progress(%.6f, 0);\n", x.Name, float64(x.Size)/float64(total))
		if x.Block {
			fmt.Fprintf(&b, "block_image_update(%s) ||\n  abort(\"E1001: Failed to update %s image.\");\n", x.block(), x.Name)
			fmt.Fprintf(&b, "range_sha1(\"%s\", \"2,0,%d\") == \"%s\" ||\n  abort(\"E1005: The %s partition is not what was to be written.\");\n", x.Device, x.Size/blockota.BlockSize, sums[x.Name], x.Name)
		} else {
			fmt.Fprintf(&b, "package_extract_file(\"%s.img\", \"%s\") ||\n  abort(\"E1001: Failed to write %s image.\");\n", x.Name, x.Device, x.Name)
		}
	}
	b.WriteString("set_progress(1.000000);\n")
	return b.String()
}

// block are the arguments of a block function.
func (x *Partition) block() string {
	return fmt.Sprintf("\"%s\", package_extract_file(\"%s.transfer.list\"), \"%s.new.dat.br\", \"%s.patch.dat\"", x.Device, x.Name, x.Name, x.Name)
}

// offsetWriter writes one byte behind the other.
type offsetWriter struct {
	w  io.WriterAt
	at int64
}

func (o *offsetWriter) Write(p []byte) (int, error) {
	n, err := o.w.WriteAt(p, o.at)
	o.at += int64(n)
	return n, err
}

// exactly reads left bytes: fewer are an error, more are left. It ends with its
// context.
type exactly struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	if e.left -= int64(n); errors.Is(err, io.EOF) && e.left > 0 {
		err = fmt.Errorf("it ended %d bytes too early: %w", e.left, io.ErrUnexpectedEOF)
	}
	return n, err
}
