package otazip

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fridayos/friday/android/tree"
)

// Limits of what Open and ReadFile hold in memory.
const (
	MaxDirectory = 8 << 20 // bytes of the central directory
	MaxEntries   = 1 << 16
	MaxFile      = 4 << 20 // bytes of an entry that ReadFile reads
)

// Methods of compression that Android's zips use.
const (
	Store   = 0
	Deflate = 8
)

var (
	magicLocal     = []byte("PK\x03\x04")
	magicCentral   = []byte("PK\x01\x02")
	magicEOCD      = []byte("PK\x05\x06")
	magicEOCD64    = []byte("PK\x06\x06")
	magicLocator64 = []byte("PK\x06\x07")
)

const (
	localSize     = 30
	centralSize   = 46
	eocd64Size    = 56
	locator64Size = 20

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3

	extraZip64 = 0x0001
	extraAlign = 0xd935 // Android's: the alignment, then padding
)

// Entry is a file of a zip.
type Entry struct {
	Name           string
	Method         uint16 // Store or Deflate
	CRC32          uint32
	Offset         int64 // of the data, from the zip's first byte
	CompressedSize int64
	Size           int64

	header int64 // offset of the local header
	flags  uint16
}

// Zip is an OTA zip, signed or not.
type Zip struct {
	r       io.ReaderAt
	entries []Entry
	byName  map[string]int
}

// Open reads the directory of an OTA zip, its own or another's. It verifies no
// signature, and it refuses what two readers could see differently: names that
// are there twice or leave the folder, local headers that disagree with the
// directory, entries that overlap.
func Open(r io.ReaderAt, size int64) (*Zip, error) {
	d, err := findDirectory(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot open zip: %w", err)
	}
	raw := make([]byte, d.size)
	if err := tree.ReadFull(r, raw, d.offset); err != nil {
		return nil, fmt.Errorf("cannot open zip: central directory: %w", err)
	}
	z := &Zip{r: r, byName: map[string]int{}}
	for len(raw) > 0 {
		e, rest, err := parseCentral(raw)
		if err != nil {
			return nil, fmt.Errorf("cannot open zip: central directory at byte %d: %w", d.offset+d.size-int64(len(raw)), err)
		}
		raw = rest
		if _, twice := z.byName[e.Name]; twice {
			return nil, fmt.Errorf("cannot open zip: %q is there twice", e.Name)
		}
		z.byName[e.Name] = len(z.entries)
		z.entries = append(z.entries, e)
	}
	if len(z.entries) != d.entries {
		return nil, fmt.Errorf("cannot open zip: central directory has %d entries, its end record says %d", len(z.entries), d.entries)
	}
	if err := z.locate(d.offset); err != nil {
		return nil, fmt.Errorf("cannot open zip: %w", err)
	}
	return z, nil
}

type directory struct {
	offset, size int64
	entries      int
}

// findDirectory finds the last end record, which readers that search from the
// end find too; its comment must reach the end of the file.
func findDirectory(r io.ReaderAt, size int64) (directory, error) {
	if size < eocdSize {
		return directory{}, fmt.Errorf("it has %d bytes, too few for a zip", size)
	}
	tail := make([]byte, min(size, eocdSize+0xffff))
	if err := tree.ReadFull(r, tail, size-int64(len(tail))); err != nil {
		return directory{}, err
	}
	at := bytes.LastIndex(tail, magicEOCD)
	if at < 0 || len(tail)-at < eocdSize || int(binary.LittleEndian.Uint16(tail[at+20:])) != len(tail)-at-eocdSize {
		return directory{}, errors.New("no end of central directory whose comment reaches the end of the file; is the download complete?")
	}
	eocd, end := tail[at:], size-int64(len(tail)-at)
	if eocd[4]|eocd[5]|eocd[6]|eocd[7] != 0 {
		return directory{}, errors.New("it is one part of several; zips of several disks are not read")
	}
	d := directory{
		entries: int(binary.LittleEndian.Uint16(eocd[10:])),
		size:    int64(binary.LittleEndian.Uint32(eocd[12:])),
		offset:  int64(binary.LittleEndian.Uint32(eocd[16:])),
	}
	if d.entries == 0xffff || d.size == 0xffffffff || d.offset == 0xffffffff {
		var err error
		if d, end, err = findDirectory64(r, end); err != nil {
			return directory{}, err
		}
	}
	// The directory must touch its end record: bytes between would be a place
	// for a second one.
	if d.offset+d.size != end {
		return directory{}, fmt.Errorf("central directory at byte %d has %d bytes, its end record lies at byte %d", d.offset, d.size, end)
	}
	if d.size > MaxDirectory || d.entries > MaxEntries {
		return directory{}, fmt.Errorf("central directory has %d bytes and %d entries, at most %d and %d are read", d.size, d.entries, MaxDirectory, MaxEntries)
	}
	return d, nil
}

