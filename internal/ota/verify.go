package ota

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
)

// VerifyOptions of Verify.
type VerifyOptions struct {
	// Certs are trusted; with none, the zip is verified with the certificate it
	// carries itself, which shows that it is whole but not whose it is.
	Certs []*x509.Certificate
	// From are the old images. With them, or for a full package with Apply, the
	// payload is applied and every partition compared.
	From  []Image
	Apply bool
	ProveOptions
}

// Report is what Verify found out about a package.
type Report struct {
	Metadata   otazip.Metadata    `json:"metadata"`
	Signer     string             `json:"signer"`  // subject of the certificate
	Trusted    bool               `json:"trusted"` // the certificate was among those given
	Minor      uint32             `json:"minor_version"`
	Properties payload.Properties `json:"-"`
	Partitions []PartitionReport  `json:"partitions"`
}

// PartitionReport is one partition of a Report.
type PartitionReport struct {
	Name       string         `json:"name"`
	OldSize    int64          `json:"old_size,omitempty"`
	NewSize    int64          `json:"new_size"`
	SHA256     string         `json:"sha256"`
	Operations map[string]int `json:"operations"` // by type
	DataSize   int64          `json:"data_size"`  // bytes in the payload
	Applied    bool           `json:"applied"`    // applied, and the result compared
}

// Verify checks a package by whomever: both signatures, that its parts agree
// with each other, and, where it can be applied, that the result is what the
// payload promises.
func Verify(ctx context.Context, zip io.ReaderAt, size int64, o VerifyOptions) (*Report, error) {
	how := verify
	if isOneSlot(zip, size) {
		how = verifyOneSlot
	}
	r, err := how(ctx, zip, size, o)
	if err != nil {
		return r, fmt.Errorf("cannot verify package: %w", err)
	}
	return r, nil
}

func verify(ctx context.Context, zip io.ReaderAt, size int64, o VerifyOptions) (*Report, error) {
	c, err := openChecked(ctx, zip, size)
	if err != nil {
		return nil, err
	}
	certs := o.Certs
	if len(certs) == 0 {
		own, err := ownCert(c.zip)
		if err != nil {
			return nil, err
		}
		certs = []*x509.Certificate{own}
	}
	cert, err := otazip.Verify(zip, size, certs)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "cannot verify package: "))
	}
	if err := c.payload.Verify(cert.PublicKey); err != nil {
		return nil, err
	}
	m := c.payload.Manifest()
	r := &Report{Metadata: c.metadata, Signer: cert.Subject.String(), Trusted: len(o.Certs) > 0, Minor: m.MinorVersion, Properties: c.properties}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		pr := PartitionReport{Name: p.Name, OldSize: p.OldSize, NewSize: p.NewSize, SHA256: fmt.Sprintf("%x", p.NewSHA256), Operations: map[string]int{}}
		for _, op := range p.Operations {
			pr.Operations[op.Type.String()]++
			pr.DataSize += int64(op.DataLength)
		}
		if len(o.From) > 0 || o.Apply && m.Full() {
			if err := verifyByApplying(ctx, c.payload, p, o); err != nil {
				return r, err
			}
			pr.Applied = true
		}
		r.Partitions = append(r.Partitions, pr)
	}
	return r, nil
}

func verifyByApplying(ctx context.Context, p *payload.Payload, part *payload.Partition, o VerifyOptions) error {
	var old io.ReaderAt
	from := Side{Images: o.From}
	if part.OldSHA256 != nil {
		img := from.image(part.Name)
		if img == nil {
			return fmt.Errorf("partition %q starts from an old one, and none was given", part.Name)
		}
		if img.Size != part.OldSize || !bytes.Equal(img.SHA256[:], part.OldSHA256) {
			return fmt.Errorf("partition %q starts from %d bytes with SHA-256 %x, the one given has %d with %x; is it the right build to start from?", part.Name, part.OldSize, part.OldSHA256, img.Size, img.SHA256)
		}
		old = img.Content
	}
	return applyTo(ctx, p, part.Name, old, [32]byte(part.NewSHA256), o.ProveOptions)
}

