package otazip

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
)

const (
	// payloadAlign is where payload.bin may begin: a file system's block.
	payloadAlign = 4096
	// maxProperties is the room that is kept for payload_properties.txt, which
	// is known only when the payload behind it is.
	maxProperties = 512
	// maxHead bounds the small entries together.
	maxHead = 64 << 20

	commentText = "signed by Friday\x00"
)

// Write writes a package to f, which must be empty, and signs it. cert is the
// certificate of signer's key and passes CheckCert; RSA and ECDSA both give the
// same signature for the same bytes. After an error f holds a part of a package
// that no phone takes.
func Write(ctx context.Context, f File, c Contents, signer crypto.Signer, cert *x509.Certificate) (Info, error) {
	w := writer{f: f, limit: zip64From}
	return w.write(ctx, c, signer, cert)
}

type writer struct {
	f     File
	limit int64 // sizes and offsets from here on are zip64's
	small []*fileEntry
	props *fileEntry
	body  *fileEntry // payload.bin
	prop  []string   // names in the property files beside the metadata
}

func (w *writer) write(ctx context.Context, c Contents, signer crypto.Signer, cert *x509.Certificate) (Info, error) {
	if err := checkSigner(signer, cert); err != nil {
		return Info{}, err
	}
	if c.Metadata.OTAType == "" {
		c.Metadata.OTAType = "AB"
	}
	if err := c.Metadata.check(); err != nil {
		return Info{}, err
	}
	if c.Payload == nil {
		return Info{}, errors.New("cannot write package: no payload given")
	}
	if err := w.plan(c, cert); err != nil {
		return Info{}, err
	}
	properties, err := w.writePayload(ctx, c.Payload)
	if err != nil {
		return Info{}, err
	}
	if err := w.fill(&c.Metadata, properties); err != nil {
		return Info{}, err
	}
	head, end := w.encode()
	if int64(len(head)) != w.body.Offset {
		return Info{}, fmt.Errorf("cannot write package: entries before the payload have %d bytes, planned were %d", len(head), w.body.Offset)
	}
	if _, err := w.f.WriteAt(head, 0); err != nil {
		return Info{}, fmt.Errorf("cannot write package: %w", err)
	}
	info := Info{
		PayloadOffset: w.body.Offset,
		PayloadSize:   w.body.Size,
		Properties:    properties,
		PropertyFiles: strings.TrimRight(c.Metadata.PropertyFiles[PropertyFiles], " "),
	}
	return w.sign(ctx, info, w.body.Offset+w.body.Size, end, signer, cert)
}

// Sign signs a zip of any content, such as a block package, that lies whole in
// f, has size bytes and no comment: it appends the comment with the signature. cert
// is as Write wants it. After an error f may hold a part of the comment.
func Sign(ctx context.Context, f File, size int64, signer crypto.Signer, cert *x509.Certificate) (Info, error) {
	if err := checkSigner(signer, cert); err != nil {
		return Info{}, err
	}
	const endSize = 22
	end := make([]byte, min(max(size, 0), endSize))
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
		return Info{}, fmt.Errorf("cannot sign package: %w", err)
	}
	if len(end) < endSize || !bytes.HasPrefix(end, magicEOCD) || end[20] != 0 || end[21] != 0 {
		return Info{}, fmt.Errorf("cannot sign package: byte %d: expected the end of a zip without a comment, found %x", max(size-endSize, 0), end)
	}
	w := writer{f: f}
	return w.sign(ctx, Info{}, size-endSize, end[:endSize-2], signer, cert)
}

func checkSigner(signer crypto.Signer, cert *x509.Certificate) error {
	if signer == nil || cert == nil {
		return errors.New("cannot write package: it needs a key and its certificate; no phone takes an unsigned one")
	}
	pub, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(cert.PublicKey) {
		return fmt.Errorf("cannot write package: the key is not that of certificate %q (serial %x)", cert.Subject, cert.SerialNumber)
	}
	if err := CheckCert(cert); err != nil {
		return fmt.Errorf("cannot write package: %w", err)
	}
	return nil
}