// findDirectory64 reads the zip64 records, which lie before the end record.
func findDirectory64(r io.ReaderAt, end int64) (directory, int64, error) {
	fail := func(format string, a ...any) (directory, int64, error) {
		return directory{}, 0, fmt.Errorf("zip64 end record: "+format, a...)
	}
	if end < locator64Size+eocd64Size {
		return fail("no room for it before byte %d", end)
	}
	b := make([]byte, eocd64Size+locator64Size)
	start := end - int64(len(b))
	if err := tree.ReadFull(r, b, start); err != nil {
		return fail("%w", err)
	}
	rec, loc := b[:eocd64Size], b[eocd64Size:]
	if !bytes.HasPrefix(loc, magicLocator64) || !bytes.HasPrefix(rec, magicEOCD64) {
		return fail("not found at byte %d", start)
	}
	if at := binary.LittleEndian.Uint64(loc[8:]); at != uint64(start) {
		return fail("its locator says byte %d, it lies at byte %d", at, start)
	}
	entries, size, offset := binary.LittleEndian.Uint64(rec[32:]), binary.LittleEndian.Uint64(rec[40:]), binary.LittleEndian.Uint64(rec[48:])
	if entries > MaxEntries || size > MaxDirectory || offset > uint64(start) {
		return fail("central directory at byte %d has %d bytes and %d entries, at most %d and %d are read", offset, size, entries, MaxDirectory, MaxEntries)
	}
	return directory{offset: int64(offset), size: int64(size), entries: int(entries)}, start, nil
}

// parseCentral reads one record of the central directory and returns the rest.
func parseCentral(b []byte) (Entry, []byte, error) {
	if len(b) < centralSize || !bytes.HasPrefix(b, magicCentral) {
		return Entry{}, nil, fmt.Errorf("found %x, expected a file record %x", b[:min(4, len(b))], magicCentral)
	}
	le := binary.LittleEndian
	nameLen, extraLen, commentLen := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	total := centralSize + nameLen + extraLen + commentLen
	if len(b) < total {
		return Entry{}, nil, fmt.Errorf("file record has %d bytes, %d are left", total, len(b))
	}
	e := Entry{
		Name:           string(b[centralSize : centralSize+nameLen]),
		flags:          le.Uint16(b[8:]),
		Method:         le.Uint16(b[10:]),
		CRC32:          le.Uint32(b[16:]),
		CompressedSize: int64(le.Uint32(b[20:])),
		Size:           int64(le.Uint32(b[24:])),
		header:         int64(le.Uint32(b[42:])),
	}
	if err := checkName(e.Name); err != nil {
		return Entry{}, nil, err
	}
	extra := b[centralSize+nameLen : centralSize+nameLen+extraLen]
	if err := applyZip64(extra, &e.Size, &e.CompressedSize, &e.header); err != nil {
		return Entry{}, nil, fmt.Errorf("%q: %w", e.Name, err)
	}
	return e, b[total:], nil
}

// applyZip64 replaces those values that are all ones, in the order that the
// zip64 field has them.
func applyZip64(extra []byte, values ...*int64) error {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			// Android's aligners pad with bytes that are no field; nothing is
			// behind them.
			break
		}
		field := extra[4 : 4+n]
		extra = extra[4+n:]
		if id != extraZip64 {
			continue
		}
		for _, v := range values {
			if *v != 0xffffffff {
				continue
			}
			if len(field) < 8 {
				return errors.New("its zip64 field is too short")
			}
			u := binary.LittleEndian.Uint64(field)
			if u > 1<<62 {
				return fmt.Errorf("its zip64 field says %d, more than a file can have", u)
			}
			*v, field = int64(u), field[8:]
		}
		return nil
	}
	for _, v := range values {
		if *v == 0xffffffff {
			return errors.New("it has no zip64 field, and its size or offset needs one")
		}
	}
	return nil
}

func checkName(name string) error {
	bad := name == "" || name[0] == '/' || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f })
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		bad = bad || part == ".." || part == "." || part == ""
	}
	if bad {
		return fmt.Errorf("file name %.100q, expected a relative path without empty, . or .. parts", name)
	}
	return nil
}

