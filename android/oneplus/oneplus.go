// Package oneplus reads what OnePlus ships beside OTA zips: the .ops files of its
// rescue tool, and OPPO's .ozip. An OTA zip with payload.bin is for the packages
// otazip and payload, and what a phone takes is made by them.
//
// No vendor's own file was at hand: the package was made from the description
// that oppo_decrypt gives, read for the facts, and is tested on files made from
// it.
//
//   - .ops: items in sectors of 512 bytes, an encrypted XML that lists them, and a
//     footer of 512 bytes with the XML's length at 0x18, little-endian. The cipher
//     is AES's rounds with keys of its own, of which three sets are known, in
//     cipher feedback mode; the items of SAHARA are encrypted by it too.
//   - .ozip: "OPPOENCRYPT!" and a header up to 0x1050; then, over and over, 16
//     bytes encrypted by AES-128-ECB and 16,384 plain ones. The user brings the
//     key.
package oneplus

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

const (
	sector    = 512
	opsMagic  = 0x7cef
	maxXML    = 16 << 20
	maxItems  = 10_000
	hashBlock = 4096
)

// Ops is an .ops file.
type Ops struct {
	KeySet  string // which of the known sets opened it: "5", "6" or "4"
	Project string // "18801"
	Version string // "guacamoles_31_O.09_190820"
	XML     []byte // as it was encrypted
	Items   []Item

	ListStart int64 // where the encrypted list begins in the file

	r    io.ReaderAt
	keys *schedule
}

// Item is one file of an .ops.
type Item struct {
	Section      string // of the XML: "SAHARA", "UFS_PROVISION", "Program0", …
	Name         string // "xbl.elf", "system.img"
	Label        string // the partition, as far as it says
	Offset, Size int64  // in the file, in bytes
	SHA256       string // hex, over the content filled up with zeros to 4,096; empty: none
	Sparse       bool   // the digest is of the expanded image then, and Verify passes it over
	Encrypted    bool
}

// ItemsEnd is where the last of the items, filled up to whole sectors, ends in
// the file: the list begins there.
func (o *Ops) ItemsEnd() int64 {
	end := int64(0)
	for _, it := range o.Items {
		end = max(end, it.Offset+(it.Size+sector-1)/sector*sector)
	}
	return end
}

// OpenOps reads the footer and the list of an .ops of size bytes.
func OpenOps(r io.ReaderAt, size int64) (*Ops, error) {
	o, err := openOps(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot open ops: %w", err)
	}
	return o, nil
}

func openOps(r io.ReaderAt, size int64) (*Ops, error) {
	if size < 2*sector {
		return nil, fmt.Errorf("it has %d bytes, expected at least %d", size, 2*sector)
	}
	foot := make([]byte, sector)
	if err := tree.ReadFull(r, foot, size-sector); err != nil {
		return nil, fmt.Errorf("offset %d: %w", size-sector, err)
	}
	if m := binary.LittleEndian.Uint32(foot[0x10:]); m != opsMagic {
		return nil, fmt.Errorf("offset %d: magic is %#x, expected %#x", size-sector+0x10, m, opsMagic)
	}
	n := int64(binary.LittleEndian.Uint32(foot[0x18:]))
	padded := n + sector - n%sector
	if n == 0 || n > maxXML || padded > size-sector {
		return nil, fmt.Errorf("offset %d: its list has %d bytes, expected 1 to %d", size-sector+0x18, n, min(maxXML, size-sector))
	}
	sealed := make([]byte, padded)
	if err := tree.ReadFull(r, sealed, size-sector-padded); err != nil {
		return nil, fmt.Errorf("offset %d: %w", size-sector-padded, err)
	}
	o := &Ops{r: r}
	for _, set := range keySets() {
		plain := bytes.Clone(sealed)
		set.keys.open(plain, opsIV(), false)
		if bytes.Contains(plain[:n], []byte("xml ")) {
			o.KeySet, o.keys, o.XML, o.ListStart = set.name, set.keys, plain[:n], size-sector-padded
			return o, o.readList(o.ListStart)
		}
	}
	return nil, fmt.Errorf("offset %d: no known key set opens its list; it is of a newer phone, or damaged", size-sector-padded)
}

// readList reads the XML; items lie before end.
func (o *Ops) readList(end int64) error {
	d := xml.NewDecoder(bytes.NewReader(o.XML))
	var path []string
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("its list: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if len(path) == 64 {
				return errors.New("its list: elements lie more than 64 deep")
			}
			path = append(path, t.Name.Local)
			if err := o.element(path, t.Attr, end); err != nil {
				line, _ := d.InputPos()
				return fmt.Errorf("its list: line %d: %s: %w", line, strings.Join(path, "/"), err)
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		}
	}
}

