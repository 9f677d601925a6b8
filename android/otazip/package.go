package otazip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Metadata parses the package's metadata; if it is there both as text and as
// protobuf the two must agree.
func (z *Zip) Metadata() (Metadata, error) {
	_, hasText := z.Lookup(NameMetadata)
	_, hasPB := z.Lookup(NameMetadataPB)
	if !hasText && !hasPB {
		return Metadata{}, fmt.Errorf("cannot read metadata: the zip has neither %s nor %s; is it an OTA package?", NameMetadata, NameMetadataPB)
	}
	var text, bin Metadata
	if hasText {
		b, err := z.ReadFile(NameMetadata)
		if err != nil {
			return Metadata{}, err
		}
		if text, err = ParseMetadata(string(b)); err != nil {
			return Metadata{}, err
		}
	}
	if hasPB {
		b, err := z.ReadFile(NameMetadataPB)
		if err != nil {
			return Metadata{}, err
		}
		if bin, err = ParseMetadataPB(b); err != nil {
			return Metadata{}, err
		}
	}
	switch {
	case !hasText:
		return bin, nil
	case hasPB:
		return text, sameMetadata(text, bin)
	}
	return text, nil
}

// Payload is payload.bin in place; Outer tells its offset and size.
func (z *Zip) Payload() (*io.SectionReader, error) {
	e, ok := z.Lookup(NamePayload)
	if !ok {
		return nil, errors.New("cannot find payload.bin: not in the zip; is it an A/B OTA package?")
	}
	if e.Method != Store || e.flags&flagEncrypted != 0 {
		return nil, fmt.Errorf("cannot use payload.bin: it is compressed (method %d) or encrypted, expected stored, so that a phone can read it in place", e.Method)
	}
	return io.NewSectionReader(z.r, e.Offset, e.Size), nil
}

// Properties is the text of payload_properties.txt.
func (z *Zip) Properties() (string, error) {
	b, err := z.ReadFile(NameProperties)
	return string(b), err
}

// CheckPropertyFiles compares what the metadata says of offsets and sizes with
// where things lie. A streaming client would read elsewhere what differs.
func (z *Zip) CheckPropertyFiles(m Metadata) error {
	for _, key := range []string{PropertyFiles, StreamingPropertyFiles} {
		list, ok := m.PropertyFiles[key]
		if !ok {
			continue
		}
		for item := range strings.SplitSeq(strings.TrimRight(list, " "), ",") {
			if err := z.checkProperty(item); err != nil {
				return fmt.Errorf("cannot use metadata: %s: %w", key, err)
			}
		}
	}
	return nil
}

func (z *Zip) checkProperty(item string) error {
	name, place, ok := strings.Cut(item, ":")
	if !ok {
		return fmt.Errorf("found %.80q, expected name:offset:size", item)
	}
	want := ""
	if name == "payload_metadata.bin" {
		payload, err := z.Payload()
		if err != nil {
			return err
		}
		n, err := payloadMetadataSize(payload, payload.Size())
		if err != nil {
			return err
		}
		_, offset, _ := payload.Outer()
		want = fmt.Sprintf("%d:%d", offset, n)
	} else {
		for _, e := range z.entries {
			if path.Base(e.Name) == name {
				want = fmt.Sprintf("%d:%d", e.Offset, e.CompressedSize)
				if want == place {
					break
				}
			}
		}
	}
	if want == "" {
		return fmt.Errorf("%s is not in the zip", name)
	}
	if place != want {
		return fmt.Errorf("%s is at %s by the metadata, and at %s in the zip", name, place, want)
	}
	return nil
}

// payloadMetadataSize is the size of a payload's header, manifest and metadata
// signature together: what AOSP calls payload_metadata.bin.
func payloadMetadataSize(r io.ReaderAt, size int64) (int64, error) {
	var h [24]byte
	if err := tree.ReadFull(r, h[:], 0); err != nil {
		return 0, fmt.Errorf("cannot read payload.bin: header: %w", err)
	}
	if string(h[:4]) != "CrAU" {
		return 0, fmt.Errorf("cannot read payload.bin: it begins with %x, expected %x (CrAU)", h[:4], "CrAU")
	}
	manifest, signature := binary.BigEndian.Uint64(h[12:]), binary.BigEndian.Uint32(h[20:])
	if manifest > uint64(size) || int64(manifest)+int64(signature)+24 > size {
		return 0, fmt.Errorf("cannot read payload.bin: a manifest of %d bytes and its signature of %d do not fit into %d", manifest, signature, size)
	}
	return 24 + int64(manifest) + int64(signature), nil
}