// locate reads every local header: a streaming client goes by those, so they
// must say what the central directory says.
func (z *Zip) locate(end int64) error {
	order := make([]*Entry, len(z.entries))
	for i := range z.entries {
		order[i] = &z.entries[i]
	}
	slices.SortStableFunc(order, func(a, b *Entry) int {
		switch {
		case a.header < b.header:
			return -1
		case a.header > b.header:
			return 1
		}
		return 0
	})
	from, before := int64(0), "the start"
	for _, e := range order {
		if e.header < from {
			return fmt.Errorf("%q begins at byte %d, inside %s, which ends at byte %d", e.Name, e.header, before, from)
		}
		if err := z.checkLocal(e, end); err != nil {
			return fmt.Errorf("%q: %w", e.Name, err)
		}
		from, before = e.Offset+e.CompressedSize, fmt.Sprintf("%q", e.Name)
	}
	return nil
}

func (z *Zip) checkLocal(e *Entry, end int64) error {
	if e.header > end-localSize {
		return fmt.Errorf("local header at byte %d, behind the last at byte %d", e.header, end)
	}
	h := make([]byte, localSize+len(e.Name))
	if err := tree.ReadFull(z.r, h, e.header); err != nil {
		return fmt.Errorf("local header: %w", err)
	}
	le := binary.LittleEndian
	if !bytes.HasPrefix(h, magicLocal) {
		return fmt.Errorf("local header at byte %d: found %x, expected %x", e.header, h[:4], magicLocal)
	}
	if n := int(le.Uint16(h[26:])); n != len(e.Name) || string(h[localSize:]) != e.Name {
		return fmt.Errorf("local header at byte %d has another name", e.header)
	}
	flags, method, crc := le.Uint16(h[6:]), le.Uint16(h[8:]), le.Uint32(h[14:])
	packed, size := int64(le.Uint32(h[18:])), int64(le.Uint32(h[22:]))
	extra := make([]byte, le.Uint16(h[28:]))
	if err := tree.ReadFull(z.r, extra, e.header+int64(len(h))); err != nil {
		return fmt.Errorf("local header: %w", err)
	}
	if err := applyZip64(extra, &size, &packed); err != nil {
		return fmt.Errorf("local header: %w", err)
	}
	// With a data descriptor the local header may leave the three at zero.
	descriptor := flags&flagDescriptor != 0 && crc == 0 && packed == 0 && size == 0
	if method != e.Method || flags != e.flags || !descriptor && (crc != e.CRC32 || packed != e.CompressedSize || size != e.Size) {
		return fmt.Errorf("local header at byte %d (method %d, flags %#x, CRC %08x, %d of %d bytes) disagrees with the central directory (method %d, flags %#x, CRC %08x, %d of %d bytes)",
			e.header, method, flags, crc, packed, size, e.Method, e.flags, e.CRC32, e.CompressedSize, e.Size)
	}
	e.Offset = e.header + int64(len(h)) + int64(len(extra))
	if e.Offset > end || e.CompressedSize > end-e.Offset {
		return fmt.Errorf("its %d bytes from byte %d reach past byte %d, where the files end", e.CompressedSize, e.Offset, end)
	}
	if e.Method == Store && e.Size != e.CompressedSize {
		return fmt.Errorf("stored, but %d bytes are to become %d", e.CompressedSize, e.Size)
	}
	return nil
}

// Entries lists the files in the order of the central directory.
func (z *Zip) Entries() []Entry { return slices.Clone(z.entries) }

// Lookup finds an entry by its name.
func (z *Zip) Lookup(name string) (Entry, bool) {
	i, ok := z.byName[name]
	if !ok {
		return Entry{}, false
	}
	return z.entries[i], true
}

// ReadFile reads a whole entry of at most MaxFile bytes and checks its CRC.
func (z *Zip) ReadFile(name string) ([]byte, error) {
	e, ok := z.Lookup(name)
	if !ok {
		return nil, fmt.Errorf("cannot read %s: not in the zip", name)
	}
	if e.Size > MaxFile || e.CompressedSize > MaxFile {
		return nil, fmt.Errorf("cannot read %s: it has %d bytes, at most %d are read at once", name, max(e.Size, e.CompressedSize), MaxFile)
	}
	if e.flags&flagEncrypted != 0 {
		return nil, fmt.Errorf("cannot read %s: it is encrypted", name)
	}
	var r io.Reader = io.NewSectionReader(z.r, e.Offset, e.CompressedSize)
	switch e.Method {
	case Store:
	case Deflate:
		r = flate.NewReader(r)
	default:
		return nil, fmt.Errorf("cannot read %s: method %d, expected 0 (stored) or 8 (deflated)", name, e.Method)
	}
	b, err := io.ReadAll(io.LimitReader(r, e.Size+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if int64(len(b)) != e.Size {
		return nil, fmt.Errorf("cannot read %s: it has %d bytes or more, expected %d", name, len(b), e.Size)
	}
	if crc := crc32.ChecksumIEEE(b); crc != e.CRC32 {
		return nil, fmt.Errorf("cannot read %s: CRC is %08x, expected %08x", name, crc, e.CRC32)
	}
	return b, nil
}