// ownCert is the certificate that signapk puts beside the metadata.
func ownCert(z *otazip.Zip) (*x509.Certificate, error) {
	b, err := z.ReadFile(otazip.NameOTACert)
	if err != nil {
		return nil, fmt.Errorf("no certificate was given, and the zip carries none: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("no certificate was given, and %s is not one", otazip.NameOTACert)
	}
	return x509.ParseCertificate(block.Bytes)
}

// Extract takes the images out of a full package, by whomever, into blobs, and
// makes a Side of them, so that incrementals between other people's packages
// can be made. The package should have been verified before. Close closes the
// images; Build has no ID in the catalogue's sense but the one its images give.
func Extract(ctx context.Context, zip io.ReaderAt, size int64, blobs *blob.Store, workers int) (side Side, close func(), err error) {
	c, err := openChecked(ctx, zip, size)
	if err != nil {
		return Side{}, nil, fmt.Errorf("cannot extract package: %w", err)
	}
	m := c.payload.Manifest()
	if !m.Full() {
		return Side{}, nil, fmt.Errorf("cannot extract package: it is incremental (minor version %d), expected a full one", m.MinorVersion)
	}
	b := catalog.Build{
		Device: strings.Join(c.metadata.PreDevice, "|"), Version: c.metadata.PostBuildIncremental, Incremental: c.metadata.PostBuildIncremental,
		Fingerprint: c.metadata.PostBuild, PatchLevel: c.metadata.PostSecurityPatch, Timestamp: c.metadata.PostTimestamp,
	}
	for i := range m.Partitions {
		ref, err := extractPartition(ctx, c.payload, m.Partitions[i].Name, blobs, workers)
		if err != nil {
			return Side{}, nil, fmt.Errorf("cannot extract package: %w", err)
		}
		fs := ""
		if isErofs(blobs, ref) {
			fs = "erofs"
		}
		b.Images = append(b.Images, catalog.Partition{Name: m.Partitions[i].Name, FS: fs, Digest: ref.Digest, Size: ref.Size})
		if m.Partitions[i].Name == "vbmeta" {
			b.RollbackIndex = rollbackIndex(blobs, ref)
		}
	}
	b.ID = catalog.BuildID(b.Device, b.Version, b.Images)
	if side, close, err = Open(blobs, b); err == nil {
		side.Partial, side.Dynamic = m.Partial, m.Dynamic
	}
	return side, close, err
}

func extractPartition(ctx context.Context, p *payload.Payload, name string, blobs *blob.Store, workers int) (blob.Ref, error) {
	w, err := blobs.Create(ctx)
	if err != nil {
		return blob.Ref{}, err
	}
	defer w.Abort()
	if err := p.Apply(ctx, name, nil, w, payload.ApplyOptions{Workers: workers}); err != nil {
		return blob.Ref{}, err
	}
	return w.Commit()
}

// rollbackIndex is that of a vbmeta partition, or 0: what is no vbmeta forbids
// a phone nothing.
func rollbackIndex(blobs *blob.Store, ref blob.Ref) uint64 {
	b, err := blobs.OpenRef(ref)
	if err != nil {
		return 0
	}
	defer b.Close()
	s, err := avb.ReadStruct(b, ref.Size)
	if err != nil {
		return 0
	}
	v, err := avb.Parse(s)
	if err != nil {
		return 0
	}
	return v.RollbackIndex
}

// isErofs looks for erofs's magic number.
func isErofs(blobs *blob.Store, ref blob.Ref) bool {
	b, err := blobs.OpenRef(ref)
	if err != nil {
		return false
	}
	defer b.Close()
	var magic [4]byte
	_, err = b.ReadAt(magic[:], 1024)
	return err == nil && magic == [4]byte{0xe2, 0xe1, 0xf5, 0xe0}
}
