package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
)

// ErrNotFound is in the error of every lookup that found nothing.
var ErrNotFound = errors.New("not in the catalogue")

// ErrOther is in the error of putting in a fact whose name another one has.
var ErrOther = errors.New("the catalogue holds another one by this name, and its facts do not change")

func found[T any](one T, err error, noun, name string) (T, error) {
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find %s %q: %w", noun, name, ErrNotFound)
	}
	return one, err
}

// putOnce inserts a row; when its key is taken, the row there must say the same.
func putOnce[T any](tx *db.Tx, want T, get func() (T, error), noun, name, insert string, args ...any) error {
	n, err := tx.Exec(insert+" ON CONFLICT DO NOTHING", args...)
	if err != nil || n == 1 {
		return err
	}
	have, err := get()
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(have, want) {
		return fmt.Errorf("cannot put %s %q: %w", noun, name, ErrOther)
	}
	return nil
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // partitions and numbers: nothing that JSON refuses
		panic(err)
	}
	return string(b)
}

func digests(pairs ...any) error {
	for i := 0; i < len(pairs); i += 2 {
		text, into := pairs[i].(string), pairs[i+1].(*blob.Digest)
		if err := into.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("cannot read catalogue: %w", err)
		}
	}
	return nil
}

const stockColumns = "digest, device, fingerprint, incremental, patch_level, android, sdk, built_at, partitions, index_digest, added_at"

func scanStock(row db.Scanner) (s Stock, err error) {
	var digest, partitions, index string
	if err := row.Scan(&digest, &s.Device, &s.Fingerprint, &s.Incremental, &s.PatchLevel, &s.Release, &s.SDK, &s.Timestamp, &partitions, &index, &s.AddedAt); err != nil {
		return Stock{}, err
	}
	if err := json.Unmarshal([]byte(partitions), &s.Partitions); err != nil {
		return Stock{}, fmt.Errorf("cannot read stock %s: %w", digest, err)
	}
	return s, digests(digest, &s.Digest, index, &s.Index)
}

// PutStock adds s; adding it again changes nothing.
func PutStock(tx *db.Tx, s Stock) error {
	if s.Device == "" || len(s.Partitions) == 0 {
		return fmt.Errorf("cannot put stock %s: it has device %q and %d partitions, expected both", s.Digest, s.Device, len(s.Partitions))
	}
	s.AddedAt = time.Time{} // the first time counts
	return putOnce(tx, s, func() (Stock, error) {
		have, err := StockByDigest(tx, s.Digest)
		have.AddedAt = time.Time{}
		return have, err
	}, "stock", s.Digest.String(), "INSERT INTO stock ("+stockColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		s.Digest.String(), s.Device, s.Fingerprint, s.Incremental, s.PatchLevel, s.Release, s.SDK, s.Timestamp, encode(s.Partitions), s.Index.String(), tx.Now())
}

// StockByDigest returns the stock with the digest d.
func StockByDigest(tx *db.Tx, d blob.Digest) (Stock, error) {
	s, err := scanStock(tx.QueryRow("SELECT "+stockColumns+" FROM stock WHERE digest = $1", d.String()))
	return found(s, err, "stock", d.String())
}

// StockOf returns the newest stock of device: the one with the latest timestamp.
func StockOf(tx *db.Tx, device string) (Stock, error) {
	s, err := scanStock(tx.QueryRow("SELECT "+stockColumns+" FROM stock WHERE device = $1 ORDER BY built_at DESC, added_at DESC, digest LIMIT 1", device))
	return found(s, err, "stock of device", device)
}

// Stocks returns all stock of device, newest first; of all devices if it is empty.
func Stocks(tx *db.Tx, device string) ([]Stock, error) {
	return db.All(tx, scanStock, "SELECT "+stockColumns+" FROM stock WHERE device = $1 OR $1 = '' ORDER BY device, built_at DESC, added_at DESC, digest", device)
}

const buildColumns = "id, device, variant, version, commit_hash, fingerprint, incremental, patch_level, sdk, built_at, rollback_index, vbmeta_digest, stock, images, report, created_at"

func scanBuild(row db.Scanner) (b Build, err error) {
	var stock, images, report string
	var rollback int64
	if err := row.Scan(&b.ID, &b.Device, &b.Variant, &b.Version, &b.Commit, &b.Fingerprint, &b.Incremental, &b.PatchLevel, &b.SDK, &b.Timestamp,
		&rollback, &b.VBMetaDigest, &stock, &images, &report, &b.CreatedAt); err != nil {
		return Build{}, err
	}
	b.RollbackIndex = uint64(rollback)
	if err := json.Unmarshal([]byte(images), &b.Images); err != nil {
		return Build{}, fmt.Errorf("cannot read build %s: %w", b.ID, err)
	}
	return b, digests(stock, &b.Stock, report, &b.Report)
}

