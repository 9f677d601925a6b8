package otazip

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	// zip64From is the first size or offset that needs a zip64 field.
	zip64From = 0xffffffff
	// Every entry has AOSP's fixed date, 2009-01-01 00:00.
	dosDate = (2009-1980)<<9 | 1<<5 | 1
	dosTime = 0

	versionPlain, versionZip64 = 20, 45
	madeByUnix                 = 3 << 8
	modeRegular                = 0o100644 << 16
)

// fileEntry is an entry to be written.
type fileEntry struct {
	Entry
	content []byte // nil for the payload
	extra   []byte // the same in both headers
	zip64   bool   // sizes are in extra
}

func newEntry(name string, content []byte) *fileEntry {
	n := int64(len(content))
	return &fileEntry{
		Entry:   Entry{Name: name, Method: Store, CRC32: crc32.ChecksumIEEE(content), Size: n, CompressedSize: n},
		content: content,
	}
}

// appendCommon appends what both headers share, from the version needed to the
// lengths of name and extra field.
func (e *fileEntry) appendCommon(b []byte) []byte {
	le := binary.LittleEndian
	version, size := uint16(versionPlain), uint32(e.Size)
	if e.zip64 {
		version, size = versionZip64, 0xffffffff
	}
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint16(b, e.Method)
	b = le.AppendUint16(b, dosTime)
	b = le.AppendUint16(b, dosDate)
	b = le.AppendUint32(b, e.CRC32)
	b = le.AppendUint32(b, size)
	b = le.AppendUint32(b, size)
	b = le.AppendUint16(b, uint16(len(e.Name)))
	return le.AppendUint16(b, uint16(len(e.extra)))
}

func (e *fileEntry) appendLocal(b []byte) []byte {
	b = append(b, magicLocal...)
	b = e.appendCommon(b)
	b = append(b, e.Name...)
	return append(b, e.extra...)
}

func (e *fileEntry) appendCentral(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, magicCentral...)
	version := uint16(versionPlain)
	if e.zip64 {
		version = versionZip64
	}
	b = le.AppendUint16(b, madeByUnix|version)
	b = e.appendCommon(b)
	b = le.AppendUint16(b, 0) // comment
	b = le.AppendUint16(b, 0) // disk
	b = le.AppendUint16(b, 0) // internal attributes
	b = le.AppendUint32(b, modeRegular)
	b = le.AppendUint32(b, uint32(e.header))
	b = append(b, e.Name...)
	return append(b, e.extra...)
}

// align gives e the extra fields that put its data at offset to: zip64 sizes if
// the entry has limit bytes or more, then Android's alignment field, which
// takes what is left. The gap is at least alignGap long.
func (e *fileEntry) align(to, limit int64) {
	le := binary.LittleEndian
	gap := int(to-e.header) - localSize - len(e.Name)
	if e.zip64 = e.Size >= limit; e.zip64 {
		e.extra = le.AppendUint16(e.extra, extraZip64)
		e.extra = le.AppendUint16(e.extra, 16)
		e.extra = le.AppendUint64(e.extra, uint64(e.Size))
		e.extra = le.AppendUint64(e.extra, uint64(e.Size))
	}
	pad := gap - len(e.extra) - 4
	e.extra = le.AppendUint16(e.extra, extraAlign)
	e.extra = le.AppendUint16(e.extra, uint16(pad))
	e.extra = le.AppendUint16(e.extra, payloadAlign)
	e.extra = append(e.extra, make([]byte, pad-2)...)
	e.Offset = to
}

// alignGap is the room that align's fields need at least.
const alignGap = 4 + 16 + 4 + 2

// appendEnd appends the end record without its last two bytes, the length of
// the comment, and before it the zip64 records if the directory needs them.
func appendEnd(b []byte, d directory, limit int64) []byte {
	le := binary.LittleEndian
	offset := uint32(d.offset)
	if d.offset >= limit {
		offset = 0xffffffff
		b = append(b, magicEOCD64...)
		b = le.AppendUint64(b, eocd64Size-12)
		b = le.AppendUint16(b, madeByUnix|versionZip64)
		b = le.AppendUint16(b, versionZip64)
		b = le.AppendUint64(b, 0) // two disk numbers
		b = le.AppendUint64(b, uint64(d.entries))
		b = le.AppendUint64(b, uint64(d.entries))
		b = le.AppendUint64(b, uint64(d.size))
		b = le.AppendUint64(b, uint64(d.offset))
		b = append(b, magicLocator64...)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint64(b, uint64(d.offset+d.size))
		b = le.AppendUint32(b, 1)
	}
	b = append(b, magicEOCD...)
	b = le.AppendUint32(b, 0) // two disk numbers
	b = le.AppendUint16(b, uint16(d.entries))
	b = le.AppendUint16(b, uint16(d.entries))
	b = le.AppendUint32(b, uint32(d.size))
	return le.AppendUint32(b, offset)
}
