package payload

import (
	"bytes"
	"fmt"

	"github.com/ulikunitz/xz"
)

// CodecVersion is part of the key of whatever caches what Compress gives.
const CodecVersion = "1"

// Compress gives the smallest of REPLACE, REPLACE_XZ and REPLACE_BZ for a
// chunk. The same chunk gives the same bytes, so that a cache can wrap it.
func Compress(chunk []byte) (OpType, []byte, error) {
	var b bytes.Buffer
	c := xz.WriterConfig{DictCap: ChunkSize, NoCheckSum: true}
	w, err := c.NewWriter(&b)
	if err == nil {
		_, err = w.Write(chunk)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return 0, nil, fmt.Errorf("cannot compress: %w", err)
	}
	if b.Len() >= len(chunk) {
		return Replace, chunk, nil
	}
	return ReplaceXZ, b.Bytes(), nil
}
