package cow

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"github.com/pierrec/lz4/v4"
)

// codec packs single blocks.
type codec struct {
	number uint8
	pack   func(block []byte) ([]byte, error) // nil: it does not get smaller
	open   func(dst, packed []byte) (int, error)
}

// Compressions are those that Options takes, as a payload's manifest calls them.
func Compressions() []string { return []string{"none", "gz", "lz4"} }

func codecOf(name string) (codec, error) {
	switch name {
	case "", "none":
		return codec{}, nil
	case "gz":
		return codec{1, packGz, openGz}, nil
	case "lz4":
		return codec{3, packLZ4, func(dst, packed []byte) (int, error) { return lz4.UncompressBlock(packed, dst) }}, nil
	}
	return codec{}, fmt.Errorf("compression %q is not supported, expected of %q", name, Compressions())
}

func codecByNumber(n uint8) (codec, error) {
	for _, name := range Compressions() {
		if c, err := codecOf(name); err == nil && c.number == n {
			return c, nil
		}
	}
	return codec{}, fmt.Errorf("compression %d is not supported", n)
}

func packLZ4(block []byte) ([]byte, error) {
	b := make([]byte, lz4.CompressBlockBound(len(block)))
	n, err := lz4.CompressBlock(block, b, nil)
	if err != nil || n == 0 || n >= len(block) {
		return nil, err
	}
	return b[:n], nil
}

func packGz(block []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(block); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil || b.Len() >= len(block) {
		return nil, err
	}
	return b.Bytes(), nil
}

func openGz(dst, packed []byte) (int, error) {
	r, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r, dst)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err
	}
	return n, r.Close()
}

// unpack fills a block, or fails.
func (c codec) unpack(dst, packed []byte) error {
	if c.open == nil {
		return errors.New("cannot read copy-on-write file: a block is compressed, though the file has no compression")
	}
	n, err := c.open(dst, packed)
	if err != nil {
		return fmt.Errorf("cannot read copy-on-write file: a block of %d bytes does not unpack: %w", len(packed), err)
	}
	if n != len(dst) {
		return fmt.Errorf("cannot read copy-on-write file: a block unpacks to %d bytes, expected %d", n, len(dst))
	}
	return nil
}
