package payload

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// Properties are the four facts of payload_properties.txt.
type Properties struct {
	FileHash     [32]byte
	FileSize     int64
	MetadataHash [32]byte
	MetadataSize int64 // header and manifest, without the metadata signature
}

// Text is payload_properties.txt.
func (p Properties) Text() string {
	return fmt.Sprintf("FILE_HASH=%s\nFILE_SIZE=%d\nMETADATA_HASH=%s\nMETADATA_SIZE=%d\n",
		base64.StdEncoding.EncodeToString(p.FileHash[:]), p.FileSize,
		base64.StdEncoding.EncodeToString(p.MetadataHash[:]), p.MetadataSize)
}

// ParseProperties reads payload_properties.txt. Other keys, which vendors add,
// are passed over; the four must be there, once each.
func ParseProperties(text string) (Properties, error) {
	var p Properties
	seen := map[string]bool{}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		var err error
		switch {
		case !ok:
			err = fmt.Errorf("%q has no =", line)
		case seen[key]:
			err = fmt.Errorf("%s is there twice", key)
		case key == "FILE_HASH":
			err = parseHash(&p.FileHash, value)
		case key == "METADATA_HASH":
			err = parseHash(&p.MetadataHash, value)
		case key == "FILE_SIZE":
			p.FileSize, err = parseSize(value)
		case key == "METADATA_SIZE":
			p.MetadataSize, err = parseSize(value)
		}
		if err != nil {
			return Properties{}, fmt.Errorf("cannot read payload properties: line %d: %w", i+1, err)
		}
		seen[key] = true
	}
	for _, key := range []string{"FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE"} {
		if !seen[key] {
			return Properties{}, fmt.Errorf("cannot read payload properties: %s is missing", key)
		}
	}
	return p, nil
}

func parseHash(to *[32]byte, s string) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != len(to) {
		return fmt.Errorf("hash is %q, expected 32 bytes in base64", s)
	}
	copy(to[:], b)
	return nil
}

func parseSize(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("size is %q, expected a number", s)
	}
	return n, nil
}