// PutBuild adds b; adding it again changes nothing.
func PutBuild(tx *db.Tx, b Build) error {
	if err := b.check(); err != nil {
		return err
	}
	if b.RollbackIndex > math.MaxInt64 {
		return fmt.Errorf("cannot put build %s: rollback index %d is above %d", b.ID, b.RollbackIndex, int64(math.MaxInt64))
	}
	b.CreatedAt = time.Time{}
	return putOnce(tx, b, func() (Build, error) {
		have, err := BuildByID(tx, b.ID)
		have.CreatedAt = time.Time{}
		return have, err
	}, "build", b.ID, "INSERT INTO builds ("+buildColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
		b.ID, b.Device, b.Variant, b.Version, b.Commit, b.Fingerprint, b.Incremental, b.PatchLevel, b.SDK, b.Timestamp,
		int64(b.RollbackIndex), b.VBMetaDigest, b.Stock.String(), encode(b.Images), b.Report.String(), tx.Now())
}

// BuildByID returns one build.
func BuildByID(tx *db.Tx, id string) (Build, error) {
	b, err := scanBuild(tx.QueryRow("SELECT "+buildColumns+" FROM builds WHERE id = $1", id))
	return found(b, err, "build", id)
}

// BuildByIncremental returns the newest build of device that calls itself
// incremental.
func BuildByIncremental(tx *db.Tx, device, incremental string) (Build, error) {
	b, err := scanBuild(tx.QueryRow("SELECT "+buildColumns+" FROM builds WHERE device = $1 AND incremental = $2 ORDER BY created_at DESC, id LIMIT 1", device, incremental))
	return found(b, err, "build of "+device, incremental)
}

// Builds returns the builds of device, newest first; of all devices if it is
// empty.
func Builds(tx *db.Tx, device string) ([]Build, error) {
	return db.All(tx, scanBuild, "SELECT "+buildColumns+" FROM builds WHERE device = $1 OR $1 = '' ORDER BY built_at DESC, created_at DESC, id", device)
}

// LaidBefore is the build whose layout maps one of that version keeps to: of those of
// its device the newest that has any, is of another version, and was there before
// any build of this one, so that a build made again finds the same. nil: there is
// none.
func LaidBefore(builds []Build, version string) *Build {
	var limit time.Time
	for _, b := range builds {
		if b.Version == version && (limit.IsZero() || b.CreatedAt.Before(limit)) {
			limit = b.CreatedAt
		}
	}
	var found *Build
	for i, b := range builds {
		laid := slices.ContainsFunc(b.Images, func(p Partition) bool { return !p.Layout.IsZero() })
		if !laid || b.Version == version || !limit.IsZero() && !b.CreatedAt.Before(limit) {
			continue
		}
		if found == nil || b.CreatedAt.After(found.CreatedAt) {
			found = &builds[i]
		}
	}
	return found
}

const packageColumns = "digest, size, kind, device, from_build, to_build, file, payload_offset, payload_size, properties, property_files, proven_at"

func scanPackage(row db.Scanner) (p Package, err error) {
	var digest string
	if err := row.Scan(&digest, &p.Size, &p.Kind, &p.Device, &p.From, &p.To, &p.File, &p.PayloadOffset, &p.PayloadSize, &p.Properties, &p.PropertyFiles, &p.ProvenAt); err != nil {
		return Package{}, err
	}
	return p, digests(digest, &p.Digest)
}

// PutPackage adds a proven package; adding it again changes nothing.
func PutPackage(tx *db.Tx, p Package) error {
	if err := p.check(); err != nil {
		return err
	}
	proven := p.ProvenAt
	p.ProvenAt = time.Time{}
	return putOnce(tx, p, func() (Package, error) {
		have, err := PackageByDigest(tx, p.Digest)
		have.ProvenAt = time.Time{}
		return have, err
	}, "package", p.Digest.String(), "INSERT INTO packages ("+packageColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		p.Digest.String(), p.Size, p.Kind, p.Device, p.From, p.To, p.File, p.PayloadOffset, p.PayloadSize, p.Properties, p.PropertyFiles, proven)
}

