package catalog

import (
	"fmt"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
)

// Csig is what describes a package to Custota (android/csig): a blob of a few
// KiB that a worker signed. Of a package of which none can be made, Why says so,
// and Ref is zero.
type Csig struct {
	Package blob.Digest
	Ref     blob.Ref
	Why     string
}

// PutCsig adds what describes a package; a second one changes nothing.
func PutCsig(tx *db.Tx, c Csig) error {
	digest := ""
	if (c.Ref == blob.Ref{}) == (c.Why == "") {
		return fmt.Errorf("cannot put csig of package %s: expected its bytes or why there are none", c.Package)
	}
	if c.Why == "" {
		digest = c.Ref.Digest.String()
	}
	_, err := tx.Exec("INSERT INTO package_csigs (package, csig, size, why, added_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
		c.Package.String(), digest, c.Ref.Size, c.Why, tx.Now())
	return err
}

// CsigsTo returns what describes the packages that lead to a build, by package.
func CsigsTo(tx *db.Tx, build string) (map[blob.Digest]Csig, error) {
	all, err := db.All(tx, func(s db.Scanner) (c Csig, err error) {
		var pkg, csig string
		if err := s.Scan(&pkg, &csig, &c.Ref.Size, &c.Why); err != nil {
			return c, err
		}
		if c.Why != "" {
			return c, digests(pkg, &c.Package)
		}
		return c, digests(pkg, &c.Package, csig, &c.Ref.Digest)
	}, "SELECT c.package, c.csig, c.size, c.why FROM package_csigs c JOIN packages p ON p.digest = c.package WHERE p.to_build = $1", build)
	if err != nil {
		return nil, fmt.Errorf("cannot read csigs: %w", err)
	}
	by := make(map[blob.Digest]Csig, len(all))
	for _, c := range all {
		by[c.Package] = c
	}
	return by, nil
}