// plan lays out all entries before the payload. Metadata's length is known
// beforehand because offsets and sizes in it are padded to their largest.
func (w *writer) plan(c Contents, cert *x509.Certificate) error {
	w.props = newEntry(NameProperties, nil)
	w.body = newEntry(NamePayload, nil)
	w.small = []*fileEntry{newEntry(NameMetadata, nil), newEntry(NameMetadataPB, nil), newEntry(NameOTACert, encodeCert(cert))}
	w.prop = []string{NamePayload, NameProperties}
	if c.CareMap != nil {
		w.small = append(w.small, newEntry(NameCareMap, c.CareMap))
		w.prop = append(w.prop, NameCareMap)
	}
	taken := map[string]bool{NamePayload: true, NameProperties: true, NameCareMap: true}
	for _, e := range w.small {
		taken[e.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
		if err := checkName(name); err != nil {
			return fmt.Errorf("cannot write package: %w", err)
		}
		if taken[name] || len(name) > 1024 {
			return fmt.Errorf("cannot write package: extra file %.80q has a name that is taken or too long", name)
		}
		w.small = append(w.small, newEntry(name, c.Extra[name]))
	}
	c.Metadata.PropertyFiles = w.propertyFiles(func(string) string { return largestPlace })
	text, bin, err := encodeMetadata(c.Metadata)
	if err != nil {
		return err
	}
	w.setContent(w.small[0], text)
	w.setContent(w.small[1], bin)
	at := int64(0)
	for _, e := range w.small {
		at = e.place(at)
	}
	at = w.props.place(at) + maxProperties
	if at > maxHead {
		return fmt.Errorf("cannot write package: files beside the payload have %d bytes, at most %d are allowed", at, maxHead)
	}
	at += int64(localSize + len(NamePayload) + alignGap)
	w.body.Offset = (at + payloadAlign - 1) / payloadAlign * payloadAlign
	return nil
}

// place puts e's header at offset at and returns where its data ends.
func (e *fileEntry) place(at int64) int64 {
	e.header = at
	e.Offset = at + int64(localSize+len(e.Name)+len(e.extra))
	return e.Offset + e.Size
}

func (w *writer) setContent(e *fileEntry, content []byte) {
	n := newEntry(e.Name, content)
	n.header, n.Offset = e.header, e.Offset
	*e = *n
}

func encodeMetadata(m Metadata) (text, bin []byte, err error) {
	if bin, err = m.Protobuf(); err != nil {
		return nil, nil, fmt.Errorf("cannot write metadata.pb: %w", err)
	}
	return []byte(m.Text()), bin, nil
}

// largestPlace stands for "offset:size" while these are not known.
const largestPlace = "9999999999:9999999999999"

// propertyFiles makes both lists; place gives "offset:size" of a name.
func (w *writer) propertyFiles(place func(name string) string) map[string]string {
	list := func(names ...string) string {
		var items []string
		for _, name := range names {
			items = append(items, path.Base(name)+":"+place(name))
		}
		all := strings.Join(items, ",")
		// Padding keeps the length, and with it every offset, whatever the
		// numbers are.
		longest := 0
		for _, name := range names {
			longest += len(path.Base(name)) + len(largestPlace) + 2
		}
		return all + strings.Repeat(" ", longest-1-len(all))
	}
	all := append(slices.Clone(w.prop), NameMetadata, NameMetadataPB)
	return map[string]string{
		PropertyFiles:          list(append([]string{namePayloadMetadata}, all...)...),
		StreamingPropertyFiles: list(all...),
	}
}

// namePayloadMetadata is no entry; it names the start of payload.bin.
const namePayloadMetadata = "payload_metadata.bin"

// writePayload streams payload.bin to its place.
func (w *writer) writePayload(ctx context.Context, payload func(io.Writer) (string, error)) (string, error) {
	crc := crc32.NewIEEE()
	at := io.NewOffsetWriter(w.f, w.body.Offset)
	out := bufio.NewWriterSize(contextWriter{ctx, io.MultiWriter(at, crc)}, 1<<20)
	properties, err := payload(out)
	if err != nil {
		return "", fmt.Errorf("cannot write payload.bin: %w", err)
	}
	if err := out.Flush(); err != nil {
		return "", fmt.Errorf("cannot write payload.bin: %w", err)
	}
	if len(properties) > maxProperties || properties == "" {
		return "", fmt.Errorf("cannot write %s: it has %d bytes, expected 1 to %d", NameProperties, len(properties), maxProperties)
	}
	n, err := at.Seek(0, io.SeekCurrent)
	if err != nil {
		return "", fmt.Errorf("cannot write payload.bin: %w", err)
	}
	w.body.Size, w.body.CompressedSize, w.body.CRC32 = n, n, crc.Sum32()
	return properties, nil
}

type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(b)
}

