// Package rom turns stock firmware and layers into the images of a build.
package rom

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"io"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
)

// Input is all that a build depends on.
type Input struct {
	Snapshot   *osrepo.Snapshot
	Device     string
	Stock      catalog.Stock
	Version    string
	Blobs      *blob.Store
	AVB        *rsa.PrivateKey
	UpdateCert *x509.Certificate
	Progress   func(step string, done, total int64)
}

// Report says what a build is made of.
type Report struct {
	Owners map[string]string `json:"owners"` // "partition:path" -> layer, "stock" or "friday"
}

// AddStock takes in a vendor's A/B OTA zip.
func AddStock(ctx context.Context, blobs *blob.Store, r io.ReaderAt, size int64, codename string) (catalog.Stock, error) {
	panic("unwritten")
}

// Index returns the listing of the stock's files.
func Index(blobs *blob.Store, s catalog.Stock) (*tree.Index, error) { panic("unwritten") }

// Build makes the images of one device at one version.
func Build(ctx context.Context, in Input) (catalog.Build, *Report, error) { panic("unwritten") }