// PackageByDigest returns one package.
func PackageByDigest(tx *db.Tx, d blob.Digest) (Package, error) {
	p, err := scanPackage(tx.QueryRow("SELECT "+packageColumns+" FROM packages WHERE digest = $1", d.String()))
	return found(p, err, "package", d.String())
}

// PackagesTo returns the packages that lead to a build, the full one first,
// then the newest.
func PackagesTo(tx *db.Tx, build string) ([]Package, error) {
	return db.All(tx, scanPackage, "SELECT "+packageColumns+" FROM packages WHERE to_build = $1 ORDER BY kind, proven_at DESC, digest", build)
}

// Packages returns all packages.
func Packages(tx *db.Tx) ([]Package, error) {
	return db.All(tx, scanPackage, "SELECT "+packageColumns+" FROM packages ORDER BY to_build, kind, proven_at DESC, digest")
}

func scanRelease(row db.Scanner) (r Release, err error) {
	var fixes string
	if err := row.Scan(&r.Name, &r.Commit, &fixes, &r.Notes, &r.CutAt); err != nil {
		return Release{}, err
	}
	if err := json.Unmarshal([]byte(fixes), &r.Fixes); err != nil {
		return Release{}, fmt.Errorf("cannot read release %s: %w", r.Name, err)
	}
	return r, nil
}

const releaseColumns = "name, commit_hash, fixes, notes, cut_at"

// PutRelease adds r with the builds that it has so far.
func PutRelease(tx *db.Tx, r Release) error {
	if r.Name == "" || r.Commit == "" {
		return fmt.Errorf("cannot put release %q of commit %q: both must be given", r.Name, r.Commit)
	}
	builds := r.Builds
	r.Builds, r.CutAt = nil, time.Time{}
	r.Fixes = append([]int64{}, r.Fixes...)
	err := putOnce(tx, r, func() (Release, error) {
		have, err := scanRelease(tx.QueryRow("SELECT "+releaseColumns+" FROM releases WHERE name = $1", r.Name))
		have.CutAt = time.Time{}
		return have, err
	}, "release", r.Name, "INSERT INTO releases ("+releaseColumns+") VALUES ($1, $2, $3, $4, $5)",
		r.Name, r.Commit, encode(r.Fixes), r.Notes, tx.Now())
	if err != nil {
		return err
	}
	for device, build := range builds {
		if err := PutReleaseBuild(tx, r.Name, device, build); err != nil {
			return err
		}
	}
	return nil
}

// PutReleaseBuild adds the build of one device to a release.
func PutReleaseBuild(tx *db.Tx, release, device, build string) error {
	return putOnce(tx, build, func() (have string, err error) {
		err = tx.QueryRow("SELECT build FROM release_builds WHERE release = $1 AND device = $2", release, device).Scan(&have)
		return have, err
	}, "build of "+device+" in release", release,
		"INSERT INTO release_builds (release, device, build) VALUES ($1, $2, $3)", release, device, build)
}

// ReleaseByName returns one release with its builds.
func ReleaseByName(tx *db.Tx, name string) (Release, error) {
	r, err := scanRelease(tx.QueryRow("SELECT "+releaseColumns+" FROM releases WHERE name = $1", name))
	if r, err = found(r, err, "release", name); err != nil {
		return Release{}, err
	}
	all := []Release{r}
	err = addBuilds(tx, all)
	return all[0], err
}

// Releases returns the newest releases first, at most limit of them.
func Releases(tx *db.Tx, limit int) ([]Release, error) {
	all, err := db.All(tx, scanRelease, "SELECT "+releaseColumns+" FROM releases ORDER BY cut_at DESC, name DESC LIMIT $1", limit)
	if err != nil {
		return nil, err
	}
	return all, addBuilds(tx, all)
}

func addBuilds(tx *db.Tx, releases []Release) error {
	for i := range releases {
		releases[i].Builds = map[string]string{}
		rows, err := tx.Query("SELECT device, build FROM release_builds WHERE release = $1", releases[i].Name)
		if err != nil {
			return err
		}
		for rows.Next() {
			var device, build string
			if err := rows.Scan(&device, &build); err != nil {
				rows.Close()
				return err
			}
			releases[i].Builds[device] = build
		}
		if err := rows.Err(); err != nil {
			return err
		}
	}
	return nil
}

// Devices names the devices that r has builds of, sorted.
func (r *Release) Devices() []string {
	var names []string
	for device := range r.Builds {
		names = append(names, device)
	}
	slices.Sort(names)
	return names
}
