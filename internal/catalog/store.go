package catalog

import (
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
)

// PutStock adds s; adding it again changes nothing.
func PutStock(tx *db.Tx, s Stock) error { panic("unwritten") }

// StockByDigest returns the stock with the digest d.
func StockByDigest(tx *db.Tx, d blob.Digest) (Stock, error) { panic("unwritten") }

// StockOf returns the newest stock of device: the one with the latest timestamp.
func StockOf(tx *db.Tx, device string) (Stock, error) { panic("unwritten") }

// Stocks returns all stock of device, newest first; of all devices if it is empty.
func Stocks(tx *db.Tx, device string) ([]Stock, error) { panic("unwritten") }

// PutBuild adds b; adding it again changes nothing.
func PutBuild(tx *db.Tx, b Build) error { panic("unwritten") }

// BuildByID returns one build.
func BuildByID(tx *db.Tx, id string) (Build, error) { panic("unwritten") }

// BuildByIncremental returns the newest build of device that calls itself
// incremental.
func BuildByIncremental(tx *db.Tx, device, incremental string) (Build, error) { panic("unwritten") }

// Builds returns the builds of device, newest first.
func Builds(tx *db.Tx, device string) ([]Build, error) { panic("unwritten") }

// PutPackage adds a proven package; adding it again changes nothing.
func PutPackage(tx *db.Tx, p Package) error { panic("unwritten") }

// PackageByDigest returns one package.
func PackageByDigest(tx *db.Tx, d blob.Digest) (Package, error) { panic("unwritten") }

// PackagesTo returns the packages that lead to a build, the full one first.
func PackagesTo(tx *db.Tx, build string) ([]Package, error) { panic("unwritten") }

// PutRelease adds r with the builds that it has so far.
func PutRelease(tx *db.Tx, r Release) error { panic("unwritten") }

// PutReleaseBuild adds the build of one device to a release.
func PutReleaseBuild(tx *db.Tx, release, device, build string) error { panic("unwritten") }

// ReleaseByName returns one release with its builds.
func ReleaseByName(tx *db.Tx, name string) (Release, error) { panic("unwritten") }

// Releases returns the newest releases first, at most limit of them.
func Releases(tx *db.Tx, limit int) ([]Release, error) { panic("unwritten") }

// ReleaseOfBuild returns the release that carries a build.
func ReleaseOfBuild(tx *db.Tx, build string) (Release, error) { panic("unwritten") }
