package nest

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"strings"

	"github.com/fridayos/friday/android/bugreport"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// maxDirectory is the most bytes of a zip's directory, which is held in memory.
const maxDirectory = 16 << 20

func isZip(_ File, head []byte) bool { return isOne(head, "PK\x03\x04", "PK\x05\x06") }

// openZip reads a zip: a firmware, or an OTA package, which says more.
func openZip(ctx context.Context, n *Nest, f File) (*Opened, error) {
	end, err := checkDirectory(f)
	if err != nil {
		return nil, fmt.Errorf("cannot read zip: %w", err)
	}
	z, err := zip.NewReader(f.R, f.Size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("cannot read zip: %w", err)
	}
	if len(z.File) > MaxEntries {
		return nil, fmt.Errorf("cannot read zip: it has %d entries; %d are allowed", len(z.File), MaxEntries)
	}
	b := &folder{root: tree.NewDir(0o755, 0, 0)}
	for _, e := range z.File {
		b.add(strings.TrimSuffix(e.Name, "/"), zipNode(n, f, e))
	}
	o := &Opened{Root: b.root, Problems: b.problems, Facts: map[string]any{"entries": len(z.File)}}
	if z.Comment != "" && !strings.Contains(z.Comment, "\xff\xff") {
		o.Facts["comment"] = z.Comment
	}
	o.Verify = func(ctx context.Context, report func(string, error)) error { return verifyZip(ctx, z, report) }
	addTail(f, o, end, "zip")
	addBlockImages(ctx, n, o, f)
	if b.root.Lookup(otazip.NameMetadata) != nil || b.root.Lookup(otazip.NameOTACert) != nil {
		openOTA(f, o)
	}
	openBugreport(o)
	return o, nil
}

// maxReportHead is how much of a bugreport is read for what it is of: that stands
// at its beginning.
const maxReportHead = 256 << 10

// openBugreport adds what a bugreport is of.
func openBugreport(o *Opened) {
	var text *tree.Node
	for _, e := range o.Root.Entries {
		if e.Node.Type == tree.Regular && strings.HasPrefix(e.Name, "bugreport") && strings.HasSuffix(e.Name, ".txt") && (text == nil || e.Node.Size > text.Size) {
			text = e.Node
		}
	}
	if text == nil {
		return
	}
	b := make([]byte, min(text.Size, maxReportHead))
	if firstBytes(text.Content, b) != nil {
		return // what reads it will say so
	}
	r, err := bugreport.Read(bytes.NewReader(b), int64(len(b)), bugreport.Options{})
	if err != nil || r.Fingerprint == "" && r.Build == "" {
		return
	}
	o.Format = "bugreport"
	set(o.Facts, "device", r.Device)
	set(o.Facts, "model", r.Model)
	set(o.Facts, "fingerprint", r.Fingerprint)
	set(o.Facts, "build", r.Build)
	set(o.Facts, "android", r.Android)
	set(o.Facts, "security_patch", r.PatchLevel)
	set(o.Facts, "kernel", r.Kernel)
	set(o.Facts, "taken", r.Taken)
}

// checkDirectory refuses a directory that would take much memory, and returns
// where the zip ends.
func checkDirectory(f File) (end int64, err error) {
	n := min(f.Size, 22+65535)
	b := make([]byte, n)
	if err := tree.ReadFull(f.R, b, f.Size-n); err != nil {
		return 0, err
	}
	i := bytes.LastIndex(b, []byte("PK\x05\x06"))
	if i < 0 || len(b)-i < 22 {
		return 0, fmt.Errorf("expected the end of a directory in the last %d bytes, found none", n)
	}
	size := uint64(binary.LittleEndian.Uint32(b[i+12:]))
	if size == 0xffffffff && i >= 20 { // then in the record that the locator names
		at := int64(binary.LittleEndian.Uint64(b[i-12:]))
		r := make([]byte, 48)
		if at < 0 || at > f.Size-48 {
			return 0, fmt.Errorf("byte %d: place of the zip64 record: expected one in the file, found %d", f.Size-n+int64(i)-12, at)
		}
		if err := tree.ReadFull(f.R, r, at); err != nil {
			return 0, err
		}
		size = binary.LittleEndian.Uint64(r[40:])
	}
	if size > maxDirectory {
		return 0, fmt.Errorf("byte %d: size of the directory: expected at most %d, found %d", f.Size-n+int64(i)+12, maxDirectory, size)
	}
	return f.Size - n + int64(i) + 22 + int64(binary.LittleEndian.Uint16(b[i+20:])), nil
}

