// Package xz reads .xz, and writes it for chunks of a few MiB, small and fast
// enough for update payloads.
//
// Reader reads any .xz of LZMA2 alone, with package lzma2 below it, at twice the
// speed of the other readers in Go. Encoder writes one stream of one
// block, without a check or with CRC32: what update_engine's decoder (xz-embedded)
// takes. The whole input is the dictionary; it is not a streaming compressor.
// Filters for programs are neither read nor written: github.com/xi2/xz reads them.
//
// Matches are found with binary trees over the sorted input; which to take is
// decided by the cheapest path over prices that the coder's own probabilities
// give. Noise is stored without a search. The formats are
// described in "The .xz File Format" and in the LZMA specification, both by
// their authors and in the public domain.
package xz

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// MaxInput is the largest input. Compress holds about 35 times the input, and a
// hundred times at worst.
const MaxInput = 16 << 20

// Check is what guards the content inside of the stream.
type Check byte

// The checks that every reader of Android knows. Payloads hash all data
// themselves, so they want none.
const (
	CheckNone  Check = 0
	CheckCRC32 Check = 1
)

// Compress is that of an Encoder used once.
func Compress(src []byte, check Check) ([]byte, error) {
	return new(Encoder).Compress(src, check)
}

// Compress gives src as an .xz stream. The same input gives the same bytes,
// whatever the Encoder did before.
func (e *Encoder) Compress(src []byte, check Check) ([]byte, error) {
	if len(src) > MaxInput {
		return nil, fmt.Errorf("cannot compress %d bytes: expected at most %d", len(src), MaxInput)
	}
	if check != CheckNone && check != CheckCRC32 {
		return nil, fmt.Errorf("cannot compress: check is %d, expected 0 (none) or 1 (CRC32)", check)
	}
	flags := []byte{0, byte(check)}
	out := append(make([]byte, 0, len(src)/3+1024), 0xfd, '7', 'z', 'X', 'Z', 0)
	out = append(out, flags...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(flags))
	if len(src) == 0 {
		return appendEnd(out, nil, flags), nil
	}

	start := len(out)
	header := []byte{2, 0, 0x21, 1, dictionary(len(src)), 0, 0, 0} // (2+1)*4 bytes with the CRC32
	out = append(out, header...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(header))
	out = e.encode(src, out)
	unpadded := len(out) - start
	for (len(out)-start)%4 != 0 {
		out = append(out, 0)
	}
	if check == CheckCRC32 {
		unpadded += 4
		out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(src))
	}
	record := binary.AppendUvarint(nil, uint64(unpadded))
	record = binary.AppendUvarint(record, uint64(len(src)))
	return appendEnd(out, record, flags), nil
}

// appendEnd writes the index, of one record or none, and the footer.
func appendEnd(out, record, flags []byte) []byte {
	index := []byte{0, 0}
	if record != nil {
		index[1] = 1
		index = append(index, record...)
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	out = append(out, index...)
	footer := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	footer = append(footer, flags...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(footer))
	out = append(out, footer...)
	return append(out, 'Y', 'Z')
}

// dictionary is the smallest size of a dictionary that holds n bytes, as LZMA2
// writes it: 2 or 3 times a power of two, from 4 KiB.
func dictionary(n int) byte {
	var d byte
	for (2|int(d)&1)<<(d/2+11) < n {
		d++
	}
	return d
}
