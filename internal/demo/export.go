package demo

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/keys"
)

// exportKeys writes the public halves of the release keys.
func (s *story) exportKeys() (certificate, avbKey string, err error) {
	ring, err := keys.Open(s.keys())
	if err != nil {
		return "", "", err
	}
	_, cert, err := ring.OTA()
	if err != nil {
		return "", "", err
	}
	avb, err := ring.AVB()
	if err != nil {
		return "", "", err
	}
	der, err := x509.MarshalPKIXPublicKey(&avb.PublicKey)
	if err != nil {
		return "", "", fmt.Errorf("cannot write AVB public key: %w", err)
	}
	certificate, avbKey = "ota.x509.pem", "avb.pub.pem"
	return certificate, avbKey, errors.Join(
		writePEM(s.path(certificate), "CERTIFICATE", cert.Raw),
		writePEM(s.path(avbKey), "PUBLIC KEY", der))
}

func writePEM(path, kind string, der []byte) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// exportRelease copies a release's packages and images out of the blobs.
func (s *story) exportRelease(ctx context.Context, release string, r *Report) error {
	blobs, err := blob.OpenReadOnly(filepath.Join(s.state(), "blobs"))
	if err != nil {
		return err
	}
	var build catalog.Build
	var packages []catalog.Package
	versions := map[string]string{"": ""} // of builds, by ID
	if err := s.read(ctx, func(tx *db.Tx) (err error) {
		if build, err = catalog.BuildByIncremental(tx, device, release); err != nil {
			return err
		}
		if packages, err = catalog.PackagesTo(tx, build.ID); err != nil {
			return err
		}
		for _, p := range packages {
			if p.From == "" {
				continue
			}
			from, err := catalog.BuildByID(tx, p.From)
			if err != nil {
				return err
			}
			versions[p.From] = from.Version
		}
		return nil
	}); err != nil {
		return err
	}
	for _, p := range packages {
		file := filepath.Join("packages", p.File)
		if err := s.export(blobs, p.Digest, file); err != nil {
			return err
		}
		r.Packages = append(r.Packages, ReportPackage{File: file, Kind: p.Kind, Device: p.Device,
			From: versions[p.From], To: build.Version, SHA256: p.Digest.String(), Size: p.Size})
	}
	r.Images[release] = map[string]string{}
	for _, im := range build.Images {
		file := filepath.Join("images", release, im.Name+".img")
		if err := s.export(blobs, im.Digest, file); err != nil {
			return err
		}
		r.Images[release][im.Name] = file
	}
	return nil
}

func (s *story) export(blobs *blob.Store, d blob.Digest, file string) (err error) {
	b, err := blobs.Open(d)
	if err != nil {
		return err
	}
	defer b.Close()
	path := s.path(file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, io.NewSectionReader(b, 0, b.Size()))
	return err
}