// zipNode is an entry; content is unpacked when it is read.
func zipNode(n *Nest, f File, e *zip.File) *tree.Node {
	node := &tree.Node{Perm: uint16(e.Mode().Perm()), MTime: e.Modified.Unix()}
	if node.MTime < 0 {
		node.MTime = 0
	}
	if strings.HasSuffix(e.Name, "/") {
		node.Type = tree.Directory
		return node
	}
	node.Size = int64(e.UncompressedSize64)
	if node.Size < 0 {
		node.Size, node.Content = 0, nil
		return node
	}
	if off, err := e.DataOffset(); err == nil && e.Method == zip.Store && e.Flags&1 == 0 && e.CompressedSize64 == e.UncompressedSize64 {
		node.Content = io.NewSectionReader(f.R, off, node.Size)
	} else {
		node.Content = &stream{n: n, size: node.Size, open: func() (io.ReadCloser, error) {
			if e.Flags&1 != 0 {
				return nil, fmt.Errorf("zip entry %q is encrypted", e.Name)
			}
			r, err := e.Open()
			if err != nil {
				return nil, fmt.Errorf("zip entry %q: %w", e.Name, err)
			}
			return r, nil
		}}
	}
	if e.Mode()&0o170000 == 0 && e.Mode().Type() != 0 && e.Mode().Type().String()[0] == 'L' && node.Size < 4096 {
		b := make([]byte, node.Size)
		if tree.ReadFull(node.Content, b, 0) == nil && len(b) > 0 && !bytes.ContainsRune(b, 0) {
			return &tree.Node{Type: tree.Symlink, Perm: 0o777, Target: string(b), MTime: node.MTime}
		}
	}
	return node
}

// verifyZip reads every entry and compares its CRC.
func verifyZip(ctx context.Context, z *zip.Reader, report func(string, error)) error {
	buf := make([]byte, 256<<10)
	for _, e := range z.File {
		if strings.HasSuffix(e.Name, "/") {
			continue
		}
		r, err := e.Open()
		if err == nil {
			h := &countedHash{Hash32: crc32.NewIEEE()}
			_, err = io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{&stoppable{ctx, r}}, buf)
			if err != nil {
				err = fmt.Errorf("at byte %d of the %d bytes that it should have: %w", h.n, e.UncompressedSize64, err)
			}
			err = errors.Join(err, r.Close())
			if err == nil && h.Sum32() != e.CRC32 {
				err = fmt.Errorf("expected CRC-32 %08x, found %08x", e.CRC32, h.Sum32())
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		report(fmt.Sprintf("zip: CRC-32 of %s", e.Name), err)
	}
	return nil
}

// countedHash knows how much it was given.
type countedHash struct {
	hash.Hash32
	n int64
}

func (h *countedHash) Write(b []byte) (int, error) {
	h.n += int64(len(b))
	return h.Hash32.Write(b)
}

// openOTA adds what an OTA package says of itself.
func openOTA(f File, o *Opened) {
	o.Format = "ota-zip"
	z, err := otazip.Open(f.R, f.Size)
	if err != nil {
		o.Problems = append(o.Problems, err.Error())
		return
	}
	m, err := z.Metadata()
	switch _, there := z.Lookup(otazip.NameMetadata); {
	case err != nil && there:
		o.Problems = append(o.Problems, err.Error())
	case err == nil:
		set(o.Facts, "type", m.OTAType)
		set(o.Facts, "device", strings.Join(m.PreDevice, ", "))
		set(o.Facts, "fingerprint", m.PostBuild)
		set(o.Facts, "from_fingerprint", m.PreBuild)
		set(o.Facts, "incremental", m.PostBuildIncremental)
		set(o.Facts, "security_patch", m.PostSecurityPatch)
		set(o.Facts, "sdk", m.PostSDKLevel)
		o.Facts["timestamp"] = m.PostTimestamp
		if m.Downgrade || m.SPLDowngrade || m.Wipe {
			o.Facts["wipe"], o.Facts["downgrade"] = m.Wipe, m.Downgrade || m.SPLDowngrade
		}
	}
	cert := ownCertificate(z)
	crcs := o.Verify
	o.Verify = func(ctx context.Context, report func(string, error)) error {
		if cert != nil {
			_, err := otazip.Verify(f.R, f.Size, []*x509.Certificate{cert})
			report("ota: signature of the whole file, by the package's own certificate", err)
		}
		if err == nil {
			report("ota: property files", z.CheckPropertyFiles(m))
		}
		if p, err := z.Payload(); err == nil && cert != nil {
			if pl, err := payload.Open(p, p.Size()); err == nil {
				report("ota: signatures of the payload, by the package's own certificate", pl.Verify(cert.PublicKey))
			}
		}
		return crcs(ctx, report)
	}
}

// ownCertificate is the certificate that a package says it is signed with.
func ownCertificate(z *otazip.Zip) *x509.Certificate {
	b, err := z.ReadFile(otazip.NameOTACert)
	if err != nil {
		return nil
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	return c
}

// set adds a fact that is known.
func set(facts map[string]any, key, value string) {
	if value != "" {
		facts[key] = value
	}
}