func (o *Ops) element(path []string, attrs []xml.Attr, end int64) error {
	attr := func(names ...string) string {
		for _, name := range names {
			for _, a := range attrs {
				if strings.EqualFold(a.Name.Local, name) {
					return a.Value
				}
			}
		}
		return ""
	}
	if len(path) == 2 && path[1] == "BasicInfo" {
		o.Project, o.Version = attr("Project"), attr("Version")
	}
	name := attr("filename", "Path")
	if len(path) < 3 || name == "" || attr("FileOffsetInSrc") == "" {
		return nil
	}
	start, err1 := strconv.ParseInt(attr("FileOffsetInSrc"), 10, 64)
	size, err2 := strconv.ParseInt(attr("SizeInByteInSrc"), 10, 64)
	switch {
	case err1 != nil || err2 != nil || start < 0 || size < 0 || start > end/sector || size > end-start*sector:
		return fmt.Errorf("%.80q has %.20q bytes at sector %.20q, the file has %d before its list", name, attr("SizeInByteInSrc"), attr("FileOffsetInSrc"), end)
	case strings.ContainsAny(name, "/\\\x00") || name == "." || name == "..":
		return fmt.Errorf("%.80q is no file name", name)
	case len(o.Items) == maxItems:
		return fmt.Errorf("more than %d items", maxItems)
	}
	o.Items = append(o.Items, Item{Section: path[1], Name: name, Label: attr("label"), Offset: start * sector, Size: size,
		SHA256: strings.ToLower(attr("Sha256")), Sparse: attr("sparse") == "true", Encrypted: path[1] == "SAHARA"})
	return nil
}

// Open shows an item's content, for reading at any place.
func (o *Ops) Open(it Item) *io.SectionReader {
	plain := io.NewSectionReader(o.r, it.Offset, it.Size)
	if !it.Encrypted {
		return plain
	}
	return io.NewSectionReader(&feedback{plain, o.keys}, 0, it.Size)
}

// Verify compares an item with its digest. One without a digest, or whose digest
// is of the expanded image, passes.
func (o *Ops) Verify(ctx context.Context, it Item) error {
	if it.SHA256 == "" || it.Sparse {
		return nil
	}
	h := sha256.New()
	r := o.Open(it)
	buf := make([]byte, 1<<20)
	for at := int64(0); at < it.Size; {
		n := min(it.Size-at, int64(len(buf)))
		if err := errors.Join(ctx.Err(), tree.ReadFull(r, buf[:n], at)); err != nil {
			return fmt.Errorf("cannot verify %s: %w", it.Name, err)
		}
		h.Write(buf[:n])
		at += n
	}
	if rest := it.Size % hashBlock; rest > 0 {
		h.Write(make([]byte, hashBlock-rest))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != it.SHA256 {
		return fmt.Errorf("cannot verify %s: SHA-256 is %s, its list says %s", it.Name, got, it.SHA256)
	}
	return nil
}

// Ozip's layout.
const (
	OzipMagic = "OPPOENCRYPT!"
	ozipStart = 0x1050
	ozipRun   = 16 + 16384
)

// OzipKeys are the keys in a file that a user brings: 16 bytes, or lines of 32 hex
// digits, of which at most 1,000 are taken. Other lines are passed over.
func OzipKeys(file []byte) [][16]byte {
	if len(file) == 16 {
		return [][16]byte{[16]byte(file)}
	}
	var out [][16]byte
	for line := range bytes.Lines(file) {
		key, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err == nil && len(key) == 16 && len(out) < 1000 {
			out = append(out, [16]byte(key))
		}
	}
	return out
}

// OpenOzip shows an .ozip of size bytes as the zip in it, for reading at any
// place. The key is the device's; one that does not fit is an error.
func OpenOzip(r io.ReaderAt, size int64, key [16]byte) (*io.SectionReader, error) {
	if size < ozipStart+16 {
		return nil, fmt.Errorf("cannot open ozip: it has %d bytes, expected more than %d", size, ozipStart+16)
	}
	magic := make([]byte, len(OzipMagic))
	if err := tree.ReadFull(r, magic, 0); err != nil {
		return nil, fmt.Errorf("cannot open ozip: %w", err)
	}
	if string(magic) != OzipMagic {
		return nil, fmt.Errorf("cannot open ozip: offset 0: found %q, expected %q", magic, OzipMagic)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("cannot open ozip: %w", err)
	}
	n := size - ozipStart
	plain := io.NewSectionReader(&ozip{io.NewSectionReader(r, ozipStart, n), block.Decrypt}, 0, n)
	head := make([]byte, 4)
	if err := tree.ReadFull(plain, head, 0); err != nil {
		return nil, fmt.Errorf("cannot open ozip: %w", err)
	}
	if string(head) != "PK\x03\x04" {
		return nil, fmt.Errorf("cannot open ozip: with this key it begins with %q, a zip begins with %q", head, "PK\x03\x04")
	}
	return plain, nil
}

type ozip struct {
	body    *io.SectionReader
	decrypt func(dst, src []byte)
}

func (o *ozip) ReadAt(p []byte, off int64) (n int, err error) {
	for len(p) > 0 {
		if off >= o.body.Size() {
			return n, io.EOF
		}
		start := off / ozipRun * ozipRun
		var k int
		if off < start+16 && start+16 <= o.body.Size() { // a rest of fewer bytes is plain
			var b [16]byte
			if err := tree.ReadFull(o.body, b[:], start); err != nil {
				return n, err
			}
			o.decrypt(b[:], b[:])
			k = copy(p, b[off-start:])
		} else {
			k = int(min(int64(len(p)), start+ozipRun-off, o.body.Size()-off))
			if err := tree.ReadFull(o.body, p[:k], off); err != nil {
				return n, err
			}
		}
		p, n, off = p[k:], n+k, off+int64(k)
	}
	return n, nil
}
