package bootimg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/erofs/lz4fit"
	"github.com/fridayos/friday/android/tree"
	"github.com/klauspost/compress/gzip"
	"github.com/pierrec/lz4/v4"
)

// MaxRamdisk is the most that a ramdisk may hold unpacked, and MaxRamdiskEntries
// how many files; more is refused. Unpacking takes memory for that, for a moment
// twice.
const (
	MaxRamdisk        = 128 << 20
	MaxRamdiskEntries = 1 << 17
)

// Compression is how a ramdisk is packed.
type Compression uint8

const (
	Plain Compression = iota
	Gzip
	LZ4Legacy // as lz4 -l writes it, which is what Linux reads
)

var compressionNames = [...]string{"plain", "gzip", "lz4-legacy"}

// String is the word for it: "plain", "gzip" or "lz4-legacy".
func (c Compression) String() string {
	if int(c) < len(compressionNames) {
		return compressionNames[c]
	}
	return fmt.Sprintf("compression%d", uint8(c))
}

const (
	gzipMagic = "\x1f\x8b"
	lz4Magic  = "\x02\x21\x4c\x18"
	lz4Block  = 8 << 20
)

// otherPackings are named when refused.
var otherPackings = []struct{ magic, name string }{
	{"\x04\x22\x4d\x18", "LZ4 frame"}, {"\xfd7zXZ\x00", "xz"}, {"\x28\xb5\x2f\xfd", "zstd"},
	{"BZh", "bzip2"}, {"\x5d\x00\x00", "LZMA"}, {"\x89LZO", "LZO"},
}

// UnpackRamdisk reads a cpio archive (newc), packed or not; several after each
// other, packed each by itself too, are laid over one another as Linux does.
func UnpackRamdisk(b []byte) (*tree.Node, Compression, error) {
	fail := func(err error) (*tree.Node, Compression, error) {
		return nil, 0, fmt.Errorf("cannot unpack ramdisk: %w", err)
	}
	c, err := compressionOf(b)
	if err != nil {
		return fail(err)
	}
	switch c {
	case Gzip:
		b, err = gunzip(b)
	case LZ4Legacy:
		b, err = unlz4(b)
	}
	if err != nil {
		return fail(err)
	}
	if len(b) > MaxRamdisk {
		return fail(fmt.Errorf("it holds %d bytes, expected at most %d", len(b), MaxRamdisk))
	}
	root, err := readCPIO(b)
	if err != nil {
		return fail(err)
	}
	return root, c, nil
}

func compressionOf(b []byte) (Compression, error) {
	has := func(magic string) bool { return bytes.HasPrefix(b, []byte(magic)) }
	switch {
	case has(gzipMagic):
		return Gzip, nil
	case has(lz4Magic):
		return LZ4Legacy, nil
	case has(cpioMagic), has(cpioCRCMagic):
		return Plain, nil
	}
	for _, o := range otherPackings {
		if has(o.magic) {
			return 0, fmt.Errorf("packing it by %s is not supported, expected gzip, LZ4 legacy or plain cpio", o.name)
		}
	}
	return 0, fmt.Errorf("it begins with %x, expected gzip, LZ4 legacy or plain cpio", b[:min(len(b), 6)])
}

func gunzip(b []byte) ([]byte, error) {
	in := bytes.NewReader(b)
	z, err := gzip.NewReader(in)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for { // one member at a time, since zeros may follow the last
		z.Multistream(false)
		if _, err := io.Copy(&out, io.LimitReader(z, MaxRamdisk+1-int64(out.Len()))); err != nil {
			return nil, fmt.Errorf("gzip at offset %d: %w", len(b)-in.Len(), err)
		}
		if out.Len() > MaxRamdisk {
			return nil, fmt.Errorf("it holds more than %d bytes", MaxRamdisk)
		}
		rest := bytes.TrimLeft(b[len(b)-in.Len():], "\x00")
		if len(rest) == 0 {
			return out.Bytes(), nil
		}
		in.Seek(int64(len(b)-len(rest)), io.SeekStart)
		if err := z.Reset(in); err != nil {
			return nil, fmt.Errorf("gzip at offset %d: %w", len(b)-len(rest), err)
		}
	}
}

// unlz4 reads the legacy form: a magic, then blocks behind their packed size, each
// of 8 MiB unpacked but the last. Another magic may begin anew.
func unlz4(b []byte) ([]byte, error) {
	var out []byte
	block := make([]byte, lz4Block)
	for at := 0; at < len(b); {
		if len(b)-at < 4 {
			if len(bytes.Trim(b[at:], "\x00")) == 0 {
				break
			}
			return nil, fmt.Errorf("LZ4 block size at offset %d is cut off", at)
		}
		n := binary.LittleEndian.Uint32(b[at:])
		if string(b[at:at+4]) == lz4Magic {
			at += 4
			continue
		}
		if n == 0 && len(bytes.Trim(b[at:], "\x00")) == 0 {
			break // the image's padding
		}
		at += 4
		if n == 0 || uint64(n) > uint64(len(b)-at) {
			return nil, fmt.Errorf("LZ4 block at offset %d is %d bytes long, expected 1 to %d", at, n, len(b)-at)
		}
		m, err := lz4.UncompressBlock(b[at:at+int(n)], block)
		if err != nil {
			return nil, fmt.Errorf("LZ4 block at offset %d: %w", at, err)
		}
		if len(out)+m > MaxRamdisk {
			return nil, fmt.Errorf("it holds more than %d bytes", MaxRamdisk)
		}
		out = append(out, block[:m]...)
		at += int(n)
	}
	return out, nil
}

// PackRamdisk writes root as a cpio archive (newc). The same tree gives the same
// bytes. Extended attributes are left out: the format has no place for them, and
// Android labels a ramdisk's files by its policy.
func PackRamdisk(root *tree.Node, c Compression) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("cannot pack ramdisk: %w", err) }
	b, err := writeCPIO(root)
	if err != nil {
		return fail(err)
	}
	switch c {
	case Plain:
		return b, nil
	case Gzip:
		var out bytes.Buffer
		z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err == nil {
			_, err = z.Write(b)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			return fail(err)
		}
		return out.Bytes(), nil
	case LZ4Legacy:
		out, err := lz4Pack(b)
		if err != nil {
			return fail(err)
		}
		return out, nil
	}
	return fail(fmt.Errorf("%s is unknown, expected plain, gzip or lz4-legacy", c))
}

// lz4Level is where more work gains little; "lz4 -l -9" makes larger ones.
const lz4Level = 5

func lz4Pack(b []byte) ([]byte, error) {
	out := []byte(lz4Magic)
	z := lz4fit.New(lz4Level)
	dst := make([]byte, lz4.CompressBlockBound(min(len(b), lz4Block)))
	for len(b) > 0 {
		n := min(len(b), lz4Block)
		m, all := z.Fit(dst, b[:n])
		if all != n {
			return nil, fmt.Errorf("LZ4 block of %d bytes: %d of them were packed to %d bytes", n, all, m)
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(m))
		out = append(out, dst[:m]...)
		b = b[n:]
	}
	return out, nil
}