// fill puts in what is known since the payload is written.
func (w *writer) fill(m *Metadata, properties string) error {
	w.setContent(w.props, []byte(properties))
	w.body.header = w.props.Offset + w.props.Size
	w.body.align(w.body.Offset, w.limit)
	head, err := payloadMetadataSize(io.NewSectionReader(w.f, w.body.Offset, w.body.Size), w.body.Size)
	if err != nil {
		return err
	}
	places := map[string]string{namePayloadMetadata: fmt.Sprintf("%d:%d", w.body.Offset, head)}
	for _, e := range append(slices.Clone(w.small), w.props, w.body) {
		places[e.Name] = fmt.Sprintf("%d:%d", e.Offset, e.Size)
	}
	m.PropertyFiles = w.propertyFiles(func(name string) string { return places[name] })
	text, bin, err := encodeMetadata(*m)
	if err != nil {
		return err
	}
	w.setContent(w.small[0], text)
	w.setContent(w.small[1], bin)
	return nil
}

// encode gives all bytes before the payload, and the directory behind it but
// for the last two bytes, the comment's length.
func (w *writer) encode() (head, end []byte) {
	all := append(slices.Clone(w.small), w.props, w.body)
	for _, e := range all {
		head = append(e.appendLocal(head), e.content...)
		end = e.appendCentral(end)
	}
	d := directory{offset: w.body.Offset + w.body.Size, size: int64(len(end)), entries: len(all)}
	return head, appendEnd(end, d, w.limit)
}

// sign hashes what was written up to at, appends end and the comment with the
// signature, and tells the digest of the whole.
func (w *writer) sign(ctx context.Context, info Info, at int64, end []byte, signer crypto.Signer, cert *x509.Certificate) (Info, error) {
	h := sha256.New()
	in := io.NewSectionReader(w.f, 0, at)
	if n, err := io.CopyBuffer(contextWriter{ctx, h}, in, make([]byte, 1<<20)); err != nil || n != at {
		return Info{}, fmt.Errorf("cannot sign package: read back %d of %d bytes: %w", n, at, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	h.Write(end)
	block, err := signCMS(h.Sum(nil), signer, cert)
	if err != nil {
		return Info{}, err
	}
	comment := append([]byte(commentText), block...)
	start := len(block) + footerSize
	le := binary.LittleEndian
	comment = le.AppendUint16(comment, uint16(start))
	comment = le.AppendUint16(comment, 0xffff)
	size := len(comment) + 2
	comment = le.AppendUint16(comment, uint16(size))
	if size > 0xffff {
		return Info{}, fmt.Errorf("cannot sign package: the signature makes a comment of %d bytes, a zip has room for %d; use a smaller certificate", size, 0xffff)
	}
	tail := append(le.AppendUint16(nil, uint16(size)), comment...)
	// One in some billions of signatures; recovery would refuse it.
	if bytes.Contains(append([]byte{end[len(end)-2], end[len(end)-1]}, tail...), magicEOCD) {
		return Info{}, errors.New("cannot sign package: by chance the signature holds the bytes PK\\5\\6, which recovery refuses; change the package by a byte, such as its timestamp")
	}
	h.Write(tail)
	tail = append(end, tail...)
	if _, err := w.f.WriteAt(tail, at); err != nil {
		return Info{}, fmt.Errorf("cannot write package: %w", err)
	}
	info.Size = at + int64(len(tail))
	info.SHA256 = [32]byte(h.Sum(nil))
	return info, nil
}
